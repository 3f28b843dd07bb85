"""The tree that pytest shows: file → module or case → check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pl_lint.checks.registry import Check, Result, Verdict, all_checks
from pl_lint.findings import Finding, Status
from pl_lint.join import decide, proved
from pl_lint.plugin.outcomes import ItemOutcome, State
from pl_lint.plugin.reading import Target
from pl_lint.report.text import render_finding
from pl_lint.runtime.battery import Battery, RunFailed
from pl_lint.static.sources import lines_of

if TYPE_CHECKING:
    from pl_lint.plugin.session import PlCheck

READING = "reading"


class CheckFailure(Exception):
    """What a check or the reader found; rendered as the failure of its item."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


class CheckedFile(pytest.File):
    """A source file with Lightning code in it, beside pytest's own module node if it has one."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        yield ReadingItem.from_parent(self, name=READING)
        plugin: PlCheck = self.config.pluginmanager.get_plugin("pl-check")
        for target in plugin.project.targets:
            if target.path == self.path:
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
    """What all items share: an outcome that travels with the report, and findings as its failure."""

    outcome: ItemOutcome | None = None

    @property
    def plugin(self) -> PlCheck:
        plugin: PlCheck = self.config.pluginmanager.get_plugin("pl-check")
        return plugin

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, CheckFailure):
            return super().repr_failure(excinfo, style)
        texts = [render_finding(_near(f), lines_of) for f in excinfo.value.findings]
        return "\n\n".join([*texts, f'reproduce: pytest --pl-check "{self.nodeid}"'])

    def skip(self, state: State, reason: str) -> None:
        self.outcome = ItemOutcome(state, reason)
        pytest.skip(f"{state.value}: {reason}")


class ReadingItem(PlItem):
    """Reading this file: what is certain without a run fails."""

    def runtest(self) -> None:
        findings = self.plugin.project.findings_in(self.path)
        certain = tuple(finding for finding in findings if finding.status is Status.CERTAIN)
        state = State.FAILED if certain else State.PASSED
        self.outcome = ItemOutcome(state, findings=certain)
        if certain:
            raise CheckFailure(certain)

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

    def runtest(self) -> None:
        self._require_built()
        try:
            result = self.check(self.battery)
        except RunFailed as failure:
            result = self._failed_run(failure)
        self._report(result)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        line = self.target.location.line - 1
        return self.path, line, f"{self.target.name}: {self.check.name}"

    def _require_built(self) -> None:
        """A class without a case is tried with default arguments; if that does not work it is no
        fault of the class, and the report says what to add."""
        if self.target.is_case:
            return
        reason = self.plugin.cannot_run(self.target)
        if not reason:
            return
        if self.plugin.requires_all:
            location = self.target.location
            text = f"{self.target.name} was not run: {reason}"
            self._fail((Finding(self.check.name, text, location, Status.PROVED, subject=self.target.name),))
        self.skip(State.NOT_BUILT, reason)

    def _failed_run(self, failure: RunFailed) -> Result:
        """A run that broke off fails the check whose business it is; the others cannot say."""
        if failure.owner != self.check.name:
            reason = f"the run failed ({failure}); see {failure.owner}"
            return Result(Verdict.NOT_DECIDED, reason)
        location = failure.location or self.target.location
        name = self.target.name
        finding = Finding(self.check.name, str(failure), location, Status.PROVED, subject=name)
        return Result(Verdict.FAILED, findings=(finding,))

    def _report(self, result: Result) -> None:
        expected = self._expected_reason()
        if result.verdict is Verdict.FAILED:
            failing = tuple(finding for finding in result.findings if finding.counts_for_runner)
            if expected:
                self.outcome = ItemOutcome.of(State.EXPECTED, result, expected)
                pytest.xfail(expected)
            self.outcome = ItemOutcome.of(State.FAILED, result)
            raise CheckFailure(failing)
        if expected and result.verdict is Verdict.PASSED:
            self._fail((_unexpected_pass(self.target, self.check.name, expected),))
        self.outcome = ItemOutcome.of(State(result.verdict.value), result)
        if result.verdict is not Verdict.PASSED:
            pytest.skip(f"{result.verdict.value}: {result.reason}")

    def _fail(self, findings: tuple[Finding, ...]) -> None:
        self.outcome = ItemOutcome(State.FAILED, findings=findings)
        raise CheckFailure(findings)

    def _expected_reason(self) -> str:
        try:
            return self.battery.case().expected_failures.get(self.check.name, "")
        except RunFailed:
            return ""


def _unexpected_pass(target: Target, check: str, reason: str) -> Finding:
    text = f"{check} was expected to fail ({reason}) and passes; remove it from expected_failures"
    return Finding(check, text, target.location, Status.PROVED, subject=target.name)


def _near(finding: Finding) -> Finding:
    """The finding with its path as people type it."""
    path = Path(finding.location.path)
    if not path.is_absolute() or not path.is_relative_to(Path.cwd()):
        return finding
    location = dataclasses.replace(finding.location, path=str(path.relative_to(Path.cwd())))
    return dataclasses.replace(finding, location=location)


def final_findings(
    read: tuple[Finding, ...], outcomes: list[ItemOutcome]
) -> tuple[Finding, ...]:
    """The reader's findings after all runs."""
    rulings = [ruling for outcome in outcomes for ruling in outcome.rulings]
    found = [f for outcome in outcomes for f in outcome.findings if f.status is Status.PROVED]
    return decide(read, [*rulings, *(proved(finding) for finding in found)])
