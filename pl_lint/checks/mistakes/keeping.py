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

UNREGISTERED = Mistake(
    "LTN655",
    "layers-in-a-list",
    ("DEV05",),
    """Layers are kept in a plain list or dict, where Lightning and torch do not see them.

    What it does
    ------------
    Looks for parameters in lists, dicts and plain objects of a module that `parameters()` does not
    name and that training gives gradients to. What is hidden and gets none, such as a teacher that
    no checkpoint should hold, is left alone.

    Why is this bad
    ---------------
    Such layers are not trained, not moved to the GPU and not saved.

    Use instead
    -----------
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
    """,
)
