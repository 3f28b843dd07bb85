"""The checks as a function, for scripts, notebooks and people's own tests.

``pl_lint.check(factory)`` runs what ``pytest --pl-check`` runs on a case, and returns the report.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pl_lint import installing
from pl_lint.checks.registry import Check, Result, Verdict, all_checks
from pl_lint.config import nearest
from pl_lint.facts.loggers import classes_of
from pl_lint.findings import Finding, Location
from pl_lint.judging import Ahead, judged
from pl_lint.report.text import render_finding
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner, RunnerError
from pl_lint.runtime.specs import CaseRef
from pl_lint.runtime.versions import missing_loggers, too_old
from pl_lint.static.sources import lines_of

# A factory that cannot be imported by name (a closure, a notebook's function) travels by value.
_LOADER = """\
import pathlib
import pickle

case = pickle.loads(pathlib.Path(__file__).with_suffix(".pickle").read_bytes())
"""


@dataclass(frozen=True, repr=False)
class Report:
    """What the checks said of one case, by name."""

    results: Mapping[str, Result]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What failed."""
        return tuple(
            finding
            for result in self.results.values()
            for finding in result.findings
            if finding.counts_for_runner
        )

    @property
    def ok(self) -> bool:
        """Whether nothing failed and at least one check could really judge."""
        verdicts = [result.verdict for result in self.results.values()]
        return Verdict.FAILED not in verdicts and Verdict.PASSED in verdicts

    def __str__(self) -> str:
        verdicts = [
            f"{name}: {result.verdict.value}" + (f": {result.reason}" if result.reason else "")
            for name, result in self.results.items()
        ]
        return "\n\n".join(["\n".join(verdicts), *(_shown(each) for each in self.findings)])

    __repr__ = __str__  # what a notebook shows; pytest cuts it short


def _shown(finding: Finding) -> str:
    return render_finding(finding, lines_of)


@dataclass
class Checker:
    """Checks factories one after the other, sharing the processes that have Lightning loaded."""

    runner: Runner
    timeout: float = 60.0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __call__(
        self,
        factory: Callable[[], Any],
        checks: Sequence[str] | None = None,
        *,
        loggers: Sequence[str] = (),
    ) -> Report:
        """Run ``factory`` (see ``pl_lint.case``) and judge it by the checks named, or by all, with
        ``loggers`` (``wandb``, ``mlflow``) beside those that are always tried.

        Raises ValueError for a name that is no check or logger, ModuleNotFoundError for a logger
        whose package is not installed, TypeError for what is no function.
        """
        if not callable(factory) or hasattr(factory, "training_step"):
            raise TypeError(
                f"pl_lint.check takes a function that builds the module, not the "
                f"{type(factory).__name__}: it is called afresh for every run"
            )
        case, chosen = self._case(factory), _chosen(checks)
        more = _installed(classes_of([loggers] if isinstance(loggers, str) else loggers))
        battery = Battery(self.runner, case, self.timeout, more_loggers=more)
        place = _place(factory)
        name = getattr(factory, "__name__", case.name)
        questions = {c.name: functools.partial(judged, c, battery, place, name) for c in chosen}
        ahead = Ahead(self.runner.lanes)
        ahead.expect(questions.values())
        try:
            return Report({check: ahead.answer(asked) for check, asked in questions.items()})
        finally:
            ahead.close()

    def _case(self, factory: Callable[[], Any]) -> CaseRef:
        import cloudpickle

        self.runner.base.mkdir(parents=True, exist_ok=True)
        file = self.runner.base / f"case_by_value_{next(self._numbers)}.py"
        file.with_suffix(".pickle").write_bytes(cloudpickle.dumps(factory))
        file.write_text(_LOADER, encoding="utf-8")
        return CaseRef(str(file), "case")


def _place(factory: Callable[[], Any]) -> Location:
    """The user's own line: that of the function, or of the call that was given something else."""
    code = getattr(inspect.unwrap(factory), "__code__", None)
    if code is not None:
        return Location(code.co_filename, code.co_firstlineno)
    around = (frame for frame in inspect.stack(context=0) if frame.filename != __file__)
    caller = next(around)
    return Location(caller.filename, caller.lineno)


def _chosen(names: Sequence[str] | None) -> list[Check]:
    known = {check.name: check for check in all_checks()}
    names = (names,) if isinstance(names, str) else names
    for name in names or ():
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"no check is called {name!r}{hint}")
    return [known[name] for name in (names or known)]


def _installed(loggers: tuple[str, ...]) -> tuple[str, ...]:
    missing = ", ".join(missing_loggers(loggers))
    if missing:
        raise ModuleNotFoundError(f"loggers= needs {missing}: {installing('loggers')}")
    return loggers


@contextmanager
def checker(timeout: float = 60.0) -> Iterator[Checker]:
    """A checker whose processes and files end with the block. ``timeout``: seconds for each run."""
    if found := "; ".join(too_old()):
        raise RunnerError(f"{found} that pl-lint was tried with")
    with tempfile.TemporaryDirectory(prefix="pl-lint-") as folder, Runner(Path(folder)) as runner:
        yield Checker(runner, timeout)


def check(
    factory: Callable[[], Any],
    checks: Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    loggers: Sequence[str] = (),
) -> Report:
    """Check one case: what a factory marked with ``pl_lint.case`` would be checked for.

    ``factory`` returns a module, ``(module, data)`` or ``(module, data, trainer_arguments)``.
    ``checks`` are names of checks, by default all. ``timeout`` is in seconds, for each run.
    ``loggers`` are ``wandb`` or ``mlflow``, to be tried although the case does not use them.
    """
    with checker(timeout) as check_one:
        return check_one(factory, checks, loggers=loggers)
