"""What the sessions of these tests share: servers that stay loaded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from sessions import SERVERS, environment, session


@pytest.fixture(scope="session", autouse=True)
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for all workers."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "servers"
    folder.mkdir(exist_ok=True)
    os.environ[SERVERS] = str(folder)
    keeper = subprocess.Popen(session(), env=environment(), stdin=subprocess.PIPE)
    yield
    keeper.communicate()
    del os.environ[SERVERS]
