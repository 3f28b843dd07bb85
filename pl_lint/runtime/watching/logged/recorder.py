"""Watching one Trainer: every ``self.log`` with its line, weight and origin, and every epoch value.

Two private places of Lightning are read, both in ``trainer/connectors/logger_connector/result.py``
(2.6.6): ``_ResultCollection.log`` has the flags after Lightning resolved their defaults, and
``_ResultCollection.update_metrics`` the batch size that Lightning really used.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import torch
from torchmetrics import Metric, MetricCollection

from pl_lint.facts.events import EpochValues, LogEvent, MonitorLook, NotFinite, Replay
from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import caller
from pl_lint.runtime.watching.logged.accumulators import Accumulators
from pl_lint.runtime.watching.logged.finite import FollowNotFinite, Made, broken_parameter
from pl_lint.runtime.watching.logged.metrics import MetricTap, Moment, scalar
from pl_lint.runtime.watching.logged.monitors import watched_looks
from pl_lint.runtime.watching.logged.normalisers import FollowNormalisers
from pl_lint.runtime.watching.logged.replays import Logged, replays_of
from pl_lint.runtime.watching.logged.served import Served

_ALWAYS = ("self", "name", "value")
"""What every call of ``log`` gives, whatever else."""
HALF = (torch.float16, torch.bfloat16)

SizesByStage = Mapping[str, Sequence[tuple[int, ...]]]


@dataclass
class Recorder:
    """What happened under one Trainer.

    ``sizes`` holds, by stage, the number of samples in each batch of each dataloader as the kit cut
    them; a stage that is missing was not cut by the kit, and its samples are not counted.
    """

    namespace: Namespace
    tap: MetricTap
    sizes: SizesByStage = field(default_factory=dict)
    events: list[LogEvent] = field(default_factory=list)
    epochs: list[EpochValues] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    training_submodules: set[str] = field(default_factory=set)
    metric_names: dict[int, str] = field(default_factory=dict)
    looks: list[MonitorLook] = field(default_factory=list)
    accumulators: Accumulators = field(default_factory=Accumulators)
    follow: FollowNotFinite | None = None
    divisions: FollowNormalisers | None = None
    served: Served = field(default_factory=Served)
    validated: dict[str, str] = field(default_factory=dict)
    not_finite: dict[tuple[str, str], NotFinite] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _line: Location | None = None
    _python_number: bool = False
    _sync_dist: bool = False
    _origin: tuple[str, Metric | None] | None = None
    _normalisers: dict[str, float] = field(default_factory=dict)
    _reductions: tuple[str, ...] = ()
    _dtype: str = ""
    _collection: Any = None
    _made: Made | None = None
    _broken: str = ""
    _epoch_events: list[Logged] = field(default_factory=list)

    @property
    def moment(self) -> Moment:
        return self.tap.moment

    @moment.setter
    def moment(self, moment: Moment) -> None:
        self.tap.moment = moment

    @contextmanager
    def watching(self) -> Iterator[None]:
        module = self.namespace.LightningModule
        results = self.namespace.ResultCollection
        watched = (
            patch.object(module, "log", self._watched_log(module.log)),
            patch.object(module, "log_dict", self._watched_log_dict(module.log_dict)),
            patch.object(results, "log", self._watched_result_log(results.log)),
            watched_looks(self.namespace, self.looks, lambda: self.moment),
        )
        with ExitStack() as stack:
            for each in (*watched, self.follow, self.divisions):
                if each is not None:
                    stack.enter_context(each)
            yield

    def enter_batch(
        self, stage: str, epoch: int, batch: int, dataloader: int, sanity: bool
    ) -> None:
        counted = self._counted(stage, batch, dataloader)
        turn = self._turns.get(stage, 0)
        self.moment = Moment(stage, epoch, batch, dataloader, sanity, counted, turn)

    def leave_batches(self) -> None:
        """After the last batch: what is logged now belongs to the epoch, not to a batch."""
        self.moment = replace(self.moment, batch=-1, samples=None)

    def leave_training(self, epoch: int) -> None:
        """The same after the last training batch, whoever validated since."""
        self.moment = Moment("train", epoch, -1, turn=self._turns.get("train", 0))

    def close_epoch(self, stage: str, epoch: int, values: Mapping[str, Any], sanity: bool) -> None:
        """Keep the epoch's values and replay the metrics behind them."""
        events = [each for each in self._epoch_events if each.event.stage == stage]
        self._epoch_events = [each for each in self._epoch_events if each.event.stage != stage]
        turn = self._turns.get(stage, 0)
        self._turns[stage] = turn + 1
        seen = self.served.taken() if stage != "train" else ""
        if sanity:
            return
        logged = {each.event.name for each in events}
        numbers = {name: scalar(value) for name, value in values.items() if name in logged}
        kept = {name: value for name, value in numbers.items() if value is not None}
        for name in (name for name, value in kept.items() if not math.isfinite(value)):
            made = self.follow.of(values[name]) if self.follow is not None else None
            self._note_not_finite(stage, name, made)
        sizes = tuple(size for loader in self.sizes.get(stage, ()) for size in loader)
        self.epochs.append(EpochValues(stage, epoch, kept, seen, sizes))
        self.replays += replays_of(self.tap, Moment(stage, epoch, -1, turn=turn), kept, events)

    def _counted(self, stage: str, batch: int, dataloader: int) -> int | None:
        loaders = self.sizes.get(stage, ())
        sizes = loaders[dataloader] if dataloader < len(loaders) else ()
        return sizes[batch] if batch < len(sizes) else None

    def _watched_log(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``LightningModule.log``, which on one process passes ``sync_dist`` on as False."""
        place = list(inspect.signature(original).parameters).index("sync_dist") - len(_ALWAYS)

        @functools.wraps(original)
        def log(module: Any, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
            self._line = caller()
            self._python_number = isinstance(value, (bool, int, float))
            self._sync_dist = bool(kwargs.get("sync_dist") or any(args[place : place + 1]))
            self._origin = self.tap.origin_of(value)
            self._note_making(value)
            half = isinstance(value, torch.Tensor) and value.dtype in HALF
            self._dtype = str(value.dtype).removeprefix("torch.") if half else ""
            if self.follow is not None:
                self._made, self._broken = self.follow.of(value), broken_parameter(module)
            return original(module, name, value, *args, **kwargs)

        return log

    def _note_making(self, value: Any) -> None:
        """By what a value was divided, and what made one number of many, where that is followed."""
        if self.divisions is not None:
            self._normalisers = self.divisions.of(value)
            self._reductions = self.divisions.reductions_of(value)

    def _watched_log_dict(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``log_dict`` of a collection: which one its members are logged through."""

        @functools.wraps(original)
        def log_dict(module: Any, dictionary: Any, *args: Any, **kwargs: Any) -> Any:
            is_collection = isinstance(dictionary, MetricCollection)
            self._collection = dictionary if is_collection else None
            try:
                return original(module, dictionary, *args, **kwargs)
            finally:
                self._collection = None

        return log_dict

    def _watched_result_log(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``_ResultCollection.log``: the flags as resolved, the batch size as used."""

        @functools.wraps(original)
        def log(results: Any, fx: str, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
            used: list[float] = []
            update = results.update_metrics

            def update_metrics(key: str, value: Any, batch_size: Any) -> Any:
                used.append(float(batch_size))
                return update(key, value, batch_size)

            with patch.object(results, "update_metrics", update_metrics):
                answer = original(results, fx, name, value, *args, **kwargs)
            self._record(results, fx, name, value, kwargs, used)
            return answer

        return log

    def _record(
        self, results: Any, fx: str, name: str, value: Any, flags: dict[str, Any], used: list[float]
    ) -> None:
        operation, metric = self._origin or ("", None)
        moment = self.moment
        event = LogEvent(
            name=_with_suffix(name, results.dataloader_idx, flags.get("add_dataloader_idx", True)),
            value=None if isinstance(value, Metric) else scalar(value),
            hook=fx,
            stage=moment.stage,
            epoch=moment.epoch,
            batch=moment.batch,
            dataloader=moment.dataloader,
            location=self._line or Location("<unknown>", 1),
            on_step=bool(flags.get("on_step")),
            on_epoch=bool(flags.get("on_epoch")),
            reduce_fx=_reduction(flags.get("reduce_fx", "mean")),
            sync_dist=self._sync_dist,
            rank_zero_only=bool(flags.get("rank_zero_only")),
            weight=used[0] if used else None,
            samples=moment.samples,
            origin=f"{operation}:{self._metric_name(metric)}" if operation else "",
            python_number=self._python_number,
            sanity=moment.sanity,
            normalisers=self._normalisers,
            reductions=self._reductions,
            dtype=self._dtype,
        )
        self.events.append(event)
        if event.value is not None and not math.isfinite(event.value) and not event.sanity:
            self._note_not_finite(event.stage, event.name, self._made)
        if event.on_epoch:
            self._epoch_events.append(Logged(event, metric, self._via(value)))

    def _note_not_finite(self, stage: str, name: str, made: Made | None) -> None:
        """The first of each key: what came later may have other causes."""
        if self.follow is None or (stage, name) in self.not_finite:
            return
        found = NotFinite(name, stage, broken=self._broken)
        if made is not None:
            operation, place = made.operation, made.location
            found = NotFinite(name, stage, operation, place, made.in_metric, self._broken)
        self.not_finite[stage, name] = found

    def _via(self, value: Any) -> int | None:
        """The collection that a value is logged through, or that computed it."""
        collection = self._collection
        if collection is None:
            collection = self.tap.collection_of(value)
        return None if collection is None else id(collection)

    def _metric_name(self, metric: Metric | None) -> str:
        return (
            self.metric_names.get(id(metric), type(metric).__name__) if metric is not None else ""
        )

    def name_metrics(self, module: torch.nn.Module) -> None:
        """Learn by which attribute the module calls each of its metrics."""
        self.metric_names = {
            id(child): name for name, child in module.named_modules() if isinstance(child, Metric)
        }


def _with_suffix(name: str, dataloader: int | None, add: bool) -> str:
    return f"{name}/dataloader_idx_{dataloader}" if add and dataloader is not None else name


def _reduction(reduce_fx: Any) -> str:
    return (
        reduce_fx if isinstance(reduce_fx, str) else getattr(reduce_fx, "__name__", str(reduce_fx))
    )
