"""Several optimizers: whose backward pass filled whose gradients, and who moves what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pl_lint.runtime.programs.one_batch.serving import _shortest_and_longest
from pl_lint.runtime.watching.trained.gradients import GradientDiary
from pl_lint.runtime.watching.trained.traces import turns, twin_of

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
BATCHES = 3


class Pair(nn.Module):
    """A part that works on what another one made."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maker = nn.Linear(3, 4)
        self.judge = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))

    def made(self) -> torch.Tensor:
        return self.judge(self.maker(X)).mean()

    def alone(self) -> torch.Tensor:
        """What is made, and what is real, apart: the other way than the maker wants it."""
        return self.judge(X @ X.T[:, :4]).mean() - self.judge(self.maker(X).detach()).mean()


Step = Callable[[Pair, torch.optim.Optimizer, torch.optim.Optimizer], None]


def watched(step: Step, everything: bool = False) -> GradientDiary:
    pair = Pair()
    maker = torch.optim.SGD((pair if everything else pair.maker).parameters(), lr=0.1)
    judge = torch.optim.SGD(pair.judge.parameters(), lr=0.1)
    diary, batch = GradientDiary(pair), 0
    diary.rivals.batch = lambda: batch
    diary.meet([maker, judge])
    with diary.watching():
        diary.begin()
        for batch in range(BATCHES):  # noqa: B007 (read by the diary)
            step(pair, maker, judge)
    return diary


def left_over(pair: Pair, maker: torch.optim.Optimizer, judge: torch.optim.Optimizer) -> None:
    maker.zero_grad()
    judge.zero_grad()
    pair.made().backward()
    maker.step()
    pair.alone().backward()
    judge.step()


def zeroed(pair: Pair, maker: torch.optim.Optimizer, judge: torch.optim.Optimizer) -> None:
    maker.zero_grad()
    pair.made().backward()
    maker.step()
    judge.zero_grad()
    pair.alone().backward()
    judge.step()


def upstream(pair: Pair, maker: torch.optim.Optimizer, judge: torch.optim.Optimizer) -> None:
    """The maker learns from two losses, between which the judge is stepped."""
    maker.zero_grad()
    judge.zero_grad()
    pair.made().backward()
    judge.step()
    pair.maker(X).square().mean().backward()
    maker.step()


def one_pass(pair: Pair, maker: torch.optim.Optimizer, judge: torch.optim.Optimizer) -> None:
    maker.zero_grad()
    judge.zero_grad()
    pair.made().backward()
    maker.step()
    judge.step()


def test_gradients_of_another_loss_are_counted_with_their_parameters() -> None:
    (tainted,) = watched(left_over).rivals.tainted()
    assert (tainted.optimizer, tainted.by, tainted.steps) == (1, 0, BATCHES)
    assert tainted.judging == BATCHES
    assert all(name.startswith("judge.") for name in tainted.parameters)


@pytest.mark.parametrize("step", [zeroed, upstream, one_pass])
def test_gradients_that_are_meant_to_be_there_are_not(step: Step) -> None:
    assert watched(step).rivals.tainted() == ()


def test_who_moves_a_parameter_in_one_batch() -> None:
    (overlap,) = watched(zeroed, everything=True).rivals.overlaps()
    assert overlap.whole and overlap.batches == BATCHES
    assert all(name.startswith("judge.") for name in overlap.parameters)
    assert watched(zeroed).rivals.overlaps() == ()


def test_turns_of_a_rate() -> None:
    assert turns([1.0, 2.0, 1.0, 0.5]) == 0
    assert turns([1.0, 0.5, 0.5, 1.0, 0.2, 0.9]) == 2


def test_a_twin_leaves_the_scheduler_alone() -> None:
    optimizer = torch.optim.SGD(Pair().parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    twin = twin_of(scheduler)
    assert twin is not None and turns(twin.rates(10)) == 1 and len(twin.rates(3)) == 3
    assert scheduler.last_epoch == 0 and optimizer.param_groups[0]["lr"] == 1.0


def test_the_shortest_and_the_longest_sample() -> None:
    texts = [(torch.ones(size), 1) for size in (4, 2, 5)]
    short, longest = _shortest_and_longest(texts)
    assert (len(short[0]), len(longest[0])) == (2, 5)
    assert _shortest_and_longest(texts[:1] * 3) == (None, None)
