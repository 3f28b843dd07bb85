"""Learning-rate schedulers: whether they are stepped, and how often."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pl_lint.facts.lightning import Version
from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.sites import (
    ABSENT,
    CallSite,
    ClassFacts,
    ProjectFacts,
    SchedulerSite,
    TrainerSite,
)
from pl_lint.facts.values import UNKNOWN, Known, Made, Named, Several, Table, Value, may_be, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import defines, target_version
from pl_lint.rules.loops.optimizers import counted
from pl_lint.rules.loops.stepping import SCHEDULERS, STEPS, of_scheduler
from pl_lint.rules.registry import Rule, rule

PLATEAUS = ("torch.optim.lr_scheduler.ReduceLROnPlateau",)
PER_STEP = frozenset({"OneCycleLR", "CyclicLR"})
STEP_COUNTS = frozenset({"estimated_stepping_batches", "num_training_batches"})
"""What Lightning itself calls a number of steps."""
OUTER_KEYS = frozenset({"optimizer", "lr_scheduler", "monitor"})
"""What Lightning reads beside an optimizer (``_validate_optim_conf``)."""
IN_LISTS = OUTER_KEYS | {"frequency"}
"""The same of one of several optimizers: Lightning 1 took turns, each as often as it says."""
INNER_KEYS = frozenset(
    {
        *("scheduler", "name", "interval", "frequency"),
        *("reduce_on_plateau", "monitor", "strict", "opt_idx"),
    }
)
"""The fields of ``LRSchedulerConfig``; ``opt_idx`` in 1.x."""


@rule(
    "LTN710",
    "schedule-in-another-unit",
    rows=("LOOP10",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the scheduler's length is meant in the unit that it is made of",
    calls=(*STEPS, SCHEDULERS),
)
def step_scheduler_per_epoch(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A scheduler built for optimizer steps is stepped once per epoch, or one for epochs per step.

    What it does
    ------------
    Finds OneCycleLR, CyclicLR, the warm-up schedules of transformers and schedulers built with a
    number of steps that `configure_optimizers` returns without `"interval": "step"`; also a
    LambdaLR whose function calls its parameter a step and goes on for 500 of them and more (`lambda
    step: min(1, step / 1000)`), or holds it, multiplied by nothing, against Lightning's number of
    steps, and a scheduler of any other kind that is given the batches of a loader as its
    `..._steps`, or is as long as some multiple of the steps in an epoch (`T_max=epochs *
    steps_per_epoch`); and a schedule of a thousand and more (`StepLR(optimizer, step_size=10_000)`)
    where every Trainer of the class is written to end after a tenth of as many epochs, or after so
    many steps. Silent where the class steps its schedulers by hand (`self.lr_schedulers().step()`):
    Lightning's steps, asked for as well, would come on top; and where the length is the number of
    epochs, or one more, by its name (`total_steps=self.trainer.max_epochs + 1`) or by that of the
    Trainer (`total_steps=45` beside `max_epochs=45`).

    And finds the reverse: a cosine, one-cycle, linear or polynomial schedule, or one of
    transformers with a warm-up, with `"interval": "step"` and no `"frequency"`, whose length is
    called a number of epochs (`T_max=self.trainer.max_epochs`), or is the number that every Trainer
    of the class is written to train (`T_max=100` beside `max_epochs=100`).

    Why is this bad
    ---------------
    Lightning steps schedulers once per epoch unless told otherwise. A cosine over all steps ended
    at 0.994 of its learning rate instead of 0.006; a warm-up reached 0.2 instead of 1.0. The
    other way round a cosine falls and rises again every few batches, a linear schedule with a
    warm-up is at zero for the rest of training, and OneCycleLR raises when its steps are used up.

    Example
    -------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            steps = self.trainer.estimated_stepping_batches
            scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
            return [optimizer], [scheduler]

    Use instead
    -----------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            steps = self.trainer.estimated_stepping_batches
            scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    When to ignore
    --------------
    Where the scheduler's length is given in epochs, or an epoch has one batch only.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/optimization.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3051
    """
    for owner in facts.modules():
        if owner.manual_optimization or _steps_itself(facts, owner):
            continue
        told = {site.location for site in owner.schedulers if may_be(site.interval, "step")}
        for site in owner.schedulers:
            name = site.name.rpartition(".")[2]
            if site.location not in told and _is_for_steps_by_epochs(facts, owner, site):
                yield self.finding(
                    site.location,
                    f"{name} is built for optimizer steps, and Lightning steps it once per epoch",
                    remedy='return [optimizer], [{"scheduler": scheduler, "interval": "step"}]',
                    subject=owner.short_name,
                )
            elif _once_per_step(site) and _lasts_epochs(facts, owner, site):
                yield self.finding(
                    site.location,
                    f"{name} is as long as training has epochs, and Lightning steps it after each "
                    "optimizer step",
                    remedy='"interval": "epoch", or self.trainer.estimated_stepping_batches as its '
                    "length",
                    subject=owner.short_name,
                )


def _is_for_steps_by_epochs(facts: ProjectFacts, owner: ClassFacts, site: SchedulerSite) -> bool:
    """Whether a schedule for steps is stepped once per epoch."""
    for_steps = _for_steps(site) or _is_longer_than_training(facts, owner, site)
    by_epochs = _is_one_of_epochs(owner, site) or _ends_with_training(facts, owner, site)
    return _once_per_epoch(site) and for_steps and not by_epochs


EPOCHS = re.compile(r"((max|num|number|n|nb|total|train|training|of)_?)*epochs?", re.IGNORECASE)
"""What the number of epochs of a training is called."""


def _once_per_step(site: SchedulerSite) -> bool:
    """Whether Lightning surely steps a schedule after each step of the optimizer."""
    return must_be(site.interval, "step") and site.frequency in (ABSENT, Known(None), Known(1))


def _lasts_epochs(facts: ProjectFacts, owner: ClassFacts, site: SchedulerSite) -> bool:
    """Whether a schedule is as long as a training has epochs, by its name, or by that number: of
    an attribute that the class works out itself nothing is known."""
    *holder, last = site.length.split(".")
    trainers = facts.programs.trainers_of(owner)
    if any(map(_ends_by_steps, trainers)):
        return False
    if _names_epochs(last):
        own = [one for one in owner.assignments if one.attribute == last]
        known = all(isinstance(one.value, Known) or _names_epochs(one.given) for one in own)
        elsewhere = any(one.attribute == last for one in facts.reaches)
        return not elsewhere and (holder != ["self"] or (bool(own) and known))
    epochs = {one.argument("max_epochs") for one in trainers}
    length = _end(site)
    return length is not None and epochs == {length}


def _ends_by_steps(trainer: TrainerSite) -> bool:
    """Whether a Trainer counts steps, or has epochs of one step."""
    by_steps = trainer.argument("max_steps")
    of_one = (trainer.argument(name) for name in ("limit_train_batches", "overfit_batches"))
    counts = not (must_be(by_steps, None) or must_be(by_steps, -1))
    return counts or any(must_be(one, 1) for one in of_one)


def _names_epochs(name: str) -> bool:
    return EPOCHS.fullmatch(name.rpartition(".")[2]) is not None


FALLING = ("CosineAnnealingLR", "PolynomialLR")
"""Schedules of a whole training by an argument of ``LENGTHS``."""


def _end(site: SchedulerSite) -> Value | None:
    """The number that a schedule of a whole training is written to last, where it is one."""
    given, last = dict(site.arguments), site.name.rpartition(".")[2]
    lengths = LENGTHS[last] if last in FALLING else ("total_steps", "num_training_steps")
    found = [given[name] for name in lengths if name in given]
    return found[0] if found and isinstance(found[0], Known) else None


def _steps_itself(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether the class says what a step is, or steps what ``self.lr_schedulers()`` gives it."""
    if defines(facts, owner, "lr_scheduler_step"):
        return True
    asked = bool(facts.calls_in(owner, SCHEDULERS))
    return asked and any(map(of_scheduler, facts.calls_in(owner, ".step")))


def _is_plateau(site: SchedulerSite) -> bool:
    return site.name.endswith(".ReduceLROnPlateau")


def _once_per_epoch(site: SchedulerSite) -> bool:
    """Nobody asks for steps; epochs that are asked for by name are wrong only where the length is
    surely Lightning's own number of steps."""
    if must_be(site.interval, "epoch"):
        return any(_is_step_count(value) for _, value in site.arguments)
    return site.interval == ABSENT


def _is_step_count(value: Value) -> bool:
    return isinstance(value, Named) and value.name.rpartition(".")[2] in STEP_COUNTS


def _for_steps(site: SchedulerSite) -> bool:
    name = site.name.rpartition(".")[2]
    one_each = must_be(dict(site.arguments).get("steps_per_epoch", UNKNOWN), 1)
    if site.per_epoch or one_each or _cycles_in_epochs(site):
        return False
    by_name = name in PER_STEP or name.endswith("_with_warmup")
    return by_name or site.per_step or any(_is_step_count(value) for _, value in site.arguments)


LENGTHS = {
    "StepLR": ("step_size", "1"),
    "MultiStepLR": ("milestones", "1"),
    "CosineAnnealingLR": ("T_max", "1"),
    "PolynomialLR": ("total_iters", "1"),
    "ConstantLR": ("total_iters", "2"),
    "LinearLR": ("total_iters", "3"),
}
"""The argument that says when a scheduler has done something, and its position."""
MANY, TIMES = 1000, 10
"""So long a schedule, and so many times as long as training, is none of epochs."""


def _is_longer_than_training(facts: ProjectFacts, owner: ClassFacts, site: SchedulerSite) -> bool:
    """Whether a length is none of epochs by what all Trainers of the class say of theirs."""
    name, _, last = site.name.rpartition(".")
    given = dict(site.arguments)
    values = [given[key] for key in LENGTHS.get(last, ()) if key in given]
    length = _first_of(values[0]) if values and name.endswith("lr_scheduler") else 0
    trainers = facts.programs.trainers_of(owner) if length >= MANY and not site.per_epoch else ()
    return bool(trainers) and all(_ends_before(one, length) for one in trainers)


def _first_of(value: Value) -> int:
    inner = value.value if isinstance(value, Known) else 0
    first = min(inner, default=0) if isinstance(inner, tuple) else inner
    return first if isinstance(first, int) else 0


def _ends_before(trainer: TrainerSite, length: int) -> bool:
    """Whether so many epochs never come, or so many steps are a part of all."""
    epochs, steps = trainer.argument("max_epochs"), trainer.argument("max_steps")
    if isinstance(epochs, Known) and isinstance(epochs.value, int) and epochs.value > 0:
        return epochs.value * TIMES <= length
    known = isinstance(steps, Known) and isinstance(steps.value, int)
    return known and epochs == ABSENT and length <= steps.value  # type: ignore[union-attr]


SHORT = 500
"""Few optimizer steps for a whole training, and many epochs."""


def _is_one_of_epochs(owner: ClassFacts, site: SchedulerSite) -> bool:
    """Whether a length that is written there is small, and a setting may choose another scheduler
    in its place, which counts epochs as all do."""
    small = 0 < _written_length(site) <= SHORT
    return small and any(not _for_steps(other) for other in owner.schedulers)


def _written_length(site: SchedulerSite) -> int:
    """The number of steps that a schedule is written to have; 0 where it is not written."""
    given = dict(site.arguments)
    length = given.get("total_steps", given.get("num_training_steps"))
    return length.value if isinstance(length, Known) and isinstance(length.value, int) else 0


FEW = 100
"""No more optimizer steps than this in half a cycle: then epochs are counted."""
NEAR = 4
"""A number that differs by no more than this part of the epochs is one of epochs."""


def _ends_with_training(facts: ProjectFacts, owner: ClassFacts, site: SchedulerSite) -> bool:
    """Whether a written length is about the number of epochs that a Trainer of the class is written
    to train: ``total_steps=45`` beside ``Trainer(max_epochs=45)``."""
    length = _written_length(site)
    given = (one.argument("max_epochs") for one in facts.programs.trainers_of(owner))
    epochs = [one.value for one in given if isinstance(one, Known) and isinstance(one.value, int)]
    return length > 0 and any(abs(one - length) * NEAR <= one for one in epochs)


def _cycles_in_epochs(site: SchedulerSite) -> bool:
    """Whether the length of a CyclicLR, 2000 by default, is epochs, or stands in settings."""
    given = dict(site.arguments)
    length = given.get("step_size_up", given.get("3"))
    unseen = length is None and UNPACKED in given
    short = isinstance(length, Known) and isinstance(length.value, int) and length.value <= FEW
    return site.name.endswith(".CyclicLR") and (short or unseen)


@rule("LTN711", "scheduler-dropped", rows=("LOOP11",), observers="both", calls=PLATEAUS)
def scheduler_dropped(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A scheduler, or what is said of it, never reaches Lightning.

    What it does
    ------------
    Finds keys in what `configure_optimizers` returns that Lightning does not read there:
    `"scheduler"` beside `"optimizer"`, `"interval"` or `"frequency"` in the outer dict (of several
    optimizers Lightning 1 read a frequency there; where Lightning 2 refuses several, LTN704 tells
    of them), a misspelled key; and an optimizer and a
    scheduler that stand side by side without lists. A key that says again what the scheduler was
    built with (`mode="max"`) is left alone. A run looks for schedulers that were built
    during the fit, that are none of those which Lightning steps, and that nobody has stepped
    either; and for schedulers of an optimizer that is not the one in use.

    Why is this bad
    ---------------
    Keys that Lightning does not know are dropped with a warning. The learning rate stays constant,
    or follows another schedule.

    Example
    -------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
            return {"optimizer": optimizer, "scheduler": scheduler}

    Use instead
    -----------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}

    When to ignore
    --------------
    Where the keys are for code of your own that reads them.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#configure-optimizers
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4929
    """
    for owner in facts.modules():
        for site in owner.returns:
            if site.hook == "configure_optimizers":
                plateaus = facts.calls_in(owner, *PLATEAUS)
                for message, remedy in _dropped(site.value, owner, plateaus):
                    yield self.finding(
                        site.location, message, remedy=remedy, subject=owner.short_name
                    )


def _dropped(
    returned: Value, owner: ClassFacts, plateaus: Sequence[CallSite]
) -> Iterator[tuple[str, str]]:
    """What Lightning does not read of a returned configuration. ``plateaus`` are the schedulers
    that a class builds of the kind which has most to be told."""
    match returned:
        case Table():
            yield from _dropped_of(returned, owner, OUTER_KEYS, plateaus)
        case Several((Made(first), Made(second))) if _unlisted(first, second):
            text = "Lightning takes an optimizer and a scheduler only as two lists: it stops"
            yield text, "return [optimizer], [scheduler]"
        case Several((Several() | Known(tuple()), Several(items))):
            for item in items:
                if isinstance(item, Table):
                    yield from _dropped_inside(item, owner, plateaus)
        case Several(items):
            told = owner.optimization == "automatic" and counted(returned) > 1  # by LTN704
            read = IN_LISTS if told or target_version(owner) < ONE_TURN else OUTER_KEYS
            for item in items:
                if isinstance(item, Table):
                    yield from _dropped_of(item, owner, read, plateaus)


ONE_TURN: Version = (2, 0)
"""Since then optimizers take no turns."""


def _unlisted(first: str, second: str) -> bool:
    return ".lr_scheduler." in second and first.startswith("torch.optim.")


def _dropped_of(
    configuration: Table, owner: ClassFacts, read: frozenset[str], plateaus: Sequence[CallSite]
) -> Iterator[tuple[str, str]]:
    if configuration.get("optimizer") is None:
        return
    for name in _unread(configuration, read):
        if name == "frequency" and must_be(configuration.get(name), 1):
            continue  # as it is without
        made = _made(_scheduler_of(configuration), plateaus)
        if _says_again(made, name, configuration.get(name)):
            continue
        text = f"Lightning does not read the key {name!r} beside the optimizer: it is dropped"
        yield text, _instead(name, configuration)
    inner = configuration.get("lr_scheduler")
    if isinstance(inner, Table):
        yield from _dropped_inside(inner, owner, plateaus)


def _scheduler_of(configuration: Table) -> Value | None:
    """The scheduler that stands beside an optimizer, bare or in a dict of its own."""
    given = configuration.get("lr_scheduler")
    return given.get("scheduler") if isinstance(given, Table) else given


def _instead(name: str, configuration: Table) -> str:
    """What to do with a key that stands beside the optimizer."""
    if name == "scheduler" or "sched" in name:
        return 'call it "lr_scheduler"'
    if name not in INNER_KEYS:
        return _meant(name)
    if configuration.get("lr_scheduler") is not None:
        return "write it in the dict of lr_scheduler"
    if name == "frequency":
        return "drop it, and step this optimizer by hand as often as it says: 2.0 takes no turns"
    return "drop it: there is no scheduler that it says something of"


OF_PLATEAU = frozenset({"mode", "factor", "patience", "threshold", "cooldown", "min_lr", "eps"})
"""What ReduceLROnPlateau is told when it is built."""


def _meant(name: str) -> str:
    if name in OF_PLATEAU:
        return f"give it to the scheduler: ReduceLROnPlateau(..., {name}=...)"
    return "drop it, or correct its spelling"


def _dropped_inside(
    configuration: Table, owner: ClassFacts, plateaus: Sequence[CallSite]
) -> Iterator[tuple[str, str]]:
    scheduler = configuration.get("scheduler")
    if scheduler is None:
        text = "the dict of a scheduler has no key 'scheduler': Lightning stops"
        yield text, 'call it "scheduler"'
        return
    for name in _unread(configuration, INNER_KEYS):
        if _says_again(_made(scheduler, plateaus), name, configuration.get(name)):
            continue
        text = f"Lightning does not read the key {name!r} in the dict of a scheduler: it is dropped"
        yield text, _meant(name)
    interval = configuration.get("interval")
    asked = owner.optimization == "automatic"  # who steps schedulers by hand may write anything
    if asked and isinstance(interval, Known) and interval.value not in ("step", "epoch"):
        yield f"interval is {interval.value!r}: Lightning stops", 'write "step" or "epoch"'


def _made(scheduler: Value | None, plateaus: Sequence[CallSite]) -> Sequence[Made | CallSite]:
    """The scheduler itself, or those that it may be."""
    return [scheduler] if isinstance(scheduler, Made) else plateaus


def _says_again(made: Sequence[Made | CallSite], name: str, said: Value | None) -> bool:
    """Whether a scheduler was given what a key says when it was built, or does it by default:
    nothing is lost."""
    if name == "mode" and must_be(said, "min"):
        return all("mode" not in dict(one.arguments) for one in made)
    return isinstance(said, Known) and any(
        value == said and (keyword == name or keyword.isdigit())
        for one in made
        for keyword, value in one.arguments
    )


def _unread(configuration: Table, read: frozenset[str]) -> list[str]:
    keys = [key.value for key, _ in configuration.items if isinstance(key, Known)]
    return [key for key in keys if isinstance(key, str) and key not in read]


NAMED: Version = (0, 10)
"""Before, a plateau that named no key followed ``val_loss``."""


@rule("LTN712", "plateau-without-monitor", rows=("LOOP12",))
def plateau_without_monitor(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """ReduceLROnPlateau is returned without a key to monitor.

    What it does
    ------------
    Finds ReduceLROnPlateau in what `configure_optimizers` returns where no `"monitor"` stands
    beside it: in its own dict, or, for a bare scheduler, beside `"lr_scheduler"`.

    Why is this bad
    ---------------
    Lightning refuses to start: it does not know which value the scheduler is to follow.

    Example
    -------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)]

    Use instead
    -----------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
            return [optimizer], [{"scheduler": scheduler, "monitor": "val_loss"}]

    When to ignore
    --------------
    Where the module optimizes by hand in a way that cannot be seen.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#configure-optimizers
    """
    for owner in facts.modules():
        others = {
            site.location
            for site in owner.schedulers
            if not _is_plateau(site) or site.monitor != ABSENT
        }
        refused = owner.optimization == "automatic" and target_version(owner) >= NAMED
        for site in owner.schedulers if refused else ():
            if site.location not in others:
                yield self.finding(
                    site.location,
                    "Lightning refuses ReduceLROnPlateau without a monitor",
                    remedy='return {"scheduler": scheduler, "monitor": "val_loss"}',
                    subject=owner.short_name,
                )
