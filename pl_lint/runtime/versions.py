"""What has to be installed, and the oldest releases whose verdicts are known to be right.

Older ones are refused, not tried: with one of them a run may fail for reasons of its own, and that
would be told as a mistake of the user's. `make versions` runs the demo and the fixtures with
exactly these beside torch 2.13.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata

from pl_lint.facts.loggers import OPTIONAL

OLDEST = {
    # 2.0 to 2.3 need a setuptools that still has pkg_resources; beside that, 2.1 was seen to resume
    # otherwise, and to have no MixedPrecision of that name.
    "lightning": (2, 4),
    "pytorch-lightning": (2, 4),
    "torchmetrics": (1, 4),
    "tensorboard": (2, 18),  # the first that knows NumPy 2
    "hypothesis": (6, 160),  # older ones draw otherwise: with 6.131 a fixture is missed
}


def too_old(installed: Callable[[str], str] = metadata.version) -> Iterator[str]:
    """What is installed here and older than what was tried, in words."""
    for name, oldest in OLDEST.items():
        try:
            found = installed(name)
        except metadata.PackageNotFoundError:
            continue
        if numbers(found) < oldest:
            yield f"{name} {found} is installed, and {'.'.join(map(str, oldest))} is the oldest"


def numbers(version: str) -> tuple[int, ...]:
    """``(2, 4)`` of ``2.4.0.post0``."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def missing_loggers(classes: Iterable[str]) -> list[str]:
    """The packages of these loggers that are not installed."""
    return [OPTIONAL[each] for each in classes if not is_installed(OPTIONAL[each])]


def is_installed(name: str) -> bool:
    """A folder of that name is no package: W&B keeps its runs in ``wandb``."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
