"""Whether fixes keep their promises on other people's code.

    python benchmarks/fixes.py FOLDER... [--diff] [--default]

Every FOLDER is read as a project of its own, with every rule (with those that are on, with
``--default``), and mended in memory; no file is written. It prints a line for each rule: how many
of its findings have a fix, safe or not, how many are left after fixing though they had one, how
many findings of any rule came with the mended code. It fails where a law is broken:

- each fix alone, and all together, leave Python that can be parsed;
- no fix takes a comment, but of a statement that it deletes;
- lines that a fix does not name are the same, byte for byte;
- a second run finds nothing to fix, and changes nothing.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pl_lint.config import Config
from pl_lint.fixes import Applicability
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import Reading, read
from pl_lint.static.fixing.loop import Mended, mend
from pl_lint.static.fixing.opening import opened
from pl_lint.static.fixing.text import Document
from pl_lint.static.sources import Unreadable, read_bytes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "rules"))

from laws_of_fixes import broken_law


@dataclass
class Outcome:
    """What became of the fixes of all folders, by code."""

    safe: Counter[str] = field(default_factory=Counter)
    unsafe: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def config_for(root: Path, default: bool) -> Config:
    codes = () if default else tuple(rule.code for rule in all_rules())
    chosen = {"select": codes, "preview": True} if codes else {}
    return Config(root=root, unsafe_fixes=True, **chosen)  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    outcome = Outcome()
    for folder in options.folders:
        config = config_for(folder, options.default)
        before = read([folder], config, all_rules())
        mended = mend([folder], config, all_rules())
        if options.diff:
            print(mended.diff())
        _count(outcome, before, mended)
        outcome.broken += _broken_alone(before)
        outcome.broken += _broken_together(folder, config, mended)
    _print(outcome)
    return 1 if outcome.broken else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--diff", action="store_true", help="print what fixing changes")
    parser.add_argument("--default", action="store_true", help="only the rules that are on")
    return parser.parse_args(arguments)


# --- counting -------------------------------------------------------------------------------------


def _count(outcome: Outcome, before: Reading, mended: Mended) -> None:
    for finding in before.findings:
        if finding.fix is None:
            outcome.without[finding.code] += 1
        elif finding.fix.applicability is Applicability.SAFE:
            outcome.safe[finding.code] += 1
        else:
            outcome.unsafe[finding.code] += 1
    outcome.left.update(one.code for one in mended.reading.findings if one.fix)
    old = Counter(finding.code for finding in before.findings)
    outcome.new.update(Counter(one.code for one in mended.reading.findings) - old)


def _print(outcome: Outcome) -> None:
    names = ("safe", "unsafe", "without", "left", "new")
    print(f"{'rule':8}" + "".join(f"{name:>9}" for name in names))
    columns = [getattr(outcome, name) for name in names]
    for code in sorted(set().union(*columns)):
        print(f"{code:8}" + "".join(f"{column[code]:9}" for column in columns))
    print(f"{'all':8}" + "".join(f"{column.total():9}" for column in columns))
    print(f"laws broken: {len(outcome.broken)}")
    for line in outcome.broken:
        print(f"  {line}")


# --- the laws -------------------------------------------------------------------------------------


def _broken_alone(reading: Reading) -> Iterator[str]:
    """What is wrong with each fix, made by itself."""
    documents: dict[str, Document] = {}
    for finding in reading.findings:
        path = finding.location.path
        if finding.fix is None:
            continue
        if path not in documents:
            documents[path] = opened(Path(path), Path(path).read_bytes())
        problem = broken_law(documents[path], finding)
        if problem:
            yield f"{path}:{finding.location.line} {finding.code}: {problem}"


def _broken_together(folder: Path, config: Config, mended: Mended) -> Iterator[str]:
    """What is wrong with all fixes at once."""
    for path, document in mended.after.items():
        try:
            ast.parse(document.program)
        except SyntaxError as error:
            yield f"{path}: no Python after all fixes: {error}"
    for finding in mended.reading.findings:
        if finding.fix is not None and config.may_fix(finding):
            yield f"{finding.location.path}:{finding.location.line} {finding.code}: still to fix"

    def contents(path: Path) -> bytes | Unreadable:
        known = mended.after.get(path)
        return read_bytes(path) if known is None else known.data

    again = mend([folder], config, all_rules(), contents)
    yield from (f"{path}: a second run changes it" for path in again.after)


if __name__ == "__main__":
    sys.exit(main())
