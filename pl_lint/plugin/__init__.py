"""``pytest --pl-check``: run people's modules and judge what they logged, saved and repeated.

This entry module is imported by every pytest that has pl-lint installed, so it imports nothing but
pytest; the rest comes in when the option is given.
"""

from __future__ import annotations

import pytest


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
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time limit of each run of a module (default: 60)",
    )
    group.addoption(
        "--pl-report",
        metavar="FILE",
        help="write what was found, proved and refuted to FILE, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--pl-check"):
        from pl_lint.plugin.session import PlCheck

        config.pluginmanager.register(PlCheck(config), "pl-check")
