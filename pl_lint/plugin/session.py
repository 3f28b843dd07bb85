"""One pytest session with ``--pl-check``: what is read, what is run, what is said at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from pl_lint import config as settings
from pl_lint.plugin.items import READING, CheckedFile, CheckItem, PlItem
from pl_lint.plugin.outcomes import ItemOutcome, State
from pl_lint.plugin.reading import ProjectReading, Target
from pl_lint.plugin.summary import Summary
from pl_lint.runtime.battery import Battery, RunFailed
from pl_lint.runtime.runs import Runner
from pl_lint.runtime.specs import CaseRef

NOTHING_RAN = pytest.ExitCode.NO_TESTS_COLLECTED


class PlCheck:
    """The plugin object: registered only when the option is given."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.timeout: float = config.getoption("--pl-timeout")
        self.requires_all: bool = config.getoption("--pl-require-all")
        self.outcomes: dict[str, ItemOutcome] = {}
        self._batteries: dict[Target, Battery] = {}

    # --- collecting ---------------------------------------------------------------------------

    @cached_property
    def project(self) -> ProjectReading:
        given = [Path(str(arg).split("::")[0]) for arg in self.config.args]
        paths = [path if path.is_absolute() else self.config.invocation_params.dir / path
                 for path in given]
        return ProjectReading(paths, settings.load(paths, known_codes=_known_codes()))

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        if file_path.suffix != ".py" or file_path not in self._files:
            return None
        node: pytest.Collector = CheckedFile.from_parent(parent, path=file_path)
        return node

    @cached_property
    def _files(self) -> set[Path]:
        """Files with something to run, or something certain to say."""
        found = {target.path for target in self.project.targets}
        reading = self.project.reading
        places = [finding.location.path for finding in reading.findings]
        places += [module.location.path for module in reading.project.modules()]
        return found | {Path(place).resolve() for place in places}

    # --- running ------------------------------------------------------------------------------

    @cached_property
    def base(self) -> Path:
        """Where runs leave their records: shared by the workers of one pytest-xdist session."""
        worker = getattr(self.config, "workerinput", None)
        if worker is not None:
            return Path(worker["pl_lint_base"])
        return Path(tempfile.mkdtemp(prefix="pl-lint-"))

    @cached_property
    def runner(self) -> Runner:
        return Runner(self.base / "runs", root=self.config.invocation_params.dir)

    def battery(self, target: Target) -> Battery:
        if target not in self._batteries:
            self._batteries[target] = Battery(
                self.runner,
                CaseRef(str(target.path), target.name),
                self.timeout,
                self.project.monitors_of(target),
                self.project.suspicions_of(target),
            )
        return self._batteries[target]

    def cannot_run(self, target: Target) -> str:
        """Why a class without a case has nothing to be judged on, or nothing if it has."""
        try:
            stages = self.battery(target).case().stages
        except RunFailed as failure:
            return "" if failure.built else f"it cannot be built with default arguments: {failure}"
        return "" if stages else "it brings no data of its own"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput["pl_lint_base"] = str(self.base)  # type: ignore[attr-defined]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        report = yield
        if isinstance(item, PlItem) and call.when == "call" and item.outcome is not None:
            report.pl_check = {
                "module": item.parent.name if isinstance(item, CheckItem) else item.path.name,
                "check": item.name,
                "is_case": isinstance(item, CheckItem) and item.target.is_case,
                "outcome": item.outcome.to_dict(),
            }
        return report

    # --- reporting ----------------------------------------------------------------------------

    @cached_property
    def summary(self) -> Summary:
        return Summary(self.project)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "pl_check"):
            self.summary.add(report.nodeid, report.pl_check)

    def pytest_report_header(self) -> str:
        return f"pl-check: time limit {self.timeout:g} s a run, CPU"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.summary.write(terminalreporter)
        target = self.config.getoption("--pl-report")
        if target:
            self.summary.save(Path(target))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workerinput"):
            return
        if exitstatus == pytest.ExitCode.OK and not self.summary.anything_decided:
            session.exitstatus = NOTHING_RAN

    def pytest_unconfigure(self) -> None:
        if "runner" in vars(self):
            self.runner.close()
        if "base" in vars(self) and not hasattr(self.config, "workerinput"):
            shutil.rmtree(self.base, ignore_errors=True)


def _known_codes() -> set[str]:
    from pl_lint.rules.registry import all_rules

    return {rule.code for rule in all_rules()}


__all__ = ["READING", "PlCheck", "State"]
