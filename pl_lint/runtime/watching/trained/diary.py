"""Everything that is watched of training itself, in one diary for one fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from pl_lint.facts.training import Kept, TrainingStory
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.arguments import tensors
from pl_lint.runtime.watching.trained.gradients import GradientDiary
from pl_lint.runtime.watching.trained.keeping import (
    Measure,
    kept,
    measured,
    own_callbacks,
    unregistered,
)
from pl_lint.runtime.watching.trained.methods import mentioned_from
from pl_lint.runtime.watching.trained.mode_hooks import own_method
from pl_lint.runtime.watching.trained.modes import ModeDiary
from pl_lint.runtime.watching.trained.validated import ValidatedWeights, own_hook

# Losses that are the better the smaller they are, as nodes of the graph.
_ERRORS = (
    *("NllLoss", "MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BinaryCrossEntropy", "CtcLoss"),
    "KlDiv",
)
_THROUGH = ("Mean", "Sum", "ToCopy", "Squeeze", "View", "Clone")
_LONGEST = 8
_MEASURED = (2, 5)
"""After so many batches of the first epoch, what is kept is looked at: graphs pile up between."""


@dataclass
class TrainingDiary:
    """Gradients, modes and kept values of one module, from the start of its fit to the end."""

    namespace: Namespace
    module: Any
    empty_steps: int = 0
    negated: str = ""
    from_batch: bool = False
    batch: Any = None
    holders: list[Any] = field(default_factory=list)
    batches: list[list[dict[str, Measure]]] = field(default_factory=list)
    epochs: list[list[dict[str, Measure]]] = field(default_factory=list)
    gradients: GradientDiary = field(init=False)
    modes: ModeDiary = field(init=False)
    validated: ValidatedWeights = field(init=False)

    def __post_init__(self) -> None:
        self.validated = ValidatedWeights(self.module)
        self.gradients = GradientDiary(self.module)
        self.modes = ModeDiary(self.module)
        self.gradients.in_training_step = lambda: "training_step" in self.modes.hooks.running
        self.gradients.rivals.batch = lambda: self.modes.batch

    @contextmanager
    def watching(self) -> Iterator[None]:
        with (
            self.gradients.watching(),
            self.modes.watching(self.namespace),
            self.validated.watching(self.namespace),
        ):
            yield

    def story(self) -> TrainingStory:
        optimized = {
            id(parameter)
            for each in self.gradients.stepped.values()
            for parameter, _ in each.parameters()
        }
        return TrainingStory(
            automatic=bool(self.module.automatic_optimization),
            batches=self.modes.counted,
            empty_steps=self.empty_steps,
            backwards=self.gradients.backwards,
            negated=self.negated,
            from_batch=self.from_batch,
            predicting=tuple(self._predicting()),
            parameters=self.gradients.parameters(),
            parts=self.modes.parts(),
            mode_changes=self.modes.hooks.changes(),
            validated=self.validated.times,
            moved_by_validation=tuple(self.validated.moved),
            validating=own_hook(self.module),
            unregistered=tuple(unregistered(self.module, optimized)),
            kept=tuple(self._kept()),
            optimizers=self.gradients.optimizers(),
            overlaps=self.gradients.rivals.overlaps(),
            tainted=self.gradients.rivals.tainted(),
            configured=own_method(self.module, "configure_optimizers"),
            hook_calls=self.modes.hooks.hook_calls,
        )

    def measured(self) -> list[dict[str, Measure]]:
        return [measured(holder) for holder in self.holders]

    def _kept(self) -> Iterator[Kept]:
        for number, holder in enumerate(self.holders):
            batches = [measures[number] for measures in self.batches]
            yield from kept(holder, batches, [measures[number] for measures in self.epochs])

    def _predicting(self) -> Iterator[str]:
        for name, _ in self.module.named_children():
            starts = ("forward", "predict_step")
            if any(mentioned_from(type(self.module), start, name) for start in starts):
                yield name

    def look_at_loss(self, loss: torch.Tensor) -> None:
        """Whether the first loss is an error turned round, and of what."""
        node, self.negated = negated_error(loss)
        self.from_batch = bool(self.negated) and _is_of(node, self.batch)
        self.batch = None


def training_watcher(diary: TrainingDiary) -> Any:
    """The callback that tells the diary when things happen."""

    class TrainingWatcher(diary.namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            diary.holders = [pl_module, *own_callbacks(trainer)]
            diary.gradients.begin()
            diary.gradients.meet(trainer.optimizers)

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if diary.modes.counted:
                diary.epochs.append(diary.measured())

        def on_train_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, *args: Any
        ) -> None:
            diary.modes.enter_batch()
            diary.batch = batch if diary.gradients.backwards == 0 else None

        def on_before_backward(self, trainer: Any, pl_module: Any, loss: torch.Tensor) -> None:
            diary.validated.go_on()
            if diary.gradients.backwards == 0:
                diary.look_at_loss(loss)

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, *args: Any
        ) -> None:
            diary.empty_steps += _is_empty(outputs)
            diary.modes.leave_batch()
            if diary.modes.counted in _MEASURED:
                diary.batches.append(diary.measured())

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            diary.gradients.active = False
            diary.gradients.meet(trainer.optimizers)
            diary.epochs.append(diary.measured())

    return TrainingWatcher()


def _is_empty(outputs: Any) -> bool:
    """Whether ``training_step`` returned nothing, as Lightning passes it on."""
    return outputs is None or (isinstance(outputs, dict) and outputs.get("loss") is None)


def negated_error(loss: torch.Tensor) -> tuple[Any, str]:
    """The standard error that a loss is the negative of, as its node and by name; else nothing."""
    node, sign = loss.grad_fn, 1.0
    for _ in range(_LONGEST):
        if node is None:
            return None, ""
        name = node.name().removesuffix("Backward0").removesuffix("Backward1")
        if name.startswith(_ERRORS):
            return (node, name) if sign < 0 else (None, "")
        factor = _factor(node, name)
        before = [following for following, _ in node.next_functions if following is not None]
        if factor is None or len(before) != 1:
            return None, ""
        sign *= factor
        node = before[0]
    return None, ""


def _is_of(error: Any, batch: Any) -> bool:
    """Whether the target of an error has the values of a tensor of the batch."""
    target = getattr(error, "_saved_target", None)
    if not isinstance(target, torch.Tensor):
        return False
    wanted = target.detach().flatten()
    return any(
        each.numel() == wanted.numel() and torch.equal(each.flatten().to(wanted), wanted)
        for each in tensors(batch)
    )


def _factor(node: Any, name: str) -> float | None:
    """By which number a node multiplies what goes through it; None where it does something else."""
    if name == "Neg":
        return -1.0
    if name in ("Mul", "Div"):
        other = getattr(node, "_saved_other", None)
        is_number = isinstance(other, torch.Tensor) and other.numel() == 1
        value = float(other) if is_number else 0.0
        return value if value > 0 or value == -1.0 else None
    return 1.0 if name.startswith(_THROUGH) else None
