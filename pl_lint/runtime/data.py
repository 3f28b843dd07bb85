"""The user's data, truncated and cut into batches by the kit, so that it can count the samples.

No oracle may take its truth from what Lightning used: here a loader is rebuilt from its dataset,
its ``collate_fn`` and the samples that its sampler picks, and the kit knows how many samples each
batch holds. What cannot be rebuilt is said so, with the reason.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

from pl_lint.runtime.cases import CaseError
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.specs import OWN

STAGE_HOOKS = {
    "train": "train_dataloader",
    "validate": "val_dataloader",
    "test": "test_dataloader",
    "predict": "predict_dataloader",
}


class NotRebuilt(Exception):
    """This loader cannot be rebuilt; the message is the reason, for 'not decided'."""


@dataclass(frozen=True)
class Cut:
    """How to cut the samples of one loader into batches.

    ``size`` None means all in one batch, OWN the user's own batches, a negative one all but so
    many. ``uneven`` asks for a last batch of another size: even batches hide most mistakes.
    """

    label: str
    size: int | None
    shuffled: bool = False
    uneven: bool = False

    def of(self, loader: Any) -> Cut:
        """This cut for one loader: its own batch size where that is asked for."""
        return replace(self, size=_batch_size(loader)) if self.size == OWN else self

    def size_for(self, samples: int) -> int:
        size = self.size or samples
        size = max(1, samples + size if size < 0 else size)
        if not self.uneven or samples < 3:
            return size
        size = min(size, samples * 2 // 3)
        return size if samples % size or size == 1 else max(2, size - 1)

    def sizes(self, samples: int) -> tuple[int, ...]:
        size = self.size_for(samples)
        whole, rest = divmod(samples, size)
        return (size,) * whole + ((rest,) if rest else ())


def samples_of(loader: Any, limit: int) -> Sequence[Any]:
    """At most ``limit`` samples that this loader would serve, as a map-style dataset.

    They are spread over the data set by a fixed draw: the first samples of a sorted data set are
    all of one class, on which most metrics have nothing to show.
    """
    if not isinstance(loader, DataLoader):
        raise NotRebuilt(f"a {type(loader).__name__} is not a torch DataLoader")
    if isinstance(loader.dataset, IterableDataset):
        if loader.batch_size is None:
            raise NotRebuilt("its dataset makes the batches itself (batch_size=None)")
        return list(itertools.islice(iter(loader.dataset), limit))
    if loader.batch_sampler is None:
        raise NotRebuilt("its dataset makes the batches itself (batch_size=None)")
    population = list(_sampled_indices(loader))
    if len(population) > limit:
        chosen = sorted(random.Random(0).sample(range(len(population)), limit))
        population = [population[position] for position in chosen]
    return Subset(loader.dataset, population)


def _sampled_indices(loader: DataLoader) -> Sequence[Any]:
    if isinstance(loader.sampler, (SequentialSampler, RandomSampler, DistributedSampler)):
        # A RandomSampler draws from all, and a DistributedSampler serves all on its ranks together;
        # the order, and what each rank sees of it, are the kit's business.
        return range(len(loader.dataset))
    return list(loader.sampler)


def cut_loader(loader: DataLoader, samples: Sequence[Any], cut: Cut) -> DataLoader:
    """The same samples through the same ``collate_fn``, cut as asked, in the kit's own order."""
    order = list(range(len(samples)))
    if cut.shuffled:
        random.Random(1).shuffle(order)
    size = cut.of(loader).size_for(len(order))
    return DataLoader(samples, batch_size=size, sampler=order, collate_fn=loader.collate_fn)


def shortened(loader: Any, batches: int) -> tuple[DataLoader, tuple[int, ...]]:
    """A few batches of the user's own size, in the user's own order, the last of them uneven if the
    user's is.

    Returns the loader and the number of samples in each batch of an epoch.
    """
    size = _batch_size(loader)
    short = 0 if _is_even(loader, size) else size // 2
    samples = samples_of(loader, limit=max(2, size * batches - short))
    shuffles = not isinstance(loader.sampler, SequentialSampler)
    drop_last = bool(loader.drop_last) and len(samples) >= size
    rebuilt = DataLoader(
        samples,
        batch_size=size,
        shuffle=shuffles,
        drop_last=drop_last,
        collate_fn=loader.collate_fn,
        generator=loader.generator if shuffles else None,
    )
    sizes = Cut("own", size).sizes(len(samples))
    return rebuilt, tuple(s for s in sizes if s == size or not drop_last)


def _is_even(loader: DataLoader, size: int) -> bool:
    """Whether the user's own epoch has full batches only; a module may count on it."""
    if loader.drop_last:
        return True
    return not isinstance(loader.dataset, IterableDataset) and len(loader.sampler) % size == 0


def _batch_size(loader: Any) -> int:
    if not isinstance(loader, DataLoader):
        raise NotRebuilt(f"a {type(loader).__name__} is not a torch DataLoader")
    size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
    if not isinstance(size, int):
        raise NotRebuilt("its batch sampler has no fixed batch size")
    return size


def as_list(loaders: Any) -> list[Any]:
    """The loaders of one stage as Lightning numbers them."""
    if isinstance(loaders, (list, tuple)):
        return list(loaders)
    if isinstance(loaders, dict):
        return list(loaders.values())
    return [loaders]


def like(loaders: Any, rebuilt: list[Any]) -> Any:
    """The rebuilt loaders in the container that the user's loaders came in."""
    if isinstance(loaders, (list, tuple)):
        return list(rebuilt)
    if isinstance(loaders, dict):
        return dict(zip(loaders, rebuilt, strict=True))
    return rebuilt[0]


@dataclass
class Supply:
    """Where the loaders of one module come from: its DataModule, its own hooks, or the case itself.

    A change to a stage's loaders is laid over the owner's own hook, so that Lightning still calls
    ``prepare_data`` and ``setup`` and still attaches the DataModule to the trainer.
    """

    namespace: Namespace
    module: Any
    data: Any

    def has(self, stage: str) -> bool:
        if self._explicit:
            return self._given(stage) is not None
        return self.namespace.overrides(STAGE_HOOKS[stage], self.owner)

    def change(self, stage: str, change: Callable[[Any], Any]) -> None:
        """Let the loaders of a stage pass through ``change`` on their way to the Trainer."""
        if self._explicit:
            self.data = {**self._by_stage(), stage: change(self._given(stage))}
            return
        self._lay_over(stage, lambda load: change(load()))

    def inside(self, stage: str, context: Callable[[], AbstractContextManager[Any]]) -> None:
        """Let the hook that makes the loaders of a stage run inside a context."""

        def entered(load: Callable[[], Any]) -> Any:
            with context():
                return load()

        if not self._explicit:  # else the case has made them before Lightning was called
            self._lay_over(stage, entered)

    def _lay_over(self, stage: str, around: Callable[[Callable[[], Any]], Any]) -> None:
        name = STAGE_HOOKS[stage]
        original = getattr(self.owner, name)

        @functools.wraps(original)
        def changed(*args: Any, **kwargs: Any) -> Any:
            return around(functools.partial(original, *args, **kwargs))

        setattr(self.owner, name, changed)

    def arguments(self, method: str) -> dict[str, Any]:
        """What to pass to ``trainer.fit``, ``validate``, ``test`` or ``predict``."""
        if not self._explicit:
            return {} if self.data is None else {"datamodule": self.data}
        if method != "fit":
            return {"dataloaders": self._given(method)}
        return {
            "train_dataloaders": self._given("train"),
            "val_dataloaders": self._given("validate"),
        }

    @property
    def _explicit(self) -> bool:
        return self.data is not None and not isinstance(
            self.data, self.namespace.part("LightningDataModule")
        )

    @property
    def owner(self) -> Any:
        """The object whose hooks serve the loaders: the DataModule, or the module itself."""
        own = self.data is None or self._explicit
        return self.module if own else self.data

    def _by_stage(self) -> dict[str, Any]:
        if not isinstance(self.data, dict):
            return dict.fromkeys(STAGE_HOOKS, self.data)
        unknown = set(self.data) - set(STAGE_HOOKS) - {"val"}
        if unknown:
            raise CaseError(
                f"the data of the case have no stage {sorted(unknown)[0]!r}; "
                "the stages are 'train', 'val', 'test' and 'predict'"
            )
        return {("validate" if name == "val" else name): item for name, item in self.data.items()}

    def _given(self, stage: str) -> Any:
        return self._by_stage().get(stage)
