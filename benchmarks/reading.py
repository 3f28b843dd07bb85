"""What `pl-lint` costs, beside ruff, flake8 and TorchFix, and beside what nobody can do without:
starting Python and parsing the files.

`python benchmarks/reading.py FOLDERS`: three files of the demo, as pre-commit would ask for them,
and a tree of at least 5,000 files: site-packages and the FOLDERS (public Lightning repositories).
All commands run in turn, in one run; ruff, flake8 and TorchFix come with the `bench` extra. Each
has its default rules and prints the counts or lines that it prints for machines. A tree is asked
for again as it is, and with one changed file. A command is stopped after LIMIT seconds, and its
time is `inf`: TorchFix needs more than an hour for 12,000 files. Processor seconds (the least of
the rounds) are what a busy machine does not change; wall seconds stand beside.
"""

from __future__ import annotations

import ast
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

DEMO = Path(__file__).resolve().parent.parent / "fixtures" / "demo"
ENOUGH = 5_000
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SLOW = ("flake8", "TorchFix")
"""What is measured once: minutes on a large tree."""
LIMIT = int(os.environ.get("LIMIT", "600"))
"""Seconds that a command may take."""
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
PARSE = "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name, 'rb').read())"

Command = list[str]


@dataclass(frozen=True)
class Cost:
    """Processor seconds of a command and its children, and seconds on the clock."""

    cpu: float
    wall: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        three = sorted(DEMO.rglob("*.py"))[:3]
        tree = [Path(sysconfig.get_path("purelib")), *map(Path, sys.argv[1:])]
        count = sum(1 for one in tree for _ in one.rglob("*.py"))
        if count < ENOUGH:
            raise SystemExit(f"{count} files are too few: name folders until they are {ENOUGH}")
        compare("three files", three, Path(folder, "few"), ROUNDS * 5)
        compare(f"a tree of {count:,} files", tree, Path(folder, "tree"), ROUNDS)


def compare(title: str, paths: list[Path], caches: Path, rounds: int) -> None:
    names = [str(path) for path in paths]
    commands = cold(names) | warm(names, caches / "same")
    if any(path.is_dir() for path in paths):
        commands |= changed(names, caches)
    if all(path.is_file() for path in paths):
        for path in paths:
            ast.parse(path.read_bytes())
        commands = start(names) | commands
    show(title, measured(commands, rounds))


def start(names: list[str]) -> Mapping[str, Command]:
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python, ast.parse": [sys.executable, "-c", PARSE, *names],
    }


def cold(names: list[str]) -> dict[str, Command]:
    ruff = [tool("ruff"), "check", "--isolated", "--output-format", "concise", "--exit-zero"]
    return {
        "ruff": [*ruff, "--no-cache", *names],
        "pl-lint": [tool("pl-lint"), "--no-cache", "--output-format", "concise", *names],
        "flake8": [tool("flake8"), "--isolated", "--exit-zero", "--disable", "TOR", *names],
        "TorchFix": [tool("torchfix"), *names],
    }


def warm(names: list[str], caches: Path) -> dict[str, Command]:
    """The second run and those after it; the first fills the cache."""
    ruff = [tool("ruff"), "check", "--isolated", "--output-format", "concise", "--exit-zero"]
    elsewhere = ["env", f"PL_LINT_CACHE_DIR={caches / 'ours'}"]
    return {
        "ruff, warm": [*ruff, "--cache-dir", str(caches / "ruff"), *names],
        "pl-lint, warm": [*elsewhere, tool("pl-lint"), "--output-format", "concise", *names],
    }


def changed(names: list[str], caches: Path) -> dict[str, Command]:
    """The same, and a small project beside it of which one file has changed each time."""
    project = caches / "project"
    shutil.copytree(DEMO, project)
    change = ["sh", "-c", 'echo "#" >> "$0"; exec "$@"', str(project / "cases.py")]
    again = warm([*names, str(project)], caches / "changed")
    return {f"{name}, one changed": [*change, *command] for name, command in again.items()}


def tool(name: str) -> str:
    """A command of this environment or of the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is missing: pip install 'pl-lint[bench]'")
    return found


def measured(commands: Mapping[str, Command], rounds: int) -> dict[str, Cost]:
    """The cheapest run of each command; caches are filled before."""
    for name, command in commands.items():
        if "warm" in name:
            cost(command)
    taken: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            if name not in SLOW or number == 0:
                taken[name].append(cost(command))
    return {name: Cost(least(costs, "cpu"), least(costs, "wall")) for name, costs in taken.items()}


def least(costs: list[Cost], field: str) -> float:
    value: Callable[[Cost], float] = lambda one: getattr(one, field)  # noqa: E731
    return min(map(value, costs))


def cost(command: Command) -> Cost:
    """What one run takes. Findings are a success here, and files that cannot be read."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    running = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    try:
        _, errors = running.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return Cost(math.inf, math.inf)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if running.returncode not in (0, 1, 2) or b"Traceback (most recent call last)" in errors:
        raise SystemExit(f"{command[0]} failed:\n{errors.decode('utf-8', 'replace')[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def environment() -> dict[str, str]:
    """As people have it: Python keeps what it compiled, and compiles no program twice."""
    return {name: value for name, value in os.environ.items() if name != NO_BYTECODE}


def show(title: str, costs: Mapping[str, Cost]) -> None:
    """Each command, and how many times as long as ruff it takes, cold or warm as it is."""
    print(f"\n{title}\n\n{'':<28}{'processor s':>12}{'wall s':>9}{'times ruff':>12}")
    for name, one in costs.items():
        unit = costs["ruff, warm" if "warm" in name else "ruff"]
        print(f"{name:<28}{one.cpu:>12.3f}{one.wall:>9.2f}{one.cpu / unit.cpu:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
