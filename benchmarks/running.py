"""What `pytest --pl-check` costs on one small module, beside the bare Trainer runs it consists of.

Everything is included: starting pytest, reading the project, loading torch and Lightning, every run
in a process of its own, the replays, the comparisons, the report. The bare runs are those of
`bare_runs.py`: the same ones in plain processes, as few as can be. The usual tests are those that
people write by hand (`usual_tests.py`).
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from clock import print_table, seconds

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "fixtures" / "demo" / "cases.py"
ONE, TWO = ["species"], ["species", "locator"]
ROUNDS = 3
RANKS = (2, 3)
IMPORT = "import"
PYTEST = [str(Path(sys.executable).parent / "pytest"), "-q", "-p", "no:cacheprovider"]
BARE, BATTERY = "all bare runs, in the processes they need", "pytest --pl-check, one module"
SECOND, USUAL = "a second module of the same file", "the usual hand-written tests"


def main() -> None:
    battery(ONE)  # warm the file caches
    rounds = [one_round() for _ in range(ROUNDS)]
    times = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    compared = {name: times.pop(name) for name in (BATTERY, SECOND, USUAL)}
    total = sum(times.values())
    print_table("the bare runs of one module (species)", {**times, BARE: total}, unit=BARE)
    print_table("the whole battery on that module", {BARE: total, **compared}, unit=BARE)
    share = compared[BATTERY] / total
    print(f"\nThe battery takes {share:.2f} times the bare runs that it consists of.")
    print(f"search: {searching(ONE)}")


def one_round() -> dict[str, float]:
    """In turn, so that all meet the same machine."""
    one = battery(ONE)
    return {
        **bare_runs(),
        BATTERY: one,
        SECOND: battery(TWO) - one,
        USUAL: seconds([*PYTEST, str(HERE / "usual_tests.py")]),
    }


def battery(cases: list[str]) -> float:
    return seconds([*PYTEST, "--pl-check", *map(_node, cases)])


def searching(cases: list[str]) -> str:
    """How many runs the search drew, and the milliseconds of one, as it measures them itself."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "report.json"
        seconds([*PYTEST, "--pl-check", f"--pl-report={told}", "-k", "search", *map(_node, cases)])
        return next(
            row["cost"] for row in json.loads(told.read_text("utf-8"))["run"] if row["cost"]
        )


def _node(case: str) -> str:
    return f"{CASES}::{case}"


def bare_runs() -> dict[str, float]:
    """The seconds of each bare run. Ranks take as long as the slowest of them."""
    found = {f"one process: {name}": taken for name, taken in told("main").items()}
    again = told("again", PYTHONHASHSEED="13")
    found["another hash seed: import, 2 fits"] = sum(again.values())
    for ranks in RANKS:
        found[f"{ranks} ranks: import, evaluations" + ", a fit" * (ranks == 2)] = on_ranks(ranks)
    return found


def told(part: str, **environment: str) -> dict[str, float]:
    times: dict[str, float] = json.loads(_finished(_started(part, environment)).splitlines()[-1])
    return times


def on_ranks(ranks: int) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "bare",
        "GROUP_RANK": "0",
        "LOCAL_WORLD_SIZE": str(ranks),
    }
    start = time.perf_counter()
    launched = [
        _started("ranks", {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(ranks)
    ]
    for process in launched:
        _finished(process)
    return time.perf_counter() - start


def _started(part: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "bare_runs.py"), part],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def _finished(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the bare runs failed:\n{errors}")
    return output


if __name__ == "__main__":
    main()
