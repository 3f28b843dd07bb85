"""What is logged, and the metrics that are."""

from __future__ import annotations

from typing import Literal

from pl_lint.facts.branches import Arms, apart
from pl_lint.facts.origins import Extent, Origin, Pairs
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import ABSENT, NO, UNKNOWN, YES, Known, Value, may_be
from pl_lint.findings import Location
from pl_lint.plain import frozen

MEAN = Known("mean")


@frozen
class FixedSize:
    """A batch size that is the same for every batch, as it is ``written``; ``path`` are the names
    below ``self`` by which a setting is read, none for a number; ``counts``: of what ``len(batch)``
    is the number."""

    written: str
    path: tuple[str, ...] = ()
    counts: Literal["", "keys", "members"] = ""


@frozen
class Quotient:
    """The attributes of the class that stand above the line of a division, and those below it."""

    above: frozenset[str]
    below: frozenset[str]


@frozen
class Entry:
    """One entry of a list of the class, by a constant number: ``of`` is the list behind ``self.``,
    as it is written."""

    of: str
    number: int


@frozen
class LogSite:
    """One way to reach one ``self.log`` or ``self.log_dict`` call.

    A call that two hooks reach, or that a helper makes with two bound constants, is several sites
    with the same location. ``on_step`` and ``on_epoch`` are resolved: where the call leaves them
    out they are the defaults of ``hook``. ``hook`` is empty where no hook was seen to reach the
    call. ``sampled``: a condition on the batch index stands before the call. ``guards`` are the
    names in the conditions and decorators around it, ``function`` is the one it stands in.
    ``kind``: ``list``, ``dict``, ``str`` or ``picture`` where the value is surely no number,
    ``vector`` where it is one for each sample; ``named``: the local name that it is, which is
    assigned once;
    ``negated``: the names in what is logged with a minus before it;
    ``result``: it is all that the call of an attribute gives.
    ``reduce_fx_given``: the call says ``reduce_fx`` itself.
    ``repeats``: another line has logged the very same value under this key. ``chosen_by``: the
    identifiers that a key hangs on which is not written out (``names[dataloader_idx]``);
    ``picked_by``: those by which the value is taken out of others. ``shows``: the attributes of the
    class that the logged value is written with (``self.best``);
    ``statistic``: the function that it surely is the result of, if that is a median or the like;
    ``of_errors``: it is made of the distances of two things; ``summed``: it is the sum of such.
    ``made_of``: the attributes of the class that it is made of, as it is written or where its local
    name is assigned, those that are called left out. ``arms``: the branches that the call stands
    in, those of ``try`` among them, each with its first line and its number. ``freed``: the value
    surely has no graph; asked only where ``enable_graph`` is given.
    ``inner``: the names in a dict that is logged under one key, as far as they are known.
    ``fixed_size``: the setting or number that ``batch_size`` is.
    ``extent``: what the value stands for, the mean over a batch or something else.
    ``quotients``: the divisions of attributes that it is made of. ``entry``: the one entry of
    a list that it is, or is taken from.
    """

    owner: str
    call: Literal["log", "log_dict", "logger", "returned"]
    key: Value
    origin: Origin
    hook: str
    stage: Stage | None
    location: Location
    on_step: Value = UNKNOWN
    on_epoch: Value = UNKNOWN
    reduce_fx: Value = MEAN
    sync_dist: Value = NO
    batch_size: Value = ABSENT
    rank_zero_only: Value = NO
    add_dataloader_idx: Value = YES
    logger: Value = ABSENT
    via: tuple[str, ...] = ()
    sampled: bool = False
    guards: tuple[str, ...] = ()
    function: str = ""
    prog_bar: Value = NO
    enable_graph: Value = NO
    repeats: bool = False
    chosen_by: frozenset[str] = frozenset()
    picked_by: frozenset[str] = frozenset()
    kind: str = ""
    reduce_fx_given: bool = False
    shows: frozenset[str] = frozenset()
    statistic: str = ""
    of_errors: bool = False
    summed: bool = False
    named: str = ""
    negated: frozenset[str] = frozenset()
    result: bool = False
    made_of: frozenset[str] = frozenset()
    arms: Arms = ()
    freed: bool = False
    inner: frozenset[str] = frozenset()
    fixed_size: FixedSize | None = None
    extent: Extent = ""
    quotients: frozenset[Quotient] = frozenset()
    entry: Entry | None = None

    def excludes(self, other: LogSite) -> bool:
        """Whether only one of two calls runs: they stand in two branches of one statement."""
        return apart(self.arms, other.arms)

    @property
    def per_batch(self) -> bool:
        """Whether a run reaches the call once per batch: in a step, or in a hook around it."""
        around = self.hook.endswith(("_batch_end", "_batch_start")) and self.stage is not None
        return self.in_step or around

    @property
    def in_step(self) -> bool:
        """Whether Lightning calls the hook once per batch with the batch."""
        return self.hook.endswith("_step") and self.stage is not None

    def feeds(self, key: str) -> bool:
        """Whether callbacks may find this value under ``key``."""
        base = key.split("/dataloader_idx_")[0]
        if may_be(self.key, base) or may_be(self.key, key):
            return True
        for suffix, flag in (("_step", self.on_step), ("_epoch", self.on_epoch)):
            stem = base.removesuffix(suffix)
            if stem != base and may_be(flag, True) and may_be(self.key, stem):
                return may_be(self.on_step, True) and may_be(self.on_epoch, True)
        return False


ADDED = "+="
"""The key of a ``HeldSite`` that is added to what is there."""


@frozen
class HeldSite:
    """What one step leaves for the end of the epoch: it appends to the list ``attribute``, adds it
    to what is there, or returns it (then ``attribute`` is empty). ``key``: the item, where it is a
    dict; ``looped``: it may be one of several of its step, as inside a loop over the samples of a
    batch; ``extent``: what it stands for; ``kept``: what is added to what is there, as it is
    written, where the graph of it is recorded."""

    attribute: str
    key: str
    origin: Origin
    hook: str
    location: Location
    looped: bool = False
    extent: Extent = ""
    kept: str = ""


Does = Literal["add", "set back", "read"]


@frozen
class MeterUse:
    """A call of an object that an attribute holds, of a class of the project's own that counts: it
    adds to what has been counted, sets it back, or does neither."""

    attribute: str
    does: Does
    hook: str
    stage: Stage | None
    location: Location


@frozen
class StrayLog:
    """A key that reaches the monitors by another way than ``self.log`` in a class of ``classes``:
    a callback's ``pl_module.log``, an assignment to ``trainer.callback_metrics``."""

    key: Value
    location: Location


@frozen
class MetricSite:
    """A torchmetrics object that a class makes.

    ``path`` is how the class reaches it: ``val_f1``, ``metrics[val]``; ``name`` its class as
    imported, ``arguments`` what it is built with, ``hook`` where it is made (``""``: it is not
    known to be a hook). ``members`` are the paths of what a collection holds, ``whole`` says that
    there is nothing else in it.
    """

    path: str
    name: str
    arguments: Pairs
    location: Location
    container: str = ""
    hook: str = ""
    members: tuple[str, ...] = ()
    whole: bool = True

    @property
    def class_name(self) -> str:
        return self.name.rpartition(".")[2]


@frozen
class MetricItemSite:
    """``self.map.compute()["map"]``: a hook takes an item out of what a metric gives, under no
    condition; ``asked``: by ``get``, anywhere, which gives a constant where there is none."""

    metric: str
    key: Value
    location: Location
    asked: bool = False


@frozen
class MetricUse:
    """One thing done to a metric; ``certain`` unless it may be another metric that is meant.

    ``given`` are the arguments by name or position, as they are written and by what they are made
    of; ``guards`` the names in the conditions and decorators around it; ``extent`` what the first
    argument stands for; ``looped``: as that of a HeldSite.
    """

    metric: str
    use: Literal["forward", "update", "compute", "reset", "log"]
    hook: str
    stage: Stage | None
    location: Location
    certain: bool = True
    given: tuple[tuple[str, str, Origin], ...] = ()
    guards: tuple[str, ...] = ()
    extent: Extent = ""
    looped: bool = False


def within(path: str, container: str) -> bool:
    """Whether ``metrics[val]`` lies in ``metrics``."""
    return path.startswith(f"{container}[")
