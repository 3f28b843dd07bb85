"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from pl_lint.runtime.isolation.runs import Runner


def pytest_configure() -> None:
    """Ctrl-C ends what tests start, also where a script in the background started them: shells have
    such commands ignore it, and children inherit that. And no test takes more than one core."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Workers that all compute with all cores wait for each other: four times the processor time.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Or else each process that a test starts would compile all of pl-lint anew, for a second.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # How long an example takes is no business of a test: a busy machine is no failure.
    settings.register_profile("anywhere", settings.default, deadline=None)
    settings.load_profile("anywhere")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes stays to the end, in each worker: thousands of items, and torch.
    Looking for garbage in it took half as long as making it, and went on in every test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo first: it takes longest, and at the end one worker alone would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """One for all tests of a worker: to load torch and Lightning takes longer than most of them.
    Workers share what was run: several tests judge the same fixture."""
    own = tmp_path_factory.getbasetemp()
    with Runner((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "runs") as shared:
        yield shared
