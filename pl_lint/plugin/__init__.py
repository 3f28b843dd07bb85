"""``pytest --pl-check``: run people's modules and judge what they logged, saved and repeated.

This entry module is imported by every pytest that has pl-lint installed, so it imports nothing but
pytest; the rest comes in when the option is given.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from pl_lint import installing

if TYPE_CHECKING:
    from pl_lint.library import Checker

NEEDED = ("torch", "torchmetrics", "tensorboard", "filelock", "hypothesis")
"""What the runner needs and the reader does not. Lightning itself comes in two namespaces."""
LIGHTNINGS = ("lightning", "pytorch_lightning")
OF_PL_CHECK = (
    "--pl-require-all",
    "--pl-timeout",
    "--pl-examples",
    "--pl-loggers",
    "--pl-gpus",
    "--pl-report",
)
"""Options that say how ``--pl-check`` is to work."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pl-lint", "pl-lint: can you believe what your Lightning code logs?")
    group.addoption(
        "--pl-check",
        action="store_true",
        help="read and run the LightningModules and cases in the given paths",
    )
    group.addoption(
        "--pl-require-all",
        action="store_true",
        help="a module that cannot be built or brings no data fails instead of being skipped",
    )
    group.addoption(
        "--pl-timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="time limit of each run of a module (default: 60)",
    )
    group.addoption(
        "--pl-examples",
        type=_number,
        default=12,
        metavar="N",
        help="runs that the search draws of each kind; the same ones each time (default: 12)",
    )
    group.addoption(
        "--pl-loggers",
        type=_loggers,
        default=(),
        metavar="NAMES",
        help="also log to wandb, mlflow or both (with a comma), although the project does not",
    )
    group.addoption(
        "--pl-gpus",
        type=_number,
        default=0,
        metavar="N",
        help="run on up to N real GPUs too; without it a GPU is emulated (default: 0)",
    )
    group.addoption(
        "--pl-report",
        metavar="FILE",
        help="write what was found, proved and refuted to FILE, as JSON",
    )


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")


def _number(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")


def _loggers(text: str) -> tuple[str, ...]:
    from pl_lint.facts.loggers import classes_of

    try:
        return classes_of(text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


@pytest.fixture(scope="session")
def pl_check() -> Iterator[Checker]:
    """``pl_check(factory)`` in people's own tests: the report of the checks on a case."""
    from pl_lint.library import checker

    with checker() as check_one:
        yield check_one


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--pl-check"):
        _refuse_what_would_do_nothing(config.invocation_params.args)
        return
    from pl_lint.runtime.versions import is_installed

    missing = [name for name in NEEDED if not is_installed(name)]
    if not any(map(is_installed, LIGHTNINGS)):
        missing.append(LIGHTNINGS[0])
    if missing:
        names = ", ".join(missing)
        raise pytest.UsageError(f"--pl-check needs {names}: {installing('check')}")
    _refuse_what_is_too_old()
    _refuse_loggers_that_are_missing(config.getoption("--pl-loggers"))

    from pl_lint.plugin.running import Running, is_beside_rank_zero

    running = Running(config)
    config.add_cleanup(running.close)
    running.start()

    from pl_lint.plugin.session import PlCheck
    from pl_lint.plugin.standing import StandingBy

    kind = StandingBy if is_beside_rank_zero() else PlCheck
    config.pluginmanager.register(kind(config, running), "pl-check")


def _refuse_what_would_do_nothing(arguments: Iterable[object]) -> None:
    """Only what was typed: ``addopts`` may hold options for when ``--pl-check`` is given."""
    for argument in arguments:
        name = str(argument).partition("=")[0]
        if name in OF_PL_CHECK:
            raise pytest.UsageError(f"{name} does nothing without --pl-check")


def _refuse_loggers_that_are_missing(loggers: Iterable[str]) -> None:
    from pl_lint.runtime.versions import missing_loggers

    missing = ", ".join(missing_loggers(loggers))
    if missing:
        raise pytest.UsageError(f"--pl-loggers needs {missing}: {installing('loggers')}")


def _refuse_what_is_too_old() -> None:
    from pl_lint.runtime.versions import too_old

    found = "; ".join(too_old())
    if found:
        raise pytest.UsageError(
            f"--pl-check cannot judge with this: {found} that it was tried with"
        )
