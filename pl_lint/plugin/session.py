"""One pytest session with ``--pl-check``: what is read, what is run, what is said at the end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from pl_lint import config as settings
from pl_lint.judging import Ahead
from pl_lint.plugin import datafile
from pl_lint.plugin.items import CheckedFile, CheckItem, NoTests, PlItem, holds_tests
from pl_lint.plugin.naming import misnamed
from pl_lint.plugin.reading import ProjectReading, Target
from pl_lint.plugin.results import Results
from pl_lint.plugin.running import Running
from pl_lint.plugin.summary import Summary, count
from pl_lint.rules.registry import all_rules
from pl_lint.runtime.battery import OTHER_HASH_SEED, Battery
from pl_lint.runtime.cases import import_root
from pl_lint.runtime.failures import RunFailed
from pl_lint.runtime.specs import CaseRef

REPEATING = "reproducible"
"""The check that runs under a second hash seed, in a server of its own."""
NOTHING_RAN = pytest.ExitCode.NO_TESTS_COLLECTED


class PlCheck:
    """The plugin object: registered only when the option is given."""

    def __init__(self, config: pytest.Config, running: Running) -> None:
        self.config = config
        self.running = running
        self.timeout: float = config.getoption("--pl-timeout")
        self.requires_all: bool = config.getoption("--pl-require-all")
        self.unrun: dict[tuple[Path, str], str] = {}
        """The check that fails for each module which has to be run and cannot be."""
        self.scripts: set[str] = set()
        self._batteries: dict[tuple[Path, str], Battery] = {}
        self.unsaved = ""

    # --- collecting ---------------------------------------------------------------------------

    @cached_property
    def project(self) -> ProjectReading:
        paths = self._given()
        around = [root for path in paths for root in self._surroundings(path)]
        try:
            configured = settings.load(paths, known_codes={rule.code for rule in all_rules()})
        except settings.ConfigError as error:
            raise pytest.UsageError(str(error)) from error
        return ProjectReading(paths, configured, around)

    def _given(self) -> list[Path]:
        names = dict.fromkeys(str(arg).split("::")[0] for arg in self.config.args)
        return [self.config.invocation_params.dir / name for name in names]

    def _surroundings(self, path: Path) -> Iterator[Path]:
        """For a file named alone, the folder that it is imported from: the scripts there say how
        its modules are trained. Only inside a project, lest a home directory be read."""
        root = self.config.rootpath
        is_project = self.config.inipath is not None or (root / ".git").exists()
        if path.is_file() and is_project and path.resolve().is_relative_to(root):
            yield import_root(path.resolve())[0]

    def pytest_sessionstart(self) -> None:
        """Read now: bad settings end the session before anything is collected."""
        report = self.config.getoption("--pl-report")
        if report and not self.config.option.collectonly and not self.running.is_worker:
            obstacle = datafile.obstacle(self.config.invocation_params.dir / report)
            if obstacle:
                raise pytest.UsageError(f"--pl-report {report} {obstacle}")
        assert self.project.config is not None

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        self.results.visited.add(file_path.resolve())
        if file_path.resolve() not in self._files:
            return None
        # Running an item of a Package would import the package here, in pytest's own process.
        above: pytest.Collector = parent
        while isinstance(above, pytest.Package) and isinstance(above.parent, pytest.Collector):
            above = above.parent
        node: pytest.Collector = CheckedFile.from_parent(above, path=file_path)
        return node

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        is_test = any(map(module_path.match, self.config.getini("python_files")))
        if is_test or module_path.resolve() not in self._files or holds_tests(module_path):
            return None
        node: pytest.Collector = NoTests.from_parent(parent, path=module_path)
        return node

    @cached_property
    def _files(self) -> set[Path]:
        """Files with something to run, or something certain to say, notebooks and settings too;
        those that cannot be read: nobody knows what they hold, and of one that is named pytest
        would show a traceback of its own."""
        found = {target.path for target in self.project.targets}
        reading = self.project.reading
        places = [finding.location.path for finding in reading.findings]
        places += [module.location.path for module in reading.project.modules()]
        return found | {Path(place).resolve() for place in places} | self.project.broken.keys()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[object]:
        """Beside ids that pytest has not found, those that may be meant."""
        try:
            return (yield)
        except pytest.UsageError as error:
            said, folder = str(error.args), self.config.invocation_params.dir
            ids = [each for each in self.config.args if each.partition("::")[2] in said]
            raise pytest.UsageError(*error.args, *misnamed(ids, self.project, folder)) from error

    # --- running ------------------------------------------------------------------------------

    @cached_property
    def ahead(self) -> Ahead:
        return Ahead(self.running.runner.lanes)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Work on all cores. What is asked here in one go, the items ask one after another."""
        asking = [item for item in session.items if isinstance(item, CheckItem)]
        if self.config.option.collectonly or self.running.runner.lanes < 2:
            return
        if any(item.check.name == REPEATING for item in asking):
            self.running.runner.start(OTHER_HASH_SEED)  # while the first one loads on another core
        self.ahead.expect(item.question for item in asking)

    def battery(self, target: Target) -> Battery:
        if target.key not in self._batteries:
            self._batteries[target.key] = Battery(
                self.running.runner,
                CaseRef(str(target.path), target.name),
                self.timeout,
                self.project.monitors_of(target),
                self.project.suspicions_of(target),
                self.config.getoption("--pl-examples"),
                self.project.plain_ddp_of(target),
                self.project.planned_for(target),
                self.project.loggers,
                self.config.getoption("--pl-loggers"),
                self.project.precisions_of(target),
                self.config.getoption("--pl-gpus"),
            )
        return self._batteries[target.key]

    def cannot_run(self, target: Target) -> str:
        """Why a class without a case has nothing to be judged on, or nothing if it has."""
        try:
            stages = self.battery(target).case().stages
        except RunFailed as failure:
            return "" if failure.case else f"it cannot be built with default arguments: {failure}"
        return "" if stages else "it brings no data of its own"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        node.workerinput["pl_lint_base"] = str(self.running.base)  # type: ignore[attr-defined]
        # Only the workers collect, and in the same way.
        self.results.visited.update(target.path for target in self.project.targets)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        report = yield
        if isinstance(item, PlItem) and call.when == "call" and item.outcome is not None:
            report.pl_check = {
                "module": item.target.name if isinstance(item, CheckItem) else "",
                "path": str(item.path.resolve()),
                "check": item.name,
                "outcome": item.outcome.to_dict(),
            }
        return report

    # --- reporting ----------------------------------------------------------------------------

    @cached_property
    def results(self) -> Results:
        return Results(self.project)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "pl_check"):
            self.results.add(report.nodeid, report.pl_check)

    def pytest_report_header(self) -> str:
        cases = sum(target.is_case for target in self.project.targets)
        bare = len(self.project.targets) - cases
        found = f"{count(cases, 'case')}, {count(bare, 'module')} to build with default arguments"
        return f"pl-check: {found}; on the CPU, at most {self.timeout:g} s a run"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.config.option.collectonly:
            every = len(self.project.targets)  # whoever asks for all modules gets a case for each
            most = {"most_cases": every} if self.requires_all else {}
            Summary(self.results, terminalreporter, **most).write()
            if self.unsaved:
                terminalreporter.write_line(self.unsaved, red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.running.is_worker or self.config.option.collectonly:
            return
        if exitstatus == pytest.ExitCode.OK and self.results.is_empty_handed:
            session.exitstatus = NOTHING_RAN
        target = self.config.getoption("--pl-report")
        if target:
            self._save(session, target)

    def _save(self, session: pytest.Session, target: str) -> None:
        """A disk may be full by now: what was found is told all the same."""
        try:
            datafile.save(self.results, self.config.invocation_params.dir / target)
        except OSError as error:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            self.unsaved = f"--pl-report {target} cannot be written: {error.strerror}"

    def pytest_unconfigure(self) -> None:
        if "ahead" in vars(self):
            self.ahead.close()
