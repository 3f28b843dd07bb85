"""What an expression evaluates to."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Table

from pl_lint.facts.origins import ListOfSteps
from pl_lint.facts.sites import StrayLog
from pl_lint.facts.values import UNKNOWN, Named
from pl_lint.plain import replace
from pl_lint.static.interpreter import (
    axes,
    behaviour,
    calls,
    comprehensions,
    counting,
    extents,
    lookup,
    metrics,
    outside,
    scripts,
    slices,
    unions,
)
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Choice,
    Collection,
    Const,
    Function,
    Instance,
    Mapping,
    Metric,
    Opaque,
    Self,
    Sequence,
    Text,
    join,
    options,
    same_constant,
    to_value,
)
from pl_lint.static.interpreter.conditions import read_by
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.derivation import called, derived
from pl_lint.static.interpreter.strings import MAX_CONSTANT, concatenated, merged
from pl_lint.static.interpreter.truth import truth
from pl_lint.static.names import dotted
from pl_lint.static.trees import children

Evaluator = Callable[[Context, ast.expr, Frame], Abstract]


def evaluate(context: Context, node: ast.expr, frame: Frame) -> Abstract:
    """The abstract value of any expression; its calls are recorded on the way."""
    context.work.spend(1)
    handler = EVALUATORS.get(type(node))
    return handler(context, node, frame) if handler else _children(context, node, frame)


def _children(context: Context, node: ast.expr, frame: Frame) -> Abstract:
    """An expression that nothing is known of: its parts are still looked at."""
    values = [
        evaluate(context, child, frame) for child in children(node) if isinstance(child, ast.expr)
    ]
    return Opaque(derived("call", map(context.origin, values)))


def _constant(_: Context, node: ast.Constant, __: Frame) -> Abstract:
    return Const(node.value)


def _name(context: Context, node: ast.Name, frame: Frame) -> Abstract:
    return lookup.name(context, node.id, frame)


def _attribute(context: Context, node: ast.Attribute, frame: Frame) -> Abstract:
    receiver = evaluate(context, node.value, frame)
    if isinstance(receiver, Self) and node.attr in ("log", "log_dict"):
        # The method itself is handed on: whoever gets it may log any key.
        context.recorder.add(StrayLog(UNKNOWN, context.location(node, frame)))
    behaviour.note_read(context, receiver, node, frame)
    return join(*(_of_object(context, option, node.attr, frame) for option in options(receiver)))


def _of_object(context: Context, receiver: Abstract, attr: str, frame: Frame) -> Abstract:
    if attr in scripts.OF_CHECKPOINTS and isinstance(receiver, Instance):
        kept = scripts.of_checkpoints(receiver, attr)
        if kept is not None:
            return kept
    return lookup.attribute(context, receiver, attr, frame)


# --- strings and numbers --------------------------------------------------------------------------


def _formatted(context: Context, node: ast.JoinedStr, frame: Frame) -> Abstract:
    pieces: list[Abstract] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = evaluate(context, part.value, frame)
            plain = part.format_spec is None and part.conversion == -1
            pieces.append(value if plain else Text((None,)))
        else:
            pieces.append(evaluate(context, part, frame))
    return concatenated(pieces)


OPERATORS: Table[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _binary(context: Context, node: ast.BinOp, frame: Frame) -> Abstract:
    left, right = evaluate(context, node.left, frame), evaluate(context, node.right, frame)
    divisor = dotted(node.right) or "" if isinstance(node.op, ast.Div) else ""
    if "accum" in divisor.lower():
        given = (("0", UNKNOWN), ("1", Named(divisor)), ("2", to_value(right)))
        return Opaque(called("operator.truediv", given, (context.origin(left),)))
    if isinstance(node.op, ast.Div) and counting.sums_over_length(node.left, node.right):
        return Opaque(derived("mean", (context.origin(left),)))
    if isinstance(node.op, ast.Div) and counting.is_running_mean(left, context.origin(right)):
        return Opaque(derived("quotient", (context.origin(left),)))
    found = axes.counted(node, left, right, frame) or binary(context, node.op, left, right)
    if isinstance(found, Opaque) and not context.loops and extents.is_share(node, frame):
        return replace(found, extent="mean")
    return found


def binary(context: Context, op: ast.operator, left: Abstract, right: Abstract) -> Abstract:
    match op, left, right:
        case ast.Add(), Const(str()) | Text() | Choice(), _ if _is_text(left):
            return concatenated((left, right))
        case ast.Add(), _, Const(str()) | Text():
            return concatenated((left, right))
        case ast.Add(), Sequence(), Sequence():
            together = left.items + right.items
            return Sequence(together, left.complete and right.complete, left.maker)
        case ast.Div(), Instance("pathlib.Path", folders), _:  # what Path() itself does
            return Instance(left.name, (*folders, (str(len(folders)), to_value(right))))
        case ast.BitOr(), _, _ if unions.is_dict(left) or unions.is_dict(right):
            return unions.united(left, right)
        case ast.Mod(), Const(str(template)), _:
            return merged(_percent(template))
        case _, Const(value), Const(other) if _is_small(value) and _is_small(other):
            return _computed(op, value, other)
        case ast.Mult() | ast.BitAnd(), *sides if any(map(_is_false, sides)):
            return Const(False)  # ``due * (stage == "train")`` is a condition
        case ast.Pow(), _, Const(0.5):
            return Opaque(derived("sqrt", (context.origin(left),)))
        case ast.Pow(), Const(), Opaque():
            return Opaque(derived("exp", (context.origin(right),)))
    of_batch = "macro" if context.class_loops else "ratio"
    quotient = "arithmetic" if context.loops else of_batch  # a loop may be over samples
    origin = counting.computed(op, context.origin(left), context.origin(right), quotient)
    return Opaque(origin, extents.of_arithmetic(context, op, left, right))


def _is_text(value: Abstract) -> bool:
    return all(
        isinstance(option, Text) or (isinstance(option, Const) and isinstance(option.value, str))
        for option in options(value)
    )


def _is_false(value: object) -> bool:
    return isinstance(value, Const) and value.value is False


def _is_small(value: object) -> bool:
    return isinstance(value, (int, float)) and -MAX_CONSTANT <= value <= MAX_CONSTANT


def _computed(op: ast.operator, left: float, right: float) -> Abstract:
    function = OPERATORS.get(type(op))
    try:
        return Const(function(left, right)) if function else NOTHING
    except ArithmeticError:
        return NOTHING


def _percent(template: str) -> Iterator[str | None]:
    """``"val_%s" % x``: the text with a hole for each conversion."""
    head, *rest = template.split("%")
    yield head
    for piece in rest:
        yield None
        yield piece.lstrip("0123456789.+- #").removeprefix("s").removeprefix("d")


def _unary(context: Context, node: ast.UnaryOp, frame: Frame) -> Abstract:
    value = evaluate(context, node.operand, frame)
    match node.op, value:
        case ast.Not(), _:
            known = truth(value)
            return NOTHING if known is None else Const(not known)
        case ast.USub(), Const(int() | float() as number):
            return Const(-number)
    extent = extents.of(value) if isinstance(node.op, ast.USub) else ""
    return Opaque(derived("arithmetic", (context.origin(value),)), extent)


def _compare(context: Context, node: ast.Compare, frame: Frame) -> Abstract:
    left = evaluate(context, node.left, frame)
    rights = [evaluate(context, right, frame) for right in node.comparators]
    if len(rights) == 1:
        known = compared(node.ops[0], left, rights[0])
        if known is not None:
            return Const(known)
    orders = isinstance(node.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE))
    operation = "decided" if orders else "call"
    return Opaque(derived(operation, map(context.origin, (left, *rights))))


def compared(op: ast.cmpop, left: Abstract, right: Abstract) -> bool | None:
    match op, left, right:
        case ast.Eq() | ast.Is(), Const(a), Const(b):
            return a == b if isinstance(op, ast.Eq) else same_constant(a, b)
        case ast.NotEq() | ast.IsNot(), Const(a), Const(b):
            return a != b if isinstance(op, ast.NotEq) else not same_constant(a, b)
        case ast.Is() | ast.IsNot(), Metric() | Collection() | Mapping() | Sequence(), Const(None):
            return isinstance(op, ast.IsNot)
        case ast.In() | ast.NotIn(), Const(a), Sequence(items, True) if _constants(items):
            return (a in [item.value for item in items]) == isinstance(op, ast.In)
        case ast.In() | ast.NotIn(), Const(str(a)), Const(str(b)):
            return (a in b) == isinstance(op, ast.In)
        case ast.In() | ast.NotIn(), Const(), Mapping(items, True) if _constants(
            k for k, _ in items
        ):
            return (left in [key for key, _ in items]) == isinstance(op, ast.In)
    return None


def _constants(items: Iterable[Abstract]) -> bool:
    return all(isinstance(item, Const) for item in items)


def _boolean(context: Context, node: ast.BoolOp, frame: Frame) -> Abstract:
    """``and`` and ``or`` give one of their operands; those never reached are left out, and those
    behind one that is not known are evaluated under its condition."""
    stops_at = isinstance(node.op, ast.Or)
    possible: list[Abstract] = []
    outer = context.guards
    for operand in node.values:
        value = evaluate(context, operand, frame)
        known = truth(value)
        if known is stops_at:
            context.guards = outer
            return join(*possible, value)
        if known is None:
            possible.append(value)
            context.guards += read_by(context, operand, frame)
    context.guards = outer
    return join(*possible, value) if known is not None else join(*possible)


def _conditional(context: Context, node: ast.IfExp, frame: Frame) -> Abstract:
    known = truth(evaluate(context, node.test, frame))
    if known is not None:
        return evaluate(context, node.body if known else node.orelse, frame)
    outer = context.guards
    context.guards += read_by(context, node.test, frame)
    body, orelse = evaluate(context, node.body, frame), evaluate(context, node.orelse, frame)
    context.guards = outer
    if _asks_for_gpu(node.test) and body == Const(1) and orelse in (Const("auto"), Const(None)):
        return body  # ``devices=1 if torch.cuda.is_available() else "auto"``: a CPU is one as well
    return join(body, orelse)


def _asks_for_gpu(test: ast.expr) -> bool:
    return isinstance(test, ast.Call) and (dotted(test.func) or "").endswith("cuda.is_available")


# --- containers -----------------------------------------------------------------------------------


def _sequence(context: Context, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Abstract:
    items: list[Abstract] = []
    complete = True
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = evaluate(context, element.value, frame)
            known = inner if isinstance(inner, Sequence) else Sequence((), False)
            items += known.items
            complete = complete and known.complete
        else:
            items.append(evaluate(context, element, frame))
    return Sequence(tuple(items), complete)


def _dict(context: Context, node: ast.Dict, frame: Frame) -> Abstract:
    before: Abstract = Mapping()
    items: list[tuple[Abstract, Abstract]] = []
    for key, value in zip(node.keys, node.values, strict=True):
        item = evaluate(context, value, frame)
        if key is not None:
            items.append((evaluate(context, key, frame), item))
        else:
            before = unions.united(unions.united(before, Mapping(tuple(items))), item)
            items = []
    return unions.united(before, Mapping(tuple(items)))


def _subscript(context: Context, node: ast.Subscript, frame: Frame) -> Abstract:
    receiver = evaluate(context, node.value, frame)
    index = evaluate(context, node.slice, frame)
    slices.note(context, node, receiver, frame)
    slices.note_pick(context, node, receiver, frame)
    behaviour.note_logged(context, receiver, index, node, frame)
    metrics.note_item(context, receiver, index, node, frame)
    if outside.in_listed_order(context, receiver) and outside.is_order(context, index):
        return NOTHING
    return join(*(item(context, option, index) for option in options(receiver)))


def item(context: Context, receiver: Abstract, index: Abstract) -> Abstract:
    match receiver, index:
        case Mapping(items, maker="_modules"), Text():  # as ``getattr(self, f"{stage}_acc")``
            fitting = (one for key, one in items if lookup.fits(to_value(index), key.value))  # type: ignore[union-attr]
            return join(*(one for one in fitting if isinstance(one, (Metric, Collection))))
        case Mapping(), _:
            found = receiver.get(index)
            return NOTHING if found is None or _by_its_name(context, found) else found
        case Collection(_, members), Const(name):
            return next((metric for key, metric in members if key == name), NOTHING)
        case Collection(_, members), _:
            return join(*(metric for _, metric in members))
        case Sequence(items), Const(int(position)) if -len(items) <= position < len(items):
            return items[position]
        case Sequence(items), Opaque() if items:
            return join(*items)
        case Opaque(ListOfSteps(held, "")), Const(str(key)):
            return Opaque(ListOfSteps(held, key))
        case Opaque(ListOfSteps()), Opaque():
            return receiver
    return Opaque(derived("call", (context.origin(receiver),)))


def _by_its_name(context: Context, found: Abstract) -> bool:
    """Whether a file is taken out of a dict of files: what asks for it knows the order."""
    return outside.in_listed_order(context, found) and not slices.lists_files(context, found)


def _slice(context: Context, node: ast.Slice, frame: Frame) -> Abstract:
    for bound in (node.lower, node.upper, node.step):
        if bound is not None:
            evaluate(context, bound, frame)
    return NOTHING


def _lambda(_: Context, node: ast.Lambda, frame: Frame) -> Abstract:
    arguments, body = node.args, ast.Return(node.body)
    ast.copy_location(body, node)
    function = ast.FunctionDef("<lambda>", arguments, [body], [])
    ast.copy_location(function, node)
    return Function(function, frame.module, frame.names)


def _walrus(context: Context, node: ast.NamedExpr, frame: Frame) -> Abstract:
    value = evaluate(context, node.value, frame)
    lookup.assign(context, node.target, value, frame)
    return value


def _wrapped(context: Context, node: ast.Await | ast.Starred, frame: Frame) -> Abstract:
    return evaluate(context, node.value, frame)


EVALUATORS: Table[type[ast.expr], Callable[..., Abstract]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.JoinedStr: _formatted,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.ListComp: comprehensions.sequence,
    ast.SetComp: comprehensions.sequence,
    ast.GeneratorExp: comprehensions.sequence,
    ast.DictComp: comprehensions.mapping,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.Await: _wrapped,
    ast.Starred: _wrapped,
    ast.Call: calls.evaluate_call,
}
