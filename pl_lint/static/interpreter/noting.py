"""Calls and assignments as sites, wherever the interpreter comes across them.

Which calls are worth a site the rules say (``calls=`` of their decorator): a name as a library
spells it (``torch.utils.data.DataLoader``), a method of the interpreted class
(``self.manual_backward``), a method of anything (``.backward``), or any call with a certain
keyword (``download=``).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import AssignmentSite, CallSite, GlobalSite, ItemSite, ReachSite
from pl_lint.facts.words import MISSING
from pl_lint.static.interpreter import (
    conditions,
    epsilons,
    feeding,
    listing,
    looking,
    measured,
    needed,
    numbered,
    outside,
    shared,
    tensors,
    told,
)
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Collection,
    Const,
    Holder,
    Instance,
    LocalClass,
    Metric,
    Opaque,
    Reference,
    Self,
    Sequence,
    Super,
    options,
    to_value,
)
from pl_lint.static.interpreter.brought import brought
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.interpreter.scripts import defines
from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.naming import bindings, function_around, identifiers, named, own
from pl_lint.static.trees import walk

BUILT = (
    lightning.MODULE,
    lightning.DATA_MODULE,
    lightning.CALLBACK,
    "lightning.pytorch.cli.LightningCLI",
)
"""Kinds of classes whose making is a call of the kind, whatever the class is called."""

SETTING = (Reference("builtins.setattr"), Reference("builtins.delattr"))


def note_method(
    context: Context,
    receiver: Abstract,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> None:
    """``x.name(...)``, if a rule asks for it."""
    assert isinstance(node.func, ast.Attribute)
    attr = node.func.attr
    watched = context.recorder.watched
    by_keyword = not watched.keywords.isdisjoint(arguments.keywords)
    if attr not in watched.last and not by_keyword:
        return
    for option in options(receiver):
        if isinstance(option, Instance) and defines(context, option.label, attr):
            continue
        name = _spelled(f"{_name_of(option)}.{attr}")
        if by_keyword or watched.wants(name):
            _add(context, name, receiver, arguments, node, frame)


def note_function(
    context: Context, callee: Abstract, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    """``name(...)``, if a rule asks for it."""
    watched = context.recorder.watched
    by_keyword = not watched.keywords.isdisjoint(arguments.keywords)
    for option in options(callee):
        name = _called(context, option)
        if by_keyword or (name and watched.wants(name)):
            _add(context, name, None, arguments, node, frame, _class_of(option))


def note_object(
    context: Context, callee: Instance, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    """``self.criterion(...)``, an object of ``torch.nn.BCELoss``: ``torch.nn.BCELoss()``."""
    name = f"{_spelled(callee.name)}()"
    if name in context.recorder.watched.names:
        _add(context, name, callee, arguments, node, frame)


def note_making(
    context: Context,
    callee: LocalClass,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> None:
    """``models.Net()``: what is called through its module is told as it is without."""
    name = _called(context, callee)
    if name and context.recorder.watched.wants(name):
        _add(context, name, None, arguments, node, frame, _class_of(callee))


def _class_of(callee: Abstract) -> str:
    return callee.info.qualified if isinstance(callee, LocalClass) else ""


def _called(context: Context, callee: Abstract) -> str:
    """What a call is to Lightning: to build a project's own module is to build a LightningModule,
    with arguments of its own."""
    match callee:
        case Reference(name):
            return _spelled(name)
        case LocalClass(info):
            bases = (base for base in context.project.ancestors(info) if isinstance(base, str))
            known = (lightning.canonical(base) or "" for base in bases)
            return next((name for name in known if name in BUILT), "")
    return ""


def _name_of(receiver: Abstract) -> str:
    match receiver:
        case Self():
            return "self"
        case Super():
            return "super"
        case Reference(name) | Instance(name) | Metric(_, name):
            return name
        case Collection():
            return "torchmetrics.MetricCollection"
        case LocalClass(info) | Holder(info):
            return info.qualified
    return ""


def _spelled(name: str) -> str:
    """One name for a thing of Lightning, whatever it was imported as."""
    owner, _, method = name.rpartition(".")
    known = lightning.canonical(name)
    if known is None and (kind := lightning.canonical(owner)) is not None:
        known = f"{kind}.{method}"
    return known or name


def _add(
    context: Context,
    name: str,
    receiver: Abstract | None,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
    built: str = "",
) -> None:
    things = numbered.things(context, name, node, frame)
    always = bool(context.items_of) and measured.whoever_asks(context, node, frame)
    asked = bool(context.items_of) and not always
    context.recorder.add(
        CallSite(
            name=name,
            numbers_of=to_value(things),
            numbers_origin=context.origin(things),
            built=built,
            brought=tuple(brought(node, frame)) if built else (),
            items_of=context.items_of,
            needed_if=needed.conditions(node, frame) if context.items_of else (),
            for_all=always,
            object_of=_object_of(frame),
            if_told=told.if_told(context, node, frame) if asked else (),
            home=frame.defining.name if frame.defining is not None else "",
            owner=context.owner,
            hook=context.hook.name,
            stage=context.hook.stage,
            function=frame.function,
            arguments=outside.pairs(arguments),
            origins=tuple(_origins(context, arguments)),
            receiver=_receiver(node.func, frame),
            receiver_origin=context.origin(receiver),
            guards=context.guards,
            within=context.within,
            bound=_is_object(context, receiver),
            dropped=node is context.dropped,
            assigned=context.assigned,
            then=context.then,
            written=tuple(_written(node)),
            kept=_kept(context, node, frame),
            added=epsilons.added(context, node, frame),
            fed=feeding.is_fed(node, frame),
            arms=context.arms,
            first=_is_first(node, frame),
            members=looking.members(node, frame) if isinstance(receiver, Self) else None,
            location=context.location(node, frame),
        )
    )


def _object_of(frame: Frame) -> str:
    """The class whose ``__call__`` or ``forward`` makes a call, itself or by what it calls."""
    while frame.entry is not None:
        frame = frame.entry[1]
    called = frame.defining is not None and frame.function in CALLED
    return frame.defining.qualified if called and frame.defining is not None else ""


CALLED = ("__call__", "forward")


def _is_first(node: ast.Call, frame: Frame) -> bool:
    """Whether a function begins with a call, its docstring aside."""
    body = frame.code.body if frame.code is not None else []
    statements = body[1:] if body and _is_text(body[0]) else body
    match statements:
        case [ast.Expr(value), *_]:
            return value is node
    return False


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _kept(context: Context, node: ast.Call, frame: Frame) -> str:
    """``self.weights = weights``, in the ``__init__`` that made them."""
    name = context.assigned
    made_here = context.hook.name == frame.function == "__init__" and name.isidentifier()
    init = frame.defining.methods.get("__init__") if made_here and frame.defining else None
    if init is None:
        return ""
    if init not in context.kept_by:
        context.kept_by[init] = _attributes_of(init)
    return context.kept_by[init].get(name, "")


def _attributes_of(init: FunctionNode) -> dict[str, str]:
    """The attribute that keeps a local name, where each of the two is given one value."""
    pairs = [pair for part in walk(init) for pair in bindings(part)]
    given = Counter(named(target) for target, _ in pairs)
    kept = [
        (value.id, attribute)
        for target, value in pairs
        if (attribute := own(target)) is not None and isinstance(value, ast.Name)
    ]
    times = Counter(name for name, _ in kept)
    return {
        name: attribute
        for name, attribute in kept
        if times[name] == given[name] == given[f"self.{attribute}"] == 1
    }


def _receiver(function: ast.expr, frame: Frame) -> str:
    """Whose method is called, as text: a local name is what it was made of, and a method that
    changes its object in place (``mul_``) gives back that object, as ``detach`` gives its data."""
    if not isinstance(function, ast.Attribute):
        return ""
    of = function.value
    while isinstance(of, ast.Call) and isinstance(of.func, ast.Attribute):
        in_place = of.func.attr.endswith("_") and not of.func.attr.endswith("__")
        if not in_place and of.func.attr != "detach":
            return ""
        of = of.func.value
    return frame.meant(dotted(of) or "")


def _written(node: ast.Call) -> Iterator[tuple[str, str]]:
    for index, value in enumerate(node.args):
        text = dotted(value)
        if text is not None:
            yield str(index), text
    for keyword in node.keywords:
        text = MISSING if _asks_for_files(keyword.value) else dotted(keyword.value)
        if keyword.arg is not None and text is not None:
            yield keyword.arg, text


def _asks_for_files(value: ast.expr) -> bool:
    """``not path.exists()``"""
    return isinstance(value, ast.UnaryOp) and conditions.missing_in(value) == 0


def _is_object(context: Context, receiver: Abstract | None) -> bool:
    """Whether a receiver is surely no class, as the first parameter of a class method is."""
    of_class = isinstance(receiver, Self) and "classmethod" in context.guards
    return isinstance(receiver, (Self, Instance, Metric, Collection)) and not of_class


def _origins(context: Context, arguments: Arguments) -> Iterator[tuple[str, object]]:
    for index, value in enumerate(arguments.positional):
        yield str(index), context.origin(value)
    for name, value in arguments.keywords.items():
        yield name, context.origin(value)


def note_assignment(
    context: Context,
    target: ast.expr,
    value: Abstract,
    augmented: bool,
    frame: Frame,
    written: ast.expr | None = None,
) -> None:
    """``self.x = value``, or ``+=`` where ``augmented``, in a class that Lightning calls."""
    if context.owner and isinstance(target, (ast.Tuple, ast.List)):
        for inner, item in zip(target.elts, _items(context, value, len(target.elts)), strict=True):
            note_assignment(context, inner, item, augmented, frame)
    if context.owner and isinstance(target, ast.Subscript):
        _note_item(context, target, value, frame, written)
    if not context.owner or not isinstance(target, ast.Attribute):
        return
    if not isinstance(context.evaluate(target.value, frame), Self):
        _note_reach(context, target, value, frame)
        return
    context.recorder.add(
        AssignmentSite(
            attribute=target.attr,
            value=to_value(value),
            origin=context.origin(value),
            augmented=augmented,
            hook=context.hook.name,
            stage=context.hook.stage,
            function=frame.function,
            guards=context.guards,
            arms=context.arms,
            location=context.location(target, frame),
            carried=written is not None and _mentions(written, target.attr, frame),
            added=_adds(frame.module.source.above.get(target), target.attr),
            left="" if written is None else tensors.left(context, target, written, frame),
            given=frame.meant(named(written)) if written is not None else "",
            weights_of=shared.owner_of(context, written, frame),
        )
    )


def note_setting(
    context: Context, callee: Abstract, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    """``setattr(self, "x", value)`` in a method that runs later is ``self.x = value``."""
    given = arguments.positional
    if not context.owner or callee not in SETTING or len(given) < 2:
        return
    if not isinstance(given[0], Self):
        _note_reach_by_name(context, given, node, frame)
        return
    listing.set_by_name(context, given[1], callee == SETTING[1], node, frame)
    for option in options(given[1]) if len(given) == 3 and context.hook.name != "__init__" else ():
        if isinstance(option, Const) and isinstance(option.value, str):
            context.recorder.add(
                AssignmentSite(
                    attribute=option.value,
                    value=to_value(given[2]),
                    origin=context.origin(given[2]),
                    hook=context.hook.name,
                    stage=context.hook.stage,
                    function=frame.function,
                    guards=context.guards,
                    arms=context.arms,
                    location=context.location(node, frame),
                )
            )


def _note_item(
    context: Context,
    target: ast.Subscript,
    value: Abstract,
    frame: Frame,
    written: ast.expr | None,
) -> None:
    """``self.centers[y] = value``, also of what ``.data`` is; ``self.position[0]`` is a counter.
    Of a list that another object holds (``trainer.optimizers[0]``) any item."""
    whole: ast.expr = target
    while isinstance(whole, ast.Subscript):
        whole = whole.value
    text = frame.meant(dotted(whole) or "").removesuffix(".data")
    name = text.removeprefix("self.")
    own = name != text and name in context.attributes
    if (own and not isinstance(target.slice, ast.Constant)) or "." in name:
        where, made_of = context.location(target, frame), frozenset(_made_of(written, frame))
        stage, guards = context.hook.stage, context.guards
        site = ItemSite(name, context.origin(value), where, stage, guards, made_of)
        context.recorder.add(site)


def _made_of(written: ast.expr | None, frame: Frame) -> Iterator[str]:
    """The identifiers in the call that gave a value, or gave it to its local name last."""
    match written:
        case ast.Call():
            yield from identifiers(written)
        case ast.Subscript(ast.Name() as whole):
            yield from _made_of(whole, frame)
        case ast.Name(name):
            given = [
                (target.lineno, value)
                for part in frame.parts
                for target, value in bindings(part)
                if named(target) == name and target.lineno < written.lineno
            ]
            last = max(given, key=lambda one: one[0])[1] if given else None
            yield from identifiers(last) if isinstance(last, ast.Call) else ()


def _mentions(node: ast.expr, attribute: str, frame: Frame) -> bool:
    """Whether an expression makes something of ``self.<attribute>``, or of a local name that stands
    for it; either alone puts back what was there."""
    same = _without_nothing(node)
    if isinstance(same, ast.Name) or own(same) == attribute:
        return False
    read = (one for one in walk(same) if isinstance(one, (ast.Attribute, ast.Name)))
    return any(frame.meant(dotted(one) or "") == f"self.{attribute}" for one in read)


def _adds(statement: ast.AST | None, attribute: str) -> bool:
    """``self.x += y``, ``self.x = self.x + y``; what is added is no share of it that is taken away,
    as in a moving average."""
    match statement:
        case ast.AugAssign(op=ast.Add(), value=value):
            inside = (one for one in ast.walk(value) if isinstance(one, ast.Attribute))
            return all(own(one) != attribute for one in inside)
        case ast.Assign(value=ast.BinOp() as value):
            return attribute in map(own, _terms(value))
    return False


def _terms(value: ast.expr) -> Iterator[ast.expr]:
    """What a sum adds up."""
    match value:
        case ast.BinOp(left, ast.Add(), right):
            yield from (*_terms(left), *_terms(right))
        case _:
            yield value


def _without_nothing(node: ast.expr) -> ast.expr:
    """An expression without what changes no number: ``+ 0``, ``* 1``."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub(), ast.Constant(0)):
            return _without_nothing(left)
        case ast.BinOp(left, ast.Mult() | ast.Div(), ast.Constant(1)):
            return _without_nothing(left)
    return node


def _items(context: Context, value: Abstract, count: int) -> tuple[Abstract, ...]:
    """What each target of ``self.a, self.b = value`` is given."""
    if isinstance(value, Sequence) and value.complete and len(value.items) == count:
        return value.items
    return (Opaque(derived("call", (context.origin(value),))),) * count


def _note_reach(context: Context, target: ast.Attribute, value: Abstract, frame: Frame) -> None:
    """``something.else.x = value``."""
    receiver = dotted(target.value)
    if receiver is not None:
        context.recorder.add(
            ReachSite(
                receiver=frame.meant(receiver),
                attribute=target.attr,
                owner=context.owner,
                hook=context.hook.name,
                stage=context.hook.stage,
                location=context.location(target, frame),
                value=to_value(value),
                origin=context.origin(context.evaluate(target.value, frame)),
                each_of=_each_of(target, frame),
            )
        )


def _each_of(target: ast.Attribute, frame: Frame) -> str:
    """``self.net`` of ``for one in self.net.parameters(): one.requires_grad = False``"""
    above = frame.module.source.above
    match target.value, above.get(above.get(target, target)):
        case ast.Name(name), ast.For(
            ast.Name(each), ast.Call(ast.Attribute(of, "parameters"), [], [])
        ) if name == each:
            return frame.meant(dotted(of) or "")
    return ""


def _note_reach_by_name(
    context: Context, given: tuple[Abstract, ...], node: ast.Call, frame: Frame
) -> None:
    """``setattr(something.else, "x", value)``."""
    for option in options(given[1]) if len(given) == 3 else ():
        if isinstance(option, Const) and isinstance(option.value, str):
            target = ast.Attribute(node.args[0], option.value, ast.Store())
            _note_reach(context, ast.copy_location(target, node), given[2], frame)


def note_global(context: Context, node: ast.Global, frame: Frame) -> None:
    """``global name`` in a class that Lightning calls."""
    if context.owner:
        context.recorder.add(
            GlobalSite(
                names=tuple(node.names),
                carried=tuple(_carried(node, frame)),
                owner=context.owner,
                hook=context.hook.name,
                stage=context.hook.stage,
                location=context.location(node, frame),
            )
        )


def _carried(node: ast.Global, frame: Frame) -> Iterator[str]:
    """The names that the function around changes by what they were before."""
    around = function_around(node, frame.module.source.above)
    body = list(walk(around)) if around is not None else []
    compared = {name for one in body if isinstance(one, ast.Compare) for name in _ordered(one)}
    for name in node.names:
        changes = [one for one in body if _changes(one, name)]
        if changes and (name in compared or any(_reads(one, name) for one in changes)):
            yield name


def _ordered(node: ast.Compare) -> Iterator[str]:
    """The names in ``loss < best``."""
    if any(isinstance(one, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for one in node.ops):
        yield from (one.id for one in walk(node) if isinstance(one, ast.Name))


def _changes(node: ast.AST, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    assigns = isinstance(node, (ast.Assign, ast.AugAssign))
    return assigns and any(isinstance(one, ast.Name) and one.id == name for one in targets)


def _reads(node: ast.AST, name: str) -> bool:
    """Whether what is assigned is made of the name itself."""
    made_of = walk(node.value) if isinstance(node, ast.Assign) else ()
    return isinstance(node, ast.AugAssign) or any(
        isinstance(one, ast.Name) and one.id == name for one in made_of
    )
