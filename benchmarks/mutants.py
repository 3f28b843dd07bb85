"""How many planted mistakes the checks find, and whether they name them: a table.

    python benchmarks/mutants.py CASES [--json FILE] [--module NAME]... [--operator NAME]...

CASES is a folder of case files (functions marked with ``@pl_lint.case``) for modules that are known
to be healthy: your own, or public ones as they are. Each case is run first as it is. Then each
operator of ``tests/mutants/operators`` looks for its idiom in the class that the case builds, and
plants its mistake in a copy of that file; a copy takes the place of the original when the case
imports it, so nothing on disk is changed. The choice of places is the same in every run: of the
places that the original's run came by, the first that the operator prefers (``--each N``: N).
``--sample N`` takes N mutants of each case, those first whose operators were taken least so far.

What the originals fail with is a false alarm, unless ``known.json`` in CASES says why it is true:
``[{"case": "file::function", "check": ..., "code": ..., "why": ...}]``. A mutant is *caught* if a
check fails with something that the original does not fail with, and *attributed* if a code of the
operator's is among it. A mutant that raises in a plain Trainer is not counted: nobody needs a
check for it; nor is one that is *masked*, because the original has that mistake already. Some
operators need an idiom that the class lacks. They bring it healthy and sick, and
the healthy one is run as an original, too.

With ``--json`` every result is written as soon as it is known, and a second run with the same file
goes on where the first one stopped; ``--again missed`` (or ``caught``, ``raised``) runs those once
more. ``--list`` only lists the mutants. The checks that should see a mistake run first, and no
others once one of them has named it. ``--quick`` runs no more checks on originals than those that
failed on a mutant, so it says little about false alarms.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import itertools
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "mutants"))

from operators.registry import Operator, Twin, all_operators  # noqa: E402
from operators.shadow import shadow_case, traced_case  # noqa: E402
from operators.source import Source  # noqa: E402

from pl_lint.checks.registry import Verdict, all_checks  # noqa: E402
from pl_lint.config import Config  # noqa: E402
from pl_lint.findings import Finding, Location  # noqa: E402
from pl_lint.library import judged  # noqa: E402
from pl_lint.plugin.reading import ProjectReading  # noqa: E402
from pl_lint.runtime.battery import Battery  # noqa: E402
from pl_lint.runtime.failures import RunFailed  # noqa: E402
from pl_lint.runtime.isolation.runs import Runner  # noqa: E402
from pl_lint.runtime.specs import CaseRef  # noqa: E402

CRASH = "fast-dev-run"
"""The check whose failure says that a plain Trainer raises, mostly."""
DATA = re.compile(r"LightningDataModule|IterableDataset")
RAISED = re.compile(r"(the module|(trainer\.)?(fit|validate|test|predict)(\(\))?) raised ")
TIMEOUT = 60.0
Failures = dict[str, list[list[str]]]
"""By check: code, key and message of each finding that fails it."""


@dataclass
class Case:
    """A case of the corpus, the files whose code it runs, and what its own run said.

    ``sources`` begins with the file of the class; files with data modules follow, and the case's
    own, if it gives the Trainer a ModelCheckpoint as the project's script does.
    """

    file: Path
    function: str
    sources: list[tuple[Path, Source]] = field(default_factory=list)
    executed: Mapping[Path, frozenset[int]] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        return f"{self.file.stem}::{self.function}"

    def copy(self) -> Copy:
        path, source = self.sources[0]
        return Copy(self, path, source.text)


@dataclass(frozen=True)
class Copy:
    """A text in the place of one file of a case."""

    case: Case
    path: Path
    text: str

    @property
    def name(self) -> str:
        return f"{self.case.name} {_digest(self.text)}"


@dataclass(frozen=True)
class Mutant:
    """A twin of one file of a case, and the text of that file as it is."""

    path: Path
    text: str
    twin: Twin

    def sick(self, case: Case) -> Copy:
        return Copy(case, self.path, self.twin.source)

    def original(self, case: Case) -> Copy:
        """The healthy idiom that an operator brought, or the case as it is."""
        as_it_is = self.twin.original == self.text
        return case.copy() if as_it_is else Copy(case, self.path, self.twin.original)


@dataclass
class Bench:
    """One Runner for everything, a folder for the copies, and what is known already."""

    runner: Runner
    folder: Path
    cases: Path
    known: Sequence[Mapping[str, str]]
    results: dict[str, dict[str, Any]]
    json_file: Path | None
    arguments: argparse.Namespace

    # --- originals --------------------------------------------------------------------------------

    def original(self, case: Case) -> None:
        """Where a case's class stands and which lines it runs, remembered with the results."""
        name = f"{case.name} lines {_digest(case.file.read_text(encoding='utf-8'))}"
        if name not in self.results:
            self._trace(case, name)
        seen = self.results.get(name)
        if seen is None:
            return
        case.executed = {Path(path): frozenset(lines) for path, lines in seen["lines"].items()}
        own = Path(seen["path"])
        paths = [
            own,
            *sorted(path for path in case.executed if path.is_file() and self._is_more(path, own)),
        ]
        for path in paths:
            source = Source(path.read_text(encoding="utf-8"), seen["class"] * (path == own))
            case.sources.append((path, source))

    def _trace(self, case: Case, name: str) -> None:
        """Run a case as it is, and write down what it comes by."""
        trace = self.folder / f"lines_{case.file.stem}_{case.function}.txt"
        file = self.folder / f"traced_{case.file.stem}_{case.function}.py"
        file.write_text(traced_case(case.file, case.function, trace), encoding="utf-8")
        battery = self._battery(CaseRef(str(file), case.function))
        try:
            facts = battery.case()
            battery.fit()
        except RunFailed as failure:
            case.error = str(failure).splitlines()[0]
            return
        own = (self.runner.root / facts.path).resolve()
        lines = {
            str(path): sorted(found)
            for path, found in _lines(trace).items()
            if path == own or "site-packages" not in path.parts
        }
        class_name = facts.module.rpartition(".")[2]
        self.keep(name, {"path": str(own), "class": class_name, "lines": lines})

    def _is_more(self, path: Path, own: Path) -> bool:
        """Whether a file has a data module, or is the case and gives the Trainer a checkpoint."""
        if path == own or path.suffix != ".py":
            return False
        text = path.read_text(encoding="utf-8")
        is_case = path.is_relative_to(self.cases)
        return "ModelCheckpoint(" in text if is_case else bool(DATA.search(text))

    def healthy(self, copy: Copy, checks: Iterable[str]) -> Failures:
        """What checks say of a healthy text, from the file of results as far as it is there."""
        row = self.results.setdefault(copy.name, {"original": copy.case.name, "failures": {}})
        known: Failures = row["failures"]
        asked = [check for check in checks if check not in known]
        for check in asked:
            known[check] = self._fails(copy, check)
        if asked:
            self.keep(copy.name, row)
        return {check: rows for check, rows in known.items() if rows}

    # --- mutants ----------------------------------------------------------------------------------

    def mutants(self, case: Case) -> Iterator[Mutant]:
        for each in self._operators():
            live = (
                Mutant(path, source.text, twin)
                for path, source in case.sources
                for twin in each.twins(source)
                if _is_live(twin, case.executed[path])
            )
            yield from itertools.islice(live, self.arguments.each)

    def _operators(self) -> Iterable[Operator]:
        wanted = set(self.arguments.operator or ())
        return [each for each in all_operators() if not wanted or {each.name, each.row} & wanted]

    def judge(self, case: Case, mutant: Mutant) -> None:
        name, twin = mutant_name(case, mutant), mutant.twin
        done = self.results.get(name)
        if done is not None and done["status"] not in (self.arguments.again or ()):
            return
        started = time.perf_counter()
        failures = self._new_failures(case, mutant)
        result = {
            "case": case.name,
            **{key: getattr(twin, key) for key in ("operator", "row", "note", "line", "codes")},
            "status": self._status(failures, case, mutant),
            "failures": failures,
            "seconds": round(time.perf_counter() - started, 2),
        }
        self.keep(name, result)

    def _status(self, failures: Failures, case: Case, mutant: Mutant) -> str:
        status = _status(failures, mutant.twin)
        if status != "missed":
            return status
        sick = mutant.sick(case)
        told = {check: self._fails(sick, check) for check in mutant.twin.checks}
        if _codes(told) & set(mutant.twin.codes):
            return "masked"
        # The healthy idiom may raise as well: the operator took a dict for a tensor, say.
        crashed = any(RAISED.match(message) for *_, message in self._fails(sick, CRASH))
        return "raised" if crashed else status

    def _new_failures(self, case: Case, mutant: Mutant) -> Failures:
        """What fails, beyond the original; no further than to the first that is named rightly."""
        sick, original = mutant.sick(case), mutant.original(case)
        failures: Failures = {}
        for check in _in_order(mutant.twin.checks):
            rows = self._fails(sick, check)
            if rows:
                failures |= _difference({check: rows}, self.healthy(original, [check]))
            if _codes(failures) & set(mutant.twin.codes):
                break
        return failures

    def judge_idiom(self, case: Case, mutant: Mutant) -> None:
        """What fails of the healthy idiom that an operator brought, beyond the original."""
        name = mutant_name(case, mutant)
        if mutant.twin.original == mutant.text or "false_alarms" in self.results[name]:
            return
        found = self.healthy(mutant.original(case), _names())
        alarms = _difference(found, self.healthy(case.copy(), _names()))
        self.keep(name, {**self.results[name], "false_alarms": alarms})

    def _fails(self, copy: Copy, check: str) -> list[list[str]]:
        """Code, key and message of what fails a check when ``copy`` is imported for its file."""
        twin = self.folder / copy.name.replace("::", "_").replace(" ", "_") / copy.path.name
        twin.parent.mkdir(exist_ok=True)
        twin.write_text(copy.text, encoding="utf-8")
        file = twin.parent / f"twin_{twin.parent.name}.py"
        case, path = copy.case, copy.path
        file.write_text(shadow_case(case.file, case.function, path, twin), encoding="utf-8")
        texts = {copy.text} if path == case.file else {copy.text, case.file.read_text("utf-8")}
        monitors = {pair for text in texts for pair in _monitors(text)}
        battery = self._battery(CaseRef(str(file), case.function), monitors)
        known = {each.name: each for each in all_checks()}
        result = judged(known[check], battery, Location(str(file), 1), case.function)
        failed = result.findings if result.verdict is Verdict.FAILED else ()
        return [_short(finding) for finding in failed if finding.counts_for_runner]

    def _battery(self, ref: CaseRef, monitors: Iterable[tuple[str, str]] = ()) -> Battery:
        return Battery(self.runner, ref, TIMEOUT, tuple(sorted(monitors)))

    def keep(self, name: str, result: dict[str, Any]) -> None:
        self.results[name] = result
        if self.json_file is not None:
            text = json.dumps(self.results, indent=1)
            self.json_file.write_text(text, encoding="utf-8")


# --- small ----------------------------------------------------------------------------------------


def _lines(trace: Path) -> dict[Path, frozenset[int]]:
    """The lines of each file that were executed, of what a run wrote down."""
    rows = trace.read_text(encoding="utf-8").splitlines() if trace.exists() else []
    found: dict[str, set[int]] = {}
    for row in rows:
        file, _, line = row.rpartition(":")
        found.setdefault(file, set()).add(int(line))
    files = {file: Path(file).resolve() for file in found if Path(file).is_file()}
    return {path: frozenset(found[file]) for file, path in files.items()}


def _monitors(text: str) -> list[tuple[str, str]]:
    """Key and mode of the checkpoints in a case, as ``pytest --pl-check`` would read them."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ModelCheckpoint"):
            given = {
                each.arg: each.value.value
                for each in node.keywords
                if isinstance(each.value, ast.Constant)
            }
            if isinstance(given.get("monitor"), str):
                found.append((given["monitor"], str(given.get("mode", "min"))))
    return found


def _is_live(twin: Twin, executed: frozenset[int]) -> bool:
    """Whether the run of the original came by everything that the mutant changes."""
    return all(executed & set(range(first, last + 1)) for first, last in twin.places)


def _names() -> list[str]:
    return [check.name for check in all_checks()]


def _in_order(first: Sequence[str]) -> list[str]:
    names = _names()
    return sorted(names, key=lambda name: (name != CRASH, name not in first, names.index(name)))


def _codes(failures: Failures) -> set[str]:
    return {code for rows in failures.values() for code, *_ in rows}


def _short(finding: Finding) -> list[str]:
    key = finding.key
    return [finding.code, key, finding.message[:300]]


def _difference(failures: Failures, baseline: Failures) -> Failures:
    """What fails here by another code or key than in the baseline."""
    old = {(check, code, key) for check, rows in baseline.items() for code, key, _ in rows}
    new = {
        check: [row for row in rows if (check, row[0], row[1]) not in old]
        for check, rows in failures.items()
    }
    return {check: rows for check, rows in new.items() if rows}


def _status(failures: Failures, twin: Twin) -> str:
    codes = _codes(failures)
    if codes & set(twin.codes):
        return "attributed"
    if any(RAISED.match(row[2]) for rows in failures.values() for row in rows):
        return "raised"
    return "caught" if codes else "missed"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def mutant_name(case: Case, mutant: Mutant) -> str:
    return f"{case.name} {mutant.twin.operator} {_digest(mutant.twin.source)}"


# --- the table ------------------------------------------------------------------------------------


def print_mutants(results: Iterable[Mapping[str, Any]]) -> None:
    for one in results:
        named = sorted({f"{c} {row[0]}" for c, rows in one["failures"].items() for row in rows})
        print(
            f"{one['case']:<34} {one['row']:<7}{one['operator']:<34}{one['status']:<11}"
            f"{', '.join(named)}"
        )


def print_summary(title: str, results: Sequence[Mapping[str, Any]], by: str) -> None:
    counted = [one for one in results if one["status"] not in ("raised", "masked")]
    print(f"\n{title:<40}{'mutants':>8}{'caught':>8}{'named':>8}{'missed':>8}{'raised':>8}")
    for name in [*sorted({one[by] for one in results}), "all"]:
        mine = [one for one in counted if name in (one[by], "all")]
        raised = sum(one["status"] == "raised" and name in (one[by], "all") for one in results)
        missed = sum(one["status"] == "missed" for one in mine)
        named = sum(one["status"] == "attributed" for one in mine)
        row = (len(mine), len(mine) - missed, named, missed, raised)
        print(f"{name:<40}" + "".join(f"{number:>8}" for number in row))
    if counted:
        caught = sum(one["status"] != "missed" for one in counted) / len(counted)
        named = sum(one["status"] == "attributed" for one in counted) / len(counted)
        print(f"caught {caught:.1%}, named rightly {named:.1%} of {len(counted)}")


def print_alarms(bench: Bench, cases: Sequence[Case], results: Sequence[Mapping[str, Any]]) -> None:
    """What fails on originals, and on the healthy idioms that operators brought."""
    print("\nfailures of the originals")
    for case in cases:
        if case.error:
            print(f"  {case.name}: cannot be run: {case.error}")
            continue
        checks = () if bench.arguments.quick else _names()
        for check, rows in bench.healthy(case.copy(), checks).items():
            for code, key, _ in rows:
                print(f"  {case.name} {check} {code} {key}: {_why(bench.known, case, check, code)}")
    print("\nfailures of the healthy idioms that operators brought")
    for one in results:
        for check, rows in one.get("false_alarms", {}).items():
            for code, key, message in rows:
                print(f"  {one['case']} {one['operator']} {check} {code} {key}: {message[:120]}")


def print_list(pairs: Iterable[tuple[Case, Mutant]]) -> None:
    for case, mutant in pairs:
        twin = mutant.twin
        print(f"{case.name:<34} {twin.row:<7}{twin.operator:<34}{twin.note}")


def _why(known: Sequence[Mapping[str, str]], case: Case, check: str, code: str) -> str:
    wanted = (case.name, check, code)
    reasons = [row["why"] for row in known if (row["case"], row["check"], row["code"]) == wanted]
    return f"true: {reasons[0]}" if reasons else "FALSE ALARM, or not judged yet"


# --- the command ----------------------------------------------------------------------------------


def main() -> None:
    arguments = _arguments()
    with _bench(arguments) as bench:
        cases = [case for case in _cases(arguments) if _is_wanted(case, arguments)]
        for case in cases:
            bench.original(case)
        found = {case.name: [*bench.mutants(case)] for case in cases}
        chosen = _sampled(found, arguments.sample) if arguments.sample else found
        pairs = [(case, mutant) for case in cases for mutant in chosen[case.name]]
        if arguments.list:
            print_list(pairs)
        else:
            measure(bench, cases, pairs)


def measure(bench: Bench, cases: Sequence[Case], pairs: Sequence[tuple[Case, Mutant]]) -> None:
    for case, mutant in pairs:
        bench.judge(case, mutant)
        print_mutants([bench.results[mutant_name(case, mutant)]])
        sys.stdout.flush()
    for case, mutant in () if bench.arguments.quick else pairs:
        bench.judge_idiom(case, mutant)
    names = dict.fromkeys(mutant_name(case, mutant) for case, mutant in pairs)
    results = [bench.results[name] for name in names]
    print_summary("by operator", results, "operator")
    print_summary("by module", results, "case")
    print_alarms(bench, cases, results)


def _sampled(found: Mapping[str, Sequence[Mutant]], size: int) -> dict[str, list[Mutant]]:
    """So many of each case, such that every operator gets its turn."""
    taken: Counter[str] = Counter()
    left = {name: list(mutants) for name, mutants in found.items()}
    chosen: dict[str, list[Mutant]] = {name: [] for name in found}
    for _ in range(size):
        for name, mutants in left.items():
            if mutants:
                best = min(mutants, key=lambda mutant: _turn(taken, name, mutant))
                mutants.remove(best)
                chosen[name].append(best)
                taken[best.twin.operator] += 1
    return chosen


def _turn(taken: Counter[str], case: str, mutant: Mutant) -> tuple[int, str]:
    return taken[mutant.twin.operator], _digest(case + mutant.twin.operator)


def _is_wanted(case: Case, arguments: argparse.Namespace) -> bool:
    wanted = {case.name, case.file.stem, case.function} & set(arguments.module or ())
    return bool(wanted) or not arguments.module


def _cases(arguments: argparse.Namespace) -> list[Case]:
    reading = ProjectReading([arguments.cases], Config(root=arguments.cases))
    return [Case(each.path, each.name) for each in reading.targets if each.is_case]


@contextmanager
def _bench(arguments: argparse.Namespace) -> Iterator[Bench]:
    known_file = arguments.cases / "known.json"
    known = json.loads(known_file.read_text("utf-8")) if known_file.exists() else []
    given = arguments.json
    results = json.loads(given.read_text("utf-8")) if given is not None and given.exists() else {}
    with tempfile.TemporaryDirectory(prefix="pl-lint-mutants-") as name:
        folder = Path(name).resolve()
        with Runner(folder / "runs", root=arguments.cases.parent) as runner:
            yield Bench(runner, folder, arguments.cases, known, results, given, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", type=lambda text: Path(text).resolve(), help="a folder of cases")
    parser.add_argument("--json", type=Path, help="where results are kept, and taken from")
    parser.add_argument("--module", action="append", help="a case: file::function, or either")
    parser.add_argument("--operator", action="append", help="an operator, or a row (LOG01)")
    parser.add_argument("--each", type=int, default=1, help="mutants of an operator in a class")
    parser.add_argument("--sample", type=int, help="so many mutants of each case")
    parser.add_argument("--again", action="append", help="run those with this status once more")
    parser.add_argument("--quick", action="store_true", help="no more of originals than it needs")
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
