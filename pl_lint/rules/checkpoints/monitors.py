"""What is watched: a key that exists, in the right direction, at the right moment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning, torchmetrics
from pl_lint.facts.directions import higher_by_name
from pl_lint.facts.origins import MetricCompute, MetricForward, MetricObject
from pl_lint.facts.sites import CallSite, ClassFacts, LogSite, MonitorSite, ProjectFacts
from pl_lint.facts.values import UNKNOWN, Known, Made, OneOf, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Applicability, Fix, SetArgument
from pl_lint.plain import replace
from pl_lint.rules.checkpoints.feeding import fed, nearest, text_of, well_known
from pl_lint.rules.judging import version
from pl_lint.rules.logging.keys import only_sites
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import listed

PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"
WATCHING = {lightning.MODEL_CHECKPOINT: 8, lightning.EARLY_STOPPING: 4, PLATEAU: 1}
"""What is told which way is better, and at which position."""


@rule(
    "LTN301",
    "monitor-in-the-wrong-direction",
    rows=("CKP01",),
    observers="both",
    calls=tuple(WATCHING),
    fixable=True,
)
def wrong_direction(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor takes the worst value for the best.

    What it does
    ------------
    Compares the mode of ModelCheckpoint, EarlyStopping and ReduceLROnPlateau with what torchmetrics
    says of the metric that logs the key (`higher_is_better`), or, where no metric object stands
    behind the key, with what its name says (`val_acc`, `val/loss`). A name that says both
    (`acc_loss`) says nothing, nor does one under which a loss is logged with a minus before it, or
    one that schedulers of the same class watch in both directions. The fix is safe where a metric
    says it, in code and settings alike; what only a name says has to be looked at. Of several keys
    that branches choose from, each has to suit the mode, where nothing else decides about the
    monitor or its mode. A run takes the user's own checkpoint callback, plants scores, and shows
    what it kept.

    Why is this bad
    ---------------
    `mode` is "min" unless it is given. The checkpoint with the lowest F1 is kept and reported, and
    training stops while it gets better: one run kept the score .20 where .90 was the best, and
    nothing said so.

    Example
    -------
        ModelCheckpoint(monitor="val/f1")

    Use instead
    -----------
        ModelCheckpoint(monitor="val/f1", mode="max")

    When to ignore
    --------------
    Where the name means something else than it says.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4668
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4695
    """
    for monitor, key in ((one, key) for one in facts.monitors for key in _keys(facts, one)):
        stated = _stated(facts, monitor, key)
        rises = _named(facts, monitor, key) if stated is None else stated
        wanted = {True: "max", False: "min"}.get(rises)  # type: ignore[call-overload]
        other = "min" if wanted == "max" else "max"
        if wanted is None or not _mode_is(monitor, other) or _is_chosen(facts, monitor, wanted):
            continue
        better = f"{'by its name ' if stated is None else ''}{'higher' if rises else 'lower'}"
        yield self.finding(
            _where_it_is_told(monitor),
            f"{monitor.watcher} takes the {'lowest' if rises else 'highest'} {key!r} for the best, "
            f"but {better} is better",
            remedy=_remedy(monitor, wanted),
            subject=monitor.watcher,
            fix=_turned(facts, monitor, wanted),
        )


def _keys(facts: ProjectFacts, monitor: MonitorSite) -> Iterator[str]:
    """The key that a monitor watches. Of several that branches choose from, whichever way it may
    go, each of them: but not where the monitor, too, is made under a condition."""
    match monitor.key:
        case Known(str(text)):
            yield text
        case OneOf(values):
            made = [one for one in facts.calls_of(*WATCHING) if one.location == monitor.location]
            if made and not any(one.guards for one in made):
                yield from (one for one in values if isinstance(one, str))


def _is_chosen(facts: ProjectFacts, monitor: MonitorSite, wanted: str) -> bool:
    """Whether another branch of the same ``configure_optimizers`` watches the key the other way
    round: what is logged under it depends on the same settings."""
    return monitor.watcher == "lr_scheduler" and any(
        (other.watcher, other.key, other.modules) == (monitor.watcher, monitor.key, monitor.modules)
        and must_be(other.mode, wanted)
        for other in facts.monitors
    )


def _remedy(monitor: MonitorSite, wanted: str) -> str:
    if isinstance(monitor.key, OneOf):
        return f'choose the mode where the key is chosen: "{wanted}" for this one'
    return f"write mode: {wanted}" if monitor.places else f'pass mode="{wanted}"'


def _where_it_is_told(monitor: MonitorSite) -> Location:
    """In settings the line of the mode, where one stands in the file that chooses the key; else
    that of the key."""
    key, mode = monitor.at("monitor"), monitor.at("mode", "monitor")
    return mode if mode.path == key.path else key


def _turned(facts: ProjectFacts, monitor: MonitorSite, wanted: str) -> Fix | None:
    """The mode at the call that makes the watcher, where only this one is made there. What a
    metric says of itself is certain, what a name says is not."""
    made = [
        call
        for call in facts.calls_of(*WATCHING)
        if call.location == monitor.location or _is_plateau_of(call, monitor)
    ]
    alone = sum(one.location == monitor.location for one in facts.monitors) == 1
    alone = alone and not isinstance(monitor.key, OneOf)
    if len({call.location for call in made}) != 1 or not alone:
        return None
    certain = _stated(facts, monitor, text_of(monitor.key) or "") is not None
    change = SetArgument(made[0].location, "mode", f'"{wanted}"', WATCHING[made[0].name])
    kind = Applicability.SAFE if certain else Applicability.UNSAFE
    return Fix(_remedy(monitor, wanted), (change,), kind)


def _is_plateau_of(call: CallSite, monitor: MonitorSite) -> bool:
    own = monitor.watcher == "lr_scheduler" and call.name == PLATEAU
    return own and call.owner in monitor.modules


def _mode_is(monitor: MonitorSite, mode: str) -> bool:
    """Whether a monitor surely has this mode. Before 1.3 it was guessed from the key."""
    guessed = monitor.lightning and version(monitor.lightning) < (1, 3)
    return must_be(monitor.mode, mode) and not guessed


def _stated(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool | None:
    """Whether higher is better by the metrics that are logged under the key; None where one of them
    does not say, or two say otherwise."""
    stated = {_rises(module, log) for module, log in _feeding(facts, monitor, key)}
    return stated.pop() if len(stated) == 1 else None


def _named(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool | None:
    """Whether higher is better by the key's name; None where it does not say, or something is
    logged under it with a minus before it whose name says the same, or nothing."""
    rises = higher_by_name(key)
    turned = (log.negated for _, log in _feeding(facts, monitor, key) if log.negated)
    said = ({higher_by_name(name) for name in names} - {None} for names in turned)
    return None if any(not ways or rises in ways for ways in said) else rises


def _feeding(
    facts: ProjectFacts, monitor: MonitorSite, key: str
) -> Iterator[tuple[ClassFacts, LogSite]]:
    """What is logged under the key, with its class."""
    for module in facts.trained_with(monitor):
        yield from ((module, log) for log in module.logs if log.feeds(key))


def _rises(module: ClassFacts, log: LogSite) -> bool | None:
    if not isinstance(log.origin, (MetricObject, MetricForward, MetricCompute)):
        return None
    metric = module.metric(log.origin.metric)
    return torchmetrics.higher_is_better(metric.name) if metric is not None else None


@rule("LTN302", "monitored-key-never-logged", rows=("CKP02",), observers="both")
def never_logged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor watches a key that the module never logs.

    What it does
    ------------
    Compares the key of ModelCheckpoint, EarlyStopping or a scheduler with every key that the
    modules trained with it can log, across files. It is silent wherever something is not known: a
    key that is computed, a base class that was not read, values passed on to other code, a
    callback of another package beside it.

    Why is this bad
    ---------------
    The run stops with an error at the end of its first epoch. Without a validation loop there is
    only a warning, and with `every_n_train_steps` nothing at all: the run ends and no checkpoint
    exists.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    When to ignore
    --------------
    Where code that cannot be seen logs the key.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3811
    """
    for monitor in facts.monitors:
        key = text_of(monitor.key)
        modules = facts.trained_with(monitor)
        if key is None or not well_known(modules) or fed(facts, monitor, key):
            continue
        near = nearest(key, modules)
        hint = f"; did you mean {near!r}?" if near else ""
        names = sorted({module.short_name for module in modules})
        never = f"{listed(names)} never log{'s' if len(names) == 1 else ''}"
        yield self.finding(
            monitor.at("monitor"),
            f"{monitor.watcher} watches {key!r}, which {never}{hint}",
            remedy=f"watch {near!r}, or log {key!r}" if near else f"log {key!r} with self.log",
            subject=monitor.watcher,
        )


@rule("LTN305", "checkpoint-judged-by-an-old-score", rows=("CKP05",), observers="both")
def old_score(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Weights are kept for a score that earlier weights had.

    What it does
    ------------
    Finds a ModelCheckpoint that saves inside the epoch (`every_n_train_steps`,
    `train_time_interval`) and watches a key that only validation logs, or one that training logs
    for whole epochs only (`on_step=False, on_epoch=True`, or `train_loss_epoch`). A number that is
    only the default of a parameter, or of an option of the command line, is suspected. A run takes
    the user's own callback, plants scores, and compares the score that it judged weights by with
    what they were worth.

    Why is this bad
    ---------------
    The value at that moment is that of the last validation, or of the epoch before. Score and
    weights belong to different moments, and the best checkpoint is not the best. Lightning's
    maintainers call it unsupported; nothing warns.

    Example
    -------
        ModelCheckpoint(monitor="val_loss", every_n_train_steps=500)

    Use instead
    -----------
        Trainer(val_check_interval=500)
        ModelCheckpoint(monitor="val_loss")

    When to ignore
    --------------
    With `save_top_k=-1`, where every checkpoint is kept and the score stands in names only; this
    rule leaves that alone.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20185
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20919
    - https://github.com/Lightning-AI/pytorch-lightning/issues/11979
    """
    for monitor in facts.monitors:
        key = text_of(monitor.key)
        inside = _saves_inside_the_epoch(monitor)
        if key is None or inside is None:
            continue
        if _of_validation(facts, monitor, key):
            what, remedy = BETWEEN, "validate as often with Trainer(val_check_interval=...)"
        elif _of_whole_epochs(facts, monitor, key):
            what, remedy = WITHIN, f"save at the end of each epoch, by that epoch's {key!r}"
        else:
            continue
        found = self.finding(
            monitor.at(inside, "monitor"),
            f"{inside} saves {what}: weights are judged by the {key!r} of earlier ones",
            remedy=f"drop {inside} and {remedy}",
            subject=monitor.watcher,
        )
        by_default = monitor.argument(inside) == UNKNOWN
        yield replace(found, status=Status.SUSPECTED, condition=TOLD) if by_default else found


BETWEEN = "between validations"
WITHIN = "within the epoch, before there is a mean of it"
TOLD = "unless the call, or the command line, says another number than the default"


def _saves_inside_the_epoch(monitor: MonitorSite) -> str | None:
    """What makes a callback save inside the epoch, if it chooses among what it saves."""
    if monitor.watcher != "ModelCheckpoint" or must_be(monitor.argument("save_top_k"), -1):
        return None
    for name in ("every_n_train_steps", "train_time_interval"):
        given = monitor.argument(name)
        if given == UNKNOWN and name == "every_n_train_steps":
            given = monitor.every_n_train_steps  # by the default of a parameter
        number = isinstance(given, Known) and isinstance(given.value, int) and given.value > 0
        if number or isinstance(given, Made):
            return name
    return None


def _of_validation(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool:
    """Whether validation alone logs the key; where nothing is known of it, by its name."""
    stages = {
        log.stage for module in facts.trained_with(monitor) for log in module.logs if log.feeds(key)
    }
    return (
        stages == {"validate"} if stages else re.match(r"val(id(ation)?)?[^a-z]", key) is not None
    )


def _of_whole_epochs(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool:
    """Whether the key is the mean of a training epoch, and never the value of a step: until this
    epoch ends, it is that of the one before (run with Lightning 2.6.6)."""
    sites = only_sites(facts, monitor)
    return bool(sites) and all(_is_of_the_epoch(log, key) for log in sites)


def _is_of_the_epoch(log: LogSite, key: str) -> bool:
    """``loss`` of a call that logs no steps, or ``loss_epoch`` of one that logs both."""
    stem = key.removesuffix("_epoch")
    apart = stem != key and log.key == Known(stem)
    epoch = log.stage == "train" and must_be(log.on_epoch, True)
    return epoch and (apart or must_be(log.on_step, False))
