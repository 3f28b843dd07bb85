"""Counters that a class keeps by hand: what adds to them, and what sets them back."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pl_lint.facts.sites import AssignmentSite, ClassFacts, LogSite, MeterUse, ProjectFacts
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import Known
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.judging import is_tested_again, is_validated_once
from pl_lint.rules.logging.functions import is_score
from pl_lint.rules.metrics.judging import AT_THE_START
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, listed

IN_PLACE = tuple(f".{name}_" for name in ("zero", "fill", "copy", "mul", "sub", "set"))
"""Methods of a tensor that may set it back."""
BUFFER = ".register_buffer"
EMPTYING = (".reset", ".clear", ".zero", ".restart")
"""What a counting object is set back with, mostly."""
BY_HAND = frozenset({"__dict__", "__setattr__", "__delattr__", "vars"})
BY_HAND |= {"buffers", "named_buffers", "_buffers"}
"""Ways to an attribute that do not name it."""
ANY = ""
"""What is set back where nobody knows the name of it."""
FITTING = ("train", "validate")
ADDING = ("_step", "_batch_end")
EPOCH_ENDS = ("_epoch_end", "on_validation_end")
OF_EPOCHS = frozenset({"loss", "acc", "accuracy", "error", "score", "auc", "mae", "mse", "rmse"})
"""What is told of an epoch of training, beside ratios of counts: no speed, and no mean of a run."""


RUNNING = frozenset({"time", "timer", "clock", "speed", "throughput", "fps", "ema", "running"})
"""What an object is called whose mean over all of training is meant."""


@rule(
    "LTN220",
    "counter-never-set-back",
    rows=("MET03",),
    status=Status.SUSPECTED,
    observers="both",
    condition="from the second epoch on, or after the sanity check",
    calls=(*IN_PLACE, BUFFER, *EMPTYING),
)
def never_set_back(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A score is worked out of counters that are never set back.

    What it does
    ------------
    Finds values that are logged when an epoch ends, or in a step of validation, as one attribute
    divided by another (`self.correct / self.total`), where steps add to both and neither the class,
    nor what inherits from it, nor other code of the project sets both back while epochs go by.
    `on_train_start` and the like run once. One counter that is logged by itself is the total of a
    run (samples seen so far). Objects of the project's own classes that count (`self.val_hits`,
    with an `update` that adds and nothing that sets it back, or that nobody calls) are found where
    the end of an epoch asks them. Of training only scores and losses of its epochs are judged, for
    there are speeds and means over all of it; of tests those that a program runs more than once.

    A run evaluates one part of the data after another one (`logged-values`): what the first has
    left is in the value of the second.

    Why is this bad
    ---------------
    The counters go on from one epoch to the next, and begin with the two batches of the sanity
    check: what is logged is about all epochs so far. It moves less and less, the best epoch is not
    the one with the best value, and nothing says so. Where only one of the two is set back, the
    value grows or falls without end.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(8, 2)
            self.correct = 0
            self.total = 0

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.correct += (self(x).argmax(1) == y).sum().item()
            self.total += len(y)

        def on_validation_epoch_end(self):
            self.log("val_acc", self.correct / self.total)

    Use instead
    -----------
        def on_validation_epoch_start(self):
            self.correct = 0
            self.total = 0

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.correct += (self(x).argmax(1) == y).sum().item()
            self.total += len(y)

        def on_validation_epoch_end(self):
            self.log("val_acc", self.correct / self.total)

    Or a metric of torchmetrics that is logged as an object, which counts over all processes, too.

    When to ignore
    --------------
    Where the value over all epochs so far is meant.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.logging_classes():
        for log in owner.logs if not owner.open else ():
            kept = sorted(_kept(facts, owner, log)) if log.quotients else []
            if kept:
                names = listed(f"self.{name}" for name in kept)
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is about all epochs so far: {names} {_when(owner, kept)}",
                    remedy=f"set {names} to 0 where each epoch begins, or log a metric object",
                    subject=owner.short_name,
                )
        for place, kept in _meters(facts, owner) if not owner.open else ():
            names = listed(f"self.{name}" for name in kept)
            yield self.finding(
                place,
                f"what {names} {'counts' if len(kept) == 1 else 'count'} is about all epochs so "
                f"far: {'it is' if len(kept) == 1 else 'they are'} never set back",
                remedy=f"make {names} anew where each epoch begins, or log metric objects",
                subject=owner.short_name,
            )


def _kept(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> set[str]:
    """The counters of a logged quotient that go on from one epoch to the next."""
    kept: set[str] = set()
    for stage in _stages(facts, owner, log) if log.quotients else ():
        counted = _counted(owner, stage)
        divided = [one for one in log.quotients if one.above & counted and one.below & counted]
        names = {name for one in divided for name in (one.above | one.below) & counted}
        back = _set_back(facts, owner, stage) if names else set[str]()
        kept |= names - back if ANY not in back else set()
    return kept


def _meters(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[Location, list[str]]]:
    """The counting objects that go on from epoch to epoch; those that one hook reads together,
    where it reads the first of them."""
    going_on = {name for stage in FITTING for name in _going_on(facts, owner, stage)}
    read: dict[str, dict[str, Location]] = {}
    for name, hook, place in _reads(owner) if going_on else ():
        if name in going_on:
            read.setdefault(hook, {}).setdefault(name, place)
    for places in read.values():
        yield next(iter(places.values())), list(places)


def _going_on(facts: ProjectFacts, owner: ClassFacts, stage: Stage) -> set[str]:
    """The counting objects that the steps of a stage fill and that nothing sets back."""
    filled = {one.attribute for one in owner.meters if _fills(one) and one.stage == stage}
    if not filled or (stage == "validate" and is_validated_once(facts, owner)):
        return set()
    again = (one for one in owner.meters if one.does == "set back")
    back = {one.attribute for one in again if _runs_again(one.hook, one.stage, stage)}
    back |= {_emptied(call.receiver) for call in facts.calls_of(*EMPTYING)}
    back |= _set_back(facts, owner, stage)
    back |= {name for name in filled if not RUNNING.isdisjoint(words_of(name))}
    return filled - back if ANY not in back else set()


def _emptied(receiver: str) -> str:
    """The attribute that is emptied; a local name may be any of them, as in a loop over them. An
    object that empties itself is another one, or is known by its class."""
    return ANY if receiver.isidentifier() and receiver != "self" else _last(receiver)


def _reads(owner: ClassFacts) -> Iterator[tuple[str, str, Location]]:
    """What is asked of attributes where epochs of training and validation end."""
    for use in owner.meters:
        if use.does == "read" and use.stage in FITTING and use.hook.endswith(EPOCH_ENDS):
            yield use.attribute, use.hook, use.location
    for log in owner.logs:
        if log.stage in FITTING and log.hook.endswith(EPOCH_ENDS):
            yield from ((name, log.hook, log.location) for name in sorted(log.shows | log.made_of))


def _fills(use: MeterUse) -> bool:
    return use.does == "add" and use.hook.endswith(ADDING)


def _stages(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> Iterator[Stage]:
    """The stages that come more than once, and of which a logged value is to tell one epoch."""
    ends = log.hook.endswith(EPOCH_ENDS)
    if (log.stage == "validate" or ends) and not is_validated_once(facts, owner):
        yield "validate"
    if log.stage == "train" and ends and _is_of_an_epoch(log):
        yield "train"
    if log.stage == "test" and is_tested_again(facts, owner):
        yield "test"


def _is_of_an_epoch(log: LogSite) -> bool:
    return is_score(log) or not OF_EPOCHS.isdisjoint(words_of(key_text(log)))


def _counted(owner: ClassFacts, stage: Stage) -> frozenset[str]:
    """The attributes that the steps of a stage add to."""
    sites = (one for one in owner.assignments if one.added and one.hook.endswith(ADDING))
    return frozenset(one.attribute for one in sites if one.stage == stage)


def _family(facts: ProjectFacts, owner: ClassFacts) -> tuple[ClassFacts, ...]:
    """A class and those that inherit from it: what a template leaves to them is done there."""
    return (owner, *(one for one in facts.classes if owner.name in one.ancestors))


def _set_back(facts: ProjectFacts, owner: ClassFacts, stage: Stage) -> set[str]:
    """The attributes that something gives another value from epoch to epoch, or may."""
    family = _family(facts, owner)
    given = (site for one in family for site in one.assignments if not site.added)
    back = {site.attribute for site in given if _comes_again(site, owner, stage)}
    back |= {site.attribute for one in family for site in one.items}
    back |= {site.attribute for one in family for site in one.lists if site.action == "clear"}
    back |= {reach.attribute for reach in facts.reaches}
    back |= {_last(reach.receiver) for reach in facts.reaches}  # ``self.total.data = ...``
    back |= _by_call(facts, owner, stage)
    back |= {name for one in family for name in _handed(facts, one)}
    return back


def _comes_again(site: AssignmentSite, owner: ClassFacts, stage: Stage) -> bool:
    """Whether an assignment may run before each epoch of a stage: no hook that a fit runs once, nor
    one of the other stages, nor a method that nobody calls."""
    if not site.hook:
        methods = [one for one in owner.own_methods if one.name == site.function]
        return not methods or any(one.called for one in methods)
    return _runs_again(site.hook, site.stage, stage)


def _runs_again(hook: str, of: Stage | None, stage: Stage) -> bool:
    if hook in ("__init__", *AT_THE_START):
        return hook == "setup" and stage == "test"
    return of is None or (of in FITTING) == (stage in FITTING)


def _by_call(facts: ProjectFacts, owner: ClassFacts, stage: Stage) -> set[str]:
    """What a call sets back: a method of a tensor, or a buffer that is registered anew."""
    places = [one for one in facts.calls_of(*IN_PLACE) if _runs_again(one.hook, one.stage, stage)]
    anew = [one for one in facts.calls_in(owner, BUFFER) if _runs_again(one.hook, one.stage, stage)]
    buffers = (one.argument("name", 0) for one in anew)
    names = {one.value if isinstance(one, Known) else ANY for one in buffers}
    return {_last(one.receiver) for one in places} | {str(one) for one in names}


def _handed(facts: ProjectFacts, owner: ClassFacts) -> Iterator[str]:
    """What methods give away of the object that somebody sets back by another name: all of it, and
    tensors where there is code that empties what it is given."""
    in_place = any(one.receiver.isidentifier() for one in facts.calls_of(*IN_PLACE))
    for method, name in owner.handed:
        begins = method in ("__init__", *AT_THE_START) or method.startswith("configure_")
        if not begins and (in_place or name == "self"):
            yield name if name != "self" else ANY
    callbacks = (one for one in facts.classes if one.kind == "callback")
    from_outside = any("setattr" in one.words for each in callbacks for one in each.own_methods)
    if from_outside or any(not BY_HAND.isdisjoint(one.words) for one in owner.own_methods):
        yield ANY


def _last(receiver: str) -> str:
    return receiver.removesuffix(".data").removesuffix(".detach()").rpartition(".")[2]


def _when(owner: ClassFacts, kept: Collection[str]) -> str:
    """How they are kept: set back where a run begins, or never."""
    once = [one.hook for one in owner.assignments if one.attribute in kept and not one.added]
    hook = next((one for one in once if one in AT_THE_START), "")
    are = "are" if len(kept) > 1 else "is"
    return f"{are} set back in {hook} only" if hook else f"{are} never set back"
