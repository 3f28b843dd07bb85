"""What a block of statements does."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from collections.abc import Mapping as Table
from typing import TypeVar

from pl_lint.facts.origins import BatchValue, ListOfSteps, local_parts
from pl_lint.facts.words import MISSING
from pl_lint.static.interpreter import behaviour, held, listing, lookup, meters, noting, outside
from pl_lint.static.interpreter.abstract import NOTHING, Abstract, Const, Function, join
from pl_lint.static.interpreter.conditions import (
    asked_by,
    asks_for_any,
    asks_how_many,
    missing_in,
    read_by,
)
from pl_lint.static.interpreter.context import Context, Frame, Snapshot
from pl_lint.static.interpreter.expressions import binary, compared
from pl_lint.static.interpreter.iteration import an_element, elements, over_samples
from pl_lint.static.interpreter.truth import truth
from pl_lint.static.names import FunctionNode, dotted

Meaning = TypeVar("Meaning")
BATCH_CONDITIONS = frozenset({"batch_idx", "batch_index", "batch_nb", "is_last_batch", "step"})
"""Names in a condition that is true for some batches only."""


def block(context: Context, body: list[ast.stmt], frame: Frame) -> bool:
    """Execute statements; whether what follows the block can be reached."""
    for node in body:
        context.work.spend(1)
        handler = STATEMENTS.get(type(node))
        if handler is not None and not handler(context, node, frame):
            return False
    return True


def _expression(context: Context, node: ast.Expr, frame: Frame) -> bool:
    context.dropped = node.value
    context.evaluate(node.value, frame)
    if isinstance(node.value, ast.Call):  # ``dist.all_reduce(ok)`` makes something of it
        for given in node.value.args:
            frame.asked.pop(getattr(given, "id", ""), None)
    return True


def _assign(context: Context, node: ast.Assign, frame: Frame) -> bool:
    context.assigned = _name_of(node.targets[0])
    value = context.evaluate(node.value, frame)
    context.assigned = ""
    for target in node.targets:
        listing.emptied(context, target, value, frame)
        listing.stored_back(context, target, value, frame)
        lookup.assign(context, target, value, frame)
        _remember(context, target, node.value, frame)
        noting.note_assignment(context, target, value, False, frame, node.value)
    return True


GIVEN = ("self.", "trainer.", "pl_module.")
"""What Lightning gives to every hook."""


CONDITIONS = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Attribute)
"""What asks something, or takes an answer."""


def _remember(context: Context, target: ast.expr, value: ast.expr, frame: Frame) -> None:
    """``board = self.logger.experiment``: what is done to ``board`` is done to that. ``main = rank
    == 0``: who asks for ``main`` asks for ``rank``. Of what several names are given by a call its
    function is told: ``x, y = self.gather(x, y)`` are of all processes."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Call):
        words = _called(context, value, frame)
        frame.asked |= {
            one.id: (one.id, *words) for one in target.elts if isinstance(one, ast.Name)
        }
    if not isinstance(target, ast.Name):
        return
    words = read_by(context, value, frame) if isinstance(value, CONDITIONS) else ()
    if isinstance(value, ast.Call) and (not value.args or _gathers(value)):
        # ``mask.any()``, ``get_rank()``, ``self.all_gather(mask)``
        words = (target.id, *_called(context, value, frame))
    if words:
        frame.asked[target.id] = words
    if isinstance(value, ast.Attribute):
        text = frame.meant(dotted(value) or "")
        if text.startswith(GIVEN):
            frame.written[target.id] = text


def _gathers(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return outside.gathers(name)


def _called(context: Context, call: ast.Call, frame: Frame) -> tuple[str, ...]:
    """The names in what is called. ``self.step(batch)`` asks for no step of the run."""
    words = read_by(context, call.func, frame)
    return tuple(word for word in words if word not in BATCH_CONDITIONS)


def _name_of(target: ast.expr) -> str:
    """What is assigned, as text; an item of a container has no name."""
    return "" if isinstance(target, ast.Subscript) else dotted(target) or ""


def _annotated(context: Context, node: ast.AnnAssign, frame: Frame) -> bool:
    if node.value is not None:
        context.assigned = _name_of(node.target)
        value = context.evaluate(node.value, frame)
        context.assigned = ""
        lookup.assign(context, node.target, value, frame)
        _remember(context, node.target, node.value, frame)
        noting.note_assignment(context, node.target, value, False, frame, node.value)
    return True


def _augmented(context: Context, node: ast.AugAssign, frame: Frame) -> bool:
    value = context.evaluate(node.value, frame)
    held.note_extended(context, node, value, frame)
    if listing.extends(context, node, value, frame):
        return True
    before = context.evaluate(node.target, frame)
    after = binary(context, node.op, before, value)
    lookup.assign(context, node.target, after, frame)
    meters.counts(context, node.target, value, frame)
    held.note_added(context, node, value, frame)
    noting.note_assignment(context, node.target, after, True, frame)
    return True


def _return(context: Context, node: ast.Return, frame: Frame) -> bool:
    value = context.evaluate(node.value, frame) if node.value else Const(None)
    frame.returns.append(value)
    behaviour.note_return(context, value, node, frame)
    return False


def _stop(_: Context, __: ast.stmt, ___: Frame) -> bool:
    return False


def _raise(context: Context, node: ast.Raise, frame: Frame) -> bool:
    if node.exc is not None:
        context.evaluate(node.exc, frame)
    return False


def _function(context: Context, node: FunctionNode, frame: Frame) -> bool:
    frame.names[node.name] = Function(node, frame.module, frame.names)
    return True


# --- branches -------------------------------------------------------------------------------------


def _if(context: Context, node: ast.If, frame: Frame) -> bool:
    known = truth(context.evaluate(node.test, frame))
    if known is not None:
        return _decided(context, node, known, frame)
    names = read_by(context, node.test, frame) + asks_how_many(context, node.test, frame)
    names += asks_for_any(context, node.test, frame)
    sampled = _asks_for_batch(context, names)
    context.sampled += sampled
    outer = context.guards
    context.guards += names
    missing = missing_in(node.test)
    reaches = branches(context, frame, (node.body, node.orelse), missing)
    context.sampled -= sampled
    if not _leaves(node, names):  # else the condition holds, or does not, until the function ends
        context.guards = outer
    elif missing == 1 and isinstance(node.body[-1], ast.Return):
        context.guards += (MISSING,)
    return reaches


def _decided(context: Context, node: ast.If, known: bool, frame: Frame) -> bool:
    """Of two branches one is taken. ``setup`` runs for each stage: what it asks of the object by
    then (``if self.train is None``) may be another one, so it is a condition all the same; a step
    runs for each batch, and fills what is empty once."""
    again = context.hook.name == "setup" or _asks_for_nothing(node.test)
    names = read_by(context, node.test, frame) if again else ()
    names = names if "self" in names else ()
    outer = context.guards
    context.guards += names
    reaches = block(context, node.body if known else node.orelse, frame)
    if not _leaves(node, names):
        context.guards = outer
    return reaches


def _asks_for_nothing(test: ast.expr) -> bool:
    """``self.mean is None``"""
    match test:
        case ast.Compare(ast.Attribute(ast.Name("self")), [ast.Is()], [ast.Constant(None)]):
            return True
    return False


PROCESSES = re.compile("rank|world|device|distributed|process")
"""What a condition on processes asks for."""


def _leaves(node: ast.If, names: tuple[str, ...]) -> bool:
    """Whether a branch ends with ``return`` or the like: what follows is under the condition.

    What ``raise`` ends is a run: what follows is done for all data that there is. Only where it is
    said which processes there may be does that tell something of the others.
    """
    ends: tuple[type[ast.stmt], ...] = (ast.Return, ast.Continue, ast.Break)
    if any(map(PROCESSES.search, names)):
        ends += (ast.Raise,)
    return any(body and isinstance(body[-1], ends) for body in (node.body, node.orelse))


def _asks_for_batch(context: Context, names: tuple[str, ...]) -> bool:
    """Whether a condition picks some batches of an epoch."""
    picking = BATCH_CONDITIONS | ({context.batch_index} - {""})
    return any(name in picking or name.endswith("global_step") for name in names)


def branches(
    context: Context,
    frame: Frame,
    bodies: tuple[list[ast.stmt], ...],
    missing: int | None = None,
) -> bool:
    """Execute alternatives from the same state and join what they leave behind. ``missing``: the
    one that is taken where some file is not there yet."""
    before, guards, arms = context.snapshot(frame), context.guards, context.arms
    place = next((first.lineno for body in bodies for first in body[:1]), 0)
    after: list[Snapshot] = []
    reached: list[tuple[tuple[int, int], ...]] = []
    for number, body in enumerate(bodies):
        context.restore(frame, before)
        context.guards = (*guards, MISSING) if number == missing else guards
        context.arms = (*arms, (place, number))
        if block(context, body, frame):
            after.append(context.snapshot(frame))
            reached.append(context.arms)
    context.guards = guards
    context.arms = reached[0] if len(reached) == 1 else arms  # the others left the function
    if after:
        context.restore(frame, _joined(after))
    return bool(after)


def _joined(snapshots: list[Snapshot]) -> Snapshot:
    first, *rest = snapshots
    for other in rest:
        first = Snapshot(
            _joined_names(first.names, other.names),
            _joined_names(first.attributes, other.attributes),
            _the_same(first.written, other.written),
            _the_same(first.asked, other.asked),
        )
    return first


def _the_same(one: dict[str, Meaning], other: dict[str, Meaning]) -> dict[str, Meaning]:
    """What a name stands for whichever branch was taken."""
    return {name: meant for name, meant in one.items() if other.get(name) == meant}


def _joined_names(one: dict[str, Abstract], other: dict[str, Abstract]) -> dict[str, Abstract]:
    """A name that only one branch sets is taken as set: the code that reads it expects so."""
    joined = {**one, **other}
    for name, value in one.items():
        if joined[name] is not value:
            joined[name] = join(value, joined[name])
    return joined


def _match(context: Context, node: ast.Match, frame: Frame) -> bool:
    """The cases that the subject can fit, up to the first that it surely fits."""
    subject = context.evaluate(node.subject, frame)
    bodies: list[list[ast.stmt]] = []
    for case in node.cases:
        fits = _fits(context, case.pattern, subject, frame)
        guard = truth(context.evaluate(case.guard, frame)) if case.guard is not None else True
        if fits is not False and guard is not False:
            bodies.append(case.body)
        if fits and guard:
            break
    else:
        bodies.append([])
    outer = context.guards
    if len(bodies) > 1:
        context.guards += tuple(asked_by(node.subject))
    reaches = branches(context, frame, tuple(bodies))
    context.guards = outer
    return reaches


def _fits(context: Context, pattern: ast.pattern, subject: Abstract, frame: Frame) -> bool | None:
    """Whether a subject fits a pattern; None where that is open."""
    match pattern:
        case ast.MatchAs(None, name):
            if name is not None:
                frame.names[name] = subject
            return True
        case ast.MatchValue(value):
            return compared(ast.Eq(), subject, context.evaluate(value, frame))
        case ast.MatchSingleton(value):
            return compared(ast.Is(), subject, Const(value))
        case ast.MatchOr(patterns):
            verdicts = [_fits(context, one, subject, frame) for one in patterns]
            return True if True in verdicts else (None if None in verdicts else False)
    return None


def _try(context: Context, node: ast.Try, frame: Frame) -> bool:
    handlers = tuple(handler.body for handler in node.handlers)
    reaches = branches(context, frame, ([*node.body, *node.orelse], *handlers))
    return block(context, node.finalbody, frame) and reaches


# --- loops ----------------------------------------------------------------------------------------


PICKING = frozenset({"unique", "unique_consecutive", "nonzero", "bincount"})
"""What a loop goes over of which the data decide what is in it: as good as a condition on them."""


def _picked(context: Context, node: ast.expr, value: Abstract, frame: Frame) -> tuple[str, ...]:
    """What picks from the batches of this process; the same is in what others hold in each."""
    found = local_parts(context.origin(value))
    if not any(isinstance(one, (BatchValue, ListOfSteps)) for one in found):
        return ()
    picking = tuple(one for one in read_by(context, node, frame) if one in PICKING)
    return (*picking, "unique") if _is_a_set(node) else picking


def _is_a_set(node: ast.expr) -> bool:
    """``set(batch["region"])`` and ``sorted(set(labels.tolist()))``: each value once. A set of a
    batch that is a dict would be one of its keys."""
    match node:
        case ast.Call(ast.Name("sorted" | "list" | "tuple" | "enumerate"), [of, *_]):
            return _is_a_set(of)
        case ast.Call(ast.Name("set"), [ast.Subscript(_, ast.Constant(str()))]):
            return True
        case ast.Call(ast.Name("set"), [ast.Call(ast.Attribute(_, "tolist"))]):
            return True
    return False


def _for(context: Context, node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
    listing.emptied_in_turn(context, node, node.body, frame)
    iterable = context.evaluate(node.iter, frame)
    known = elements(context, iterable)
    of_samples = known is None and over_samples(context, node.iter, iterable)
    with context.looping(node.iter, known is not None, of_samples):
        if known is None:
            outer = context.guards
            context.guards += _picked(context, node.iter, iterable, frame)
            lookup.assign(context, node.target, an_element(context, iterable), frame)
            branches(context, frame, (node.body, []))
            context.guards = outer
        else:
            _unrolled(context, node, known, frame)
    block(context, node.orelse, frame)
    return True


def _unrolled(
    context: Context, node: ast.For | ast.AsyncFor, items: tuple[Abstract, ...], frame: Frame
) -> None:
    with context.turning(len(items)):
        for item in items:
            lookup.assign(context, node.target, item, frame)
            block(context, node.body, frame)


def _while(context: Context, node: ast.While, frame: Frame) -> bool:
    context.evaluate(node.test, frame)
    with context.looping(node.test, False, False):
        branches(context, frame, (node.body, []))
    return True


def _with(context: Context, node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
    outer = context.within
    for item in node.items:
        context.then = ("__enter__",)
        value = context.evaluate(item.context_expr, frame)
        context.then = ()
        if item.optional_vars is not None:
            lookup.assign(context, item.optional_vars, value, frame)
        manager = item.context_expr
        text = dotted(manager.func if isinstance(manager, ast.Call) else manager)
        context.within += (text.rpartition(".")[2],) if text else ()
        context.within += ("enabled=",) if _may_be_disabled(manager) else ()
    reaches = block(context, node.body, frame)
    context.within = outer
    return reaches


def _may_be_disabled(manager: ast.expr) -> bool:
    """``autocast(..., enabled=self.amp)``; ``torch.cuda.amp.autocast(False)``."""
    if not isinstance(manager, ast.Call):
        return False
    named = [one.value for one in manager.keywords if one.arg == "enabled"]
    off = any(isinstance(one, ast.Constant) and one.value is False for one in manager.args)
    return off or not all(isinstance(one, ast.Constant) and one.value is True for one in named)


def _delete(context: Context, node: ast.Delete, frame: Frame) -> bool:
    for target in node.targets:
        listing.deleted(context, target, frame)
        if isinstance(target, ast.Name):
            frame.names[target.id] = NOTHING
        elif isinstance(target, ast.Subscript):
            lookup.delete_item(context, target, frame)
    return True


def _assert(context: Context, node: ast.Assert, frame: Frame) -> bool:
    context.evaluate(node.test, frame)
    return True


def _global(context: Context, node: ast.Global, frame: Frame) -> bool:
    noting.note_global(context, node, frame)
    return True


STATEMENTS: Table[type[ast.stmt], Callable[..., bool]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.Break: _stop,
    ast.Continue: _stop,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Global: _global,
    ast.Delete: _delete,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.If: _if,
    ast.Match: _match,
    ast.Try: _try,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
}
if hasattr(ast, "TryStar"):
    STATEMENTS = {**STATEMENTS, ast.TryStar: _try}
