"""Watching torchmetrics: which inputs each metric was given, and what it should say about them.

The tap wraps the methods of ``Metric`` in the child process. It records at the outermost call: a
full-state ``forward`` calls ``update`` twice, and in a collection with compute groups only one
member of a group is really updated, so inner calls are the library's business, not the user's.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.weak import WeakIdKeyDictionary
from torchmetrics import Metric, MetricCollection

from pl_lint.runtime.watching.callsite import Way, way

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Moment:
    """When something happened in a run.

    ``turn`` counts the epochs of its own stage that were over by then, for an epoch of training may
    have several validations (``val_check_interval``).
    """

    stage: str
    epoch: int
    batch: int
    dataloader: int = 0
    sanity: bool = False
    samples: int | None = None
    turn: int = 0

    def same_epoch(self, other: Moment) -> bool:
        return (self.stage, self.turn, self.sanity) == (other.stage, other.turn, other.sanity)


@dataclass(frozen=True, eq=False)  # compared by identity: the arguments are tensors
class Update:
    """One batch given to a metric: the arguments as they were, and when.

    ``via`` is the id of the collection that passed them on, ``tensors`` the numbers by which the
    tap knows the tensors among them: the same tensors given twice in one batch are one batch
    counted twice. A lone number may be counted several times on purpose (for each view of a batch);
    it is counted twice by mistake where ``forward`` counts it and ``update`` again. ``way`` is the
    user's calls that led to it: where two of them always give the same, one is too many.
    """

    moment: Moment
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    via: int | None = None
    tensors: tuple[int, ...] = ()
    by_forward: bool = False
    way: Way = ()

    def repeats(self, other: Update) -> bool:
        """Whether these are the same tensors in the same batch, not only the same numbers."""
        if not self.tensors or self.tensors != other.tensors or self.moment != other.moment:
            return False
        by_mistake = self.by_forward != other.by_forward or not self._is_number
        return by_mistake and _equal(self.values, other.values)

    def is_like(self, other: Update) -> bool:
        """Whether these are the same numbers in the same batch, whoever worked them out."""
        return self.moment == other.moment and _equal(self.values, other.values)

    def anew(self, other: Update) -> list[torch.Tensor]:
        """What of this was worked out once more, and is not the tensor that the other was given."""
        own = (each for each in self.values if isinstance(each, torch.Tensor))
        return [t for t, n in zip(own, self.tensors, strict=True) if n not in other.tensors]

    @property
    def values(self) -> tuple[Any, ...]:
        """Those by name in the order of their names: ``preds`` come before ``target`` either
        way."""
        return (*self.arguments, *(self.keywords[name] for name in sorted(self.keywords)))

    @property
    def _is_number(self) -> bool:
        given = [each for each in self.values if isinstance(each, torch.Tensor)]
        return all(each.numel() <= 1 for each in given)


@dataclass
class History:
    """All inputs of one metric, and those that it still holds since its last reset."""

    metric: Metric
    updates: list[Update] = field(default_factory=list)
    held: list[Update] = field(default_factory=list)
    at_compute: list[tuple[Moment, tuple[Update, ...]]] = field(default_factory=list)


class MetricTap:
    """Records the life of every torchmetrics metric that is built while it is installed.

    Install it before the module is built: torchmetrics wraps ``update`` and ``compute`` of each
    instance in its constructor. ``moment`` is kept up to date by the recorder.
    """

    def __init__(self) -> None:
        self.moment = Moment("", 0, -1)
        self._depth = 0
        self._histories: dict[int, History] = {}
        # Beside the tensors, not in them: a tensor's attributes would go into the user's
        # checkpoints.
        self._origins: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._collections: WeakIdKeyDictionary = WeakIdKeyDictionary()
        # Not their ids: the next tensor may have that of one that is gone.
        self._numbers: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._counter = itertools.count()

    def recorded(self, metric: Metric) -> History | None:
        """The life of a metric, to be replayed."""
        return self.history(metric)

    def history(self, metric: Metric) -> History:
        # The history keeps the metric alive, so that its id stays its own.
        return self._histories.setdefault(id(metric), History(metric))

    @contextmanager
    def installed(self) -> Iterator[MetricTap]:
        with (
            patch.object(Metric, "_wrap_update", self._wrapping(Metric._wrap_update, "update")),
            patch.object(Metric, "_wrap_compute", self._wrapping(Metric._wrap_compute, "compute")),
            patch.object(Metric, "reset", self._watched_reset(Metric.reset)),
            patch.object(Metric, "__call__", self._watched_call(Metric.__call__)),
            patch.object(
                MetricCollection, "__call__", self._watched_call(MetricCollection.__call__)
            ),
            patch.object(MetricCollection, "update", self._watched_update(MetricCollection.update)),
            patch.object(
                MetricCollection, "compute", self._watched_collection(MetricCollection.compute)
            ),
        ):
            yield self

    def origin_of(self, value: Any) -> tuple[str, Metric | None] | None:
        """How a metric made a value, and which: ``object``, ``forward``, ``compute``, or
        ``forward-dict`` for a member's value in what a MetricCollection returned."""
        if isinstance(value, Metric):
            return "object", value
        made = self._origins.get(value) if isinstance(value, torch.Tensor) else None
        if made is None:
            return None
        operation, metric, moment = made
        # What an earlier epoch computed is no longer the metric's value: `min(self.best, value)`.
        return (operation, metric) if moment.same_epoch(self.moment) else None

    def collection_of(self, value: Any) -> MetricCollection | None:
        """The collection that computed a value."""
        return self._collections.get(value) if isinstance(value, torch.Tensor) else None

    @property
    def inside_metric(self) -> bool:
        return self._depth > 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While replaying: what happens inside is the kit's doing, not the user's."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _wrapping(self, wrap: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """torchmetrics wraps ``update`` and ``compute`` of each instance; wrap them once more."""
        watched = self._watched_update if kind == "update" else self._watched_compute

        def wrap_and_watch(metric: Metric, method: Callable[..., Any]) -> Callable[..., Any]:
            wrapped = wrap(metric, method)
            if _is_lightnings_own(metric):
                return wrapped
            unbound = watched(lambda self, *args, **kwargs: wrapped(*args, **kwargs))
            return functools.wraps(method)(functools.partial(unbound, metric))

        return wrap_and_watch

    def _watched_update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def update(metric: Any, *args: Any, **kwargs: Any) -> Any:
            self._record_update(metric, args, kwargs)
            return self._inside(original, metric, *args, **kwargs)

        return update

    def _watched_call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(metric: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_lightnings_own(metric):
                return original(metric, *args, **kwargs)
            self._record_update(metric, args, kwargs, by_forward=True)
            result = self._inside(original, metric, *args, **kwargs)
            return self._tagged(result, metric, "forward")

        return call

    def _watched_compute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def compute(metric: Metric, *args: Any, **kwargs: Any) -> Any:
            outermost = self._depth == 0
            result = self._inside(original, metric, *args, **kwargs)
            if not outermost:
                return result
            history = self.history(metric)
            history.at_compute.append((self.moment, tuple(history.held)))
            return self._tagged(result, metric, "compute")

        return compute

    def _watched_collection(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A collection's ``compute``: its members are seen by themselves."""

        @functools.wraps(original)
        def compute(collection: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(collection, *args, **kwargs)
            for value in result.values() if isinstance(result, dict) else ():
                if isinstance(value, torch.Tensor):
                    self._collections[value] = collection
            return result

        return compute

    def _watched_reset(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def reset(metric: Metric, *args: Any, **kwargs: Any) -> Any:
            if self._depth == 0 and not _is_lightnings_own(metric):
                self.history(metric).held.clear()
            return original(metric, *args, **kwargs)

        return reset

    def _inside(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self.paused():
            return original(*args, **kwargs)

    def _record_update(
        self, metric: Any, args: tuple[Any, ...], kwargs: dict[str, Any], by_forward: bool = False
    ) -> None:
        if self._depth:
            return
        via = id(metric) if isinstance(metric, MetricCollection) else None
        values = (*args, *(kwargs[name] for name in sorted(kwargs)))
        given = tuple(self._number_of(each) for each in values if isinstance(each, torch.Tensor))
        update = Update(self.moment, frozen(args), frozen(kwargs), via, given, by_forward, way())
        for member in members(metric):
            history = self.history(member)
            history.updates.append(update)
            history.held.append(update)

    def _number_of(self, tensor: torch.Tensor) -> int:
        if tensor not in self._numbers:
            self._numbers[tensor] = next(self._counter)
        number: int = self._numbers[tensor]
        return number

    def _tagged(self, result: Any, metric: Any, operation: str) -> Any:
        """Mark a metric's result, so that a logged tensor tells which metric made it."""
        if isinstance(result, torch.Tensor):
            owner = metric if isinstance(metric, Metric) else None
            self._origins[result] = (operation, owner, self.moment)
        elif isinstance(result, dict) and isinstance(metric, MetricCollection):
            owners = dict(metric.items(copy_state=False))
            for name, value in result.items():
                if isinstance(value, torch.Tensor) and name in owners:
                    self._origins[value] = (f"{operation}-dict", owners[name], self.moment)
        return result


class OriginTap(MetricTap):
    """Knows which metric made a value and keeps no inputs: for runs of which nothing is replayed,
    because what metrics say of their inputs has been judged where they were first given them."""

    def recorded(self, metric: Metric) -> None:
        return None

    def _record_update(self, *given: Any, **more: Any) -> None:
        pass


def members(metric: Any) -> list[Metric]:
    if isinstance(metric, MetricCollection):
        return list(metric.values(copy_state=False))
    return [metric]


def _equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(map(_same, one, other))


def _same(one: Any, other: Any) -> bool:
    """Of what is neither a tensor nor a plain value nothing is known."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        like = (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)
        return like and torch.equal(one, other)
    return isinstance(one, _PLAIN) and type(one) is type(other) and bool(one == other)


def frozen(value: Any) -> Any:
    """A copy of a metric's inputs that later in-place changes cannot reach."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [frozen(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def replay(metric: Metric, updates: list[Update] | tuple[Update, ...]) -> float | None:
    """The metric of these inputs: a clone, reset (``clone()`` carries state), updated, computed.

    None if the metric cannot say it in one number. Call it while the tap is paused.
    """
    clone = metric.clone()
    clone.reset()
    clone.sync_on_compute = False
    for update in updates:
        clone.update(*update.arguments, **clone._filter_kwargs(**update.keywords))
    return scalar(clone.compute())


def scalar(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, (bool, int, float)) else None


def _is_lightnings_own(metric: Any) -> bool:
    """Lightning keeps logged values in Metric subclasses of its own (``_ResultMetric``)."""
    return type(metric).__module__.startswith(("lightning.", "pytorch_lightning."))
