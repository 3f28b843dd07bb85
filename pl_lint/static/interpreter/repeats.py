"""Is what two lines log under one key the same value?

This is asked of the text, and only where a key is logged twice: values do not say whether the name
that holds them was given another one in between.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from pl_lint.facts.sites import LogSite
from pl_lint.facts.values import Known, Value
from pl_lint.plain import replace
from pl_lint.static.naming import bindings, function_around, named
from pl_lint.static.sources import SourceFile
from pl_lint.static.trees import walk


def marked(logs: Iterable[LogSite], sources: Iterable[SourceFile]) -> Iterator[LogSite]:
    """The calls of a class, with those marked that repeat what another line has logged."""
    by_path = {one.path: one for one in sources}
    first: dict[tuple[str, str], LogSite] = {}
    for log in logs:
        if log.hook and not log.guards and isinstance(log.key, Known):
            other = first.setdefault((log.hook, str(log.key.value)), log)
            if other.location != log.location and _same(other, log, by_path):
                log = replace(log, repeats=True)
        yield log


def _same(one: LogSite, other: LogSite, sources: Mapping[str, SourceFile]) -> bool:
    """Whether both are written alike, and nothing that they are made of changed in between; or one
    is an item of a dict, and the other line logs a dict by its name, which may be that one; or one
    call has returned both the value and the dict."""
    calls = tuple(_call_at(log, sources.get(log.location.path)) for log in (one, other))
    if _item_and_dict(*calls) or _of_one_call(*calls, sources.get(one.location.path)):
        return True
    found = {_as_written(log, sources.get(log.location.path)) for log in (one, other)}
    return len(found) == 1 and None not in found


def _item_and_dict(item: ast.Call | None, whole: ast.Call | None) -> bool:
    """``self.log("val_loss", losses["val_loss"])`` and ``self.log_dict(losses)``."""
    match item, whole:
        case ast.Call(args=[_, ast.Subscript(ast.Name())]), ast.Call(args=[ast.Name(), *_]):
            return getattr(whole.func, "attr", "") == "log_dict"
    return False


def _of_one_call(value: ast.Call | None, whole: ast.Call | None, source: SourceFile | None) -> bool:
    """``loss, parts = self.losses(batch)``, and then ``self.log("loss", loss)`` and
    ``self.log_dict(parts)``, in which the loss may stand again."""
    match value, whole:
        case ast.Call(args=[_, ast.Name(one)]), ast.Call(args=[ast.Name(other), *_]):
            function = function_around(value, source.above) if source is not None else None
            pairs = [pair for part in walk(function) for pair in bindings(part)] if function else []
            given = {
                name: [v for target, v in pairs if named(target) == name] for name in (one, other)
            }
            first = given[one][0] if given[one] else None
            alike = all(len(found) == 1 and found[0] is first for found in given.values())
            dicts = getattr(whole.func, "attr", "") == "log_dict"
            return dicts and alike and isinstance(first, ast.Call)
    return False


def _as_written(
    log: LogSite, source: SourceFile | None
) -> tuple[str, tuple[tuple[str, str, int], ...]] | None:
    """What is logged, and where the names in it were last given a value."""
    call = _call_at(log, source)
    value = _value(call, log) if call is not None else None
    if source is None or call is None or value is None:
        return None
    return ast.dump(value), tuple(sorted(_last_given(call, value, source)))


def _call_at(log: LogSite, source: SourceFile | None) -> ast.Call | None:
    if source is None:
        return None
    calls = (node for node in walk(source.tree) if isinstance(node, ast.Call))
    here = (node for node in calls if node.lineno == log.location.line)
    return next((node for node in here if source.location(node) == log.location), None)


def _value(call: ast.Call, log: LogSite) -> ast.expr | None:
    """What ``self.log(key, value)`` is given, or ``log_dict`` under the key of a dict that is
    written out."""
    if not isinstance(call.func, ast.Attribute):
        return None
    position, name = (1, "value") if call.func.attr == "log" else (0, "dictionary")
    named = (keyword.value for keyword in call.keywords if keyword.arg == name)
    given = call.args[position] if len(call.args) > position else next(named, None)
    return given if call.func.attr == "log" else _last_of(given, log.key)


def _last_of(given: ast.expr | None, key: Value) -> ast.expr | None:
    """The value of a key in a dict, where nothing that follows may put another one in its place."""
    if not isinstance(given, ast.Dict) or not isinstance(key, Known):
        return None
    for name, value in zip(reversed(given.keys), reversed(given.values), strict=True):
        if not isinstance(name, ast.Constant):
            return None
        if name.value == key.value:
            return value
    return None


def _last_given(
    call: ast.Call, value: ast.expr, source: SourceFile
) -> Iterator[tuple[str, str, int]]:
    """In which line above the call its function last gave a value to what the logged one is made
    of; nothing of what comes from outside."""
    function = function_around(call, source.above)
    named = set(_named(value, ast.Load))
    lines: dict[str, int] = {}
    for node in walk(function) if function is not None else ():
        for name in _named_here(node, ast.Store):
            if name in named and node.lineno < call.lineno:  # type: ignore[attr-defined]
                lines[name] = max(node.lineno, lines.get(name, 0))  # type: ignore[attr-defined]
    return ((source.path, name, line) for name, line in lines.items())


def _named(tree: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    for node in walk(tree):
        yield from _named_here(node, context)


def _named_here(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    """The name, parameter or attribute of ``self`` that a node is."""
    match node:
        case ast.Name(name, kind) if isinstance(kind, context) and name != "self":
            yield name
        case ast.arg(name) if context is ast.Store:
            yield name
        case ast.Attribute(ast.Name("self"), name, kind) if isinstance(kind, context):
            yield f"self.{name}"
