"""What ``configure_optimizers`` returns: schedulers and the keys that they monitor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

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
from pl_lint.static.interpreter.outside import pairs
from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.trees import walk


@frozen
class Built:
    """What is remembered of a scheduler: where it was made, and whether from a number of steps."""

    location: Location
    per_step: bool
    per_epoch: bool


STEP_WORDS = frozenset(
    {
        *("total_steps", "num_training_steps", "estimated_stepping_batches", "max_steps"),
        *("steps_per_epoch", "training_steps", "train_steps", "num_warmup_steps", "warmup_steps"),
    }
)
"""Names in the arguments of a scheduler that are numbers of optimizer steps."""
COUNTED = frozenset({"estimated_stepping_batches"})
"""What Lightning counts in steps, whatever it is called afterwards."""
CHAIN = 3
"""So far local names are followed: ``SequentialLR(optimizer, [warm, slow])``."""
CYCLES = ("step_size_up", "step_size_down")
"""The arguments of a CyclicLR that say how long a cycle is."""
LENGTHS = ("T_max", "total_iters", "num_training_steps")
"""The arguments that say how long a schedule is; in most it is the second one."""
COUNTERS = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "batch"})
"""Words in the name of a parameter that say it counts optimizer steps."""
MANY = 500
"""Fewer of something may be epochs, whatever they are called."""
FAMILIES = ("torch.optim.lr_scheduler.", "transformers.")


def is_scheduler(name: str) -> bool:
    """Whether a name from outside makes a learning-rate scheduler."""
    last = name.rpartition(".")[2]
    return name.startswith(FAMILIES) and ("torch." in name or last.startswith("get_"))


def build(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance:
    """A scheduler, remembered until ``configure_optimizers`` returns it."""
    epochs = _counts_epochs(node) or _made_of_epochs(node, frame)
    steps = _mentions_steps(node, frame) or _made_of_batches(node, frame)
    steps = steps or _falls_over_steps(context, node, frame)
    built = Built(context.location(node, frame), steps, epochs)
    return Instance(name, pairs(arguments), arguments.complete, built)


def _mentions_steps(node: ast.Call, frame: Frame) -> bool:
    """Whether an argument is, or is called, a number of optimizer steps; or one that Lightning
    counts, under local names."""
    words = {keyword.arg for keyword in node.keywords}
    if words & STEP_WORDS:
        return True
    made_of = (node, *_made_of(node, frame))
    divided = [part.left for one in made_of for part in walk(one) if _divides(part)]
    if any(_words(left) & STEP_WORDS for left in divided):
        return False  # steps divided by steps in an epoch are epochs
    counted = any(_words(one) & COUNTED for one in made_of[1:]) and not divided
    return bool(_words(node) & STEP_WORDS) or counted


def _made_of(node: ast.expr, frame: Frame) -> list[ast.expr]:
    """What the local names in an expression were assigned, and the names in that."""
    assigned, names, found = _assignments(frame), _words(node), list[ast.expr]()
    for _ in range(CHAIN):
        new = [one.value for one in assigned if not names.isdisjoint(_targets(one))]
        new = [one for one in new if one is not node and one not in found]
        found += new
        names = {word for one in new for word in _words(one)}
    return found


def _divides(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv))


def _words(node: ast.expr) -> set[str]:
    """The identifiers in an expression."""
    parts = list(walk(node))
    attributes = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return attributes | {part.id for part in parts if isinstance(part, ast.Name)}


def _counts_epochs(node: ast.Call) -> bool:
    """Whether the number of steps is, by its name, a number of epochs."""
    lengths = [keyword.value for keyword in node.keywords if keyword.arg in STEP_WORDS]
    names = (dotted(length) or "" for length in lengths)
    return any("epoch" in name.rpartition(".")[2] for name in names)


def _made_of_batches(node: ast.Call, frame: Frame) -> bool:
    """Whether the length of a schedule is the batches of an epoch times the epochs:
    ``T_max=len(self.train_dataloader()) * self.trainer.max_epochs``."""
    lengths = [one.value for one in node.keywords if one.arg in LENGTHS] + node.args[1:2]
    names = {one.id for one in lengths if isinstance(one, ast.Name)}
    given = [one.value for one in _assignments(frame) if not names.isdisjoint(_targets(one))]
    products = [one for one in lengths + given if _is_product(one)]
    counted = (part for one in products for part in walk(one) if isinstance(part, ast.Call))
    return any(
        dotted(part.func) == "len" and any("loader" in word for word in _words(part))
        for part in counted
    )


def _falls_over_steps(context: Context, node: ast.Call, frame: Frame) -> bool:
    """Whether the factor of a LambdaLR is a function of the number of steps, by the name of its
    parameter, that goes on for more of them than there are epochs:
    ``lambda step: min(1, step / 1000)``."""
    given = [one.value for one in node.keywords if one.arg == "lr_lambda"] + node.args[1:2]
    for one in given:
        for part in one.elts if isinstance(one, (ast.List, ast.Tuple)) else (one,):
            function = _function_meant(part, frame)
            name = _counted_by(function) if function is not None else ""
            if function is not None and name and _horizon(context, function, name, frame) >= MANY:
                return True
    return False


def _function_meant(node: ast.expr, frame: Frame) -> ast.Lambda | FunctionNode | None:
    """A lambda, or a function of the method, of its class or of the file by name."""
    if isinstance(node, ast.Lambda):
        return node
    owner = frame.defining
    around = owner.methods.get(frame.function) if owner is not None else None
    if isinstance(node, ast.Name):
        inner = (one for one in walk(around) if isinstance(one, FunctionNode)) if around else ()
        found = next((one for one in inner if one.name == node.id), None)
        return found or frame.module.functions.get(node.id)
    own = isinstance(node, ast.Attribute) and dotted(node.value) == "self" and owner is not None
    return owner.methods.get(node.attr) if own else None  # type: ignore[union-attr]


def _counted_by(function: ast.Lambda | FunctionNode) -> str:
    """The first parameter, where its name says that it counts steps."""
    names = [one.arg for one in function.args.args if one.arg != "self"]
    words = set(names[0].lower().split("_")) if names else set()
    return names[0] if words & COUNTERS and not words & {"epoch", "epochs"} else ""


def _horizon(
    context: Context, function: ast.Lambda | FunctionNode, name: str, frame: Frame
) -> float:
    """The largest number that a parameter is divided by or compared with; what is called a number
    of training steps is many."""
    found = [0.0]
    for part in walk(function):
        sides: tuple[ast.expr, ...] = ()
        if isinstance(part, ast.Compare):
            sides = (part.left, *part.comparators)
        elif isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Div, ast.FloorDiv)):
            sides = (part.left, part.right)
        if any(name in _words(side) for side in sides):
            others = [side for side in sides if name not in _words(side)]
            found += (_number(context, side, frame) for side in others)
            found += (MANY for side in others if _is_named_in_steps(side))
    return max(found)


def _is_named_in_steps(node: ast.expr) -> bool:
    """Whether it is ``self.hparams.warmup_steps`` or the like, as it is."""
    return (dotted(node) or "").rpartition(".")[2] in STEP_WORDS


def _number(context: Context, node: ast.expr, frame: Frame) -> float:
    """A number that is written, or that a name of the code stands for; 0 for anything else."""
    if any(isinstance(one, ast.Call) for one in walk(node)):
        return 0.0
    value = context.evaluate(node, frame)
    known = value.value if isinstance(value, Const) else None
    return float(known) if type(known) in (int, float) else 0.0


def _is_product(node: ast.expr) -> bool:
    """Whether something is multiplied, and by nothing divided."""
    grown = any(isinstance(one, ast.Mult) for one in walk(node))
    return grown and not any(isinstance(one, (ast.Div, ast.FloorDiv)) for one in walk(node))


def _assignments(frame: Frame) -> list[ast.Assign]:
    """The assignments of the method that is run."""
    owner = frame.defining
    function = owner.methods.get(frame.function) if owner is not None else None
    walked = walk(function) if function is not None else ()
    return [one for one in walked if isinstance(one, ast.Assign)]


def _made_of_epochs(node: ast.Call, frame: Frame) -> bool:
    """Whether the length of a cycle is worked out from a number of epochs alone: what multiplies
    it, or asks for a length, may be the batches of one."""
    assigned = _assignments(frame)
    lengths = [keyword.value for keyword in node.keywords if keyword.arg in CYCLES]
    names = {word for length in lengths for word in _words(length)}
    parts = lengths + [one.value for one in assigned if not names.isdisjoint(_targets(one))]
    grown = any(isinstance(one, ast.Mult) for part in parts for one in walk(part))
    words = {word for part in parts for word in _words(part)}
    return not grown and "len" not in words and any("epochs" in word for word in words)


def _targets(node: ast.Assign) -> set[str]:
    return {one.id for one in node.targets if isinstance(one, ast.Name)}


def record(context: Context, returned: Abstract) -> None:
    """Record the schedulers and monitors of a returned configuration."""
    for configuration in options(returned):
        for site in _sites(context, configuration):
            context.recorder.add(site)


def _sites(context: Context, returned: Abstract) -> Iterator[SchedulerSite | MonitorSite]:
    match returned:
        case Mapping():
            yield from _of_optimizer_dict(context, returned)
        case Sequence((Sequence(), second)):
            items = second.items if isinstance(second, Sequence) else (second,)
            for option in (option for item in items for option in options(item)):
                yield from _of_config(context, option, "list")
        case Sequence(items):
            for item in items:
                if isinstance(item, Mapping):
                    yield from _of_optimizer_dict(context, item)


def _of_optimizer_dict(
    context: Context, configuration: Mapping
) -> Iterator[SchedulerSite | MonitorSite]:
    """``{"optimizer": ..., "lr_scheduler": ..., "monitor": ...}``"""
    scheduler = configuration.get(Const("lr_scheduler"))
    if scheduler is None or not configuration.complete:
        return
    outer = configuration.get(Const("monitor"))
    for option in options(scheduler):
        for site in _of_config(context, option, "bare"):
            bare = isinstance(site, SchedulerSite) and site.form == "bare"
            yield replace(site, monitor=to_value(outer)) if bare and outer is not None else site  # type: ignore[type-var]
        where = _location(option)
        if outer is not None and where is not None and _reads_monitor(option):
            yield _monitor(context, outer, where, mode=_mode(option))


def _of_config(
    context: Context, config: Abstract, form: str
) -> Iterator[SchedulerSite | MonitorSite]:
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
    yield from _built(scheduler, "dict", interval, monitor, frequency, strict)


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
) -> Iterator[SchedulerSite]:
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
