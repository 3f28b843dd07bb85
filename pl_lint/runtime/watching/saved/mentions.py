"""Which calls in the user's code could log a key: one that two short epochs never came to is no
proof that the key does not exist."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import is_library

_LOGS = ("log", "log_dict")


def log_calls(key: str, holders: list[Any]) -> tuple[Location, ...]:
    """Where the classes of these objects (a module, its callbacks) log the key, whenever."""
    kinds = {kind: None for holder in holders for kind in type(holder).__mro__}
    return tuple(place for kind in kinds for place in _in_class(kind, key))


def _in_class(kind: type, key: str) -> Iterator[Location]:
    try:
        path = inspect.getsourcefile(kind)
        if path is None or is_library(path):
            return
        lines, first = inspect.getsourcelines(kind)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):  # made in a shell, or by another class
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _logs(node, key):
            above = first - 1
            yield Location(path, node.lineno + above, 1, (node.end_lineno or 0) + above)


def _logs(call: ast.Call, key: str) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _LOGS:
        return False
    named = [keyword.value for keyword in call.keywords if keyword.arg in ("name", "dictionary")]
    names = [*call.args[:1], *named]
    return any(_is_key(part, key) for name in names for part in _parts(name))


def _parts(name: ast.expr) -> list[ast.expr]:
    if isinstance(name, ast.Dict):
        return [part for part in name.keys if part is not None]
    return [name]


def _is_key(name: ast.expr, key: str) -> bool:
    if isinstance(name, ast.Constant):
        return bool(name.value == key)
    if not isinstance(name, ast.JoinedStr):
        return False
    fixed = [re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in name.values]
    return any(part != ".*" for part in fixed) and re.fullmatch("".join(fixed), key) is not None
