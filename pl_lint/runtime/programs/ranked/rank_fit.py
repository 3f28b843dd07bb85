"""A short fit as one of several ranks: two epochs of a few batches, with everything watched."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.optimizer import register_optimizer_step_pre_hook

from pl_lint.facts.events import RunError
from pl_lint.facts.ranks import Best, Listing, RankFit, Split, Touch
from pl_lint.facts.watchers import Watcher
from pl_lint.findings import Location
from pl_lint.runtime.digests import digests_of
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    describe,
    fresh,
    make_trainer,
)
from pl_lint.runtime.programs.ranked.off_rank import off_rank_zero
from pl_lint.runtime.programs.ranked.sharing import Share, deal_training, join_ranks
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.callsite import defined_at, of_library
from pl_lint.runtime.watching.logged.gathered import RankRecorder, gathered
from pl_lint.runtime.watching.logged.metrics import MetricTap
from pl_lint.runtime.watching.ranked.effects import (
    noted_splits,
    noted_subsets,
    watched_calls,
    watched_effects,
)
from pl_lint.runtime.watching.ranked.preparing import Preparation, kept
from pl_lint.runtime.watching.ranked.reached import GradientWatch
from pl_lint.runtime.watching.saved.assignments import places_of
from pl_lint.runtime.watching.saved.attributes import plain_attributes
from pl_lint.runtime.watching.saved.keepers import Missed, watchers_of
from pl_lint.runtime.watching.saved.states import unsaved_buffers
from pl_lint.runtime.watching.watcher import watcher

EPOCHS = 2
BATCHES = {"train": 3, "validate": 2}
FIRST_STEP, START, END = "first step", "start", "end"
LAST_BATCH, VALIDATION = "last batch", "validation"
MOST_STEPS = 6
"""So many optimizer steps show whether ranks step with gradients of their own."""
RUNNING = ("running_mean", "running_var", "num_batches_tracked")
"""What norm layers note of their batches: meant to be each rank's, and rank zero's are kept."""


def fit_on_ranks(spec: RunSpec, directory: Path, rank: int) -> RankFit:
    """``options["fit"]``: ``monitors``, the ``[key, mode]`` pairs to keep a best checkpoint for;
    ``epochs`` and ``batches`` by stage, where they are not the usual."""
    splits: list[Split] = []
    subsets: list[Split] = []
    with (
        MetricTap().installed() as tap,
        noted_splits(splits, spec.seed),
        noted_subsets(subsets),
    ):
        fit = Fit(fresh(spec), tap, directory, rank)
        join_ranks(spec)
        fit.run()
        if fit.error is None:
            fit.compare_metrics()
    return replace(
        fit.record(),
        splits=tuple(dict.fromkeys(splits)),
        subsets=tuple(dict.fromkeys(subsets)),
    )


@dataclass
class Fit:
    """One rank's fit under way, and everything that watches it."""

    subject: Subject
    tap: MetricTap
    directory: Path
    rank: int
    sizes: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    listings: list[Listing] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    preparation: Preparation = field(default_factory=Preparation)
    gradients: GradientWatch = field(default_factory=GradientWatch)
    stepped: dict[str, str] = field(default_factory=dict)
    noted_steps: int = 0
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    buffers: dict[str, dict[str, str]] = field(default_factory=dict)
    sums: dict[str, dict[str, float]] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    metrics: tuple[Any, ...] = ()
    trainable: tuple[str, ...] = ()
    error: RunError | None = None
    trainer: Any = None

    def __post_init__(self) -> None:
        self.recorder = RankRecorder(self.subject.namespace, self.tap, self.sizes)
        self.steps = register_optimizer_step_pre_hook(self._note_gradients)

    @property
    def batches(self) -> Mapping[str, int]:
        found: Mapping[str, int] = self.subject.spec.options["fit"].get("batches", BATCHES)
        return found

    def run(self) -> None:
        try:
            with (
                self.recorder.watching(),
                watched_effects(self.touches),
                watched_calls(self.subject.namespace, self.touches),
            ):
                self._deal()
                self.trainer = self._trainer()
                self.trainer.fit(self.subject.module, **self.subject.supply.arguments("fit"))
        except (Exception, SystemExit) as error:
            self.error = describe(error, "fit")
        finally:
            self.gradients.detach()
            self.steps.remove()

    def _deal(self) -> None:
        """The preparation is watched below the kit's own wrapper, which skips what was done."""
        self.preparation.watch(self.subject.supply.owner)
        share = Share(self.rank, self.subject.spec.world.ranks)
        for stage, batches in self.batches.items():
            if stage in self.subject.stages:
                self.sizes[stage] = deal_training(
                    self.subject, stage, batches, share, self.listings
                )

    def _trainer(self) -> Any:
        options = self.subject.spec.options["fit"]
        monitors = options.get("monitors", [])
        trainer = make_trainer(
            self.subject,
            self.directory,
            [
                watcher(self.subject.namespace, self.recorder, lambda module: {}, []),
                *_best_keepers(self.subject.namespace, monitors, self.directory),
                self._witness(),
            ],
            max_epochs=options.get("epochs", EPOCHS),
            num_sanity_val_steps=0,
            limit_train_batches=self.batches["train"],
            limit_val_batches=self.batches["validate"],
        )
        if self.rank:
            off_rank_zero(trainer.loggers, self.touches)
        return trainer

    def _witness(self) -> Any:
        """Sees the state of the module when it is trained, and at the end."""
        fit = self

        class Witness(self.subject.namespace.Callback):  # type: ignore[misc, name-defined]
            def on_train_start(self, trainer: Any, pl_module: Any) -> None:
                fit.gradients.attach(pl_module)
                fit.trainable = _trainable(pl_module)
                fit.look(START, pl_module)

            def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
                fit.gradients.backwards += 1

            def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
                if FIRST_STEP not in fit.parameters and trainer.global_step:
                    fit.look(FIRST_STEP, pl_module)
                fit.look_at_buffers(LAST_BATCH, pl_module)

            def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
                fit.look_at_buffers(VALIDATION, pl_module)

            def on_train_end(self, trainer: Any, pl_module: Any) -> None:
                fit.look(END, pl_module)

        return Witness()

    def _note_gradients(self, *args: Any) -> None:
        """Any optimizer is about to step, the user's own as well as Lightning's."""
        if self.noted_steps < MOST_STEPS and self.parameters:
            self.noted_steps += 1
            for name, mark in digests_of(_gradients(self.subject.module)).items():
                self.stepped[name] = f"{self.stepped.get(name, '')} {mark}"

    def look(self, moment: str, module: torch.nn.Module) -> None:
        self.parameters[moment] = digests_of(dict(module.named_parameters()))
        self.look_at_buffers(moment, module)
        frozen = {name: p for name, p in module.named_parameters() if not p.requires_grad}
        self.sums[moment] |= _sums(frozen)
        self.attributes[moment] = plain_attributes(module)

    def look_at_buffers(self, moment: str, module: torch.nn.Module) -> None:
        """Each forward pass of DDP, of validation as well, first sends rank zero's to all."""
        buffers = _own_buffers(module)
        self.buffers[moment], self.sums[moment] = digests_of(buffers), _sums(buffers)

    def compare_metrics(self) -> None:
        errors: list[RunError] = []
        with caught(errors, "replay"):
            self.metrics = gathered(self.recorder, self.tap)

    def record(self) -> RankFit:
        return RankFit(
            error=self.error,
            events=tuple(self.recorder.events),
            epochs=tuple(self.recorder.epochs),
            batches=tuple(size for sizes in self.sizes.get("train", ()) for size in sizes),
            parameters=self.parameters,
            buffers=self.buffers,
            unsaved=tuple(unsaved_buffers(self.subject.module)),
            sums=self.sums,
            attributes=self.attributes,
            best=self._best(),
            listings=tuple(self.listings),
            touches=tuple(self.touches),
            assigned=self.preparation.left(self.subject.supply.owner),
            kept=kept(self.subject.supply.owner),
            places=_places(self.subject.module),
            gathered=self.metrics,
            stepped=self.stepped,
            trainable=self.trainable,
            unfrozen=tuple(set(_trainable(self.subject.module)) - set(self.trainable)),
            optimized=_optimized(self.trainer, self.subject.module),
            unused=tuple(sorted(self.gradients.waiting)),
            backwards=self.gradients.backwards,
            tolerates_unused=_tolerates_unused(self.subject.arguments.get("strategy")),
            asks_for_ranks=_asks_for_ranks(self.subject.arguments),
            watchers=self._watchers(),
        )

    def _watchers(self) -> tuple[Watcher, ...]:
        if getattr(self.trainer, "lightning_module", None) is None:
            return ()  # it did not come as far as the fit
        seen = set(self.trainer.callback_metrics)
        subject = self.subject
        return watchers_of(self.trainer, subject.namespace, subject.places, Missed(), seen)

    def _best(self) -> tuple[Best, ...]:
        keepers = getattr(self.trainer, "checkpoint_callbacks", [])
        return tuple(_best_of(one) for one in keepers if getattr(one, "monitor", None))


def _places(module: torch.nn.Module) -> dict[str, Location]:
    step = defined_at(type(module).training_step)
    return {**places_of(module, ()), **({"self.training_step": step} if step else {})}


def _trainable(module: torch.nn.Module) -> tuple[str, ...]:
    return tuple(name for name, each in module.named_parameters() if each.requires_grad)


def _optimized(trainer: Any, module: torch.nn.Module) -> tuple[str, ...]:
    optimizers = getattr(trainer, "optimizers", [])
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    mine = {id(parameter) for group in groups for parameter in group["params"]}
    return tuple(name for name, each in module.named_parameters() if id(each) in mine)


def _best_keepers(
    namespace: Namespace, monitors: Sequence[Sequence[str]], directory: Path
) -> list[Any]:
    """One keeper of the best checkpoint for each monitor that the user's own scripts watch."""

    class RankKeeper(namespace.part("callbacks.ModelCheckpoint")):  # type: ignore[misc]
        def _should_skip_saving_checkpoint(self, trainer: Any) -> bool:
            """Those scripts may watch keys of other modules; but a key that only some ranks lack
            raises on them, as it does without the kit."""
            missing = self.monitor not in trainer.callback_metrics
            nobody = trainer.strategy.reduce_boolean_decision(missing, all=True)
            return bool(nobody) or super()._should_skip_saving_checkpoint(trainer)

    return [
        RankKeeper(str(directory / "best"), f"best-{n}", monitor, mode=mode)
        for n, (monitor, mode) in enumerate(monitors)
    ]


def _best_of(keeper: Any) -> Best:
    score, path = keeper.best_model_score, str(keeper.best_model_path)
    return Best(
        monitor=keeper.monitor,
        mode=keeper.mode,
        path=Path(path).name,
        score=None if score is None else float(score),
        exists=bool(path) and Path(path).exists(),
    )


def _own_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Buffers of the user's own classes, whether or not they go into checkpoints, without the
    running statistics of norm layers, which a class of the user's may inherit."""
    return {name: each for name, each in module.named_buffers() if _is_own(module, name)}


def _gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: one.grad for name, one in module.named_parameters() if one.grad is not None}


def _sums(tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Numbers to show; whether two tensors are equal, their digests tell."""
    dense = {name: each for name, each in tensors.items() if each.layout is torch.strided}
    return {
        name: float(each.detach().sum(dtype=torch.float64))
        for name, each in dense.items()
        if each.numel() and not each.is_complex()
    }


def _is_own(module: torch.nn.Module, name: str) -> bool:
    path, _, leaf = name.rpartition(".")
    holder = module.get_submodule(path)
    inherited = isinstance(holder, _NormBase) and leaf in RUNNING
    return not inherited and not of_library(holder)


def _asks_for_ranks(arguments: Mapping[str, Any]) -> bool:
    """Whether the case's own Trainer is one of several processes."""
    strategy, devices = arguments.get("strategy"), arguments.get("devices")
    named = strategy if isinstance(strategy, str) else type(strategy).__name__
    number = len(devices) if isinstance(devices, (list, tuple)) else devices
    several = isinstance(number, int) and (number > 1 or number == -1)
    return "ddp" in named.lower() or several or (arguments.get("num_nodes") or 1) > 1


def _tolerates_unused(strategy: Any) -> bool:
    """Whether the case's own Trainer asks for ``find_unused_parameters``."""
    if isinstance(strategy, str):
        return "find_unused_parameters_true" in strategy
    kwargs = getattr(strategy, "_ddp_kwargs", {})
    with contextlib.suppress(AttributeError):
        return bool(kwargs.get("find_unused_parameters"))
    return False
