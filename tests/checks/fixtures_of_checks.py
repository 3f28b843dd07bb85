"""Fixtures of checks, run for real: the sick ones are found, and the healthy ones not.

The expectation stands in the fixture's head: ``# expect: CHECK CODE key=KEY case=CASE``, with
``fail`` for a failure that has no code of the catalogue, and so carries its check's name, and the
name of another check where that one proves the cause; a healthy
file says ``# expect: passed``, or ``not triggered`` or ``not decided`` where its check has to say
that. The check is the one whose folder the file is in; ``# also: CHECK`` names another one, from
which the same is expected. ``# loggers: CLASS`` is a logger that the file's project builds;
``# needs: NAME``, of a module, class or method, or ``# needs: lightning>=2.6``, is what an older
Lightning has not, and ``# needs: bf16-kernels`` what older processors have not; a case may follow
(``case=twice``).
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import pytest
import torch

from pl_lint.checks.registry import Result, Verdict, all_checks
from pl_lint.facts.codec import from_json
from pl_lint.facts.records import SmokeRecord
from pl_lint.findings import Finding, Location, Status
from pl_lint.plugin.reading import Target
from pl_lint.runtime import kinds
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.failures import RunFailed, failure_of
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef, RunSpec
from pl_lint.runtime.versions import numbers

FIXTURES = Path(__file__).parents[2] / "fixtures" / "checks"
HEADER = re.compile(
    r"^# expect: (?P<check>\S+) (?P<code>LTN\d+|fail|training)"
    r"(?: key=(?P<key>\S+))?(?: case=(?P<case>\S+))?$",
    re.MULTILINE,
)
HEALTHY = re.compile(
    r"^# expect: (?P<verdict>passed|not triggered|not decided)(?: case=(?P<case>\S+))?$",
    re.MULTILINE,
)
LIMIT = re.compile(r"^# limit: (?P<seconds>\d+) s$", re.MULTILINE)
BUILT = re.compile(r"^# loggers: (\S+)$", re.MULTILINE)
NEEDS = re.compile(r"^# needs: (?P<what>\S+)(?: case=(?P<case>\S+))?$", re.MULTILINE)
ALSO = re.compile(r"^# also: (\S+)$", re.MULTILINE)
BF16_KERNELS = "bf16-kernels"
"""Without AVX-512 the CPU has none for an LSTM."""
TRYING = ("fast-dev-run", "precision", "loggers", "device")
"""The checks that ask which stages fail where each of them is tried."""
TIMEOUT = 30.0
"""Seconds for a run; a fixture that needs no more than a moment before it hangs says less."""


@dataclass(frozen=True)
class Expected:
    code: str
    key: str | None

    def met_by(self, finding: Finding) -> bool:
        """A key is that of the numbers, or a name in what is said where there are no numbers."""
        keys = {evidence.key for evidence in finding.evidence}
        right_key = self.key is None or self.key in keys or self.key in finding.message
        return right_key and self.code == finding.code


@dataclass(frozen=True)
class Fixture:
    """One case of one fixture file, and what its check must find in it."""

    check: str
    target: Target
    expected: tuple[Expected, ...]
    verdict: Verdict
    limit: float = TIMEOUT
    loggers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.check}/{self.target.path.stem}/{self.target.name}"


def fixtures(checks: Iterable[str]) -> Iterator[Fixture]:
    files = {name: [*(FIXTURES / name).glob("*.py"), *_also(name)] for name in checks}
    for path, name in sorted((path, name) for name, paths in files.items() for path in paths):
        yield from _fixtures_in(path, name)


def _also(check: str) -> Iterator[Path]:
    """Files of other checks that are judged by this one, too."""
    for path in FIXTURES.glob("*/*.py"):
        if check in ALSO.findall(path.read_text("utf-8")):
            yield path


def _fixtures_in(path: Path, check: str) -> Iterator[Fixture]:
    text = path.read_text("utf-8")
    found = [match.groupdict() for match in HEADER.finditer(text)]
    limit = LIMIT.search(text)
    seconds = float(limit["seconds"]) if limit else TIMEOUT
    built = tuple(BUILT.findall(text))
    named = {match["case"] for head in (HEADER, HEALTHY) for match in head.finditer(text)}
    targets = list(_targets(path, text, named))
    assert targets, f"{path} has no case"
    for target in targets:
        mine = [row for row in found if row["case"] in (None, target.name)]
        codes = (check if row["code"] == "fail" else row["code"] for row in mine)
        expected = tuple(map(Expected, codes, (row["key"] for row in mine)))
        needs = (m["what"] for m in NEEDS.finditer(text) if m["case"] in (None, target.name))
        verdict = verdict_of(path, target)
        yield Fixture(check, target, expected, verdict, seconds, built, tuple(needs))


def _targets(path: Path, text: str, named: set[str | None]) -> Iterator[Target]:
    """The cases of a file, and the classes that its head names. What a session would make of the
    file is the same, but takes reading it, which every worker would do for all files."""
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            marks = map(ast.unparse, node.decorator_list)
            is_case = any(mark.startswith("pl_lint.case") for mark in marks)
            if is_case or node.name in named:
                location = Location(str(path), node.lineno)
                yield Target(path, node.name, location, is_case, ())


def verdict_of(path: Path, target: Target) -> Verdict:
    """A healthy fixture says what its check must answer: one that could not fail proves nothing."""
    text = path.read_text("utf-8")
    healthy = [row for row in HEALTHY.finditer(text) if row["case"] in (None, target.name)]
    assert bool(healthy) == path.stem.startswith("healthy_"), f"{path} does not say what it is"
    return Verdict(healthy[0]["verdict"]) if healthy else Verdict.FAILED


@dataclass
class Declared(Battery):
    """Builds the case to hear what it declares; a session tries every stage for that, because one
    of its checks has to, which takes as long as a tenth of these tests."""

    def smoke(self) -> SmokeRecord:
        return self._declared

    @cached_property
    def _declared(self) -> SmokeRecord:
        spec = RunSpec(self.ref, SmokeRecord.program, timeout=self.timeout)
        outcome = self.runner.run({**spec.to_dict(), "entry": "declaring:declare"})
        if not outcome.finished:
            raise failure_of(outcome, kinds.SMOKE.owner)
        return from_json(SmokeRecord, outcome.records[0])


def judge(fixture: Fixture, runner: Runner, gpus: int = 0) -> Result:
    """The check's answer, as the plugin would give it."""
    check = next(each for each in all_checks() if each.name == fixture.check)
    target = fixture.target
    ref = CaseRef(str(target.path), target.name)
    made = Battery if check.name in TRYING else Declared
    battery = made(runner, ref, fixture.limit, loggers=fixture.loggers, cuda=gpus)
    try:
        return check(battery)
    except RunFailed as failure:
        assert failure.owner == check.name, failure
        finding = Finding(check.name, str(failure), target.location, Status.PROVED)
        return Result(Verdict.FAILED, findings=(finding,))


def assert_found(fixture: Fixture, runner: Runner) -> None:
    """The check finds what is there and nothing else, and says of the healthy what it should."""
    for name in fixture.needs:
        _require(name)
    result = judge(fixture, runner)
    failing = [finding for finding in result.findings if finding.counts_for_runner]
    missing = [row for row in fixture.expected if not any(map(row.met_by, failing))]
    unexpected = [f for f in failing if not any(row.met_by(f) for row in fixture.expected)]
    assert not missing, f"not found: {missing}; found: {failing}; {result.reason} {result.notes}"
    assert not unexpected, unexpected
    for finding in result.findings:
        compile(finding.script, f"the script of {fixture}", "exec")
    healthy = fixture.verdict is not Verdict.FAILED
    assert not healthy or result.verdict is fixture.verdict, (result.verdict, result.reason)


def _require(name: str) -> None:
    """Skip where the installed Lightning or the processor has no such thing."""
    if not _is_there(name):
        pytest.skip(f"there is no {name} here")


def _is_there(name: str) -> bool:
    if name == BF16_KERNELS:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    package, _, oldest = name.partition(">=")
    if oldest:
        return numbers(metadata.version(package)) >= numbers(oldest)
    try:
        return pkgutil.resolve_name(name) is not None
    except (ImportError, AttributeError):
        return False
