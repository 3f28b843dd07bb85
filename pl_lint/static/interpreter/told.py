"""What the conditions around a call ask of what its object was built with.

``if self.augment:`` holds for the data set that was made with ``augment=True``, and for all parts
that share it. This is asked of the text of the functions that a call is reached by.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from pl_lint.facts.sites import Told
from pl_lint.facts.values import UNKNOWN, Known
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.measured import Text, is_of_size, takes_another
from pl_lint.static.names import ClassInfo, FunctionNode
from pl_lint.static.naming import bindings, constant_defaults, function_around, gives, named
from pl_lint.static.trees import children, walk

Parents = Mapping[ast.AST, ast.AST]
Asked = tuple[ast.expr, bool]
"""A condition, and the answer with which the code goes on to the call."""
LEAVING = (ast.Return, ast.Continue, ast.Break)
OPAQUE = (ast.ExceptHandler, ast.Lambda, ast.match_case, ast.comprehension)
"""What decides in other ways whether what stands in it runs."""


class _Unclear(Exception):
    """Something else decides as well."""


def if_told(context: Context, node: ast.Call, frame: Frame) -> tuple[Told, ...]:
    """What an object has to be told so that the call is made for every item, but for conditions
    that ask how large something is; nothing where anything else decides."""
    if takes_another(node, frame):
        return ()
    try:
        found = tuple(_reaching(node, frame))
    except _Unclear:
        return ()
    return found if not any(_is_set_outside(context, one) for one in found) else ()


def _reaching(node: ast.Call, frame: Frame) -> Iterator[Told]:
    above = frame.module.source.above
    around = function_around(node, above)
    text = Text(frame.module.source.parts(around) if around is not None else ())
    for test, answer in _conditions(node, above):
        yield from _asked(test, answer, text, frame.defining)
    if frame.entry is not None:
        yield from _reaching(*frame.entry)


def _conditions(node: ast.AST, above: Parents) -> Iterator[Asked]:
    """The conditions that hold where the call is made: those around it, those beside it, and those
    under which the function has been left before."""
    inner, outer = node, above.get(node)
    while outer is not None and not isinstance(inner, FunctionNode):
        if isinstance(outer, OPAQUE):
            raise _Unclear
        if isinstance(inner, ast.stmt):
            yield from _before(inner, outer)
        yield from _of(outer, inner)
        inner, outer = outer, above.get(outer)


def _of(outer: ast.AST, inner: ast.AST) -> Iterator[Asked]:
    match outer:
        case ast.If(test, body) if inner is not test:
            yield test, inner in body
        case ast.IfExp(test, body) if inner is not test:
            yield test, inner is body
        case ast.While(test) if inner is not test:
            yield test, True
        case ast.BoolOp(operator, operands):
            before = operands[: operands.index(inner)] if inner in operands else []
            yield from ((one, isinstance(operator, ast.And)) for one in before)


def _before(statement: ast.stmt, outer: ast.AST) -> Iterator[Asked]:
    """The conditions that would have left the block before a statement."""
    for block in (getattr(outer, name, ()) for name in ("body", "orelse", "finalbody")):
        if not isinstance(block, list) or statement not in block:
            continue
        for one in block[: block.index(statement)]:
            match one:
                case ast.If(test, body, []) if isinstance(body[-1], LEAVING):
                    yield test, False
                case _ if any(isinstance(part, LEAVING[:1]) for part in walk(one)):
                    raise _Unclear


def _asked(test: ast.expr, answer: bool, text: Text, info: ClassInfo | None) -> Iterator[Told]:
    """What an object is told that answers a condition so."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            yield from _asked(operand, not answer, text, info)
        case ast.BoolOp(operator, operands) if isinstance(operator, ast.And) is answer:
            for one in operands:
                yield from _asked(one, answer, text, info)
        case _ if is_of_size(test, text):
            return
        case ast.Attribute(ast.Name("self"), name):
            yield _parameter(name, info, None, answer)
        case ast.Compare(ast.Attribute(ast.Name("self"), name), [sign], [other]):
            among = _constants(other, sign)
            yield _parameter(name, info, among, answer is isinstance(sign, POSITIVE))
        case _:
            raise _Unclear


POSITIVE = (ast.Eq, ast.Is, ast.In)


def _constants(node: ast.expr, sign: ast.cmpop) -> tuple[object, ...]:
    match node, sign:
        case ast.Constant(value), ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot():
            return (value,)
        case ast.List(items) | ast.Tuple(items) | ast.Set(items), ast.In() | ast.NotIn():
            values = [one.value for one in items if isinstance(one, ast.Constant)]
            if len(values) == len(items):
                return tuple(values)
    raise _Unclear


def _parameter(
    attribute: str, info: ClassInfo | None, among: tuple[object, ...] | None, wanted: bool
) -> Told:
    """The parameter of ``__init__`` that an attribute is, and nothing else."""
    init = info.methods.get("__init__") if info is not None else None
    if info is None or init is None:
        raise _Unclear
    given = [
        value
        for node in children(info.node)
        for part in walk(node)
        for target, value in bindings(part)
        if named(target) == f"self.{attribute}"
    ]
    names = [one.arg for one in (*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs)]
    match given:
        case [ast.Name(name)] if name in names and not any(gives(one, name) for one in walk(init)):
            defaults = constant_defaults(init.args)
            default = Known(defaults[name]) if name in defaults else UNKNOWN
            return Told(attribute, name, names.index(name) - 1, default, among, wanted)
    raise _Unclear


def _is_set_outside(context: Context, told: Told) -> bool:
    """Whether code of the project gives that attribute of some object another value."""
    setting = re.compile(rf"(?<!\bself)\.{told.attribute}\s*=(?!=)|setattr\(")
    return any(setting.search(one.source.text) for one in context.project.modules)
