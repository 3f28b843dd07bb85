"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Ctrl-C ends what tests start, also where a script in the background started them: shells have
    such commands ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
