"""Timing side by side: every round runs each command once, so that all meet the same machine."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence

Command = Sequence[str]


def medians(commands: Mapping[str, Command], rounds: int) -> dict[str, float]:
    """The median wall time of each command, in seconds, after one unmeasured round."""
    for command in commands.values():
        seconds(command)
    taken = [{name: seconds(command) for name, command in commands.items()} for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in taken) for name in commands}


def seconds(command: Command) -> float:
    """The wall time of one run. Findings (exit code 1) are a success here; anything else is not."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return taken


def print_table(title: str, times: Mapping[str, float], unit: str) -> None:
    """Times, and how many times ``unit``'s time each of them is."""
    width = max(map(len, times))
    print(f"\n{title}\n")
    print(f"{'':<{width}}  {'seconds':>8}  {'ratio':>6}")
    for name, taken in times.items():
        print(f"{name:<{width}}  {taken:>8.2f}  {taken / times[unit]:>6.2f}")
