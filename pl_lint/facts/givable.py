"""Classes and functions of libraries that modules are built with: ``Net(torch.optim.Adam)``,
``act=nn.ReLU``.

A checkpoint holds them by their names, which torch refuses to look up with ``weights_only=True``:
measured with torch 2.13 for one of each kind.
"""

from __future__ import annotations

from typing import Literal

CLASSES = ("torch.nn.", "torch.optim.", "torchmetrics.")
FUNCTIONS = ("torch.nn.functional.", "torch.nn.init.", "torchmetrics.functional.")


def library_kind(name: str) -> Literal["", "class", "function"]:
    """Which of them a name is; empty for one that may be anything."""
    if name.startswith(FUNCTIONS):
        return "function"
    last = name.rpartition(".")[2]
    return "class" if name.startswith(CLASSES) and last[:1].isupper() else ""
