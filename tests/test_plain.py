"""Plain classes are what ``dataclasses`` makes of the same text, and are taken for its own."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint import plain


@plain.frozen(order=True)
class Ours:
    first: int
    second: object = ""
    made: dict[str, int] = plain.field(default_factory=dict, compare=False)


@dataclasses.dataclass(frozen=True, order=True)
class Theirs:
    first: int
    second: object = ""
    made: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


@plain.frozen
class Below(Ours):
    third: int = 3


@plain.frozen
class Alone:
    value: object


@plain.mutable
class Changing:
    count: int
    seen: list[int] = plain.field(default_factory=list)


GIVEN = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["", "a", math.nan]),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 2)),
)


@given(GIVEN, GIVEN)
def test_two_objects_compare_as_those_of_dataclasses(
    left: tuple[Any, ...], right: tuple[Any, ...]
) -> None:
    ours, theirs = (Ours(*left), Ours(*right)), (Theirs(*left), Theirs(*right))
    assert (ours[0] == ours[1]) == (theirs[0] == theirs[1])
    assert (hash(ours[0]) == hash(ours[1])) == (hash(theirs[0]) == hash(theirs[1]))
    assert repr(ours[0]) == repr(theirs[0]).replace("Theirs", "Ours")
    if type(left[1]) is type(right[1]):
        assert (ours[0] < ours[1]) == (theirs[0] < theirs[1])
        assert (ours[0] >= ours[1]) == (theirs[0] >= theirs[1])


@pytest.mark.parametrize("make", [lambda: Ours(), lambda: Ours(1, 2, {}, 4), lambda: Ours(1, x=2)])
def test_what_is_missing_or_too_much_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_frozen_objects_do_not_change() -> None:
    one = Ours(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.first
    assert one == Ours(1)


def test_a_default_is_made_for_each_object() -> None:
    assert Ours(1).made is not Ours(1).made
    assert Changing(1).seen is not Changing(1).seen


def test_objects_of_different_classes_differ() -> None:
    assert Below(1) != Ours(1)
    assert Below(1) == Below(1, "", {}, 3)
    assert plain.names(Below) == ("first", "second", "made", "third")


def test_a_single_attribute_is_told_like_several() -> None:
    assert Alone(math.nan) == Alone(math.nan)
    assert Alone(1) != Alone(2)


def test_mutable_objects_are_only_equal_to_themselves() -> None:
    one = Changing(1)
    one.count += 1
    assert one.count == 2
    assert one == one and one != Changing(2)


def test_replaced_objects_keep_the_rest() -> None:
    one = Below(1, "a", {"x": 1})
    assert plain.replace(one, third=4) == Below(1, "a", {}, 4)
    assert plain.replace(one, third=4).made is one.made


@pytest.mark.parametrize("one", [Ours(1, "a", {"x": 1}), Below(2, third=5)])
def test_dataclasses_takes_them_for_its_own(one: Any) -> None:
    assert dataclasses.is_dataclass(one)
    assert [field.name for field in dataclasses.fields(one)] == list(plain.names(one))
    assert dataclasses.replace(one, first=7) == plain.replace(one, first=7)
    assert tuple(dataclasses.asdict(one).values()) == plain.values(one)


def test_a_dataclass_may_be_built_on_one() -> None:
    @dataclasses.dataclass(frozen=True)
    class Above(Ours):
        more: int = 0

    assert dataclasses.astuple(Above(1, more=2)) == (1, "", {}, 2)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal(again: Callable[[object], object]) -> None:
    assert again(Below(1, "a")) == Below(1, "a")
