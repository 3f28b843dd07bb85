"""Evaluate the same samples with the same weights, cut into batches in different ways.

A logged epoch value that is a property of the data set does not move; one that is an average of
something over batches does. (Several ranks are evaluated in ``ranks.py``.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from pl_lint.facts.events import ALONE, Batching, EvaluationPass, RunError
from pl_lint.facts.records import EvaluationRecord
from pl_lint.runtime.data import Cut, as_list, like
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    cut_stage,
    fresh,
    make_trainer,
    seed_all,
    with_module,
)
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.finite import FollowNotFinite
from pl_lint.runtime.watching.logged.metrics import MetricTap
from pl_lint.runtime.watching.logged.normalisers import FollowNormalisers
from pl_lint.runtime.watching.logged.recorder import Recorder
from pl_lint.runtime.watching.watcher import watcher

CLOSE = 1e-6
"""Right values move by less than this when the samples are cut in other ways."""
_CUT = {"label": "", "size": None, "shuffled": False, "uneven": False}


def run(spec: RunSpec, directory: Path, rank: int) -> EvaluationRecord:
    """``options``: ``stage``, ``limit`` (samples) and ``passes``, each a dict of ``label``,
    ``size``, ``shuffled``, ``uneven``, ``seed``, ``shard``, ``before`` (a pass that the same module
    makes first), ``noise`` (how far each weight may be moved, relative to itself, and the
    seed that decides) and ``follow`` (to find what made NaN); ``alone``, a pass to make once for
    each dataloader where there are several. ``inputs``: ``weights``, a state dict, if there is
    one."""
    orders = list(spec.options["passes"])
    passes = [_passed(spec, orders[0], directory)]
    orders += _one_by_one(spec.options, passes[0])
    passes += [_passed(spec, order, directory) for order in orders[1:]]
    for index, order in enumerate(orders):
        if _moved(passes[0], passes[index]):
            passes[index] = _passed(spec, order, directory, FollowNormalisers())
    return EvaluationRecord(rank=rank, passes=tuple(passes))


def _moved(whole: EvaluationPass, other: EvaluationPass) -> bool:
    """Whether any plain value is another one than with all samples in one batch. Then it matters by
    what it was divided; following that costs as much as the evaluation itself."""
    plain = {event.name for event in other.events if not event.origin}
    return sum(whole.batching.sizes) == sum(other.batching.sizes) and any(
        not math.isclose(value, whole.values.get(name, value), rel_tol=CLOSE, abs_tol=CLOSE)
        for name, value in other.values.items()
        if name in plain
    )


def _passed(
    spec: RunSpec,
    order: Mapping[str, Any],
    directory: Path,
    follow: FollowNormalisers | None = None,
) -> EvaluationPass:
    """One pass over fresh data by a fresh module."""
    with MetricTap().installed() as tap:
        subject = fresh(spec)
        if "before" in order:
            _evaluate(subject, MetricTap(), order["before"], directory)
            subject = with_module(spec, subject.module)
        seed_all(order.get("seed", spec.seed))
        return _evaluate(subject, tap, order, directory, follow)


def _one_by_one(options: Mapping[str, Any], done: EvaluationPass) -> list[dict[str, Any]]:
    """The pass for each of several dataloaders by itself, as far as anything was logged in it."""
    used = sorted({event.dataloader for event in done.events if event.batch >= 0})
    if "alone" not in options or len(used) < 2:
        return []
    return [{**options["alone"], "label": f"{ALONE} {n}", "loader": n} for n in used]


def _evaluate(
    subject: Subject,
    tap: MetricTap,
    order: Mapping[str, Any],
    directory: Path,
    follow: FollowNormalisers | None = None,
) -> EvaluationPass:
    stage = subject.spec.options["stage"]
    cut = Cut(*(order.get(name, default) for name, default in _CUT.items()))
    sizes = _cut(subject, cut, order)
    only = order.get("loader") or 0
    recorder = Recorder(subject.namespace, tap, {stage: sizes})
    recorder.follow = FollowNotFinite() if order.get("follow") else None
    recorder.divisions = follow
    subject.supply.change(stage, recorder.served.noting)
    errors: list[RunError] = []
    with caught(errors, stage):
        _validate(subject, stage, recorder, directory, order.get("noise", ()))
    return EvaluationPass(
        stage=stage,
        batching=Batching(cut.label, sizes[only] if sizes else (), cut.shuffled),
        values=recorder.epochs[-1].values if recorder.epochs and not errors else {},
        events=tuple(recorder.events),
        replays=tuple(recorder.replays),
        training_submodules=tuple(sorted(recorder.training_submodules)),
        accumulators=recorder.accumulators.found(),
        not_finite=tuple(recorder.not_finite.values()),
        error=errors[0] if errors else None,
        seen=recorder.epochs[-1].seen if recorder.epochs else "",
    )


def _cut(subject: Subject, cut: Cut, order: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """Cut the samples, or one loader's alone; returns the sizes of the batches by loader."""
    stage, limit = subject.spec.options["stage"], subject.spec.options["limit"]
    which, of = order.get("shard", (0, 1))
    sizes = cut_stage(subject, stage, cut, limit, (which, of))
    only = order.get("loader")
    if only is not None:
        subject.supply.change(stage, functools.partial(_others_empty, only))
    return sizes


def _others_empty(only: int, loaders: Any) -> Any:
    """The loaders of a stage, all but one of them without samples: keys and indices stay."""
    kept = [
        loader if number == only else DataLoader([], batch_size=1, collate_fn=loader.collate_fn)
        for number, loader in enumerate(as_list(loaders))
    ]
    return like(loaders, kept)


def _validate(
    subject: Subject, stage: str, recorder: Recorder, directory: Path, noise: Sequence[Any]
) -> None:
    callbacks = [watcher(subject.namespace, recorder, lambda module: {}, [])]
    weights = subject.spec.inputs.get("weights")
    if weights:
        callbacks.append(weights_loader(subject.namespace, weights))
    if noise:
        callbacks.append(_shaker(subject.namespace, *noise))
    trainer = make_trainer(subject, directory, callbacks, max_epochs=1)
    evaluate = getattr(trainer, stage)
    with recorder.watching():
        evaluate(subject.module, **subject.supply.arguments(stage), verbose=False)


def weights_loader(namespace: Namespace, path: str) -> Any:
    """Put the trained weights in once Lightning has set the module up, as a checkpoint would."""

    class WeightsLoader(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            state = torch.load(path, weights_only=False)  # our own file
            pl_module.load_state_dict(state)

        on_test_start = on_validation_start

    return WeightsLoader()


def _shaker(namespace: Namespace, noise: float, seed: int) -> Any:
    """Move each weight a little: a value that moves far then has no more digits than that."""

    class Shaker(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            source = torch.Generator().manual_seed(seed)
            for weight in pl_module.parameters():
                if weight.is_floating_point() and not is_lazy(weight):
                    shift = torch.rand(weight.shape, generator=source, dtype=weight.dtype)
                    weight.data.mul_(1 + noise * (2 * shift - 1))

        on_test_start = on_validation_start

    return Shaker()
