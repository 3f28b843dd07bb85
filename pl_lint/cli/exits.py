"""How the command ends when it does not come to judge."""

from __future__ import annotations

import sys

USAGE_ERROR = 2
INTERRUPTED = 130
"""What shells report of a program that was stopped with Ctrl-C."""


def refuse(message: str) -> int:
    print(f"pl-lint: {message}", file=sys.stderr)
    return USAGE_ERROR
