"""An entry, as ``programs.run`` is: a script by itself, in a child that has Lightning loaded."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any


def run(spec: dict[str, Any], directory: Path, rank: int) -> None:
    script = directory / "script.py"
    script.write_text(spec["script"], encoding="utf-8")
    tempfile.tempdir = str(directory)  # a user's script leaves its folder for a look
    runpy.run_path(str(script), run_name="__main__")
