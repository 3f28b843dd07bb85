"""What conditions around a call hold equal to constants.

``if todo == "train":`` and ``if todo == "test":`` exclude each other where ``todo`` is the same in
both. Like ``handling`` this is asked of the text: of the function that makes the call, and of those
that led there, each for one of its calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from pl_lint.static import naming
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.interpreter.handling import Scope
from pl_lint.static.names import dotted
from pl_lint.static.trees import walk

LOOPS = (ast.For, ast.AsyncFor, ast.While)


def told(call: ast.Call, frame: Frame) -> Iterator[tuple[str, frozenset[str]]]:
    """The names of which the call knows what they are, each with the function it is a name of, and
    the constants that it may be."""
    while True:
        scope = Scope.around(call, frame.module.source)
        if scope is None:
            return
        place = _place(frame)
        for name, answers in _around(call, scope):
            if _stays(name, scope):
                yield f"{place}:{name}", answers
        if frame.caller is None:
            return
        call, frame = frame.caller


def _place(frame: Frame) -> str:
    """A function, by the calls that led there: two runs of it may be told different things."""
    here = f"{frame.module.path}:{frame.function}"
    if frame.caller is None:
        return here
    call, outer = frame.caller
    return f"{_place(outer)}:{call.lineno}>{here}"


def _around(call: ast.Call, scope: Scope) -> Iterator[tuple[str, frozenset[str]]]:
    """What the branches that the call stands in are taken for."""
    node: ast.AST = call
    while node is not scope.node:
        above = scope.above[node]
        if isinstance(above, ast.If) and node in above.body:
            yield from _answers(above.test)
        node = above


def _answers(test: ast.expr) -> Iterator[tuple[str, frozenset[str]]]:
    """``todo == "test"``, ``todo in ("test", "both")``, and what is asked beside it."""
    match test:
        case ast.BoolOp(ast.And(), values):
            for one in values:
                yield from _answers(one)
        case ast.Compare(left, [ast.Eq()], [ast.Constant() as constant]):
            yield from _one_of(left, [constant])
        case ast.Compare(left, [ast.In()], [ast.Tuple(items) | ast.List(items) | ast.Set(items)]):
            yield from _one_of(left, items)


def _one_of(asked: ast.expr, items: list[ast.expr]) -> Iterator[tuple[str, frozenset[str]]]:
    """Words and whole numbers are told apart by how they are written; True is 1 as well."""
    constants = [one.value for one in items if isinstance(one, ast.Constant)]
    plain = [repr(one) for one in constants if type(one) in (str, int)]
    name = dotted(asked)
    if name is not None and len(plain) == len(items):
        yield name, frozenset(plain)


def _stays(name: str, scope: Scope) -> bool:
    """Whether a name, or an attribute, is given an object once at most, and not in turns."""
    givers = scope.source.once(_givers, scope.node)
    words = name.split(".")
    given = [one for end in range(len(words)) for one in givers.get(".".join(words[: end + 1]), ())]
    return len(given) <= 1 and not any(_is_in_loop(one, scope) for one in given)


def _givers(tree: ast.AST) -> Mapping[str, Sequence[ast.AST]]:
    """By each name, what gives it an object; a parameter has it from whoever calls."""
    given = {name: [part for part, _ in found] for name, found in naming.givers(tree).items()}
    for one in walk(tree):
        if isinstance(one, ast.arg):
            given.setdefault(one.arg, []).append(one)
    return given


def _is_in_loop(node: ast.AST, scope: Scope) -> bool:
    while node is not scope.node and not isinstance(node, LOOPS):
        node = scope.above[node]
    return node is not scope.node
