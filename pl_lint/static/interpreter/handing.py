"""What the methods of a class hand on of itself: to functions, to containers, to other names."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from pl_lint.static.names import ClassInfo, dotted

LOOKING = frozenset(
    "len enumerate zip range reversed sum iter print str repr isinstance hasattr type super".split()
)
"""Functions that do nothing with what they are given."""
TIED = ("weight", "bias")
"""Attributes of a layer that another layer may share: ``self.head.weight = self.embed.weight``."""


def handed(ancestors: Iterable[ClassInfo]) -> Iterator[tuple[str, str]]:
    """Each method, and an attribute that it hands on as it is; ``self`` is the whole object."""
    for info in ancestors:
        for name, node in info.methods.items():
            for part in info.module.source.parts(node):
                texts = (_text(value) for value in _given(part))
                yield from ((name, text) for text in texts if text)


def _given(part: ast.AST) -> Iterator[ast.expr]:
    """The values that a piece of code gives to something that may keep them."""
    match part:
        case ast.Call(function, arguments, keywords) if not _only_looks(dotted(function) or ""):
            yield from arguments
            yield from (one.value for one in keywords)
        case ast.List(items, ast.Load()) | ast.Tuple(items, ast.Load()) | ast.Set(items):
            yield from items
        case ast.Dict(_, items):
            yield from items
        case ast.Assign(targets, value):
            yield from targets if len(targets) > 1 else ()
            yield _untied(value)


def _only_looks(function: str) -> bool:
    """Whether a function keeps nothing and freezes nothing, as those that set the first weights."""
    last = function.rpartition(".")[2]
    return last in LOOKING or ("init" in last and last != "__init__")


def _untied(value: ast.expr) -> ast.expr:
    """The layer whose weight is assigned."""
    return value.value if isinstance(value, ast.Attribute) and value.attr in TIED else value


def _text(value: ast.expr) -> str:
    """``x`` of ``self.x`` and of ``*self.x``, and ``self``."""
    inner = value.value if isinstance(value, ast.Starred) else value
    match inner:
        case ast.Attribute(ast.Name("self"), name):
            return name
        case ast.Name("self"):
            return "self"
    return ""
