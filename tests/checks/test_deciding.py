"""Which of several lost things decides: what runs with them put back are taken to mean."""

from __future__ import annotations

from collections.abc import Sequence, Set

import pytest

from pl_lint.checks.checkpoint.deciding import MOST, Put, deciding


class Fit:
    """One that ends as it should once these sets of names are put back, any of them."""

    def __init__(self, *enough: Set[str]) -> None:
        self.enough = enough
        self.runs: list[Sequence[str]] = []

    def __call__(self, put: Put) -> list[bool]:
        self.runs += put
        return [any(set(names) >= wanted for wanted in self.enough) for names in put]


def lost(*names: str) -> dict[str, str]:
    return {name: f"{name} was 1, and 0 after resuming" for name in names}


@pytest.mark.parametrize(
    ("fit", "named"),
    [
        (Fit({"mean"}), ["mean"]),
        (Fit({"best", "mean"}), ["mean", "best"]),
    ],
)
def test_what_is_needed_is_named(fit: Fit, named: list[str]) -> None:
    found = deciding(lost("losses", "mean", "best"), (), fit)
    assert list(found.lost) == named
    assert "one of these" not in found.words


@pytest.mark.parametrize("fit", [Fit(), Fit({"mean"}, {"best"}), lambda put: []])
def test_all_are_named_where_nobody_can_tell(fit: Fit) -> None:
    """Something else was lost, two stand for each other, no run could be made."""
    found = deciding(lost("losses", "mean", "best"), (), fit)
    assert list(found.lost) == ["losses", "mean", "best"]
    assert found.words.startswith("one of these, or several: losses was 1")


def test_what_was_told_before_may_be_all() -> None:
    assert not deciding(lost("losses", "mean"), ["mean"], Fit({"mean"})).lost
    assert [*deciding(lost("losses", "mean"), ["losses"], Fit({"mean"})).lost] == ["mean"]
    both = deciding(lost("losses", "mean", "best"), ["mean"], Fit({"mean", "best"}))
    assert [*both.lost] == ["best"]


def test_one_thing_and_very_many_take_no_run() -> None:
    fit = Fit({"mean"})
    assert deciding(lost("mean"), (), fit).words == "mean was 1, and 0 after resuming"
    many = deciding(lost(*(f"list {number}" for number in range(MOST + 1))), (), fit)
    assert "one of these" in many.words
    assert not fit.runs
