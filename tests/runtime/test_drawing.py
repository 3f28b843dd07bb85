"""Draws of a search are quick because of two internals of hypothesis, which may change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRAWING = """
import gc, json, sys
from contextlib import nullcontext
import numpy
import users_module
from hypothesis import Phase, strategies
from pl_lint.runtime.drawing import hypothesis_draws, quick_draws

seen = {"files": 0, "objects": 0}

def count(event, arguments):
    if event == "open" and arguments[0] == users_module.__file__:
        seen["files"] += 1
    if event == "gc.get_referrers":
        seen["objects"] += 1

sys.addaudithook(count)
with quick_draws() if sys.argv[1] == "quick" else nullcontext():
    hypothesis_draws(strategies.integers(), 50, lambda number: None, (Phase.generate,))
print(json.dumps(seen))
"""


def seen(folder: Path, way: str) -> dict[str, int]:
    """What hypothesis looked at while it drew in a process of its own."""
    (folder / "users_module.py").write_text("NUMBERS = (31, 271, 8281828)\n")
    (folder / "drawing.py").write_text(DRAWING)
    command = [sys.executable, "drawing.py", way]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_quick_draws_read_no_file_of_the_project_and_search_no_objects(tmp_path: Path) -> None:
    assert seen(tmp_path, "quick") == {"files": 0, "objects": 0}


def test_draws_still_want_to_be_made_quick(tmp_path: Path) -> None:
    pytest.importorskip("hypothesis", "6.148.8", reason="older ones draw no numbers of files")
    looked = seen(tmp_path, "plain")
    assert looked["files"] and looked["objects"], (
        f"hypothesis looks at {looked}: a part of quick_draws has nothing left to do"
    )
