"""What a logger holds, laid beside what it was given."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import (
    CSV,
    ELSEWHERE,
    HYPERPARAMETER,
    MLFLOW,
    TENSORBOARD,
    UNREAD,
    WANDB,
    Held,
    Written,
)
from pl_lint.findings import Location

DELETED = re.compile(r"[^a-zA-Z0-9_/. -]+")
"""What MLFlowLogger deletes from a key (``loggers/mlflow.py``, 2.6.6)."""
WANDBS_OWN = frozenset(["_step", "_runtime", "_timestamp", "_wandb", "trainer/global_step"])
LIGHTNINGS_OWN = frozenset(["epoch", "hp_metric"])
LONGEST = 250
"""Characters of a value that MLFlowLogger keeps."""
TRUTHS: Mapping[str, str] = {"True": "1", "False": "0", "true": "1", "false": "0"}
"""TensorBoard writes truths as numbers."""
ITS_COLUMN = "step"
"""CSVLogger has a column of that name, for the step: a key of that name is the business of
``event-file``."""


class Problem(NamedTuple):
    """What is wrong: code, words, what to do, where. ``certain``: in every use of that logger."""

    code: str
    text: str
    remedy: str
    location: Location | None = None
    key: str = ""
    certain: bool = True


def problems(held: Held) -> Iterator[Problem]:
    yield from _keys(held)
    yield from _curves(held)
    yield from _media(held)
    yield from _hyperparameters(held)


def curves(held: Held) -> set[str]:
    """The keys whose points are compared. TensorBoard's are compared by ``event-file``."""
    if held.logger == TENSORBOARD:
        return set()
    keys = {point.tag for point in held.handed} - LIGHTNINGS_OWN
    return keys - {ITS_COLUMN} if held.logger == CSV else keys


def stored_as(logger: str, key: str) -> str:
    return DELETED.sub("", key) if logger == MLFLOW else key


# --- keys and curves ------------------------------------------------------------------------------


def _keys(held: Held) -> Iterator[Problem]:
    """Keys that this logger changes or has a use of its own for."""
    keys = sorted(curves(held))
    if held.logger == MLFLOW:
        for key in keys:
            if key != stored_as(MLFLOW, key):
                text = f"MLflow holds {key!r} as {stored_as(MLFLOW, key)!r}{_shared(key, keys)}"
                yield Problem("LTN907", text, LETTERS, key=key)
    if held.logger == WANDB:
        for key in WANDBS_OWN.intersection(keys):
            text = f"W&B has a value of its own under the key {key!r}"
            yield Problem("LTN907", text, "take another key", key=key)


def _shared(key: str, keys: Sequence[str]) -> str:
    same = [
        each for each in keys if each != key and stored_as(MLFLOW, each) == stored_as(MLFLOW, key)
    ]
    return f", and {same[0]!r} under the same name" if same else ""


def _curves(held: Held) -> Iterator[Problem]:
    skipped = WANDBS_OWN if held.logger == WANDB else frozenset()
    names = sorted({stored_as(held.logger, key) for key in curves(held) - skipped})
    keys = {stored_as(held.logger, key): key for key in sorted(curves(held), reverse=True)}
    for name in names:
        handed = Counter(_point(p) for p in held.handed if stored_as(held.logger, p.tag) == name)
        found = Counter(_point(p) for p in held.points if p.tag == name)
        text = _difference(handed, found)
        if text:
            what = f"{held.logger} does not hold {name!r} as it was logged: {text}"
            yield Problem("loggers", what, ONE_WAY, key=keys[name])


def _difference(handed: Counter[tuple[int, str]], found: Counter[tuple[int, str]]) -> str:
    for step, value in found - handed:
        return f"it also has {value} at step {step}, which self.log did not write"
    for step, value in handed - found:
        return f"{value} was logged at step {step} and is not there"
    return ""


def _point(point: LoggerPoint) -> tuple[int, str]:
    """NaN does not equal itself; its text does. What a store keeps of a number is enough."""
    return point.step, "nan" if math.isnan(point.value) else shown(point.value)


# --- what is written by hand ----------------------------------------------------------------------


def _media(held: Held) -> Iterator[Problem]:
    for (kind, tag), written in _by_tag(held.written):
        if kind == HYPERPARAMETER:
            continue
        if kind == "graph":
            yield from _graphs(held, written)
            continue
        if kind == ELSEWHERE:
            yield _elsewhere(tag, written)
            continue
        yield from _lost(held, kind, tag, written)
        yield from _of_the_sanity_check(kind, tag, written)
        if held.logger == TENSORBOARD:
            yield from _axis(kind, tag, written)


def _by_tag(written: Iterable[Written]) -> Iterator[tuple[tuple[str, str], list[Written]]]:
    ordered = sorted(written, key=_tag)  # sorting keeps the order of time within a tag
    return ((tag, list(group)) for tag, group in groupby(ordered, _tag))


def _tag(written: Written) -> tuple[str, str]:
    return written.kind, written.tag


def _lost(held: Held, kind: str, tag: str, written: Sequence[Written]) -> Iterator[Problem]:
    there = [each for each in held.media if (each.kind, each.tag) == (kind, tag)]
    if held.logger == WANDB:
        yield from _dropped(held, tag, written, len(there))
        return
    steps = {each.step for each in there}
    for each in written:
        if not there or (held.logger == TENSORBOARD and _step(each) not in steps):
            text = (
                f"{_what(kind, tag)} was written at step {_step(each)} and {held.logger} lacks it"
            )
            yield Problem("loggers", text, ONE_WAY, each.location)
            return


def _dropped(held: Held, tag: str, written: Sequence[Written], there: int) -> Iterator[Problem]:
    """Here Lightning logs every batch. With its default, every fiftieth, W&B's count stays behind
    the number of steps, and a step of that number is not dropped."""
    missing = len(written) - there
    if missing <= 0 or tag in {point.tag for point in held.handed}:
        return
    text = f"{missing} of {len(written)} values of {tag!r} are not in W&B's log"
    if all(each.step is None for each in written):
        yield Problem("loggers", text, ONE_WAY, written[0].location)
        return
    often = all(each.step in (None, each.at) for each in written)
    text += ": their step is smaller than W&B's own count"
    text += ", if every batch is logged" if often else ""
    yield Problem("LTN905", text, NO_STEP, written[0].location, certain=not often)


def _of_the_sanity_check(kind: str, tag: str, written: Sequence[Written]) -> Iterator[Problem]:
    early = [each for each in written if each.sanity]
    later = {_step(each) for each in written if not each.sanity}
    if not early:
        return
    mixed = kind not in ("history", "artifact") and _step(early[0]) in later
    beside = f", where the trained module's is written too: step {_step(early[0])}" if mixed else ""
    text = f"{_what(kind, tag)} comes from the sanity check{beside}"
    code = "LTN908" if mixed else "loggers"
    yield Problem(code, text, NOT_SANITY, early[0].location, certain=mixed)


def _axis(kind: str, tag: str, written: Sequence[Written]) -> Iterator[Problem]:
    """Several of one epoch at one step are the batches of an epoch, and no disorder."""
    later = [each for each in written if not each.sanity]
    for one, other in pairwise(later):
        moved = other.at > one.at and other.epoch > one.epoch
        if _step(other) < _step(one) or (moved and _step(other) == _step(one)):
            points = [f"at step {_step(each)} in epoch {each.epoch}" for each in (one, other)]
            text = f"{_what(kind, tag)} does not go forward: {', then '.join(points)}"
            yield Problem("LTN908", text, GLOBAL_STEP, other.location)
            return
    epochs = [each for each in later if each.step == each.epoch and abs(each.at - each.epoch) > 1]
    if epochs:
        text = f"{_what(kind, tag)} is drawn over epochs, metrics over steps"
        yield Problem("LTN908", text, GLOBAL_STEP, epochs[0].location, certain=False)


def _elsewhere(tag: str, written: Sequence[Written]) -> Problem:
    """A script may have started the run, and given it to the logger as ``run_id``."""
    text = f"{tag!r} is written to the active run of mlflow's, which is not the logger's"
    return Problem("loggers", text, OWN_RUN, written[0].location, certain=False)


def _graphs(held: Held, written: Sequence[Written]) -> Iterator[Problem]:
    if not any(medium.kind == "graph" for medium in held.media):
        text = f"the graph was written and {held.logger} lacks it"
        yield Problem("loggers", text, ONCE, written[0].location)
    if len(written) > 1:
        text = f"the graph is written {len(written)} times in {written[-1].epoch + 1} epochs"
        yield Problem("LTN913", text, ONCE, written[0].location)


def _step(written: Written) -> int:
    """TensorBoard takes none for 0."""
    return written.step or 0


def _what(kind: str, tag: str) -> str:
    names = {"images": "the image", "histograms": "the histogram", "tensors": "the text"}
    return f"{names.get(kind, 'what is written as')} {tag.removesuffix('/text_summary')!r}"


# --- hyper-parameters -----------------------------------------------------------------------------


def _hyperparameters(held: Held) -> Iterator[Problem]:
    lines = {each.tag: each.location for each in held.written if each.kind == HYPERPARAMETER}
    for name, value in held.given.items():
        if name not in held.kept:
            text = f"the hyper-parameter {name!r} was logged and is not in what {held.logger} holds"
            yield Problem("loggers", text, ALL_AT_ONCE, lines.get(name))
        elif not _same(value, held.kept[name]):
            text = (
                f"the hyper-parameter {name!r} is {held.kept[name]} in {held.logger}, not {value}"
            )
            yield Problem("loggers", text, ALL_AT_ONCE, lines.get(name))


def _same(given: str, kept: str) -> bool:
    if kept in (given, UNREAD) or (len(given) > LONGEST and given[:LONGEST] == kept):
        return True
    given, kept = TRUTHS.get(given, given), TRUTHS.get(kept, kept)
    try:
        return float(given) == float(kept)
    except ValueError:
        return given == kept


LETTERS = "use letters, digits, '_', '/', '.', '-' and spaces"
ONE_WAY = "write each key in one way only, with self.log or with the logger"
NO_STEP = 'leave step out, and log "trainer/global_step" beside the value'
OWN_RUN = "use self.log, or self.logger.experiment with self.logger.run_id"
NOT_SANITY = "ask for `not self.trainer.sanity_checking` before writing it"
GLOBAL_STEP = "use self.global_step"
ONCE = "TensorBoardLogger(log_graph=True) and example_input_array write it once"
ALL_AT_ONCE = "log all hyper-parameters in one call: save_hyperparameters(), or before fit"
