"""What Lightning does again and again and need not: it takes longer than the rest of a small run.

Nothing that a module can see is another: the same callbacks are found, the same values stay where
they are.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from typing import Any
from unittest.mock import patch

import torch

REGISTRIES = ("lightning.fabric.utilities.registry", "lightning_fabric.utilities.registry")
RESULTS = tuple(
    f"{namespace}.trainer.connectors.logger_connector.result"
    for namespace in ("lightning.pytorch", "pytorch_lightning")
)


@contextmanager
def without_needless_work() -> Iterator[None]:
    """For one program; what is not loaded, or an older Lightning has not, is left as it is."""
    with ExitStack() as patches:
        for registry in map(sys.modules.get, REGISTRIES):
            if registry is not None and hasattr(registry, "entry_points"):
                once = asked_once(registry.entry_points)
                patches.enter_context(patch.object(registry, "entry_points", once))
        for kind in (getattr(sys.modules.get(name), "_ResultMetric", None) for name in RESULTS):
            if kind is not None:
                patches.enter_context(patch.object(kind, "to", moved_where_needed(kind.to)))
        yield


def asked_once(find: Callable[..., Any]) -> Callable[..., Any]:
    """Each Trainer asks all installed packages whether they have callbacks for it. What they say
    holds in forked processes, too, unless the path has got another folder with packages in it."""

    @functools.wraps(find)
    def found(**wanted: Any) -> Any:
        return _found(find, tuple(filter(_has_packages, sys.path)), **wanted)

    return found


@functools.cache
def _found(find: Callable[..., Any], folders: tuple[str, ...], **wanted: Any) -> Any:
    return find(**wanted)


@functools.cache
def _has_packages(folder: str) -> bool:
    return any(True for _ in metadata.distributions(path=[folder]))


def moved_where_needed(to: Callable[..., Any]) -> Callable[..., Any]:
    """At every ``log``, Lightning moves what it has of that key to the device of the value, and
    copies all that it knows of the key for that (``_ResultMetric.to``, 2.6.6), be it there already:
    a fifth of an evaluation."""

    @functools.wraps(to)
    def moved(metric: Any, *where: Any, **how: Any) -> Any:
        states = list(_states(metric if metric.is_tensor else vars(metric).get("value")))
        there = states and not how and all((state.device,) == where for state in states)
        return metric if there else to(metric, *where, **how)

    return moved


def _states(metric: torch.nn.Module | None) -> Iterator[torch.Tensor]:
    """What a metric holds, and what metrics hold of which it is made."""
    if metric is None:
        return
    for name in getattr(metric, "_defaults", ()):
        state = getattr(metric, name)
        yield from state if isinstance(state, list) else [state]
    for part in metric.children():
        yield from _states(part)
