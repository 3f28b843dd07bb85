"""The part of the data that a data set is, as it is written: ``Leaves(root / "test", self.plain)``.

Of a folder and its files values say little; two data sets that are written alike, of names that
stand for one thing, are the same data. What is said of images on their way (``transform=``) makes
no other data.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.naming import bindings, named
from pl_lint.static.trees import walk

HELD_OUT = re.compile(r"(?<![a-z])(test|testing|val|valid|validation|eval|dev|holdout)(?![a-z])")
"""What a text says that names a part of the data; ``train`` alone may be cut afterwards."""
Body = tuple[ast.AST, ...]
IS_TRAINING = frozenset({"train", "is_train", "training"})


def of(context: Context, node: ast.expr | None, frame: Frame) -> str:
    """What a loader is given: the call that makes it, as text, and where its names are known; else
    nothing. An attribute or a name stands for a call that is all it is ever given."""
    owner = frame.defining.qualified if frame.defining is not None else ""
    if context.owner not in ("", owner):  # an heir may make something else of it
        return ""
    made, method = _made(node, frame)
    if not isinstance(made, ast.Call) or not _is_class(made.func) or not _names_a_part(made):
        return ""
    body = frame.module.source.parts(method) if method is not None else ()
    if any(isinstance(one, ast.Starred) for one in made.args) or not _is_fixed(made, body):
        return ""
    local = method is not None and any(_stores(body, name) for name in _names(made))
    scope = method.name if local and method is not None else ""
    return f"{frame.module.path}:{owner}:{scope}:{_without_transforms(made)}"


def _made(node: ast.expr | None, frame: Frame) -> tuple[ast.expr | None, FunctionNode | None]:
    """The expression that makes it, and the function that this stands in."""
    if isinstance(node, ast.Call):
        return node, frame.code
    text = frame.meant(dotted(node) or "") if node is not None else ""
    owner, _, name = text.rpartition(".")
    if owner == "self" and frame.defining is not None:
        return _only_given(text, tuple(frame.defining.methods.values()), frame)
    if not owner and name and frame.code is not None:
        return _only_given(name, (frame.code,), frame)
    return None, None


def _only_given(
    text: str, methods: tuple[FunctionNode, ...], frame: Frame
) -> tuple[ast.expr | None, FunctionNode | None]:
    """What a name is given, where that is done in one place and nothing of it is reached for, which
    may change it."""
    bodies = [(method, frame.module.source.parts(method)) for method in methods]
    if any(_reaches(part, text) for _, body in bodies for part in body):
        return None, None
    found = [(method, body) for method, body in bodies for _ in range(_stores(body, text))]
    if len(found) != 1:
        return None, None
    [(method, body)] = found
    assigned = (one for one in body if isinstance(one, ast.Assign) and len(one.targets) == 1)
    return next((one.value for one in assigned if dotted(one.targets[0]) == text), None), method


def _reaches(part: ast.AST, text: str) -> bool:
    return isinstance(part, ast.Attribute) and dotted(part.value) == text


def _is_class(function: ast.expr) -> bool:
    return (dotted(function) or "").rpartition(".")[2][:1].isupper()


def _names_a_part(made: ast.Call) -> bool:
    """Whether a constant says which part it is: a path, a split, ``train=False``."""
    given = [*made.args, *(one.value for one in made.keywords)]
    texts = (one.value for arg in given for one in walk(arg) if isinstance(one, ast.Constant))
    said = any(isinstance(text, str) and HELD_OUT.search(text.lower()) for text in texts)
    return said or any(
        one.arg in IS_TRAINING and isinstance(one.value, ast.Constant) and one.value.value is False
        for one in made.keywords
    )


def _is_fixed(made: ast.Call, body: Body) -> bool:
    """Whether the names in a call stand for one thing each, and nothing is called but what makes a
    path."""
    inner = (one for one in walk(made) if isinstance(one, ast.Call) and one is not made)
    plain = all((dotted(one.func) or "").rpartition(".")[2] in ("join", "Path") for one in inner)
    return plain and all(_stores(body, name) <= 1 for name in _names(made))


def _names(made: ast.Call) -> Iterator[str]:
    """The names and the attributes that a call reads."""
    for one in walk(made):
        if isinstance(one, (ast.Name, ast.Attribute)):
            yield from {dotted(one)} - {None, "self"}


def _stores(body: Body, name: str) -> int:
    """How often a function gives a name something; a loop does so again and again. None is nothing:
    ``self.val_set = self.test_set = None`` keeps a place."""
    return sum(_gives(part, name) for part in body)


def is_nothing(value: ast.expr | None) -> bool:
    """None, or several of it."""
    match value:
        case ast.Constant(None):
            return True
        case ast.Tuple(items):
            return all(map(is_nothing, items))
    return False


def _gives(part: ast.AST, name: str) -> int:
    if isinstance(part, ast.arg):
        return int(part.arg == name)
    times = 2 if isinstance(part, (ast.For, ast.AsyncFor, ast.comprehension)) else 1
    given = [value for target, value in bindings(part) if named(target) == name]
    return times * sum(not is_nothing(value) for value in given)


def _without_transforms(made: ast.Call) -> str:
    data = [one for one in made.keywords if "transform" not in (one.arg or "")]
    return ast.unparse(ast.Call(made.func, made.args, data))
