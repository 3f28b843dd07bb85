"""What early stopping and schedulers on a plateau do while their key rises, and while it falls.

Copies of the user's own, set back to where they began, are handed planted scores: a wrong mode then
shows after as many of them as there is patience, without any training.
(``EarlyStopping._evaluate_stopping_criteria``, ``ReduceLROnPlateau._reset``; lightning 2.6.6, torch
2.13. Where they are missing, nothing is said.)
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pl_lint.facts.watchers import Reaction
from pl_lint.runtime.watching.trained.traces import twin_of

LOWEST, HIGHEST = 0.2, 0.9
FEWEST, MOST = 5, 200
"""So many scores are handed over at least and at most: three more than the patience asks for."""


def reactions(holder: Any) -> tuple[Reaction | None, Reaction | None]:
    """To scores that rise, and to those that fall; None where it does nothing about them."""
    wanted = getattr(holder, "patience", 0) + 3
    if not isinstance(wanted, int) or wanted > MOST:
        return None, None
    rising = _rising(max(FEWEST, wanted))
    return _reaction(holder, rising), _reaction(holder, rising[::-1])


def _rising(count: int) -> list[float]:
    span = HIGHEST - LOWEST
    return [round(LOWEST + span * index / (count - 1), 4) for index in range(count)]


def _reaction(holder: Any, scores: Sequence[float]) -> Reaction | None:
    react = _plateau if isinstance(holder, ReduceLROnPlateau) else _stopper
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a schedule is stepped without its optimizer
            return react(holder, scores)
    except Exception:  # a class of the user's own may need more than scores
        return None


def _stopper(holder: Any, scores: Sequence[float]) -> Reaction | None:
    stopper = copy.deepcopy(holder)
    worst = math.inf if stopper.mode == "min" else -math.inf
    stopper.wait_count, stopper.best_score = 0, torch.tensor(worst)
    for number, score in enumerate(scores, 1):
        stops, _ = stopper._evaluate_stopping_criteria(torch.tensor(score))
        if stops:
            best = float(stopper.best_score)
            known = math.isfinite(best)  # not where a threshold of its own stops it at once
            return Reaction(tuple(scores), number, _known(best, scores)) if known else None
    return None


def _plateau(holder: Any, scores: Sequence[float]) -> Reaction | None:
    twin = twin_of(holder)
    if twin is None:
        return None
    plateau: Any = twin.scheduler
    plateau._reset()
    before = float(twin.optimizer.param_groups[0]["lr"])
    for number, score in enumerate(scores, 1):
        plateau.step(score)
        after = float(twin.optimizer.param_groups[0]["lr"])
        if after < before:
            return Reaction(tuple(scores), number, _known(plateau.best, scores), (before, after))
    return None


def _known(value: float, scores: Sequence[float]) -> float:
    """Of the scores that which is meant: float32 has fewer digits."""
    return min(scores, key=lambda score: abs(score - value))
