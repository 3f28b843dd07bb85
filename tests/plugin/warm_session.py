"""A pytest session as its console script starts it, whose servers are those of a folder.

``python warm_session.py FOLDER ARGUMENTS``, or without arguments to keep the servers of that folder
loaded while the standard input is open. To load Lightning takes longer than most sessions of these
tests, and they begin one after another: what users see is that of a session beside another one.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Meeting:
    """A plugin: the session finds its servers there, and not in a folder of its own."""

    servers: Path

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        from pl_lint.plugin.running import Running

        Running.servers = self.servers


def keep(servers: Path) -> None:
    from pl_lint.runtime.battery import OTHER_HASH_SEED
    from pl_lint.runtime.isolation.runs import Runner

    with tempfile.TemporaryDirectory() as folder, Runner(Path(folder), servers=servers) as runner:
        runner.start()
        runner.start(OTHER_HASH_SEED)
        sys.stdin.read()


if __name__ == "__main__":
    folder, *arguments = sys.argv[1:]
    if not arguments:
        sys.exit(keep(Path(folder)))
    sys.exit(pytest.main(arguments, plugins=[Meeting(Path(folder))]))
