"""What is seen of training: gradients, steps, graphs that end, losses that are negatives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pl_lint.facts.training import GRADIENT, NO_GRADIENT, ZERO_GRADIENT, OptimizerStory
from pl_lint.runtime.watching.trained.cuts import NO_GRAD, FollowCuts
from pl_lint.runtime.watching.trained.diary import negated_error
from pl_lint.runtime.watching.trained.gradients import GradientDiary
from pl_lint.runtime.watching.trained.keeping import kept, measured
from pl_lint.runtime.watching.trained.neighbours import of_batch

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def net() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def watched(train: Callable[[nn.Module, torch.optim.Optimizer], None]) -> GradientDiary:
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    diary = GradientDiary(module)
    diary.meet([optimizer])
    with diary.watching():
        diary.begin()
        for _ in range(3):
            train(module, optimizer)
    return diary


def one_story(diary: GradientDiary) -> OptimizerStory:
    (story,) = diary.optimizers()
    return story


def test_a_plain_step_is_zeroed_and_moves() -> None:
    def train(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        module(X).sum().backward()
        optimizer.step()

    diary = watched(train)
    assert (one_story(diary).steps, one_story(diary).unzeroed) == (3, 0)
    assert all(each.moved and each.gradient == GRADIENT for each in diary.parameters())


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_gone_at_any_time_are_zeroed(to_none: bool) -> None:
    def train(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        module(X).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=to_none)

    assert one_story(watched(train)).unzeroed == 0


def test_gradients_that_add_up_are_counted() -> None:
    def train(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        module(X).sum().backward()
        optimizer.step()

    assert one_story(watched(train)).unzeroed == 2


def test_a_gradient_of_zero_is_told_from_none() -> None:
    def train(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        (module.weight.sum() * 0).backward()
        optimizer.step()

    seen = {each.name: each.gradient for each in watched(train).parameters()}
    assert seen == {"weight": ZERO_GRADIENT, "bias": NO_GRADIENT}


class Twice(torch.optim.SGD):
    """A step that calls that of its base class is one step, not two."""

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        return super().step(closure)


def test_a_step_within_a_step_counts_inside_training_step_only() -> None:
    module = net()
    torch.optim.SGD(module.parameters(), lr=0.1).step()  # its step is hooked from now on
    optimizer, diary = Twice(module.parameters(), lr=0.1), GradientDiary(module)
    with diary.watching():
        diary.begin()
        module(X).sum().backward()
        optimizer.step()
        outside = one_story(diary).nested
        diary.in_training_step = lambda: True
        optimizer.step()
    assert (outside, one_story(diary).nested) == (0, 1)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda y: F.mse_loss(y, y.detach() + 1), ""),
        (lambda y: -F.mse_loss(y, y.detach() + 1), "MseLoss"),
        (lambda y: -1 * F.mse_loss(y, y.detach() + 1) / 4, "MseLoss"),
        (lambda y: -F.mse_loss(y, y.detach() + 1).neg(), ""),
        (lambda y: -F.mse_loss(y, y.detach() + 1) + y.sum(), ""),
        (lambda y: -0.1 * F.mse_loss(y, y.detach() + 1), ""),
        (lambda y: -y.log_softmax(0).mean(), ""),
    ],
)
def test_a_negative_error_is_known_by_its_graph(
    loss: Callable[[torch.Tensor], torch.Tensor], name: str
) -> None:
    assert negated_error(loss(net()(X)))[1] == name


@pytest.mark.parametrize(
    ("compute", "function"),
    [
        (lambda module: module(X).argmax(), "argmax"),
        (lambda module: module(X).detach(), "detach"),
        (lambda module: module(X).sum().item(), "item"),
        (lambda module: module(X).data, "data"),
    ],
)
def test_a_graph_that_ends_is_noted_with_what_is_behind_it(
    compute: Callable[[nn.Module], object], function: str
) -> None:
    module = net()
    with FollowCuts(module) as follow:
        compute(module)
    found = {cut.function: cut.parameters for cut in follow.found()}
    assert any(function in name for name in found), found
    assert ("bias", "weight") in found.values()


def test_no_grad_cuts_and_a_loss_does_not() -> None:
    module = net()
    with FollowCuts(module) as follow:
        module(X).sum().backward()
    assert not follow.found()
    with FollowCuts(module) as follow, torch.no_grad():
        module(X)
    assert {cut.function for cut in follow.found()} == {NO_GRAD}


def test_only_the_first_dimension_counts_samples() -> None:
    tensors = [torch.zeros(7, 3), torch.zeros(7, 7), torch.zeros(3, 7), torch.zeros(7)]
    assert [tensor.shape for tensor in of_batch({"a": tensors}, 7)] == [(7, 3), (7,)]


class Keeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()
        self.lists = {"a": [], "b": []}
        self.total = torch.zeros(())


def test_lists_in_dicts_and_growing_graphs_are_measured() -> None:
    module, batches = Keeps(), []
    for _ in range(2):
        module.total = module.total + module.net(X).sum()
        module.lists["a"].append(module.total.detach())
        module.lists["b"].append(1.0)
        batches.append(measured(module))
    found = {each.attribute: each for each in kept(module, batches, batches)}
    assert found["lists"].sizes == (2, 4) and found["lists"].tensors == 2
    assert found["total"].depth[1] > found["total"].depth[0]
