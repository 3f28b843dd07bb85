"""Checkpoints of a run: where they are written, what must be in them for a resume to be exact."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy
import torch

from pl_lint.facts.events import RunError
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.saved.states import training_state

if TYPE_CHECKING:
    from pl_lint.runtime.programs.fitting.interruption import Interruption

BEST_KEEPER = "BestKeeper"


def epoch_saver(namespace: Namespace, directory: Path) -> Any:
    """Saves ``epoch-N.ckpt`` after the module's own ``on_train_epoch_end``, as checkpoint callbacks
    do, so that what the hook changes is in it. A class of its own has a state key of its own."""

    class EpochSaver(namespace.part("callbacks.ModelCheckpoint")):  # type: ignore[misc]
        pass

    return EpochSaver(
        dirpath=str(directory),
        filename="epoch-{epoch}",
        auto_insert_metric_name=False,
        save_top_k=-1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def best_keepers(
    namespace: Namespace, monitors: Sequence[Sequence[str]], directory: Path
) -> list[Any]:
    """One keeper of the best checkpoint for each monitor that the user's own code watches."""

    class BestKeeper(namespace.part("callbacks.ModelCheckpoint")):  # type: ignore[misc]
        def _should_skip_saving_checkpoint(self, trainer: Any) -> bool:
            """The scripts of a project may watch keys that this module does not log."""
            missing = self.monitor not in trainer.callback_metrics
            return missing or super()._should_skip_saving_checkpoint(trainer)

    assert BestKeeper.__name__ == BEST_KEEPER
    return [
        BestKeeper(str(directory / "best"), f"best-{n}", monitor, mode=mode)
        for n, (monitor, mode) in enumerate(monitors)
    ]


class RandomStates:
    """The random generators over an interruption: drawn on by a resumed run as by a whole one.

    Between the checkpoint and the first epoch that follows it, Lightning calls what the whole run
    had called before its first step: ``configure_optimizers``, ``on_fit_start``, the loader hooks,
    ``on_train_start``. What they draw (a few samples for a picture, ``train_dataloader`` with
    ``torch.randn``) must be what they drew there, and cost training nothing: they see the
    generators as they were before anything was restored. Only the iterator of the training data,
    which ``FitLoop.setup_data`` makes between them, draws on those that were restored.
    """

    def __init__(self) -> None:
        self._fresh: dict[str, Any] | None = None
        self._restored: dict[str, Any] = {}
        self._pending: dict[str, Any] | None = None

    def restore(self, state: dict[str, Any]) -> None:
        self._fresh, self._restored, self._pending = random_state(), state, state

    @property
    def begins(self) -> bool:
        """Whether the first epoch of a resumed run is still to come."""
        return self._pending is not None

    def begin(self) -> None:
        """The first epoch of a resumed run."""
        if self._pending is not None:
            set_random_state(self._pending)
            self._pending = None

    def restore_again(self) -> None:
        """Before the first batch after an interruption inside an epoch: making the loader's
        iterator has drawn once more than the whole run did."""
        self._pending = None
        set_random_state(self._restored)

    @contextmanager
    def while_loading(self) -> Iterator[None]:
        if self._fresh is None:  # nothing was resumed
            yield
            return
        restored = random_state()
        set_random_state(self._fresh)
        try:
            yield
        finally:
            set_random_state(restored)

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        kind = namespace.part("loops.fit_loop._FitLoop")
        original = kind.setup_data

        def setup_data(loop: Any) -> None:
            with self._while_iterating(loop):
                original(loop)

        with patch.object(kind, "setup_data", setup_data):
            yield

    @contextmanager
    def _while_iterating(self, loop: Any) -> Iterator[None]:
        if self._pending is None:
            yield
            return
        self._fresh = random_state()
        set_random_state(self._pending)
        try:
            yield
        finally:
            if not iterates_again(loop):
                self._pending = random_state()
            set_random_state(self._fresh)


def iterates_again(loop: Any) -> bool:
    """Whether a resumed epoch makes a second iterator of the training data when it starts, and
    never uses the first: so before 2.5.3 (``_TrainingEpochLoop.on_run_start``)."""
    return not loop.restarting and not hasattr(loop, "is_resuming")


def random_state() -> dict[str, Any]:
    """Tensors and plain numbers, which ``weights_only`` loading accepts."""
    kind, keys, position, has_gauss, gauss = numpy.random.get_state()
    version, internal, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), keys.tolist(), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(internal), next_gauss],
    }


def set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), *rest))
    version, internal, next_gauss = state["python"]
    random.setstate((version, tuple(internal), next_gauss))


def random_state_keeper(namespace: Namespace, interruption: Interruption) -> Any:
    """Puts the random generators into the checkpoint, so that a resumed run can draw the same.

    It comes before the callbacks of the user, whose ``on_train_epoch_start`` may draw.
    """

    class RandomStateKeeper(namespace.Callback):  # type: ignore[misc, name-defined]
        def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
            interruption.trainer = trainer

        def state_dict(self) -> dict[str, Any]:
            return interruption.state()

        def load_state_dict(self, state: dict[str, Any]) -> None:
            interruption.restore(state)

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            interruption.restore_gradients()

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            interruption.begin()

    return RandomStateKeeper()


@dataclass
class StateDiary:
    """The state of a training at a few moments, to name what a checkpoint has lost."""

    by_moment: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, moment: str, trainer: Any) -> None:
        self.by_moment[moment] = training_state(trainer)


def diarist(namespace: Namespace, diary: StateDiary) -> Any:
    """Notes the state of the training at the start of every epoch."""

    class Diarist(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            diary.note(f"epoch {trainer.current_epoch}", trainer)

    return Diarist()


def is_refusal(error: RunError) -> bool:
    """Whether loading with ``weights_only`` refused what was saved."""
    return "Unpickling" in error.kind or "weights_only" in error.message.lower()


def can_trust(load: Any) -> bool:
    """Whether this Lightning can be told to load everything (``weights_only`` came with 2.6)."""
    return "weights_only" in inspect.signature(load).parameters
