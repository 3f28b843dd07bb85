"""``torchrun --nproc-per-node 2 -m pytest --pl-check``: one process judges, the others stand by.

torchrun starts the same command several times. Whether a module is right does not depend on which
of them asks (the checks make the ranks they need themselves), so the process of rank 0 does what an
ordinary session does, and the others run only the tests that are not ours. They do not wait for its
verdict: torchrun fails when any of its processes does.
"""

from __future__ import annotations

import os

import pytest

from pl_lint.plugin.items import PlItem
from pl_lint.plugin.session import PlCheck


class StandingBy(PlCheck):
    """Collects what rank 0 collects, so that bad use is that for all, and leaves it to rank 0."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        ours = [item for item in items if isinstance(item, PlItem)]
        items[:] = [item for item in items if not isinstance(item, PlItem)]
        self.config.hook.pytest_deselected(items=ours)

    def pytest_report_header(self) -> str:
        rank, size = os.environ["RANK"], os.environ.get("WORLD_SIZE", "?")
        return f"pl-check: this is rank {rank} of {size}; rank 0 runs all checks and reports"

    def pytest_terminal_summary(self) -> None:
        """Rank 0 has the closing words."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """That nothing is left to do here is no failure, or torchrun's would be one always. Where
        there is nothing at all, rank 0 says so."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK
