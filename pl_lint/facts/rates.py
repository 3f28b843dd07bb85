"""How schedulers work out the next learning rate."""

from __future__ import annotations

RECURSIVE = frozenset(
    {
        *("StepLR", "MultiStepLR", "MultiplicativeLR", "ExponentialLR", "PolynomialLR"),
        *("ConstantLR", "LinearLR", "CosineAnnealingLR"),
    }
)
"""Those of torch whose ``get_lr()`` makes the next rate of the one that is in use, at least at some
epochs; the others work it out of the number of the epoch alone."""
OF_TORCH = "torch.optim.lr_scheduler."


def is_recursive(name: str) -> bool:
    """Whether a class is one of these."""
    return name.startswith(OF_TORCH) and name.removeprefix(OF_TORCH) in RECURSIVE
