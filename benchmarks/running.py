"""What `pytest --pl-check` costs on one small module, beside the bare Trainer runs it consists of.

Everything is included: starting pytest, reading the project, loading torch and Lightning, every run
in a process of its own, the replays, the comparisons, the report. The bare runs are those of
`bare_runs.py`: the same ones in one plain process, which shares caches and warm code between them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from clock import print_table, seconds

HERE = Path(__file__).resolve().parent
CASE = "fixtures/demo/cases.py::species"
ROUNDS = 3
IMPORT, RUNS, BATTERY = (
    "importing torch and Lightning",
    "the bare runs, summed",
    "pytest --pl-check",
)


def main() -> None:
    pytest = str(Path(sys.executable).parent / "pytest")
    battery = [pytest, "--pl-check", str(HERE.parent / CASE), "-q", "-p", "no:cacheprovider"]
    seconds(battery)
    bare: list[dict[str, float]] = []
    whole: list[float] = []
    for _ in range(ROUNDS):  # in turn, so that both meet the same machine
        bare.append(bare_runs())
        whole.append(seconds(battery))
    times = {name: statistics.median(one[name] for one in bare) for name in bare[0]}
    imported, runs = times.pop("import"), sum(times.values())
    print_table("the bare runs of one module (species)", {**times, RUNS: runs}, unit=RUNS)
    compared = {
        IMPORT: imported,
        RUNS: runs,
        "both": imported + runs,
        BATTERY: statistics.median(whole),
    }
    print_table("the whole battery on that module", compared, unit=RUNS)
    print(f"\nThe battery takes {compared[BATTERY] / (imported + runs):.2f} times a plain script.")


def bare_runs() -> dict[str, float]:
    """The seconds of each bare run, in a fresh process."""
    command = [sys.executable, str(HERE / "bare_runs.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the bare runs failed:\n{done.stderr}")
    taken: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return taken


if __name__ == "__main__":
    main()
