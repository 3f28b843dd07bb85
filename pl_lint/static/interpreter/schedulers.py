"""What ``configure_optimizers`` returns: schedulers and the keys that they monitor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, MonitorSite, SchedulerSite
from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen, replace
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Const,
    Instance,
    Mapping,
    Sequence,
    options,
    to_value,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.factors import falls_over_steps
from pl_lint.static.interpreter.lengths import (
    counts_epochs,
    made_of_batches,
    made_of_epochs,
    mentions_steps,
    names_batches_steps,
    written_length,
)
from pl_lint.static.interpreter.outside import pairs


@frozen
class Built:
    """What is remembered of a scheduler: where it was made, and whether from a number of steps."""

    location: Location
    per_step: bool
    per_epoch: bool
    length: str = ""


Site = SchedulerSite | MonitorSite
FAMILIES = ("torch.optim.lr_scheduler.", "transformers.")


def is_scheduler(name: str) -> bool:
    """Whether a name from outside makes a learning-rate scheduler."""
    last = name.rpartition(".")[2]
    return name.startswith(FAMILIES) and ("torch." in name or last.startswith("get_"))


def build(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance:
    """A scheduler, remembered until ``configure_optimizers`` returns it."""
    epochs = counts_epochs(name, node, frame) or made_of_epochs(node, frame)
    steps = mentions_steps(node, frame) or made_of_batches(node, frame)
    steps = steps or falls_over_steps(context, node, frame)
    length = written_length(name, node, frame)
    built = Built(context.location(node, frame), steps, epochs, length)
    return Instance(name, pairs(arguments), arguments.complete, built)


def of_batches(context: Context, made: Abstract, node: ast.Call, frame: Frame) -> Abstract:
    """An object of any other class, of the project too, whose steps are the batches of a loader: it
    may be a scheduler, if ``configure_optimizers`` returns it as one."""
    if not isinstance(made, Instance) or made.label is not None:
        return made
    if context.hook.name != "configure_optimizers" or not names_batches_steps(node, frame):
        return made
    return replace(made, label=Built(context.location(node, frame), True, False))


def record(context: Context, returned: Abstract) -> None:
    """Record the schedulers and monitors of a returned configuration."""
    for configuration in options(returned):
        for site in _sites(context, configuration):
            context.recorder.add(site)


def _sites(context: Context, returned: Abstract) -> Iterator[Site]:
    match returned:
        case Mapping():
            yield from _of_optimizer_dict(context, returned)
        case Sequence((Sequence(), second)):
            items = second.items if isinstance(second, Sequence) else (second,)
            for item in items:
                for option in options(item):
                    yield from _among(item, _of_config(context, option, "list"))
        case Sequence(items):
            for item in items:
                if isinstance(item, Mapping):
                    yield from _of_optimizer_dict(context, item)


def _of_optimizer_dict(context: Context, configuration: Mapping) -> Iterator[Site]:
    """``{"optimizer": ..., "lr_scheduler": ..., "monitor": ...}``"""
    scheduler = configuration.get(Const("lr_scheduler"))
    if scheduler is None or not configuration.complete:
        return
    outer = configuration.get(Const("monitor"))
    for option in options(scheduler):
        for site in _among(scheduler, _of_config(context, option, "bare")):
            bare = isinstance(site, SchedulerSite) and site.form == "bare"
            yield replace(site, monitor=to_value(outer)) if bare and outer is not None else site  # type: ignore[type-var]
        where = _location(option)
        if outer is not None and where is not None and _reads_monitor(option):
            yield _monitor(context, outer, where, mode=_mode(option))


def _of_config(context: Context, config: Abstract, form: str) -> Iterator[Site]:
    """A scheduler by itself or in ``{"scheduler": ..., "interval": ..., "monitor": ...}``."""
    if not isinstance(config, Mapping):
        yield from _built(config, form, ABSENT, ABSENT, ABSENT, ABSENT)
        return
    scheduler = config.get(Const("scheduler"))
    interval = _said(config, "interval")
    watched, where = config.get(Const("monitor")), _location(scheduler)
    if watched is not None and where is not None and _reads_monitor(config):
        yield _monitor(context, watched, where, interval, _mode(scheduler))
    monitor, frequency, strict = (_said(config, key) for key in ("monitor", "frequency", "strict"))
    built = _built(scheduler, "dict", interval, monitor, frequency, strict)
    yield from _among(scheduler, built)


def _among(scheduler: Abstract | None, sites: Iterator[Site]) -> Iterator[Site]:
    """Sites of a scheduler, or of the configuration of one, in whose place others may stand."""
    kinds = options(scheduler) if scheduler is not None else ()
    others = not all(isinstance(one, (Instance, Mapping, Const)) for one in kinds)
    for site in sites:
        told = others and isinstance(site, SchedulerSite)
        yield replace(site, others=True) if told else site  # type: ignore[type-var]


def _said(config: Mapping, key: str) -> Value:
    """What a configuration says under a key."""
    given = config.get(Const(key))
    if not config.complete:
        return UNKNOWN
    return to_value(given) if given is not None else ABSENT


def _built(
    scheduler: Abstract | None,
    form: str,
    interval: Value,
    monitor: Value,
    frequency: Value,
    strict: Value,
) -> Iterator[Site]:
    """The schedulers that it may be."""
    for option in options(scheduler) if scheduler is not None else ():
        if isinstance(option, Instance) and isinstance(option.label, Built):
            built = option.label
            yield SchedulerSite(
                name=option.name,
                arguments=option.arguments,
                interval=interval,
                form=form,  # type: ignore[arg-type]
                per_step=built.per_step,
                location=built.location,
                per_epoch=built.per_epoch,
                length=built.length,
                monitor=monitor,
                frequency=frequency,
                strict=strict,
            )


def _monitor(
    context: Context,
    watched: Abstract,
    where: Location,
    interval: Value = ABSENT,
    mode: Value = UNKNOWN,
) -> MonitorSite:
    each_epoch = interval in (ABSENT, Known("epoch"))
    return MonitorSite(
        "lr_scheduler",
        to_value(watched),
        where,
        mode=mode,
        every_n_train_steps=ABSENT if each_epoch else UNKNOWN,
        modules=(context.owner,),
    )


def _mode(scheduler: Abstract | None) -> Value:
    """What a plateau scheduler takes for better; it falls unless something else is said."""
    if isinstance(scheduler, Mapping):
        return _mode(scheduler.get(Const("scheduler")))
    if not isinstance(scheduler, Instance) or not scheduler.name.endswith("ReduceLROnPlateau"):
        return UNKNOWN
    given = dict(scheduler.arguments)
    default = Known("min") if scheduler.complete else UNKNOWN
    return given.get("mode", given.get("1", default))


def _reads_monitor(scheduler: Abstract | None) -> bool:
    """Lightning looks at the monitor of a plateau scheduler only; for others it is decoration."""
    if isinstance(scheduler, Mapping):
        plateau = scheduler.get(Const("reduce_on_plateau")) == Const(True)
        return plateau or _reads_monitor(scheduler.get(Const("scheduler")))
    return isinstance(scheduler, Instance) and scheduler.name.endswith("ReduceLROnPlateau")


def _location(scheduler: Abstract | None) -> Location | None:
    for option in options(scheduler) if scheduler is not None else ():
        if isinstance(option, Mapping):
            return _location(option.get(Const("scheduler")))
        if isinstance(option, Instance) and isinstance(option.label, Built):
            return option.label.location
    return None
