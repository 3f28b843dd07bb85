"""What is read in the user's own methods: what they shorten, renew and call; what they share out
over a batch; which names near those of hooks are nobody's mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import pytest
import torch
from torch.nn import functional as F

from pl_lint.runtime.watching.trained.hook_likes import candidates
from pl_lint.runtime.watching.trained.methods import (
    appending,
    bounding,
    mentioned_from,
    renewing,
    shortening,
)
from pl_lint.runtime.watching.trained.over_batch import FollowDimensions


class Holder:
    """Methods that do something with ``kept``, named after what that is."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.other: list[int] = []

    def appends(self) -> None:
        logs = {}
        logs["size"] = len(self.kept)
        self.kept.append(1)
        self.other.pop()

    def takes_by_another_name(self) -> None:
        queue = self.kept
        queue.pop(0)

    def overwrites(self) -> None:
        self.kept[3] = 2

    def deletes(self) -> None:
        del self.kept[:2]

    def cuts(self) -> None:
        self.kept = self.kept[-5:]

    def reads_a_slice(self) -> list[int]:
        return self.kept[-5:]

    def clears(self) -> None:
        self.kept.clear()

    def forward(self) -> None:
        self.deletes()


def test_methods_that_shorten_a_list_are_told_from_those_that_use_it() -> None:
    found = set(shortening(Holder, "kept"))
    assert found == {"takes_by_another_name", "overwrites", "deletes", "cuts"}


def test_a_list_is_renewed_where_it_is_cleared_or_assigned_after_its_first_time() -> None:
    assert set(renewing(Holder, "kept")) == {"clears", "cuts"}


class Joiner:
    """Methods that join something to ``kept``."""

    def __init__(self) -> None:
        self.kept = torch.zeros(0, 2)
        self.other = torch.zeros(0)

    def joins(self, rows: torch.Tensor) -> None:
        self.kept = torch.cat([self.kept, rows])

    def joins_and_cuts(self, rows: torch.Tensor) -> None:
        self.kept = torch.cat([self.kept, rows])[-100:, :]

    def joins_others(self, rows: torch.Tensor) -> None:
        self.other = torch.cat([self.kept, rows])

    def begins_anew(self) -> None:
        self.kept = torch.zeros(0, 2)

    def asks_first(self, rows: torch.Tensor) -> None:
        if rows.sum() > 0:
            self.joins(rows)

    def asks_for_others(self) -> None:
        if self.other.sum() > 0:
            self.other.zero_()


def test_a_tensor_that_is_joined_to_itself_is_neither_renewed_nor_cut() -> None:
    assert set(appending(Joiner, "kept")) == {"joins"}
    assert set(renewing(Joiner, "kept")) == {"joins_and_cuts", "begins_anew"}
    assert set(shortening(Joiner, "kept")) == {"joins_and_cuts"}
    assert set(bounding(Joiner, "kept")) == {"asks_first"}


@pytest.mark.parametrize(("attribute", "named"), [("kept", True), ("other", False)])
def test_what_a_method_names_is_followed_through_those_it_calls(
    attribute: str, named: bool
) -> None:
    assert mentioned_from(Holder, "forward", attribute) is named


@pytest.mark.parametrize(
    ("compute", "operation"),
    [
        (lambda x: x.softmax(dim=0), "softmax(dim=0)"),
        (lambda x: F.normalize(x, dim=-2), "normalize(dim=0)"),
        (lambda x: x - x.mean(0, keepdim=True), "mean(dim=0)"),
        (lambda x: x.softmax(dim=-1), None),
        (lambda x: x[:3].mean(0), None),
        (lambda x: x.log_softmax(0).log_softmax(1), None),
        (lambda x: x / x.sum(0), None),
    ],
)
def test_an_operation_over_the_batch_is_known_by_its_dimension(
    compute: Callable[[torch.Tensor], torch.Tensor], operation: str | None
) -> None:
    follow, module = FollowDimensions(samples=7), torch.nn.Identity()
    follow.running.append(module)
    with follow:
        compute(torch.rand(7, 4))
    found = follow.by(module)
    assert (found.operation if found else None) == operation


class Model(L.LightningModule):
    def on_train_epoch_end(self) -> None:
        self.validation_end()

    def validation_end(self) -> None: ...

    def test_step_end(self, output: Any) -> Any:
        return output

    def on_train_epoch_ends(self) -> None: ...


def test_helpers_of_the_users_own_are_no_hooks_and_stages_that_did_not_run_call_none() -> None:
    found = {each.name: each.told().unseen for each in candidates([Model()], (2, 6), ("train",))}
    assert found == {
        "test_step_end": "the case has no data to test with",
        "on_train_epoch_ends": "",
    }
