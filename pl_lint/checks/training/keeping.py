"""Values that pile up in attributes: from epoch to epoch, or with the graphs that made them."""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View, watched
from pl_lint.facts.events import Note, sentence
from pl_lint.facts.training import Kept
from pl_lint.findings import Location, Status

FIFTH = 5
PILED_UP = 2
"""Between the second batch and the fifth a tensor each is three."""


def judge_kept(view: View, into: Gathering) -> None:
    if view.fit.epochs_run < 2:
        into.undecided.append(
            Note("kept values", "the fit has one epoch, and nothing to compare it with")
        )
    if view.story.batches < FIFTH:
        into.undecided.append(
            Note("kept graphs", f"{view.story.batches} batches are too few to pile up")
        )
    for kept in view.story.kept:
        if _keeps_graphs(kept):
            _judge_graphs(view, kept, into)
        elif _grows(view, kept):
            _judge_growth(view, kept, into)


def _keeps_graphs(kept: Kept) -> bool:
    more = kept.graphs[1] - kept.graphs[0] >= PILED_UP
    deeper = kept.graphs[0] and kept.depth[1] - kept.depth[0] >= PILED_UP
    return bool(more or deeper)


def _judge_graphs(view: View, kept: Kept, into: Gathering) -> None:
    before, after = kept.graphs if kept.graphs[1] > kept.graphs[0] else kept.depth
    what = "tensors with a graph" if kept.graphs[1] > kept.graphs[0] else "operations in its graph"
    text = (
        f"{_name(kept)} keeps graphs alive: {before} {what} after two batches, {after} "
        "after five; memory grows with every batch"
    )
    status, condition = Status.PROVED, ""
    if not view.story.automatic:  # losses may be collected for one backward pass
        status, condition = Status.SUSPECTED, "if no backward pass needs them any more"
    elif not any(kept.sizes):  # Lightning's own guide to 2.0 keeps an epoch's losses like that
        text += ", until the end of the epoch"
        status, condition = Status.SUSPECTED, "if an epoch has more batches than memory holds"
    remedy = "keep loss.detach(), or loss.item()"
    into.findings.append(
        view.found(
            "LTN129",
            text,
            _place(view, kept),
            remedy,
            status,
            condition,
            script.graphs(kept.attribute, kept.owner),
            watched(f"{what} after five batches", after, before, "a fit; as after two batches"),
        )
    )


def _grows(view: View, kept: Kept) -> bool:
    """By more than a value for each epoch."""
    first, last = kept.sizes
    return 0 < first < last and last - first >= min(3, max(2, view.story.batches // 2))


def _judge_growth(view: View, kept: Kept, into: Gathering) -> None:
    first, last = kept.sizes
    at_end = [name for name in kept.mentioned if name.endswith("epoch_end")]
    keeping_short = _keeping_short(kept, at_end)
    what = "values" if kept.axis is None else f"entries along dimension {kept.axis}"
    text = (
        f"{_name(kept)} {'grows' if keeping_short else 'is never cleared'}: {first} {what} "
        f"after the first epoch, {last} after the second"
    )
    if history := _history(view, kept):
        into.notes.append(sentence(f"{text}; {history}, taken for a history"))
        return
    if at_end and not keeping_short:
        text += f"; {at_end[0]} uses those of all epochs"
    status, condition = Status.SUSPECTED, "if it is no buffer that is meant to fill"
    if keeping_short:
        condition = f"if {keeping_short[0]} does not keep it short"
    elif kept.flat or at_end:
        status, condition = Status.PROVED, ""
    shows = script.grows(kept.attribute, kept.owner, kept.axis)
    evidence = watched(f"{what} after the second epoch", last, first, "a fit; as after the first")
    place, remedy = _place(view, kept), _remedy(kept)
    into.findings.append(
        view.found("LTN719", text, place, remedy, status, condition, shows, evidence)
    )


def _history(view: View, kept: Kept) -> str:
    """What says that something is meant to grow through the whole training."""
    first, last = kept.sizes
    if not kept.tensors or (kept.numbers and last - first <= view.story.batches):
        return "they are plain values"
    if kept.appended and all(name.endswith(("epoch_end", "epoch_start")) for name in kept.appended):
        return f"{kept.appended[0]} adds to it"
    return ""


def _name(kept: Kept) -> str:
    return f"{kept.owner or 'self'}.{kept.attribute}"


def _place(view: View, kept: Kept) -> Location:
    return (kept.location or view.case.home) if kept.owner else view.place(kept.attribute)


def _remedy(kept: Kept) -> str:
    clear = f"self.{kept.attribute}.clear()"
    if kept.axis is not None:
        clear = f"begin self.{kept.attribute} anew"
    return f"{clear} at the end of the epoch; keep a history as numbers"


def _keeping_short(kept: Kept, at_end: list[str]) -> tuple[str, ...]:
    """What may keep a list from growing for ever: a buffer that fills, a queue, a history that is
    begun anew now and then. An end of an epoch that uses what another hook clears, and finds it
    grown, was to find the values of its epoch."""
    renewed = kept.renewed
    if at_end:
        renewed = tuple(name for name in kept.renewed if name in at_end)
    return (*kept.shortened, *renewed)
