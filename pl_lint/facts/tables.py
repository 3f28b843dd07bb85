"""The tables that lie beside this module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def table(name: str) -> Any:
    """A table by the name of its file.

    Not by ``importlib.resources``, which imports archives, random numbers and temporary files: more
    than everything else that reads a small file takes together.
    """
    return json.loads(Path(__file__).with_name(name).read_bytes())
