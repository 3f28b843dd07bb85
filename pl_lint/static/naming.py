"""Who gives a name its value, and which function a piece of code stands in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.trees import walk

Binding = tuple[ast.expr, ast.expr | None]
"""A target, and what it is given; None for what ``+=`` or ``with`` makes of it."""


Giver = tuple[ast.AST, ast.expr | None]
"""A piece of code that gives a name its value, and the value."""


def bindings(part: ast.AST) -> Iterator[Binding]:
    """What one piece of code gives a value to. A loop gives its target what it goes over: a part
    of that. An annotation alone gives nothing."""
    match part:
        case ast.Assign(targets, value):
            for target in targets:
                yield from _beside(target, value)
        case ast.AnnAssign(target, ast.expr(), value) if value is not None:
            yield target, value
        case ast.NamedExpr(target, value):
            yield target, value
        case ast.For(target, over) | ast.AsyncFor(target, over) | ast.comprehension(target, over):
            yield from _beside(target, over)
        case ast.AugAssign(target):
            yield target, None
        case ast.withitem(_, ast.expr() as target):
            yield from ((one, None) for one in _unpacked(target))


def givers(tree: ast.AST) -> Mapping[str, Sequence[Giver]]:
    """By each name and attribute, what gives it a value in a piece of code."""
    found: dict[str, list[Giver]] = {}
    for part in walk(tree):
        for target, value in bindings(part):
            found.setdefault(named(target), []).append((part, value))
    return found


def gives(part: ast.AST, name: str) -> bool:
    """Whether one piece of code gives a name a value, or changes what is in it. The names of a
    comprehension are its own."""
    return not isinstance(part, ast.comprehension) and any(
        (dotted(target) or "").partition(".")[0] == name for target, _ in bindings(part)
    )


def named(target: ast.expr) -> str:
    """The name that is given a value; empty for an item of something."""
    return dotted(target) or "" if isinstance(target, (ast.Attribute, ast.Name)) else ""


def own(target: ast.expr) -> str | None:
    """The name of ``self.<name>``."""
    match target:
        case ast.Attribute(ast.Name("self"), name):
            return name
    return None


def defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    """What parameters are unless a caller says otherwise."""
    positional = (*arguments.posonlyargs, *arguments.args)
    pairs = (
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    )
    return {parameter.arg: default for parameter, default in pairs if default is not None}


def constant_defaults(arguments: ast.arguments) -> dict[str, object]:
    """Those of them that are constants."""
    return {
        name: default.value
        for name, default in defaults(arguments).items()
        if isinstance(default, ast.Constant)
    }


def holds_one(value: ast.expr) -> bool:
    """Whether a list, tuple or dict is written out with one thing in it."""
    match value:
        case ast.List([item]) | ast.Tuple([item]) | ast.Dict([_], [item]):
            return not isinstance(item, ast.Starred)
    return False


def identifiers(tree: ast.AST) -> Iterator[str]:
    """The names and attributes that a piece of code mentions, those included by which it takes or
    gives arguments."""
    return (name for node in walk(tree) for name in named_by(node))


def named_by(node: ast.AST) -> Iterator[str]:
    """The identifier that one node is."""
    match node:
        case ast.arg(name) | ast.keyword(str(name)):
            yield name
        case _:
            yield from mentioned(node)


def read_in(tree: ast.AST) -> set[str]:
    """The names and attributes that an expression reads."""
    return {name for node in walk(tree) for name in mentioned(node)}


def mentioned(node: ast.AST) -> Iterator[str]:
    """The name or the attribute that one node is."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            yield name


def function_around(node: ast.AST, above: Mapping[ast.AST, ast.AST]) -> FunctionNode | None:
    """``above`` is the node around each node of the file."""
    around = above.get(node)
    while around is not None and not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        around = above.get(around)
    return around


def _beside(target: ast.expr, value: ast.expr) -> Iterator[Binding]:
    """``a, b = one, other``, each with its own; else each of them with all of it."""
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        both = (*target.elts, *value.elts)
        if len(target.elts) == len(value.elts) and not any(
            isinstance(one, ast.Starred) for one in both
        ):
            for inner, item in zip(target.elts, value.elts, strict=True):
                yield from _beside(inner, item)
            return
    yield from ((one, value) for one in _unpacked(target))


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    match target:
        case ast.Tuple(items) | ast.List(items):
            for one in items:
                yield from _unpacked(one)
        case ast.Starred(inner):
            yield from _unpacked(inner)
        case _:
            yield target
