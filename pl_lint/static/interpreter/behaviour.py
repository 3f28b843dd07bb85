"""What hooks return, what attributes hold in the end, and what is read of Lightning."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal

from pl_lint.facts.sites import (
    ABSENT,
    AssignmentSite,
    GivenReadSite,
    LoggedReadSite,
    ReadSite,
    ReturnSite,
)
from pl_lint.facts.values import must_be
from pl_lint.static.interpreter import gradients, held, loggers, lookup
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Bound,
    Const,
    Self,
    to_value,
)
from pl_lint.static.interpreter.conditions import nothing_if
from pl_lint.static.interpreter.constants import without_graph
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.listing import last_methods
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

OF_THE_RUN = frozenset({"trainer", "device", "logger", "current_epoch", "global_step"})
"""What Lightning fills in once a module is in a Trainer or on its device."""

# --- what is returned -----------------------------------------------------------------------------


def note_return(context: Context, value: Abstract, node: ast.Return, frame: Frame) -> None:
    """A ``return`` of the hook itself."""
    if frame.depth or not context.hook.name or not context.owner:
        return
    where = context.location(node, frame)
    held.note_returned(context, value, where)
    loggers.note_returned(context, value, where)
    loss = _loss(context, node.value)
    made = _last_made(loss, frame)
    context.recorder.add(
        ReturnSite(
            hook=context.hook.name,
            value=to_value(value),
            origin=context.origin(value),
            location=where,
            methods=tuple(last_methods(loss)),
            guards=context.guards,
            nothing_if=nothing_if(context, node, frame),
            made_on=made.lineno if made else 0,
            made_of=tuple(identifiers(made.value)) if made else (),
            function=frame.function,
            arms=context.arms,
            named=dotted(node.value) or "" if node.value is not None else "",
            without_graph=without_graph(context, loss, node, frame),
            loss=loss.id if isinstance(loss, ast.Name) else "",
        )
    )


def _last_made(returned: ast.expr | None, frame: Frame) -> ast.Assign | None:
    """The last assignment to a name that is returned."""
    name = returned.id if isinstance(returned, ast.Name) else ""
    made = (
        one
        for one in frame.assignments
        if name
        and any(isinstance(target, ast.Name) and target.id == name for target in one.targets)
    )
    return max(made, key=lambda one: one.lineno, default=None)


def _loss(context: Context, node: ast.expr | None) -> ast.expr | None:
    """What a step returns; of the dict that ``training_step`` writes out, its loss."""
    if not isinstance(node, ast.Dict) or context.hook.name != "training_step":
        return node
    keys = [one.value if isinstance(one, ast.Constant) else None for one in node.keys]
    return node.values[keys.index("loss")] if keys.count("loss") == 1 and None not in keys else node


def note_end(context: Context, node: FunctionNode, guards: tuple[str, ...], frame: Frame) -> None:
    """The body of a hook can be left without ``return``, under these conditions."""
    if frame.depth or not context.hook.name or not context.owner:
        return
    where = context.location(node.body[-1], frame)
    origin = context.origin(None)
    context.recorder.add(
        ReturnSite(context.hook.name, ABSENT, origin, where, written=False, guards=guards)
    )


# --- what is read ---------------------------------------------------------------------------------


GIVEN = frozenset({"trainer", "pl_module"})
"""What the hooks of a callback are given, by the names that Lightning has for it."""


def note_logged(
    context: Context, receiver: Abstract, key: Abstract | None, node: ast.expr, frame: Frame
) -> None:
    """``trainer.callback_metrics["loss"]``: what was logged is read, by its key."""
    if context.hook.name and key is not None and lookup.is_metrics_dict(receiver):
        where, hook = context.location(node, frame), context.hook
        raises = isinstance(node, ast.Subscript) and surely_taken(context, node, frame)
        context.recorder.add(LoggedReadSite(to_value(key), hook.name, where, hook.stage, raises))


ASKING = (ast.IfExp, ast.BoolOp, ast.comprehension, ast.While, ast.Lambda)
ASKING += (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What may look first."""


def surely_taken(context: Context, node: ast.expr, frame: Frame) -> bool:
    """Whether a hook itself comes to an expression under no condition, and nothing catches what it
    raises. A helper may have been asked for with care."""
    if frame.depth or context.guards or is_caught(node, frame):
        return False
    above = frame.module.source.above
    around: ast.AST = node
    while around in above and not isinstance(around, FunctionNode):
        if isinstance(around, ASKING):
            return False
        around = above[around]
    return not any(one.endswith("suppress") for one in context.within)


def note_asked(context: Context, node: ast.Call, frame: Frame) -> None:
    """``getattr(pl_module, "score", None)`` reads an attribute as well."""
    match node:
        case ast.Call(ast.Name("getattr"), [owner, ast.Constant(str(name)), *_]):
            _note_given(context, owner, name, node, frame)


def _note_given(context: Context, owner: ast.expr, name: str, node: ast.expr, frame: Frame) -> None:
    if isinstance(owner, ast.Name) and owner.id in GIVEN and context.hook.name:
        where = context.location(node, frame)
        context.recorder.add(GivenReadSite(owner.id, name, context.hook.name, where))


def note_read(context: Context, receiver: Abstract, node: ast.Attribute, frame: Frame) -> None:
    """``self.trainer`` and the like, unless the class has such an attribute of its own; of
    ``self.loggers`` also what is looked for in it (``loggers.experiment``); the lists that steps
    fill; gradients that something is made of (``.grad``)."""
    if context.owner and gradients.is_used(node, frame):
        where, guards = context.location(node, frame), context.guards
        context.recorder.add(ReadSite(".grad", context.hook.name, frame.function, where, guards))
    if context.owner and _is_loggers(receiver, node.value, frame):
        where = context.location(node, frame)
        attribute = f"loggers.{node.attr}"
        context.recorder.add(ReadSite(attribute, context.hook.name, frame.function, where))
        return
    _note_given(context, node.value, node.attr, node, frame)
    if not isinstance(receiver, Self) or not context.owner:
        return
    own = node.attr in context.attributes or context.find_method(node.attr) is not None
    given = node.attr in OF_THE_RUN and not own
    if not given and node.attr not in context.step_lists:
        return
    where = context.location(node, frame)
    caught = context.hook.name == "__init__" and (frame.caught or is_caught(node, frame))
    context.recorder.add(
        ReadSite(node.attr, context.hook.name, frame.function, where, context.guards, caught)
    )


def is_caught(node: ast.AST, frame: Frame) -> bool:
    """Whether it stands in the body of a ``try`` of its function that catches something."""
    return any(one.handlers for one in _tried_by(node, frame))


def is_passed_over(node: ast.AST, frame: Frame) -> bool:
    """Whether it stands in the body of a ``try`` that catches whatever is raised, and goes on."""
    return any(map(_goes_on, (each for one in _tried_by(node, frame) for each in one.handlers)))


def _goes_on(handler: ast.ExceptHandler) -> bool:
    everything = handler.type is None or dotted(handler.type) in ("Exception", "BaseException")
    return everything and not any(isinstance(one, ast.Raise) for one in walk(handler))


def _tried_by(node: ast.AST, frame: Frame) -> Iterator[ast.Try]:
    """The ``try`` statements of its function in whose bodies it stands."""
    above = frame.module.source.above
    while node in above and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        inner, node = node, above[node]
        if isinstance(node, ast.Try) and inner in node.body:
            yield node


def _is_loggers(receiver: Abstract, node: ast.expr, frame: Frame) -> bool:
    """Whether it is the list of all loggers: the module's or its Trainer's."""
    match receiver:
        case Bound(Self(), "loggers"):
            return True
    named = isinstance(node, ast.Attribute) and node.attr == "loggers"
    known = isinstance(node, ast.Name) and node.id in frame.written
    return (named or known) and frame.meant(dotted(node) or "").endswith("trainer.loggers")


# --- who steps ------------------------------------------------------------------------------------


def optimization(context: Context, open_bases: bool) -> Literal["automatic", "manual", "unknown"]:
    """Who steps the optimizers, by ``self.automatic_optimization``."""
    first = context.ancestors[0]
    assert isinstance(first, ClassInfo)
    kept = "_automatic_optimization"  # where Lightning's property keeps it; base classes set it
    name = kept if kept in context.attributes and kept[1:] not in context.attributes else kept[1:]
    found = lookup.own_attribute(context, name, Frame(first.module))
    if found != Const(False) and _switched_off(context):
        return "unknown"
    match found:
        case Const(False):
            return "manual"
        case Const(True):
            return "automatic"
        case Bound(Self()) if not open_bases:
            return "automatic"
    return "unknown"


def _switched_off(context: Context) -> bool:
    """Whether some hook sets ``self.automatic_optimization`` to anything but True: Lightning asks
    for it at each batch, so that ``configure_optimizers`` is early enough."""
    return any(
        site.attribute == "automatic_optimization" and not must_be(site.value, True)
        for site in context.recorder.all(AssignmentSite)
    )
