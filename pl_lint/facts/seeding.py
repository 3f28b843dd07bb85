"""Which calls seed the generators that everybody shares, from the documentation of each library."""

from __future__ import annotations

OF_PYTHON = ("random.seed",)
OF_NUMPY = ("numpy.random.seed",)
OF_TORCH = (
    "torch.manual_seed",
    "torch.random.manual_seed",
    "torch.default_generator.manual_seed",
)
SEEDS = (*OF_TORCH, *OF_NUMPY, *OF_PYTHON)
