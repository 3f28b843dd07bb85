"""Fixing until nothing is left to fix, all of it in memory; then files are replaced whole.

A fix may need another one first, or stand where another one stands: so the project is read again
after each pass. Nothing is written before the last pass, and each file is replaced in one step, so
that an interruption leaves every file either as it was or as it should be.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.fixes import Edit
from pl_lint.plain import frozen
from pl_lint.static.engine import AnyRule, Reading, read
from pl_lint.static.fixing.opening import opened
from pl_lint.static.fixing.text import Document
from pl_lint.static.sources import Contents, Unreadable, read_bytes, shown, tree_of

PASSES = 10
"""More than any chain of fixes; ends what would go back and forth."""


@frozen
class Mended:
    """What fixing did. ``reading`` is of the mended files; ``before`` has what they were."""

    reading: Reading
    fixed: tuple[Finding, ...]
    before: Mapping[Path, Document]
    after: Mapping[Path, Document]

    def diff(self) -> str:
        """All changes as one patch."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for path, document in sorted(self.after.items())
            for (part, old), (_, new) in zip(self.before[path].parts, document.parts, strict=True)
            for line in unified_diff(
                old.splitlines(keepends=True),
                new.splitlines(keepends=True),
                f"a/{path.as_posix()}{part}",
                f"b/{path.as_posix()}{part}",
            )
        )

    def write(self) -> None:
        """Replace the files; an OSError names the one that could not be."""
        for path, document in self.after.items():
            replace_file(path, document.data)


def mend(
    paths: Sequence[Path],
    config: Config,
    rules: Iterable[AnyRule],
    contents: Contents = read_bytes,
    only: Path | None = None,
) -> Mended:
    """Fix what ``rules`` find in ``paths``, as far as the settings allow; in one file only where
    ``only`` is given."""
    before: dict[Path, Document] = {}
    after: dict[Path, Document] = {}
    fixed: list[Finding] = []

    def current(path: Path) -> bytes | Unreadable:
        known = after.get(Path(shown(path)))  # as findings name it
        return contents(path) if known is None else known.data

    reading = read(paths, config, rules, current)
    for _ in range(PASSES):
        wanted = _wanted(reading, config, only)
        if not wanted:
            break
        for path, findings in wanted.items():
            data = current(path)
            assert isinstance(data, bytes)  # it was read a moment ago
            document = opened(path, data)
            mended, chosen = _applied(document, _compatible(findings))
            if chosen:
                before.setdefault(path, document)
                after[path] = mended
                fixed += chosen
        reading = read(paths, config, rules, current)
    return Mended(reading, tuple(fixed), before, after)


def _wanted(reading: Reading, config: Config, only: Path | None) -> dict[Path, list[Finding]]:
    """The findings whose fixes are to be made, by file."""
    able = (finding for finding in reading.findings if config.may_fix(finding))
    return _by_file(one for one in able if only is None or shown(only) == one.location.path)


def _by_file(findings: Iterable[Finding]) -> dict[Path, list[Finding]]:
    files: dict[Path, list[Finding]] = {}
    for finding in findings:
        files.setdefault(Path(finding.location.path), []).append(finding)
    return files


def _compatible(findings: Sequence[Finding]) -> list[Finding]:
    """The fixes that can be made at once; the others wait for the next pass."""
    chosen: list[Finding] = []
    taken: list[Edit] = []
    for finding in findings:
        edits = finding.fix.edits if finding.fix else ()
        if not any(one.touches(other) for one in edits for other in taken):
            chosen.append(finding)
            taken += edits
    return chosen


def _applied(document: Document, wanted: Sequence[Finding]) -> tuple[Document, Sequence[Finding]]:
    """The text with all fixes, and these; where together they make no Python, those that make
    some."""
    mended = document.edited(_edits(wanted))
    if _parses(mended):
        return mended, wanted
    able: list[Finding] = []
    for finding in wanted:
        if _parses(document.edited(_edits([*able, finding]))):
            able.append(finding)
    return document.edited(_edits(able)), able


def _edits(findings: Iterable[Finding]) -> list[Edit]:
    return [edit for finding in findings for edit in (finding.fix.edits if finding.fix else ())]


def _parses(document: Document) -> bool:
    try:
        tree_of(document.program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Give a file other contents in one step: whoever reads it sees the old or the new ones.

    The file behind a link is replaced, not the link; its permissions stay. A new file gets those
    that any new file gets.
    """
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _mode(target: Path) -> int:
    """The permissions of a file, or of one that is to be made."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
