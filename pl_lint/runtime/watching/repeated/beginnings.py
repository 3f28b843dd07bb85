"""What each training batch begins with, as fingerprints: where two equal runs first part.

A few dozen microseconds a batch: large tensors are fingerprinted by a sample of their elements,
since these fingerprints only tell where a difference began, not whether there is one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

from pl_lint.facts.repetition import TrainingBatch
from pl_lint.runtime.digests import digests_of
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.saved.states import unsaved_buffers

ELEMENTS = 1 << 15
"""How much of a tensor is looked at."""
PARTS = 16
"""How much of a batch is looked at."""


@dataclass
class Beginnings:
    """The weights before training, the buffers that no checkpoint has, and what each batch began
    with."""

    initial: dict[str, str] = field(default_factory=dict)
    unsaved: dict[str, str] = field(default_factory=dict)
    batches: list[TrainingBatch] = field(default_factory=list)


def beginnings_watcher(namespace: Namespace, seen: Beginnings) -> Any:
    """A callback that fills ``seen`` for one Trainer."""

    class BeginningsWatcher(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            state = pl_module.state_dict().items()
            seen.initial = {name: fingerprint(value) for name, value in state}
            # All their bits, as at the end: what differs must differ from the start.
            seen.unsaved = digests_of(unsaved_buffers(pl_module))

        def on_train_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
        ) -> None:
            parts = {place: fingerprint(value) for place, value in parts_of(batch)}
            epoch, step = trainer.current_epoch, trainer.global_step
            begun = TrainingBatch(epoch, batch_idx, step, parts, global_generators())
            seen.batches.append(begun)

    return BeginningsWatcher()


def global_generators() -> dict[str, str]:
    """The states of the three generators that people seed."""
    _, keys, *rest = numpy.random.get_state()
    return {
        "torch": _hashed(torch.get_rng_state().numpy()),
        "numpy": _hashed(keys, repr(rest)),
        "random": of_random(random.getstate()),
    }


def of_random(state: tuple[Any, ...]) -> str:
    """The hash of numbers knows no hash seed; that of the None among them does."""
    _, internal, gauss = state
    return f"{hash(internal):x} {gauss}"


def parts_of(batch: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a batch with their place in it, at most some of them."""
    leaves = _leaves(batch, "")
    yield from (leaf for leaf, _ in zip(leaves, range(PARTS), strict=False))


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{place}[{key!r}]")
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for position, item in enumerate(value):
            yield from _leaves(item, f"{place}[{position}]")
    else:
        yield place, value


def fingerprint(value: Any) -> str:
    """Equal for equal bits. An object that is neither numbers nor text is known by its type."""
    try:
        return _fingerprint(value)
    except Exception:  # an object of the user's own that answers to everything, or to nothing
        return type(value).__name__


def _fingerprint(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if isinstance(value, numpy.ndarray):
        flat = value.reshape(-1)[:: max(1, value.size // ELEMENTS)]
        return _hashed(numpy.ascontiguousarray(flat)) if value.dtype != object else ""
    if isinstance(value, (bool, int, float, complex, str, bytes)):
        return _hashed(repr(value).encode())
    if isinstance(value, type) or callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    if hasattr(value, "tobytes"):  # an image of Pillow's
        return _hashed(value.tobytes())
    inner = value if isinstance(value, (Mapping, Sequence)) else getattr(value, "__dict__", None)
    if inner is None:
        return type(value).__name__
    return _hashed("".join(fingerprint(leaf) for _, leaf in parts_of(inner)).encode())


def _of_tensor(tensor: torch.Tensor) -> str:
    if torch.nn.parameter.is_lazy(tensor) or tensor.layout is not torch.strided:
        return type(tensor).__name__
    flat = tensor.detach().cpu().reshape(-1)
    step = max(1, flat.numel() // ELEMENTS)
    return _hashed(flat[::step].contiguous().view(torch.uint8).numpy(), str(tuple(tensor.shape)))


def _hashed(data: Any, more: str = "") -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest() + more
