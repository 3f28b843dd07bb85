"""Which attributes of the class are divided by which in the value of a log call.

Asked of the text: what an attribute holds that the steps add to is no longer told from what one
batch gives once something is computed of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from pl_lint.facts.sites import Quotient
from pl_lint.static import naming
from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.naming import own
from pl_lint.static.trees import walk


def logged(
    node: ast.Call, key: Abstract, value: ast.expr | None, frame: Frame
) -> Iterator[Quotient]:
    """The divisions that a log call is given for a key: in its value, or, where that is not seen in
    the call, in what the local name of a dict holds."""
    values = [value] if value is not None else _held(node, key, frame)
    for one in values:
        yield from _divided(one, node.lineno, frame)


def _held(node: ast.Call, key: Abstract, frame: Frame) -> Iterator[ast.expr]:
    """What stands under a key in the dict that a local name is."""
    match node.args, key:
        case [ast.Name(name), *_], Const(text):
            for given in _given(name, node.lineno, frame):
                for written, value in _items(given):
                    if isinstance(written, ast.Constant) and written.value == text:
                        yield value


def _items(value: ast.expr) -> Iterable[tuple[ast.expr | None, ast.expr]]:
    return zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()


def _divided(value: ast.expr, line: int, frame: Frame) -> Iterator[Quotient]:
    """The divisions in a value, and in what its local names are, that stands at a line."""
    for part in _made_of(value, line, frame):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div):
            above, below = (_own(side, line, frame) for side in (part.left, part.right))
            if above and below:
                yield Quotient(above, below)


def _own(value: ast.expr, line: int, frame: Frame) -> frozenset[str]:
    """The attributes that a value is made of; of a difference, which may be what an epoch has added
    (``self.total - self.before``), nothing is known."""
    made_of = list(_made_of(value, line, frame))
    if any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) for part in made_of):
        return frozenset()
    found = (own(part) for part in made_of if isinstance(part, ast.Attribute))
    return frozenset(name for name in found if name is not None)


def _made_of(value: ast.expr, line: int, frame: Frame) -> Iterator[ast.AST]:
    """The nodes of a value, with those of what its local names were given before."""
    waiting, known = [value], set[str]()
    while waiting:
        for part in walk(waiting.pop()):
            yield part
            if isinstance(part, ast.Name) and part.id not in known:
                known.add(part.id)
                waiting += _given(part.id, line, frame)


def _given(name: str, line: int, frame: Frame) -> list[ast.expr]:
    """What a local name may be: the last value that it surely gets before a line, and those that
    branches have given it since."""
    source, code = frame.module.source, frame.code
    givers = source.once(naming.givers, code).get(name, ()) if code is not None else ()
    before = [one for one in givers if getattr(one[0], "lineno", line) < line]
    found: list[ast.expr] = []
    for part, value in sorted(before, key=lambda one: -getattr(one[0], "lineno", 0)):
        found += [value] if value is not None else []
        if source.above.get(part) is code:
            break
    return found
