"""What is asked of objects that lie, refuse, or answer to everything."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch

from pl_lint.runtime.watching.holding import held, holds, names_of_own
from pl_lint.runtime.watching.ranked.samples import fingerprint
from pl_lint.runtime.watching.saved.attributes import plain_attributes, printed_tensor


class Thing:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Mute:
    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # torch itself asks for this one
            return Mute
        raise RuntimeError(f"nothing to see: {name}")


class Unprintable:
    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Slots:
    __slots__ = ("value",)


def test_attributes_are_read_past_the_objects_own_code() -> None:
    assert held(Thing(a=1)) == {"a": 1}
    assert held(Mute()) == {}
    assert held(3) == {}
    assert not holds(3)


def test_mocks_with_a_specification_and_dead_references_are_left_out() -> None:
    gone = Thing()
    owner = Thing(count=1, table=mock.Mock(spec=dict), owner=weakref.proxy(gone))
    del gone
    assert held(owner) == {"count": 1}


@pytest.mark.parametrize(
    "make", [Mute, mock.MagicMock, lambda: mock.Mock(spec=torch.Tensor), Unprintable, object]
)
def test_odd_objects_end_no_look_at_a_module(make: Callable[[], Any]) -> None:
    kind = type("Own", (torch.nn.Sequential,), {"__module__": "own"})
    module = kind()
    vars(module).update(odd=make(), count=2)
    assert plain_attributes(module)["count"] == "2"


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(3).to_sparse(),
        torch.empty(2, device="meta"),
        torch.zeros(2, dtype=torch.bfloat16),
        torch.empty(0),
    ],
)
def test_any_tensor_can_be_printed(tensor: torch.Tensor) -> None:
    assert "tensor" in printed_tensor(tensor)


def test_a_sample_whose_objects_know_each_other_has_a_fingerprint() -> None:
    parent, other = Thing(value=1), Thing(value=2)
    for one in (parent, other):
        vars(one)["child"] = Thing(parent=one)
    assert fingerprint(parent) != fingerprint(other)
    assert fingerprint(parent) == fingerprint(parent)


def test_where_an_object_lives_is_no_part_of_its_fingerprint() -> None:
    kept = [Slots(), Slots()]
    assert fingerprint(kept[0]) == fingerprint(kept[1])
    assert fingerprint([Unprintable()]) == fingerprint([Unprintable()])


class Weighted(torch.nn.LSTM):
    """A library's class with a private count of the user's own."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self._calls = 0
        self._flat_weights: list[torch.Tensor] = []

    @property
    def last(self) -> int:
        return self._last

    @last.setter
    def last(self, value: int) -> None:
        self._last = value


def test_private_names_are_told_from_those_of_libraries() -> None:
    assert names_of_own(Weighted) == {"_calls", "_last"}
    assert not names_of_own(torch.nn.LSTM)
