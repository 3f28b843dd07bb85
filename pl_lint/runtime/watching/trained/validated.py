"""Weights that are other ones after a validation inside a fit than before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.parameter import is_lazy

from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.trained.mode_hooks import own_method

HOOKS = (
    *("on_validation_start", "on_validation_epoch_start", "on_validation_epoch_end"),
    *("on_validation_end", "on_validation_batch_start", "on_validation_batch_end"),
    "validation_step",
)
"""Of a module, those first that have most to do with weights."""


@dataclass
class ValidatedWeights:
    """What a validation leaves changed when training goes on.

    An average of the weights may be put in for a validation and taken out again, at its end or
    before the next batch: what counts is what the next backward pass finds.
    """

    module: torch.nn.Module
    moved: dict[str, None] = field(default_factory=dict)
    """The names of parameters, each once."""
    times: int = 0
    """After how many validations training went on."""
    _validated: bool = False
    _pending: dict[str, torch.Tensor] = field(default_factory=dict)
    """What changed in the last validation, as it was before."""

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        kind = namespace.part("loops.evaluation_loop._EvaluationLoop")
        original = kind.run

        def run(loop: Any) -> Any:
            if loop.trainer.sanity_checking:
                return original(loop)
            before = dict(self._trained())
            try:
                return original(loop)
            finally:
                now = dict(self._parameters())
                changed = (name for name, was in before.items() if not _same(was, now.get(name)))
                self._pending = {name: before[name] for name in changed}
                self._validated = True

        with patch.object(kind, "run", run):
            yield

    def go_on(self) -> None:
        """Training goes on with a backward pass."""
        if not self._validated:
            return
        now = dict(self._parameters())
        kept = (name for name, was in self._pending.items() if not _same(was, now.get(name)))
        self.moved.update(dict.fromkeys(kept))
        self.times += 1
        self._pending, self._validated = {}, False

    def _trained(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, parameter in self._parameters():
            if parameter.requires_grad:
                yield name, parameter.detach().clone()

    def _parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        return (
            (name, parameter)
            for name, parameter in self.module.named_parameters()
            if not is_lazy(parameter)
        )


def own_hook(module: Any) -> Location | None:
    """Where the first of the user's own hooks of validation begins, or else the step."""
    places = (own_method(module, name) for name in HOOKS)
    return next((place for place in places if place is not None), None)


def _same(one: torch.Tensor, other: torch.Tensor | None) -> bool:
    """Whether nothing moved; of a weight that is NaN nobody can tell."""
    return other is None or torch.equal(one, other.detach()) or not bool(one.isfinite().all())
