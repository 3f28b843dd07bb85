"""What holds for all tests."""

from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """Ctrl-C ends what tests start, also where a script in the background started them: shells have
    such commands ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo first: it takes longest, and at the end one worker alone would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")
