"""Mistakes about what a module keeps that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

GRAPH_KEPT = Mistake(
    "LTN129",
    "graph-kept",
    ("LOG29",),
    """Tensors are kept with the graphs that made them.

    What it does
    ------------
    Counts tensors with a graph in the attributes of a module after two and after five batches, and
    the operations behind them. A list that the end of the epoch empties is suspected only:
    Lightning's guide to 2.0 collects the losses of an epoch like that, and it is as long as an
    epoch.

    Why is this bad
    ---------------
    A list of losses keeps the graph of every batch alive, a running sum one that grows with every
    batch. Memory runs out hours later.

    Use instead
    -----------
        self.losses.append(loss.detach())
    """,
)
