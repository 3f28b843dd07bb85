"""How the samples of a case are cut, shared out and cut short in the runs that checks ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pl_lint.facts.events import (
    AGAIN,
    ALL_BUT_ONE,
    HALF,
    ONES,
    REPEATED,
    SHUFFLED,
    USUAL,
    WHOLE,
)
from pl_lint.runtime.specs import OWN

Pass = Mapping[str, Any]
"""One evaluation of the samples, as the program ``evaluate`` is asked for it."""

_USUALLY: Pass = {"size": 16, "uneven": True}
REBATCHING: tuple[Pass, ...] = (
    {"label": WHOLE},
    {"label": USUAL, **_USUALLY},
    {"label": ALL_BUT_ONE, "size": -1},
    {"label": ONES, "size": 1},
    {"label": SHUFFLED, **_USUALLY, "shuffled": True},
    {"label": AGAIN, **_USUALLY, "seed": 2},
    {"label": REPEATED, **_USUALLY, "before": {"label": HALF, "shard": [0, 2]}},
    {"label": HALF, "shard": [0, 2]},
)
LOADER_ALONE: Pass = _USUALLY
SERVING: tuple[Pass, ...] = ({"label": USUAL, "size": OWN},)
SERVED_FOLLOWED: tuple[Pass, ...] = ({"label": USUAL, "size": OWN, "follow": True},)
FOLLOWED: tuple[Pass, ...] = ({"label": USUAL, **_USUALLY, "follow": True},)
REBATCHED_SAMPLES = 47  # prime: no batch size but 1 divides it
SERVED_SAMPLES = 1000  # a full validation set of most small projects, seconds for a small model
DRAWS = 5
"""How often weights are shaken: one draw in five that moves a value by chance is the least seen."""

RANKS = 2
ON_RANKS: tuple[Pass, ...] = ({"label": USUAL},)
ALONE: tuple[Pass, ...] = (
    {"label": WHOLE, "whole": True},
    {"label": USUAL},
    {"label": AGAIN, "seed": 2},
)
"""What one process sees of the samples that ranks share."""
SHORTER: Mapping[int, Mapping[str, Any]] = {
    3: {"epochs": 1, "batches": {"train": 2, "validate": 1}},
}
"""What a fit on more ranks is cut to: it has the samples of one epoch on two, and shows what holds
for two ranks only."""
ONE_BATCH: Mapping[str, Any] = {"epochs": 1, "batches": {"train": 1, "validate": 1}}


def shaken(noise: float) -> tuple[Pass, ...]:
    """The usual cut, each weight moved by chance by up to ``noise`` times itself."""
    return tuple({"label": USUAL, **_USUALLY, "noise": [noise, draw]} for draw in range(DRAWS))


def shards(ranks: int) -> tuple[Pass, ...]:
    """Each rank's part of the samples in one process; with two ranks, which come first, all of
    them before that."""
    parts = tuple({"label": f"shard {n}", "shard": [n, ranks]} for n in range(ranks))
    return ALONE + parts if ranks == RANKS else parts


def evaluation(
    stage: str, passes: Sequence[Pass], limit: int = REBATCHED_SAMPLES
) -> dict[str, Any]:
    """Options of a run that evaluates at most so many samples of a stage."""
    return {"stage": stage, "limit": limit, "passes": passes}
