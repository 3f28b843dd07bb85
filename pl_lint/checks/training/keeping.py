"""Values that pile up in attributes: from epoch to epoch, or with the graphs that made them."""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training.view import View
from pl_lint.facts.training import Kept
from pl_lint.findings import Status

PILED_UP = 2
"""Between the second batch and the fifth a tensor each is three."""


def judge_kept(view: View, into: Gathering) -> None:
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
        f"self.{kept.attribute} keeps graphs alive: {before} {what} after two batches, {after} "
        "after five; memory grows with every batch"
    )
    status, condition = Status.PROVED, ""
    if not view.story.automatic:  # losses may be collected for one backward pass
        status, condition = Status.SUSPECTED, "if no backward pass needs them any more"
    remedy = "keep loss.detach(), or loss.item()"
    into.findings.append(
        view.found("LTN129", text, view.place(kept.attribute), remedy, status, condition)
    )


def _grows(view: View, kept: Kept) -> bool:
    """By more than a value for each epoch."""
    first, last = kept.sizes
    return 0 < first < last and last - first >= min(3, max(2, view.story.batches // 2))


def _judge_growth(view: View, kept: Kept, into: Gathering) -> None:
    first, last = kept.sizes
    text = (
        f"self.{kept.attribute} is never cleared: {first} values after the first epoch, {last} "
        "after the second"
    )
    if not kept.tensors:
        into.notes.append(f"{text}; they are plain values, taken for a history")
        return
    at_end = [name for name in kept.mentioned if name.endswith("epoch_end")]
    if at_end:
        text += f"; {at_end[0]} uses those of all epochs"
    sure = kept.flat or bool(at_end)
    into.findings.append(
        view.found(
            "LTN719",
            text,
            view.place(kept.attribute),
            f"self.{kept.attribute}.clear() at the end of the epoch; keep a history as numbers",
            Status.PROVED if sure else Status.SUSPECTED,
            "" if sure else "if it is no buffer that is meant to fill",
        )
    )
