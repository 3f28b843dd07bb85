"""What a call does and returns."""

from __future__ import annotations

import ast
from collections.abc import Callable

from pl_lint.facts.origins import OF_LIGHTNING, FunctionCall, Gathered
from pl_lint.facts.sites import StrayLog
from pl_lint.facts.values import UNKNOWN
from pl_lint.static.interpreter import (
    behaviour,
    containers,
    extents,
    figures,
    following,
    formulas,
    graphs,
    held,
    listing,
    loaders,
    loggers,
    logs,
    lookup,
    meter_uses,
    meters,
    metrics,
    noting,
    opaque,
    outside,
    schedulers,
    scripts,
    sweeps,
)
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Bound,
    Choice,
    Collection,
    Const,
    Function,
    Holder,
    Instance,
    LocalClass,
    Mapping,
    Metric,
    Opaque,
    Reference,
    Self,
    Sequence,
    Super,
    Text,
    in_use,
    join,
    options,
)
from pl_lint.static.interpreter.arguments import evaluated
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.names import ClassInfo, FunctionNode

MODULE_WALKS = frozenset({"modules", "children", "named_modules", "named_children"})
"""Methods of a module that go over everything in it, its metrics too."""


GIVES_BACK = frozenset({"manual_seed", "to", "cuda", "cpu", "eval", "float", "requires_grad_"})
"""Methods of generators and of modules that give the object itself back."""


def evaluate_call(context: Context, node: ast.Call, frame: Frame) -> Abstract:
    function = node.func
    if isinstance(function, ast.Attribute):
        outer = context.then
        context.then = (function.attr, *outer)
        receiver = context.evaluate(function.value, frame)
        context.then = outer
        arguments = evaluated(context, node, frame)
        scripts.loads_into_a_part(context, function, frame)
        noting.note_method(context, receiver, arguments, node, frame)
        if function.attr == "sort" and outside.in_listed_order(context, receiver):
            lookup.rebind(context, function.value, NOTHING, frame)
            return Const(None)
        held.note_append(context, function, arguments, frame)
        loggers.note(context, arguments, node, frame)
        meters.fed(context, function, receiver, arguments, node, frame)
        meter_uses.note(context, function, receiver, node, frame)
        if listing.changes_list(context, function, receiver, arguments, node, frame):
            return Const(None)
        return call_method(context, receiver, function.attr, arguments, node, frame)
    callee = context.evaluate(function, frame)
    arguments = evaluated(context, node, frame)
    noting.note_function(context, callee, arguments, node, frame)
    noting.note_setting(context, callee, arguments, node, frame)
    behaviour.note_asked(context, node, frame)
    return call(context, callee, arguments, node, frame)


def call(
    context: Context, callee: Abstract, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    """Call a value."""
    callee = in_use(callee)
    match callee:
        case Reference(name):
            return _outside(context, name, arguments, node, frame)
        case LocalClass(info):
            return _instance(context, info, arguments, node, frame)
        case Function(function, module, closure):
            inner = Frame(module, dict(closure), frame.defining, depth=frame.depth + 1)
            inner.written = dict(following.handed(function, node, frame))
            inner.caller = node, frame
            if context.owner or closure:
                return following.follow(context, function, inner, arguments, None)
            return following.remembered(context, function, inner, arguments)
        case Bound(receiver, name):
            return call_method(context, receiver, name, arguments, node, frame)
        case Self() | Super():  # torch's ``__call__`` hands it on
            return call_method(context, callee, "forward", arguments, node, frame)
        case Metric() | Collection():
            return metrics.use(context, callee, "forward", arguments, node, frame)
        case Choice(choices):
            return _each(context, choices, lambda one: call(context, one, arguments, node, frame))
        case Instance():
            noting.note_object(context, callee, arguments, node, frame)
            score = formulas.value(context, callee, arguments, frame)
            if score is not None:
                return score
            if callee.name.startswith(outside.SCORES):
                return outside.scored(context, callee, arguments)
    _note_handed_on(context, arguments, node, frame)
    origins = [context.origin(value) for value in (callee, *arguments.all())]
    return Opaque(derived("call", origins), extents.of_object(callee))


def _note_handed_on(context: Context, arguments: Arguments, node: ast.Call, frame: Frame) -> None:
    """The module itself is given to code that is not followed: it may log any key."""
    if context.hook.name and any(isinstance(value, Self) for value in arguments.all()):
        context.recorder.add(StrayLog(UNKNOWN, context.location(node, frame)))


OF_OTHERS = ("builtins.", "torch.", "torchmetrics.", "lightning.", "pytorch_lightning.", "copy.")
OF_OTHERS += ("wandb.", "torchinfo.", "inspect.", "functools.", "weakref.", "deepspeed.")
"""Libraries that log nothing through a module that they are given."""


def _outside(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    """A function or class of another library."""
    opaque.note_device(context, "", arguments, node, frame)
    if name == "builtins.type" and len(arguments.positional) == 1:
        kind = lookup.type_of(context, arguments.positional[0], frame)
        if kind is not NOTHING:
            return kind
    if name in sweeps.COPYING:
        sweeps.note(context, arguments.get(0, ""), node, frame)
    if outside.is_collection(name):
        return metrics.make_collection(context, arguments, node, frame)
    if outside.is_metric(name):
        return metrics.make(context, name, arguments, node, frame)
    if schedulers.is_scheduler(name):
        return schedulers.build(context, name, arguments, node, frame)
    if not name.startswith(OF_OTHERS):
        _note_handed_on(context, arguments, node, frame)
    known = scripts.call(context, name, arguments, node, frame)
    if known is None:
        known = outside.call(context, name, arguments, node, frame)
    return schedulers.of_batches(context, known, node, frame)


def _each(
    context: Context, choices: tuple[Abstract, ...], then: Callable[[Abstract], Abstract]
) -> Abstract:
    """Do something to each alternative, none of which is certain."""
    with context.may_be_another():
        return join(*(then(option) for option in choices))


def call_method(
    context: Context,
    receiver: Abstract,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """Call a method of a value, or a member of a collection by its name."""
    receiver = in_use(receiver)
    inside = lookup.member(receiver, name)
    if inside is not None:
        return call(context, inside, arguments, node, frame)
    match receiver:
        case Self():
            return _own_method(context, name, arguments, node, frame)
        case Holder(info) if name in context.attributes or context.project.method(info, name):
            return _held(context, receiver, name, arguments, node, frame)
        case Super(after):
            return _inherited(context, after, name, arguments, node, frame)
        case Choice(choices):

            def then(one: Abstract) -> Abstract:
                return call_method(context, one, name, arguments, node, frame)

            if containers.changes(name, node, frame):
                return containers.change_each(context, choices, then, node, frame)
            return _each(context, choices, then)
        case Metric() | Collection():
            return metrics.use(context, receiver, name, arguments, node, frame)
        case Mapping() | Sequence() | Const() | Text():
            return containers.call(context, receiver, name, arguments, node, frame)
        case Reference():
            return _of_reference(context, receiver, name, arguments, node, frame)
        case LocalClass():
            return _of_class(context, receiver, name, arguments, frame)
        case Instance():
            scripts.method(context, receiver, name, arguments, node, frame)
            if name in GIVES_BACK and not lookup.defines(context, receiver, name, frame):
                return receiver
            figure = figures.around(receiver, "figure") if name == "get_figure" else None
            if figure is not None:
                return figure
            part = lookup.held(context, receiver, name, frame)
            if isinstance(part, Instance):
                return call(context, part, arguments, node, frame)
            score = formulas.of_method(context, receiver, name, arguments, frame)
            score = score or outside.among_neighbours(context, receiver, name, arguments)
            if score is not None:
                return score
    return opaque.method(context, receiver, name, arguments, node, frame)


def _of_reference(
    context: Context,
    receiver: Reference,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """Call what a module or class holds, of this project or of another."""
    found = lookup.attribute(context, receiver, name, frame)
    if isinstance(found, LocalClass):
        noting.note_making(context, found, arguments, node, frame)
    if not isinstance(found, Reference):
        return call(context, found, arguments, node, frame)
    if (receiver.name, name) == ("self.hparams", "update"):  # what they hold is saved
        context.recorder.saves_hyperparameters = True
    if name in ("items", "copy"):
        sweeps.note(context, receiver, node, frame)
    if name == "get":
        behaviour.note_logged(context, receiver, arguments.get(0, "key"), node, frame)
    logs.note_foreign(context, node, name, arguments, frame)
    logs.note_metrics_update(context, receiver, name, arguments, node, frame)
    return _outside(context, found.name, arguments, node, frame)


# --- methods of the interpreted class -------------------------------------------------------------


def _own_method(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    if name in context.attributes and name not in context.step_lists:
        return call(context, context.attributes[name], arguments, node, frame)
    context.recorder.called_methods.add(name)
    found = context.find_method(name)
    if found is not None:
        info, function = found
        if lookup.is_property(function):
            value = lookup.own_attribute(context, name, frame)
            return call(context, value, arguments, node, frame)
        with_self = _receives_self(function)
        inner = Frame(info.module, {}, info, depth=frame.depth + 1)
        inner.written = dict(following.handed(function, node, frame, int(with_self)))
        inner.cut = frozenset(graphs.cut(following.given(function, node, int(with_self)), frame))
        building = context.hook.name == "__init__"
        inner.caught = building and (frame.caught or behaviour.is_passed_over(node, frame))
        if name in ("log", "log_dict"):
            return _own_log(context, name, function, inner, arguments, node, frame)
        return following.follow(context, function, inner, arguments, Self() if with_self else None)
    return _of_lightning(context, name, arguments, node, frame)


def _own_log(
    context: Context,
    name: str,
    function: FunctionNode,
    inner: Frame,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """A ``log`` that the project puts before Lightning's: what it passes on is what is logged, and
    it is the call's own site, unless it leaves no way to pass Lightning another setting. One that
    calls no other is a log of the project's own, and Lightning hears nothing of it."""
    outer, before = context.passed_on, context.logged
    open_ended = function.args.kwarg is not None
    context.passed_on = outer or ((node, frame) if open_ended else None)
    result = following.follow(context, function, inner, arguments, Self())
    context.passed_on = outer
    if context.logged == before and logs.reaches_lightning(function):
        logs.record(context, name, arguments, node, frame)
    return result


def _held(
    context: Context,
    receiver: Holder,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """Call a method, or what an attribute holds, of an object that Lightning does not know."""
    found = context.project.method(receiver.info, name)
    if name in context.attributes or found is None:
        return call(context, context.attributes[name], arguments, node, frame)
    info, function = found
    inner = Frame(info.module, {}, info, depth=frame.depth + 1, asker=(node, frame))
    given = receiver if _receives_self(function) else None
    return following.follow(context, function, inner, arguments, given)


def _of_lightning(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    """A method that Lightning or torch defines."""
    if name in ("log", "log_dict"):
        logs.record(context, name, arguments, node, frame)
        return Const(None)
    if f"self.{name}" in OF_LIGHTNING:  # their name stays with the result
        return Opaque(FunctionCall(f"self.{name}"))
    if name == "save_hyperparameters":
        context.recorder.saves_hyperparameters = True
    if (
        name in ("register_buffer", "add_module", "register_module")
        and len(arguments.positional) > 1
    ):
        _register(context, arguments)
    if name in MODULE_WALKS:
        return metrics.all_held(context, named=name.startswith("named_"))
    if name == "apply":
        _apply(context, arguments, node, frame)
    opaque.note_device(context, name, arguments, node, frame)
    origins = [context.origin(value) for value in arguments.all()]
    if name == "all_gather" or outside.gathers(name):
        return Opaque(Gathered(tuple(dict.fromkeys(origins))))
    return Opaque(derived("call", origins))


def _register(context: Context, arguments: Arguments) -> None:
    """``self.add_module(name, value)`` is an assignment."""
    key, value = arguments.positional[:2]
    for option in options(key):
        if isinstance(option, Const) and isinstance(option.value, str):
            lookup.assign_own(context, option.value, value)


def _apply(context: Context, arguments: Arguments, node: ast.Call, frame: Frame) -> None:
    """``self.apply(function)`` does something to every module in the class, the metrics too."""
    function = arguments.get(0, "fn")
    if isinstance(function, Function):
        for one in metrics.all_held(context, named=False).items:
            call(context, function, Arguments((one,)), node, frame)


def _receives_self(function: FunctionNode) -> bool:
    return "staticmethod" not in _decorators(function)


def _decorators(function: FunctionNode) -> set[str]:
    return {getattr(decorator, "id", "") for decorator in function.decorator_list}


def _inherited(
    context: Context,
    after: ClassInfo,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """``super().name(...)``: the next definition after the class that makes the call."""
    if name != frame.function:
        context.recorder.called_methods.add(name)
    passed = False
    for info in context.ancestors:
        if passed and isinstance(info, ClassInfo) and name in info.methods:
            inner = Frame(info.module, {}, info, depth=frame.depth + 1)
            return following.follow(context, info.methods[name], inner, arguments, Self())
        passed = passed or info is after
    return _of_lightning(context, name, arguments, node, frame)


def _of_class(
    context: Context, receiver: LocalClass, name: str, arguments: Arguments, frame: Frame
) -> Abstract:
    """``Base.method(self, ...)``, static methods, class methods, which are given the class, and
    what Lightning makes of a checkpoint."""
    for info in context.project.ancestors(receiver.info):
        if isinstance(info, ClassInfo) and name in info.methods:
            function = info.methods[name]
            inner = Frame(info.module, {}, info, depth=frame.depth + 1)
            given = receiver if "classmethod" in _decorators(function) else None
            return following.follow(context, function, inner, arguments, given)
    if name == "load_from_checkpoint":
        return Instance(receiver.info.qualified, complete=False, label=scripts.LOADED)
    return NOTHING


def _instance(
    context: Context, info: ClassInfo, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    """An object of a class of the project: of a metric's class, a metric."""
    for base in context.project.ancestors(info):
        if isinstance(base, str) and outside.is_metric(base):
            return metrics.make(context, info, arguments, node, frame)
    if context.project.method(info, "__init__") is None:
        known = scripts.of_subclass(context, info, arguments, node, frame)
        if known is not None:
            return known
    loader = loaders.of_subclass(context, info, arguments, node, frame)
    if loader is not None:
        return loader
    if not context.hook.name.startswith("configure"):
        _note_handed_on(context, arguments, node, frame)
    context.built.append(info.qualified)
    given = outside.pairs(arguments)
    made = Instance(info.qualified, given, arguments.complete, holds=context.held(arguments))
    return schedulers.of_batches(context, made, node, frame)
