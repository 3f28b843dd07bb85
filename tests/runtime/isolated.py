"""Runs of stand-in programs (isolation_programs.py), and what is left of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def specification(program: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "entry": f"isolation_programs:{program}",
        "importer": "isolation_programs:import_file",
        "timeout": 10.0,
        "test": name,
        **more,
    }


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def soon(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


CLIENT = """
import json, sys
from pathlib import Path
from pl_lint.runtime.isolation.client import ServerSettings
from pl_lint.runtime.isolation.runs import Runner
base, root, spec = json.loads(sys.argv[1])
sys.path.insert(0, {here!r})
with Runner(Path(base), Path(root), preload=(), namespaces=()) as runner:
    runner.run(spec)
"""


def client(base: Path, spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Another process that asks for a run, as another worker of pytest-xdist does."""
    code = CLIENT.format(here=str(Path(__file__).parent))
    arguments = json.dumps([str(base), str(base), spec])
    return subprocess.Popen([sys.executable, "-c", code, arguments])
