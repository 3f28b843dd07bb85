"""What the user's own methods do with an attribute or another method, as their code tells."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType
from typing import Any

from pl_lint.runtime.watching.callsite import is_library

_TAKING_OUT = ("pop", "popleft", "popitem", "remove")
_CLEARING = ("clear",)
_JOINING = ("cat", "concat", "concatenate", "append", "hstack", "vstack")
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def mentioning(kind: type, attribute: str) -> Iterator[str]:
    """The user's own methods that name an attribute."""
    return (name for name, method in _methods(kind) if _names(method.__code__, attribute))


def mentioned_from(kind: type, start: str, attribute: str) -> bool:
    """Whether a method, or one that it calls on the way, names an attribute."""
    waiting, seen = [start], set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        codes = [method.__code__ for own, method in _methods(kind) if own == name]
        if any(_names(code, attribute) for code in codes):
            return True
        others = {own for own, _ in _methods(kind)} - seen
        waiting += [each for each in others if any(_names(code, each) for code in codes)]
    return False


def shortening(kind: type, attribute: str) -> Iterator[str]:
    """The user's own methods that take single items out of a list, or put others in their place:
    a buffer, a queue."""
    for name, method in _methods(kind):
        if any(_takes_out(node, _words_for(method, attribute)) for node in _nodes(method)):
            yield name


def renewing(kind: type, attribute: str) -> Iterator[str]:
    """The user's own methods, without ``__init__``, that clear a list or make a new one."""
    for name, method in _methods(kind):
        words = _words_for(method, attribute)
        if name != "__init__" and any(_renews(node, words) for node in _nodes(method)):
            yield name


def appending(kind: type, attribute: str) -> Iterator[str]:
    """The user's own methods that put something longer into an attribute, made of itself:
    ``self.seen = torch.cat([self.seen, new])``."""
    for name, method in _methods(kind):
        words = _words_for(method, attribute)
        if any(_appends(node, words) for node in _nodes(method)):
            yield name


def bounding(kind: type, attribute: str) -> Iterator[str]:
    """The user's own methods that may stop appending: they name the attribute, or a method that
    appends to it, and compare something on the way."""
    names = (attribute, *appending(kind, attribute))
    for name, method in _methods(kind):
        about = name in names or any(_names(method.__code__, each) for each in names)
        if about and any(_orders(node) for node in _nodes(method)):
            yield name


def _methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for base in kind.__mro__:
        for name, method in vars(base).items():
            method = inspect.unwrap(method) if hasattr(method, "__wrapped__") else method
            code = getattr(method, "__code__", None)
            if code is not None and not is_library(code.co_filename):
                yield name, method


def _names(code: CodeType, attribute: str) -> bool:
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return attribute in code.co_names or any(_names(each, attribute) for each in inner)


@cache
def _nodes(method: Callable[..., Any]) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(method)))))
    except (OSError, SyntaxError, TypeError):  # made of text that is nowhere to be read
        return ()


def _words_for(method: Callable[..., Any], attribute: str) -> frozenset[str]:
    """The attribute, and the local names that a method gives it."""
    return frozenset(
        target.id
        for node in _nodes(method)
        if isinstance(node, ast.Assign) and _is_about(node.value, frozenset((attribute,)))
        for target in node.targets
        if isinstance(target, ast.Name)
    ) | {attribute}


def _is_about(node: ast.AST, words: frozenset[str]) -> bool:
    """``self.kept``, an item of it, or a local name for it."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr in words
    return isinstance(node, ast.Name) and node.id in words


def _calls(node: ast.AST, names: tuple[str, ...], words: frozenset[str]) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(function, ast.Attribute):
        return False
    return function.attr in names and _is_about(function.value, words)


def _takes_out(node: ast.AST, words: frozenset[str]) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, (ast.Store, ast.Del)) and _is_about(node.value, words)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
        parts = ast.walk(node.value.slice)  # several of them in ``rows[:, -100:]``
        cut = any(isinstance(part, ast.Slice) for part in parts) and _mentions(node.value, words)
        return cut and any(_is_about(target, words) for target in node.targets)
    return _calls(node, _TAKING_OUT, words)


def _mentions(node: ast.AST, words: frozenset[str]) -> bool:
    return any(_is_about(part, words) for part in ast.walk(node))


def _appends(node: ast.AST, words: frozenset[str]) -> bool:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    function = node.value.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    to_it = any(isinstance(each, ast.Attribute) and each.attr in words for each in node.targets)
    return to_it and name in _JOINING and any(_mentions(each, words) for each in node.value.args)


def _orders(node: ast.AST) -> bool:
    """Whether a branch depends on what is larger."""
    if not isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return False
    tests = (each for each in ast.walk(node.test) if isinstance(each, ast.Compare))
    return any(isinstance(operator, _ORDERING) for test in tests for operator in test.ops)


def _renews(node: ast.AST, words: frozenset[str]) -> bool:
    if _appends(node, words):
        return False
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(each, ast.Attribute) and each.attr in words for each in targets)
    return _calls(node, _CLEARING, words)
