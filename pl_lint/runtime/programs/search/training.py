"""Training a little before a search, so that predictions vary, in a way that a script can repeat.

The weights of the fit that other checks judge would do as well; but nobody could come by them with
a few lines of his own. Here the samples, their order and the seeds are such that a script that
knows nothing of pl-lint trains the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from pl_lint.facts.events import RunError
from pl_lint.facts.searches import Recipe
from pl_lint.runtime.data import Cut, as_list
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    fresh,
    make_trainer,
    seed_all,
)
from pl_lint.runtime.programs.loggers import points_logger
from pl_lint.runtime.programs.search.making import serve
from pl_lint.runtime.specs import RunSpec

EPOCHS = 2
BATCHES, BATCH_SIZE = 12, 8
VALIDATED = 8


@dataclass
class Trained:
    """``weights`` is the file of the trained weights, None where there is nothing to train."""

    weights: Path | None
    recipe: Recipe | None
    error: RunError | None = None


def train(spec: RunSpec, file: Path) -> Trained:
    """Train the case of ``spec`` and leave the weights in ``file``."""
    subject = fresh(spec)
    loaders: dict[str, Any] = {}
    for stage in subject.stages:
        subject.supply.change(stage, lambda given, stage=stage: loaders.setdefault(stage, given))
    sizes: dict[str, list[tuple[int, ...]]] = {}
    errors: list[RunError] = []
    with caught(errors, "train"):
        sizes = _fit(subject, file.parent)
    if errors or not sizes:
        return Trained(None, None, errors[0] if errors else None)
    torch.save(subject.module.state_dict(), file)
    return Trained(file, _recipe(spec, loaders, sizes, file))


def _fit(subject: Subject, directory: Path) -> dict[str, list[tuple[int, ...]]]:
    """Two epochs of a few batches in an order that is drawn once, and a short validation after
    each, for schedulers that wait for one."""
    if "train" not in subject.stages:
        return {}
    drawn = Cut("drawn", BATCH_SIZE, shuffled=True)
    sizes = {"train": serve(subject, "train", drawn, BATCHES * BATCH_SIZE)}
    if "validate" in subject.stages:
        sizes["validate"] = serve(subject, "validate", Cut("drawn", None), VALIDATED)
    trainer = make_trainer(
        subject,
        directory,
        logger=[points_logger(subject.namespace, [])],
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        val_check_interval=1.0,
    )
    seed_all(subject.spec.seed)
    trainer.fit(subject.module, **subject.supply.arguments("fit"))
    return sizes


def _recipe(
    spec: RunSpec,
    loaders: Mapping[str, Any],
    sizes: Mapping[str, list[tuple[int, ...]]],
    file: Path,
) -> Recipe | None:
    """None where the samples cannot be named as positions in one data set for each stage."""
    if not all(map(_is_plain, loaders.values())):
        return None
    subject = fresh(spec)
    assert subject.building is not None
    return Recipe(
        **vars(subject.building),
        trained={stage: (sum(cut[0]), cut[0][0]) for stage, cut in sizes.items()},
        late=_is_late(subject, file),
    )


def _is_plain(loaders: Any) -> bool:
    """One loader over a data set with positions, which its sampler takes all of."""
    if len(as_list(loaders)) != 1 or not isinstance(loaders, DataLoader):
        return False
    whole = isinstance(loaders.sampler, (SequentialSampler, RandomSampler))
    return whole and not isinstance(loaders.dataset, IterableDataset)


def _is_late(subject: Subject, file: Path) -> bool:
    """Layers that are made in ``setup`` or ``configure_model`` are not there yet."""
    try:
        subject.module.load_state_dict(torch.load(file, weights_only=False))  # our own file
    except RuntimeError:
        return True
    return False
