"""Modes: is what gets better taken for better?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pl_lint.checks.checkpoint.monitors.planted import evidence_of, offered
from pl_lint.checks.proving import found
from pl_lint.checks.values.numbers import shown
from pl_lint.facts import torchmetrics
from pl_lint.facts.directions import higher_by_name
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import FitRecord
from pl_lint.facts.watchers import STOPPER, PlantedKeeper, PlantedKey, Reaction, Watcher
from pl_lint.findings import Evidence, Finding, Status


@dataclass(frozen=True)
class _Better:
    """Whether higher scores are better, who says so, and how sure that is."""

    higher: bool
    why: str
    status: Status

    @property
    def mode(self) -> str:
        return "max" if self.higher else "min"

    def __str__(self) -> str:
        return f"{'higher' if self.higher else 'lower'} is better ({self.why})"


def wrong_direction(
    watcher: Watcher, fit: FitRecord, keeper: PlantedKeeper | None, case: CaseFacts
) -> Iterator[Finding]:
    assert watcher.key is not None
    better = _better(watcher.key, fit)
    if better is None or watcher.mode == better.mode:
        return
    does, evidence = _done(watcher, keeper, better.higher)
    text = f"{watcher.name}(monitor={watcher.key!r}, mode={watcher.mode!r}): {better}; {does}"
    remedy, place = f"mode={better.mode!r}", watcher.location
    yield found(case, "LTN301", text, remedy, place, evidence, better.status)


def _better(key: str, fit: FitRecord) -> _Better | None:
    """By what torchmetrics says of the object behind the key; by its name, only a suspicion."""
    metric = _metric_of(key, fit)
    stated = torchmetrics.higher_is_better(metric) if metric else None
    if stated is not None:
        return _Better(stated, f"torchmetrics' {metric} says so", Status.PROVED)
    named = higher_by_name(key)
    return None if named is None else _Better(named, "by its name", Status.SUSPECTED)


def _metric_of(key: str, fit: FitRecord) -> str:
    """The class of the torchmetrics object that the logged value comes from; empty for others."""
    keys = (PlantedKey.of_metric(replay.name, replay.stage, True, True) for replay in fit.replays)
    pairs = zip(fit.replays, keys, strict=True)
    found_classes = {replay.metric_class for replay, one in pairs if key in one.metrics}
    return found_classes.pop() if len(found_classes) == 1 else ""


def _done(
    watcher: Watcher, keeper: PlantedKeeper | None, higher: bool
) -> tuple[str, tuple[Evidence, ...]]:
    """What it did under planted scores; where none were planted, what such a mode does."""
    kept = keeper.best.score if keeper and keeper.best else None
    if keeper is not None and kept is not None:
        return _kept(str(watcher.key), kept, offered(keeper), higher)
    reaction = watcher.rising if higher else watcher.falling
    if reaction is not None:
        return _reacts(str(watcher.key), reaction, higher)
    stops = watcher.kind == STOPPER
    return "stops while it gets better" if stops else "takes the worse for better", ()


def _kept(
    key: str, kept: float, scores: list[float], higher: bool
) -> tuple[str, tuple[Evidence, ...]]:
    true = max(scores) if higher else min(scores)
    how = "offered " + ", ".join(map(shown, scores))
    text = f"of planted scores it kept {shown(kept)} and not {shown(true)}"
    return text, (evidence_of(key, kept, true, how),)


def _reacts(key: str, reaction: Reaction, higher: bool) -> tuple[str, tuple[Evidence, ...]]:
    """What it does about planted scores that get better and better."""
    first, last = reaction.scores[0], reaction.scores[-1]
    move = "rises" if higher else "falls"
    does = "stops"
    if reaction.rates is not None:
        before, after = reaction.rates
        does = f"cuts the rate from {shown(before)} to {shown(after)}"
    true = reaction.scores[reaction.after - 1]
    how = (
        f"planted, it {move} from {shown(first)} to {shown(last)} in {len(reaction.scores)} epochs"
    )
    evidence = evidence_of(key, reaction.best, true, how, world="planted scores")
    text = f"{how}: it takes {shown(reaction.best)} for the best and {does} after epoch "
    return f"{text}{reaction.after}, at {shown(true)}", (evidence,)
