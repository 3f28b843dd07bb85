"""Conditions that ask for nothing but how large something is.

``if wave.shape[1] > self.max_length:`` holds for long items, whoever asks for them: it tells no
stage from another. This is asked of the text of the functions that a call is reached by.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.words import words_of
from pl_lint.plain import frozen
from pl_lint.static.interpreter.conditions import asked_by
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import ClassInfo, FunctionNode
from pl_lint.static.naming import bindings, function_around
from pl_lint.static.trees import walk

MEASURES = frozenset({"shape", "size", "ndim", "width", "height", "num_frames"})
COUNTS = frozenset({"size", "numel", "dim", "nelement"})
COMBINING = frozenset({"min", "max", "abs", "int", "round", "sum"})
LENGTHS = frozenset(
    "length len size width height crop frames samples seconds duration tokens window seq sequence "
    "segment clip chunk points patch".split()
)
"""Words of an attribute or a parameter that holds a length."""
SWITCHES = frozenset(
    "train training test val eval random rand prob probability p rate ratio chance augment aug use "
    "is do mode phase split".split()
)
"""Words of one that may be another for training, or decide by chance."""


@frozen
class Text:
    """The code of one function."""

    parts: tuple[ast.AST, ...]

    def given(self, name: str) -> ast.expr | None:
        """What a local name is given, where it is given one thing."""
        found = [
            value
            for part in self.parts
            for target, value in bindings(part)
            if isinstance(target, ast.Name) and target.id == name
        ]
        return found[0] if len(found) == 1 else None


def whoever_asks(context: Context, node: ast.Call, frame: Frame) -> bool:
    """Whether all that decides on a call is how large something is: its guards stand in such
    conditions alone, and it is in none but their branches, and in no handler."""
    if not context.guards and not context.arms:
        return True
    if takes_another(node, frame):
        return False
    sized: set[str] = set()
    others: set[str] = set()
    places: set[int] = set()
    for one in _called_by(node, frame):
        for part in one.parts:
            test = _test(part)
            if test is None or not is_of_size(test, one):
                others.update(asked_by(test) if test is not None else ())
                continue
            sized.update(asked_by(test))
            if isinstance(part, ast.If):
                places.add(part.body[0].lineno)
    free = sized - (others - {"self"})
    return free.issuperset(context.guards) and all(
        number == 0 or place in places for place, number in context.arms
    )


def takes_another(node: ast.Call, frame: Frame) -> bool:
    """Whether a call decides which item is taken in place of this one: ``return
    self[random.randint(0, 9)]``, or so by a local name, or by the parameter."""
    source = frame.module.source
    around = function_around(node, source.above)
    if around is None:
        return False
    statement: ast.AST = node
    while not isinstance(statement, ast.stmt):
        statement = source.above[statement]
    names = {target.id for target, _ in bindings(statement) if isinstance(target, ast.Name)}
    inside = [one for each in map(_index, source.parts(around)) if each for one in walk(each)]
    by_name = any(isinstance(one, ast.Name) and one.id in names for one in inside)
    return node in inside or by_name or any(one.arg in names for one in around.args.args)


def _index(part: ast.AST) -> ast.expr | None:
    match part:
        case ast.Subscript(ast.Name("self"), index):
            return index
        case ast.Call(ast.Attribute(ast.Name("self"), "__getitem__"), [index]):
            return index
    return None


def _called_by(node: ast.Call, frame: Frame) -> Iterator[Text]:
    """The function that a call stands in, and those that it is called by; of a method, those of
    its class."""
    source = frame.module.source
    around = function_around(node, source.above)
    yield Text(source.parts(around) if around is not None else ())
    if around is not None and frame.defining is not None:
        yield from _calling(around, frame.defining)
    if frame.caller is not None:
        yield from _called_by(*frame.caller)


def _calling(method: FunctionNode, info: ClassInfo) -> Iterator[Text]:
    """The other methods of a class from which a method may be reached."""
    reached, source = {method.name}, info.module.source
    waiting = [one for one in info.methods.values() if one is not method]
    while found := [one for one in waiting if not reached.isdisjoint(_own_calls(one, info))]:
        yield from (Text(source.parts(one)) for one in found)
        reached.update(one.name for one in found)
        waiting = [one for one in waiting if one not in found]


def _own_calls(method: FunctionNode, info: ClassInfo) -> Iterator[str]:
    for part in info.module.source.parts(method):
        match part:
            case ast.Call(ast.Attribute(ast.Name("self"), name)):
                yield name


def _test(part: ast.AST) -> ast.expr | None:
    match part:
        case ast.If(test) | ast.IfExp(test) | ast.While(test) | ast.Assert(test):
            return test
    return None


def is_of_size(test: ast.expr, text: Text) -> bool:
    """Whether a condition asks for nothing but how large something is."""
    match test:
        case ast.BoolOp(_, operands):
            return all(is_of_size(one, text) for one in operands)
        case ast.UnaryOp(ast.Not(), operand):
            return is_of_size(operand, text)
        case ast.Compare(left, _, others):
            sides = (left, *others)
            numbers = all(_is_number(one, text) for one in sides)
            return numbers and any(_measures(one, text) for one in sides)
    return False


def _is_number(node: ast.expr | None, text: Text, named: frozenset[str] = frozenset()) -> bool:
    """Whether it is a size, a constant, a length that the object was given, or made of these."""
    match node:
        case ast.Constant(int() | float()):
            return True
        case ast.Call(ast.Name("len"), [_]) | ast.Attribute(attr="shape"):
            return True
        case ast.Call(ast.Attribute(attr=method)) if method in COUNTS:
            return True
        case ast.Call(ast.Name(function), numbers) if function in COMBINING:
            return all(_is_number(one, text, named) for one in numbers)
        case ast.BinOp(left, _, right):
            return _is_number(left, text, named) and _is_number(right, text, named)
        case ast.UnaryOp(ast.USub(), operand) | ast.Subscript(operand):
            return _is_number(operand, text, named)
        case ast.Attribute(ast.Name("self"), name):
            return _is_length(name)
        case ast.Attribute(_, name):
            return name in MEASURES
        case ast.Name(name) if name not in named:
            given = text.given(name)
            if given is not None:
                return _is_number(given, text, named | {name})
            return _is_length(name.lower())
    return False


def _measures(node: ast.expr, text: Text, named: frozenset[str] = frozenset()) -> bool:
    """Whether a size is in it, itself or by a local name."""
    for part in walk(node):
        match part:
            case ast.Call(ast.Name("len")):
                return True
            case ast.Attribute(owner, name) if name in MEASURES | COUNTS:
                if not (isinstance(owner, ast.Name) and owner.id == "self"):
                    return True
            case ast.Name(name) if name not in named:
                given = text.given(name)
                if given is not None and _measures(given, text, named | {name}):
                    return True
    return False


def _is_length(name: str) -> bool:
    words = words_of(name)
    return not LENGTHS.isdisjoint(words) and SWITCHES.isdisjoint(words)
