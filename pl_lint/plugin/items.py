"""The tree that pytest shows: file → module or case → check."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pl_lint.checks.registry import Check, Result, Verdict, all_checks
from pl_lint.findings import Finding, Status
from pl_lint.judging import judged
from pl_lint.plugin.declared import mistakes_in, stale_keys
from pl_lint.plugin.outcomes import ItemOutcome, State
from pl_lint.plugin.reading import Target
from pl_lint.plugin.reproducing import command, script_lines, with_scripts
from pl_lint.report.text import render_finding
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.failures import RunFailed
from pl_lint.runtime.isolation.runs import RunnerError
from pl_lint.static.sources import lines_of

if TYPE_CHECKING:
    from pl_lint.plugin.session import PlCheck

READING = "reading"
CASE_CHECK = "fast-dev-run"
"""The check that speaks for the case itself: what is wrong with it is said once, there."""
VALUES_CHECK = "logged-values"
# Not what is indented: `test_step` and `test_dataloader` are hooks of most LightningModules.
_TESTS = re.compile(r"^(async\s+)?(def test|class Test|class \w+\(.*TestCase)", re.MULTILINE)


class CheckFailure(Exception):
    """What a check or the reader found; rendered as the failure of its item."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


class NoTests(pytest.File):
    """Stands for a file in which pytest would look for tests, and import it for that, only because
    it was named on the command line. What is named for ``--pl-check`` is not imported here."""

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


def holds_tests(path: Path) -> bool:
    return bool(_TESTS.search("\n".join(lines_of(str(path)))))


class CheckedFile(pytest.File):
    """A file with Lightning code in it, beside pytest's own module node if it has one. Of notebooks
    and settings there is nothing but what reading says."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        yield ReadingItem.from_parent(self, name=READING)
        plugin: PlCheck = self.config.pluginmanager.get_plugin("pl-check")
        for target in plugin.project.targets:
            if target.path == self.path.resolve():
                node = CheckedModule.from_parent(self, name=target.name)
                node.target = target
                yield node


class CheckedModule(pytest.Collector):
    """One case, or one module class that is built with default arguments."""

    target: Target

    def collect(self) -> Iterator[pytest.Item]:
        for check in all_checks():
            item = CheckItem.from_parent(self, name=check.name)
            item.check = check
            yield item


class PlItem(pytest.Item):
    """What all items share: an outcome that travels with the report, findings as its failure."""

    outcome: ItemOutcome | None = None

    @property
    def plugin(self) -> PlCheck:
        plugin: PlCheck = self.config.pluginmanager.get_plugin("pl-check")
        return plugin

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, CheckFailure):
            return super().repr_failure(excinfo, style)
        findings = excinfo.value.findings
        texts = [render_finding(near(finding), lines_of) for finding in findings]
        again = f"reproduce: {command(self.path, *self.names)}"
        return "\n\n".join([*texts, again, *script_lines(findings, self.plugin.scripts)])

    @property
    def names(self) -> tuple[str, ...]:
        """What stands behind the file in the id of this item."""
        return (self.name,)

    def skip(self, state: State, reason: str) -> None:
        """The place of a skip is the item's own, not this line."""
        raise pytest.skip.Exception(f"{state.value}: {reason}", _use_item_location=True)

    def fail(self, *findings: Finding) -> None:
        self.outcome = ItemOutcome(State.FAILED, findings=findings)
        raise CheckFailure(findings)


class ReadingItem(PlItem):
    """Reading this file: what is certain without a run fails."""

    def runtest(self) -> None:
        path = self.path.resolve()
        broken = self.plugin.project.broken.get(path)
        if broken is not None:
            said = f"ends here: {broken.message}"
            self.fail(Finding(READING, said, broken.location, Status.CERTAIN))
        findings = self.plugin.project.findings_in(path)
        certain = tuple(finding for finding in findings if finding.status is Status.CERTAIN)
        if certain:
            self.fail(*certain)
        self.outcome = ItemOutcome(State.PASSED)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.path.name}: reading"


class CheckItem(PlItem):
    """One check of one module."""

    check: Check
    parent: CheckedModule

    @property
    def target(self) -> Target:
        return self.parent.target

    @property
    def battery(self) -> Battery:
        return self.plugin.battery(self.target)

    @property
    def names(self) -> tuple[str, ...]:
        return self.target.name, self.name

    @functools.cached_property
    def question(self) -> Callable[[], Result]:
        """What this item asks; the same one whether it is asked ahead or now."""
        place, name = self.target.location, self.target.name
        return functools.partial(judged, self.check, self.battery, place, name)

    def runtest(self) -> None:
        try:
            self._require_built()
            self._require_a_sound_case()
            self._require_data()
            result = self.plugin.ahead.answer(self.question)
        except RunnerError as error:
            pytest.exit(f"pl-check: {error}", pytest.ExitCode.USAGE_ERROR)
        self._report(result)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        line = self.target.location.line - 1
        return self.path, line, f"{self.target.name}: {self.check.name}"

    def _require_built(self) -> None:
        """A class without a case is tried with default arguments; if that does not work it is no
        fault of the class, and the report says what to add."""
        reason = "" if self.target.is_case else self.plugin.cannot_run(self.target)
        if reason:
            self._leave(reason)

    def _require_data(self) -> None:
        """A case without data for any step has nothing to be judged on; one that breaks off before
        that is told of by the check whose business it is."""
        case = self.battery.declared()
        if self.target.is_case and case is not None and not case.stages:
            self._leave("the case brings no data: return (module, data)")

    def _leave(self, reason: str) -> None:
        """Say why the module is not run; where all have to be, and it has no excuse, that
        fails, once for all checks of the module."""
        excuse = self.target.excuse
        told_by = self.check.name
        if self.plugin.requires_all and not excuse:
            told_by = self.plugin.unrun.setdefault(self.target.key, told_by)
            if told_by == self.check.name:
                found = self._finding(f"{self.target.name} was not run: {reason}")
                self.outcome = ItemOutcome(State.FAILED, findings=(found,), unbuilt=reason)
                raise CheckFailure((found,))
        reason = f"{reason}; it needs no case: {excuse}" if excuse else reason
        self.outcome = ItemOutcome(State.NOT_BUILT, reason)
        self.skip(State.NOT_BUILT, reason if told_by == self.check.name else f"see {told_by}")

    def _require_a_sound_case(self) -> None:
        case = self.battery.declared()
        mistakes = mistakes_in(case) if case is not None else []
        if mistakes and self.check.name == CASE_CHECK:
            self.fail(*map(self._finding, mistakes))
        if mistakes:
            reason = f"the case is not sound; see {CASE_CHECK}"
            self.outcome = ItemOutcome(State.NOT_DECIDED, reason)
            self.skip(State.NOT_DECIDED, reason)

    def _finding(self, text: str) -> Finding:
        name, place = self.target.name, self.target.location
        return Finding(self.check.name, text, place, Status.CERTAIN, subject=name)

    def _report(self, result: Result) -> None:
        expected = self._expected_reason()
        if result.verdict is Verdict.FAILED:
            if self.check.name == VALUES_CHECK:
                place, name = self.target.location, self.target.name
                result = with_scripts(result, self.battery, place, name)
            self._report_failure(result, expected)
        if expected and result.verdict is Verdict.PASSED:
            text = f"was expected to fail ({expected}) and passes; "
            self.fail(self._finding(f"{text}take it out of expected_failures"))
        self.outcome = ItemOutcome.of(State(result.verdict.value), result, notes=self._stale())
        if result.verdict is not Verdict.PASSED:
            self.skip(self.outcome.state, result.reason)

    def _report_failure(self, result: Result, expected: str) -> None:
        state = State.EXPECTED if expected else State.FAILED
        self.outcome = ItemOutcome.of(state, result, expected, notes=self._stale())
        if expected:
            pytest.xfail(expected)
        raise CheckFailure(tuple(f for f in result.findings if f.counts_for_runner))

    def _stale(self) -> tuple[str, ...]:
        """Declarations about logged values are held against what was logged, once per case."""
        try:
            return stale_keys(self.battery) if self.check.name == VALUES_CHECK else ()
        except RunFailed:
            return ()

    def _expected_reason(self) -> str:
        case = self.battery.declared()
        return case.expected_failures.get(self.check.name, "") if case is not None else ""


def near(finding: Finding) -> Finding:
    """The finding with its path as people type it."""
    path = Path(finding.location.path)
    if not path.is_absolute() or not path.is_relative_to(Path.cwd()):
        return finding
    location = dataclasses.replace(finding.location, path=path.relative_to(Path.cwd()).as_posix())
    return dataclasses.replace(finding, location=location)
