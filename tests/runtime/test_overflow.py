"""Which operation is named for a value that is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from pl_lint.facts.records import Overflow
from pl_lint.runtime.watching.overflow import FindOverflow

LARGE = torch.full((3,), 60_000.0, dtype=torch.half)
MASK = torch.tensor([True, False, False])


def first(compute: Callable[[], object]) -> Overflow | None:
    with FindOverflow() as finder:
        compute()
    return finder.first


@pytest.mark.parametrize(
    ("compute", "operation", "dtype"),
    [
        (lambda: LARGE * LARGE, "mul", "float16"),
        (lambda: (LARGE.float() * 2).half(), "_to_copy", "float16"),
        (lambda: torch.log(LARGE * 0), "log", "float16"),
    ],
)
def test_the_operation_that_half_precision_broke(
    compute: Callable[[], object], operation: str, dtype: str
) -> None:
    found = first(compute)
    assert found is not None
    assert (found.operation, found.dtype) == (operation, dtype)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: torch.full((3,), -math.inf, dtype=torch.half),
        lambda: torch.full_like(LARGE, -math.inf),
        lambda: LARGE.new_full((3,), math.nan),
        lambda: LARGE.masked_fill(MASK, -math.inf),
        lambda: LARGE.clone().fill_(-math.inf),
        lambda: torch.where(MASK, LARGE, torch.tensor(-math.inf, dtype=torch.half)),
        lambda: torch.log(torch.zeros(3)),
        lambda: torch.ones(3) / 0,
    ],
)
def test_constants_and_full_precision_are_no_culprits(compute: Callable[[], object]) -> None:
    assert first(compute) is None


def test_a_mask_does_not_hide_what_comes_after_it() -> None:
    found = first(lambda: (LARGE.masked_fill(MASK, -math.inf), LARGE + LARGE))
    assert found is not None
    assert found.operation == "add"
