"""What names and attributes stand for, and what an assignment to them does."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping as Table

from pl_lint.facts.origins import FunctionCall, Gathered, ListOfSteps, is_split
from pl_lint.facts.sites import StrayLog
from pl_lint.facts.values import Unknown, Value, may_be
from pl_lint.plain import replace
from pl_lint.static.interpreter import affixes, best, figures, makings, properties
from pl_lint.static.interpreter.abstract import (
    CHANGED,
    NONE,
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
    to_value,
)
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.names import ClassInfo, FunctionNode, Module, dotted

BUILTINS = frozenset(dir(builtins))
TRAINER_FLAGS: Table[str, str] = {
    "training": "train",
    "testing": "test",
    "predicting": "predict",
    "validating": "validate",
    "sanity_checking": "validate",
}
"""What ``self.trainer`` says of the stage. In validation the last two are left open: either may
hold."""

BUILDERS = ("", "__init__", "setup", "configure_model")
"""Where an attribute is made, before the hooks of a run give it another value."""
METRIC_DICTS = ("callback_metrics", "logged_metrics")
"""What a Trainer keeps of the values that were logged."""

OF_A_TRAINER = ("logger", "_trainer")
"""Attributes of a LightningModule that are None until it is in a Trainer."""
OWN_DICTS = ("_modules", "__dict__")
"""What torch, and Python, keep the attributes of a module in, by their names."""


# --- names ----------------------------------------------------------------------------------------


def name(context: Context, text: str, frame: Frame) -> Abstract:
    if text in frame.names:
        return frame.names[text]
    module = frame.module
    if text in module.constants and text not in module.classes | module.functions:
        return constant(context, module.constants[text], module, text)
    if text in module.classes or text in module.functions or text in module.imports:
        return located(context, context.project.resolve(text, module), module)
    if text in BUILTINS:
        return Reference(f"builtins.{text}")
    if module.stars:
        found = context.project.resolve(text, module)
        return NOTHING if found == text else located(context, found, module)
    return NOTHING


def constant(context: Context, node: ast.expr, module: Module, text: str) -> Abstract:
    """The value of a module-level constant, evaluated where it stands."""
    with context.constant_lookup(module, text) as allowed:
        return context.evaluate(node, Frame(module, depth=99)) if allowed else NOTHING


def located(context: Context, found: ClassInfo | FunctionNode | str, near: Module) -> Abstract:
    """An abstract value for what a name was resolved to."""
    if isinstance(found, ClassInfo):
        return LocalClass(found)
    if isinstance(found, str):
        assigned = context.project.constant(found, near)
        if assigned is not None:
            return constant(context, *assigned, found)
        return Reference(found)
    return Function(found, context.project.home(found) or near)


def class_of(context: Context, made: Instance, frame: Frame) -> ClassInfo | None:
    """The class of the project that an object was made of."""
    near = frame.module.classes.get(made.name.rpartition(".")[2])
    if near is not None and near.qualified == made.name:
        return near
    found = context.project.locate(made.name, frame.module)
    return found if isinstance(found, ClassInfo) else None


def defines(context: Context, made: Instance, name: str, frame: Frame) -> bool:
    """Whether an object's class of the project has a method of its own of that name."""
    info = class_of(context, made, frame)
    return info is not None and context.project.method(info, name) is not None


def type_of(context: Context, value: Abstract, frame: Frame) -> Abstract:
    """``type(model)``, ``model.__class__``: the class of the project that an object is of."""
    match value:
        case Self() if context.ancestors and isinstance(context.ancestors[0], ClassInfo):
            return LocalClass(context.ancestors[0])
        case Holder(info):
            return LocalClass(info)
        case Instance():
            made_of = class_of(context, value, frame)
            return LocalClass(made_of) if made_of is not None else NOTHING
        case Choice(choices):
            return join(*(type_of(context, one, frame) for one in choices))
    return NOTHING


# --- attributes -----------------------------------------------------------------------------------


def attribute(context: Context, receiver: Abstract, attr: str, frame: Frame) -> Abstract:
    match receiver:
        case Self() | Holder() | Instance() if attr == "__class__":
            return type_of(context, receiver, frame)
        case Self():
            return own_attribute(context, attr, frame)
        case Holder(info):
            return context.attributes.get(attr) or _of_holder(context, receiver, info, attr)
        case Reference(text) if text.startswith("self."):
            return _of_trainer(context, text, attr)
        case Reference(text):
            found = context.project.locate(f"{text}.{attr}", frame.module)
            return located(context, found, frame.module)
        case LocalClass(info):
            return _of_class(context, info, attr)
        case Instance() if attr in METRIC_DICTS:
            return Reference(f"trainer.{attr}")
        case Instance():
            return member(receiver, attr) or held(context, receiver, attr, frame)
        case Metric() | Collection() | Super() | Mapping() | Sequence() | Const():
            return member(receiver, attr) or Bound(receiver, attr)
    if attr in METRIC_DICTS:
        return Reference(f"trainer.{attr}")
    return Opaque(derived("call", (context.origin(receiver),)))


def held(context: Context, receiver: Instance, attr: str, frame: Frame) -> Abstract:
    """What an object of the project's own class holds: another such object, or plain values, which
    only a method of its own is told: others may have changed them (``config.monitor = ...``). Of
    anything else nothing is known."""
    info = class_of(context, receiver, frame)
    ancestors = context.project.ancestors(info) if info is not None else ()
    line = [one for one in ancestors if isinstance(one, ClassInfo)]
    given = makings.held(receiver, line, attr) if line else None
    if info is None or given is None:
        return Bound(receiver, attr)
    if not isinstance(given, ast.Call):
        sources = (one.source for one in context.project.modules)
        sure = frame.defining in line and not makings.changed_outside(attr, sources)
        around = Frame(info.module, depth=frame.depth + 1)
        return context.evaluate(given, around) if sure else Bound(receiver, attr)
    found = context.project.resolve(dotted(given.func) or "", info.module)
    made = isinstance(found, ClassInfo)
    return Instance(found.qualified, complete=False) if made else Bound(receiver, attr)


def is_metrics_dict(value: Abstract) -> bool:
    """Whether it is a dict of a Trainer in which the monitors look for their keys."""
    return isinstance(value, Reference) and value.name.rpartition(".")[2] in METRIC_DICTS


def member(receiver: Abstract, attr: str) -> Abstract | None:
    """``self.scores.f1`` of a MetricCollection or ModuleDict that has a member of that name."""
    match receiver:
        case Collection(_, members):
            return next((metric for key, metric in members if key == attr), None)
        case Mapping(items, maker="torch.nn.ModuleDict"):
            return next((value for key, value in items if key == Const(attr)), None)
    return best.field(receiver, attr) or figures.around(receiver, attr)


def _of_holder(context: Context, receiver: Holder, info: ClassInfo, attr: str) -> Abstract:
    is_method = context.project.method(info, attr) is not None
    return Bound(receiver, attr) if is_method else _of_class(context, info, attr)


def _of_class(context: Context, info: ClassInfo, attr: str) -> Abstract:
    for base in context.project.ancestors(info):
        if isinstance(base, ClassInfo) and attr in base.constants:
            return constant(context, base.constants[attr], base.module, f"{base.name}.{attr}")
        if isinstance(base, ClassInfo) and attr in base.methods:
            return Bound(LocalClass(base), attr)
    return NOTHING


def own_attribute(context: Context, attr: str, frame: Frame) -> Abstract:
    """``self.<attr>`` in the class that is interpreted."""
    if attr in context.step_lists:
        steps = ListOfSteps(attr)
        together = (context.hook.name, attr) in context.brought_together
        return Opaque(Gathered((steps,)) if together else steps)
    if attr in context.attributes:
        return context.attributes[attr]
    method = context.find_method(attr)
    if method is not None:
        info, node = method
        if is_property(node):
            inner = Frame(info.module, {}, info, depth=frame.depth + 1)  # it returns, not the hook
            return properties.read(context, node, inner)
        return Bound(Self(), attr)
    for info in context.ancestors:
        if isinstance(info, ClassInfo) and attr in info.constants:
            return constant(context, info.constants[attr], info.module, f"{info.name}.{attr}")
    return _of_lightning(context, attr)


def is_property(node: FunctionNode) -> bool:
    names = [dotted(decorator) or "" for decorator in node.decorator_list]
    return any(name.rpartition(".")[2] in ("property", "cached_property") for name in names)


def _of_lightning(context: Context, attr: str) -> Abstract:
    if attr == "training" and context.hook.stage and context.hook.name.endswith("_step"):
        return Const(context.hook.stage == "train")
    if attr in OF_A_TRAINER and context.hook.name == "__init__" and context.is_whole_module:
        return NONE
    if attr in ("trainer", "hparams"):
        return Reference(f"self.{attr}")
    if attr in OWN_DICTS:
        held = ((Const(name), value) for name, value in context.attributes.items())
        return Mapping(tuple(held), maker=OWN_DICTS[0])
    return Bound(Self(), attr)


def _of_trainer(context: Context, text: str, attr: str) -> Abstract:
    stage, flag = context.hook.stage, TRAINER_FLAGS.get(attr)
    either = flag == stage == "validate"
    if text == "self.trainer" and flag and stage and not either:
        return Const(stage == flag)
    if (text, attr) == ("self.trainer", "optimizers"):
        return Opaque(FunctionCall("self.optimizers"))
    return Reference(f"{text}.{attr}")


# --- assignment -----------------------------------------------------------------------------------


def assign(context: Context, target: ast.expr, value: Abstract, frame: Frame) -> None:
    match target:
        case ast.Name(text):
            frame.names[text] = value
            frame.forget(text)
        case ast.Attribute(owner, attr):
            held = context.evaluate(owner, frame)
            affixes.give(context, held, attr, value, frame)
            if isinstance(held, (Self, Holder)):
                assign_own(context, attr, value)
            elif isinstance(held, Instance) and held.label is None:
                rebind(context, owner, replace(held, label=CHANGED), frame)
        case ast.Subscript():
            assign_item(context, target, value, frame)
        case ast.Tuple(targets) | ast.List(targets):
            _unpack(context, targets, value, frame)
        case ast.Starred(inner):
            assign(context, inner, NOTHING, frame)


def assign_own(context: Context, attr: str, value: Abstract) -> None:
    """``self.<attr> = value``; the attribute names the metrics that it holds."""
    name_metrics(context, attr, value)
    if context.hook.name not in BUILDERS:
        context.said.setdefault(attr, [context.attributes.get(attr, NONE)]).append(value)
    context.attributes[attr] = value


def recall(context: Context) -> None:
    """Before a hook begins: an attribute that hooks gave a text (``self.stage = "val"``) holds what
    any of them gave it, and what it was built with if that is a text as well."""
    for attr, (built, *given) in context.said.items():
        if attr in context.attributes and any(map(_is_text, given)):
            context.attributes[attr] = join(*given, *([built] if _is_text(built) else []))


def _is_text(value: Abstract) -> bool:
    return any(
        isinstance(one, Text) or (isinstance(one, Const) and isinstance(one.value, str))
        for one in options(value)
    )


def name_metrics(context: Context, path: str, value: Abstract) -> None:
    match value:
        case Metric(identity):
            context.path_of.name(identity, path)
        case Collection(identity, members):
            context.path_of.name(identity, path)
            for key, metric in members:
                context.path_of.name(metric.identity, f"{path}[{key}]")
        case Mapping(items):
            for key, inner in items:
                name_metrics(context, f"{path}[{_label(key)}]", inner)
        case Sequence(items):
            for position, inner in enumerate(items):
                name_metrics(context, f"{path}[{position}]", inner)
        case Choice() if not isinstance(in_use(value), Choice):
            name_metrics(context, path, in_use(value))


def _label(key: Abstract) -> str:
    return str(key.value) if isinstance(key, Const) else "*"


def assign_item(context: Context, target: ast.Subscript, value: Abstract, frame: Frame) -> None:
    """``container[key] = value``, for containers held by a name or by ``self``."""
    owner = context.evaluate(target.value, frame)
    key = context.evaluate(target.slice, frame)
    match owner:
        case Mapping():
            rebind(context, target.value, owner.with_item(key, value), frame)
        case Choice(choices) if all(isinstance(one, Mapping) for one in choices):
            # Whichever dict it is: what stood under the key is gone.
            grown = [one.with_item(key, value) for one in choices]  # type: ignore[union-attr]
            rebind(context, target.value, join(*grown), frame)
        case Sequence():
            grown = replace(owner, items=(*owner.items, value), complete=False)
            rebind(context, target.value, grown, frame)
        case Reference() if is_metrics_dict(owner):
            context.recorder.add(StrayLog(to_value(key), context.location(target, frame)))
        case Opaque() if not isinstance(target.value, ast.Attribute):
            # A container that nothing is known of now also holds what this value came from.
            origins = (context.origin(owner), context.origin(value))
            rebind(context, target.value, Opaque(derived("call", origins)), frame)


def delete_item(context: Context, target: ast.Subscript, frame: Frame) -> None:
    """``del container[key]`` of a dict, whichever it is. A key that nobody knows leaves it as it
    was."""
    owner = context.evaluate(target.value, frame)
    key = context.evaluate(target.slice, frame)
    if all(isinstance(one, Mapping) for one in options(owner)):
        left = (one.without(key) for one in options(owner))  # type: ignore[union-attr]
        rebind(context, target.value, join(*left), frame)


def rebind(context: Context, node: ast.expr, value: Abstract, frame: Frame) -> None:
    """A container changed in place: its name now stands for the changed one."""
    match node:
        case ast.Name(text) if text in frame.names:
            frame.names[text] = value
        case ast.Attribute(ast.Name(), attr) if attr in context.attributes:
            assign(context, node, value, frame)
        case ast.Subscript(ast.Name() | ast.Subscript() as outer, ast.Constant(key)):
            holder = context.evaluate(outer, frame)
            if isinstance(holder, Mapping):
                rebind(context, outer, holder.with_item(Const(key), value), frame)


def _unpack(context: Context, targets: list[ast.expr], value: Abstract, frame: Frame) -> None:
    items = value.items if isinstance(value, Sequence) and value.complete else ()
    starred = any(isinstance(target, ast.Starred) for target in targets)
    if len(items) == len(targets) and not starred:
        for target, item in zip(targets, items, strict=True):
            assign(context, target, item, frame)
        return
    origin = context.origin(value)
    shared = Opaque(origin if is_split(origin) else derived("call", (origin,)))
    for target in targets:
        assign(context, target, shared, frame)


def fits(pattern: Value, attr: str) -> bool:
    """Whether an attribute's name can be what a partly known string says."""
    return not isinstance(pattern, Unknown) and may_be(pattern, attr)


def duplicate(context: Context, value: Metric | Collection) -> Metric | Collection:
    """A deep copy: the same making, a state of its own."""
    _, where, _ = context.made[value.identity]
    if isinstance(value, Metric):
        copy: Metric | Collection = replace(value, identity=context.identity())
    else:
        members = tuple((name, duplicate(context, one)) for name, one in value.members)
        copy = replace(value, identity=context.identity(), members=members)
    context.made[copy.identity] = (copy, where, context.hook.name)
    return copy
