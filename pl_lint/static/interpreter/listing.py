"""Python lists that are filled step by step."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from pl_lint.facts import lightning
from pl_lint.facts.origins import Gathered, parts
from pl_lint.facts.sites import ListSite
from pl_lint.plain import replace
from pl_lint.static.interpreter import graphs
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Choice,
    Const,
    Instance,
    Mapping,
    Opaque,
    Self,
    Sequence,
    is_list_of_steps,
    join,
    options,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.interpreter.lookup import rebind
from pl_lint.static.naming import own

ADDS = frozenset({"append", "extend", "insert", "appendleft"})
Body = Iterable[ast.stmt | ast.expr]


CUT = re.compile(r"(\w+)\[\s*-?[1-9]\d*\s*:")
"""``losses[1:]``: what the first entry of is left out."""


def changes_list(
    context: Context,
    function: ast.Attribute,
    receiver: Abstract,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> bool:
    """Whether the call adds to a list or clears it; then it is recorded and done."""
    if function.attr == "clear" and not arguments.all():
        names = _meant_by(context, function.value, frame)
        for attr in names:
            _record(context, attr, "clear", node, frame)
        return bool(names)
    if function.attr not in ADDS or not arguments.positional:
        return False
    attr = own_attribute_of(context, function.value, frame)
    if attr is not None and _is_python_list(receiver):
        appended(context, attr, arguments.positional[-1], node, frame)
        return True
    return _grow(context, function, receiver, arguments, frame)


def _is_python_list(receiver: Abstract) -> bool:
    return (
        isinstance(receiver, (Sequence, Const))
        or is_list_of_steps(receiver)
        or (isinstance(receiver, Opaque))
    )


def appended(
    context: Context, attr: str, added: Abstract, node: ast.expr | ast.stmt, frame: Frame
) -> None:
    """``self.<attr>`` was added to; from a step on it is a list of what this process saw, unless
    the step gathers what all processes saw."""
    gathered = any(isinstance(part, Gathered) for part in parts(context.origin(added)))
    if context.hook.name.endswith(("_step", "_batch_end")) and not gathered:
        context.step_lists.add(attr)
    _record(context, attr, "append", node, frame)


def extends(context: Context, node: ast.AugAssign, value: Abstract, frame: Frame) -> bool:
    """Whether ``self.<attr> += [x]``, or ``self.<attr>["val"] += x.tolist()``, adds to a list; then
    it is recorded and done. In ``__init__`` it says what the list begins with."""
    match node.target:
        case ast.Attribute(ast.Name("self"), attr) if isinstance(value, Sequence):
            appended(context, attr, value, node, frame)
            return context.hook.name != "__init__"
    attr = own_attribute_of(context, node.target, frame) or ""
    if not isinstance(node.op, ast.Add) or not _holds_lists(context.attributes.get(attr)):
        return False
    appended(context, attr, value, node, frame)
    return True


def _holds_lists(value: Abstract | None) -> bool:
    """Whether it is a Python list, or a dict of such, that nobody has put anything in yet."""
    plain = isinstance(value, (Sequence, Mapping)) and value.complete and not value.maker
    return plain and _is_empty(value) and value != Mapping()  # type: ignore[arg-type]


def deleted(context: Context, target: ast.expr, frame: Frame) -> None:
    """``del self.<attr>``, or a part of it: what it held is gone."""
    for attr in _meant_by(context, target, frame):
        _record(context, attr, "clear", target, frame)


def emptied(context: Context, target: ast.expr, value: Abstract, frame: Frame) -> None:
    """``self.<attr>["val"] = []``, or ``self.<attr>, self.<other> = [], []``: it begins anew."""
    if isinstance(target, ast.Subscript) and _is_empty(value):
        deleted(context, target, frame)
    if isinstance(target, ast.Tuple) and isinstance(value, Sequence) and value.complete:
        for inner, item in zip(target.elts, value.items, strict=False):
            if _is_empty(item) and not isinstance(inner, ast.Name):
                deleted(context, inner, frame)


def emptied_in_turn(
    context: Context, node: ast.For | ast.AsyncFor | ast.comprehension, body: Body, frame: Frame
) -> None:
    """``for each in self.<attr>.values(): each.clear()``: all of it begins anew, and so do both of
    ``for each in (self.<attr>, self.<other>)``."""
    turns = {one.id for one in ast.walk(node.target) if isinstance(one, ast.Name)}
    if turns.isdisjoint(map(_cleared, body)):
        return
    match node.iter:
        case ast.Call(ast.Attribute(held, "values" | "items"), []):
            lists = [held]
        case ast.Tuple(items) | ast.List(items):
            lists = items
        case other:
            lists = [other]
    for one in lists:
        deleted(context, one, frame)


def set_by_name(
    context: Context, name: Abstract, deletes: bool, node: ast.Call, frame: Frame
) -> None:
    """``setattr(self, name, [])`` and ``delattr(self, name)``: what the attribute held is gone. Of
    a name that is known, ``setattr`` is an assignment, and told as one."""
    for attr in _names(name) if context.hook.name != "__init__" else ():
        if deletes or not attr:
            _record(context, attr, "clear", node, frame)


def stored_back(context: Context, target: ast.expr, value: Abstract, frame: Frame) -> None:
    """``self.<attr> = self.all_gather(self.<attr>)``, or so with its items: for the rest of this
    hook it is what all processes saw."""
    attr = own_attribute_of(context, target, frame)
    if attr is None or attr not in context.step_lists:
        return
    if any(isinstance(part, Gathered) for part in parts(context.origin(value))):
        context.brought_together.add((context.hook.name, attr))


def _cleared(node: ast.stmt | ast.expr) -> str:
    """The name of what a statement empties: ``each.clear()``, ``del each[:]``."""
    match node.value if isinstance(node, ast.Expr) else node:
        case ast.Call(ast.Attribute(ast.Name(name), "clear"), []):
            return name
        case ast.Delete([ast.Subscript(ast.Name(name), ast.Slice(None, None, None))]):
            return name
        case ast.Assign([ast.Subscript(ast.Name(name), ast.Slice(None, None, None))], ast.List([])):
            return name
    return ""


def _is_empty(value: Abstract) -> bool:
    """``[]``, ``{}`` and a dict of such: ``{name: [] for name in names}``."""
    if isinstance(value, Mapping) and value.items:
        return all(_is_empty(one) for _, one in value.items)
    return isinstance(value, (Sequence, Mapping)) and value.complete and not value.items


def _record(
    context: Context, attr: str, action: str, node: ast.expr | ast.stmt, frame: Frame
) -> None:
    hook, where = context.hook, context.location(node, frame)
    added = _added(node)
    methods = tuple(last_methods(added))
    text = ast.unparse(added) if added is not None and _adds_one(node) else ""
    context.recorder.add(
        ListSite(
            attribute=attr,
            action=action,  # type: ignore[arg-type]
            hook=hook.name,
            stage=hook.stage,
            location=where,
            methods=methods,
            added=text,
            guards=context.guards,
            kept=graphs.kept(context, added, frame) if text and added is not None else (),
            cut=attr in frame.module.source.found(CUT),
            written=_behind_self(node),
            read=_is_read(attr, frame),
        )
    )


def _is_read(attr: str, frame: Frame) -> bool:
    """``self.<attr>[-1]``, ``sum(self.<attr>)``; not a method that is called on it (``append``)."""
    for part in frame.parts:
        if isinstance(part, ast.Attribute) and own(part) == attr:
            around = frame.module.source.above.get(part)
            while isinstance(around, ast.Subscript):
                around = frame.module.source.above.get(around)
            if not isinstance(around, (ast.Attribute, ast.AugAssign)):
                return True
    return False


def _behind_self(node: ast.expr | ast.stmt) -> str:
    """The list that is added to or emptied, as it is written behind ``self.``"""
    match node:
        case ast.Call(ast.Attribute(target)) | ast.AugAssign(target):
            return ast.unparse(target).removeprefix("self.")
    return ""


def _adds_one(node: ast.expr | ast.stmt) -> bool:
    """``losses.append(loss)``, ``losses += [loss]``"""
    match node:
        case ast.Call(ast.Attribute(attr="append")) | ast.AugAssign(value=ast.List([_])):
            return True
    return False


def _added(node: ast.expr | ast.stmt) -> ast.expr | None:
    """What a call or ``+=`` adds to a list."""
    match node:
        case ast.Call(args=[*_, last]):
            return last
        case ast.AugAssign(value=ast.List([only])):
            return only
        case ast.AugAssign(value=value):
            return value
    return None


def _grow(
    context: Context,
    function: ast.Attribute,
    receiver: Abstract,
    arguments: Arguments,
    frame: Frame,
) -> bool:
    """A local list, or one in ``__init__`` that metrics are put in."""
    added = arguments.positional[-1]
    match receiver:
        case Choice(choices) if function.attr == "append" and _of_callbacks(choices, added):
            rebind(context, function.value, _with_any(choices, added), frame)
        case Sequence(items) if function.attr != "extend":
            rebind(context, function.value, replace(receiver, items=(*items, added)), frame)
        case Sequence(items):
            inner = added if isinstance(added, Sequence) else Sequence((added,), False)
            complete = receiver.complete and inner.complete
            grown = replace(receiver, items=items + inner.items, complete=complete)
            rebind(context, function.value, grown, frame)
        case Opaque():
            origins = (context.origin(receiver), context.origin(added))
            rebind(context, function.value, join(Opaque(derived("call", origins))), frame)
        case _:
            return False
    return True


def _of_callbacks(choices: tuple[Abstract, ...], added: Abstract) -> bool:
    """Whether some of Lightning's callbacks are in one of several lists, or put into it."""
    if not all(isinstance(one, Sequence) for one in choices):
        return False
    held = [item for one in choices if isinstance(one, Sequence) for item in one.items]
    return any(
        isinstance(one, Instance) and lightning.kind_of(one.name) == "Callback"
        for one in (*held, added)
    )


def _with_any(choices: tuple[Abstract, ...], added: Abstract) -> Abstract:
    """One of several lists with one more item: a list that may hold what any of them holds. Each
    on its own would soon be too many, with one condition for each callback."""
    held: list[Abstract] = []
    for one in choices:
        items = one.items if isinstance(one, Sequence) else ()
        held += [item for item in items if not any(item is known for known in held)]
    return Sequence((*held, added), complete=False)


def last_methods(node: ast.expr | None) -> Iterator[str]:
    """The methods that an expression ends with, in the order in which they are called."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from last_methods(node.func.value)
        yield node.func.attr


def _meant_by(context: Context, node: ast.expr, frame: Frame) -> list[str]:
    """The attributes that hold a container; ``""`` for any, where ``getattr`` is given a name that
    nobody knows."""
    match node:
        case ast.Subscript(inner):
            return _meant_by(context, inner, frame)
        case ast.Call(ast.Name("getattr"), [ast.Name(owner), name, *_]):
            is_own = isinstance(frame.names.get(owner), Self)
            known = is_own and context.hook.name != "__init__"
            return _names(context.evaluate(name, frame)) if known else []
    attr = own_attribute_of(context, node, frame)
    return [attr] if attr is not None else []


def _names(value: Abstract) -> list[str]:
    """What a text may be; ``""`` where that is not known."""
    known = [one.value if isinstance(one, Const) else "" for one in options(value)]
    return [one if isinstance(one, str) else "" for one in known]


def own_attribute_of(context: Context, node: ast.expr, frame: Frame) -> str | None:
    """The attribute of ``self`` that holds a container: ``outputs`` in ``self.outputs["val"]``."""
    match node:
        case ast.Attribute(ast.Name(name), attr):
            is_own = isinstance(frame.names.get(name), Self)
            outside_init = context.hook.name != "__init__"
            return attr if is_own and outside_init else None
        case ast.Subscript(inner):
            return own_attribute_of(context, inner, frame)
        case ast.Name(name) if name in frame.written and context.hook.name != "__init__":
            owner, _, attr = frame.written[name].rpartition(".")
            return attr if owner == "self" else None
    return None
