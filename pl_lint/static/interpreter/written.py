"""The part of the data that a data set is, as it is written: ``Leaves(root / "test", self.plain)``.

Of a folder and its files values say little; two data sets that are written alike, of names that
stand for one thing, are the same data. What is said of images on their way (``transform=``) makes
no other data.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from collections.abc import Mapping as Table

from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import bindings, identifiers, named, read_in
from pl_lint.static.trees import walk

HELD_OUT = re.compile(r"(?<![a-z])(test|testing|val|valid|validation|eval|dev|holdout)(?![a-z])")
"""What a text says that names a part of the data; ``train`` alone may be cut afterwards."""
Body = tuple[ast.AST, ...]
IS_TRAINING = frozenset({"train", "is_train", "training"})


PREPARING = ("__init__", "prepare_data", "setup")
"""Methods that make what the hooks of loaders find."""
MAKING_UP = frozenset(
    "rand randn rand_like randn_like normal standard_normal uniform make_blobs make_moons "
    "make_classification make_regression generate simulate".split()
)
"""What a data set mentions that makes its samples up."""


def of(context: Context, node: ast.expr | None, frame: Frame) -> str:
    """What a loader is given: the call that makes it, as text, and where its names are known; else
    nothing. An attribute or a name stands for a call that is all it is ever given. A constant must
    say which part of the data it is."""
    made, method = _call(context, node, frame)
    return _as_text(made, method, frame) if made is not None and _names_a_part(made) else ""


def made_by(context: Context, node: ast.expr | None, frame: Frame) -> str:
    """The same of all of the data, or of a part that no constant names: where nothing that the call
    is given is another one from hook to hook, and samples are not made up."""
    made, method = _call(context, node, frame)
    if made is None or not (made.args or made.keywords) or _makes_up(context, made, frame):
        return ""
    told = frame.depth > 0 and _is_local(made, method, frame)  # its callers may say which part
    return _as_text(made, method, frame) if _is_lasting(made, frame) and not told else ""


def _call(
    context: Context, node: ast.expr | None, frame: Frame
) -> tuple[ast.Call | None, FunctionNode | None]:
    """The call that makes a data set, and the function that it stands in, if its names stand for
    one thing each."""
    owner = frame.defining.qualified if frame.defining is not None else ""
    if context.owner not in ("", owner):  # an heir may make something else of it
        return None, None
    made, method = _made(node, frame)
    if not isinstance(made, ast.Call) or not _is_class(made.func):
        return None, None
    body = frame.module.source.parts(method) if method is not None else ()
    if any(isinstance(one, ast.Starred) for one in made.args) or not _is_fixed(made, body):
        return None, None
    return made, method


def _as_text(made: ast.Call, method: FunctionNode | None, frame: Frame) -> str:
    owner = frame.defining.qualified if frame.defining is not None else ""
    scope = method.name if method is not None and _is_local(made, method, frame) else ""
    return f"{frame.module.path}:{owner}:{scope}:{_without_transforms(made)}"


def _is_local(made: ast.Call, method: FunctionNode | None, frame: Frame) -> bool:
    """Whether the function around a call gives something that it reads its value."""
    body = frame.module.source.parts(method) if method is not None else ()
    return any(_stores(body, name) for name in _names(made))


def _is_lasting(made: ast.Call, frame: Frame) -> bool:
    """Whether what a call is given is made before the hooks of loaders are asked, once, for any
    stage, and left alone then: nothing is set in it, and none of its methods is called."""
    given = [*made.args, *(one.value for one in made.keywords)]
    names = {name for arg in given for name in _read(arg)}
    if any(dotted(one) == "self" for one in given):
        return False
    if frame.defining is None:
        return not any(_changes(part, names) for part in frame.parts)
    methods = frame.defining.methods.items()
    bodies = {name: frame.module.source.parts(node) for name, node in methods}
    late = {name: body for name, body in bodies.items() if name != "__init__"}
    changed = any(_changes(part, names) for body in late.values() for part in body)
    return not changed and all(_is_given_early(bodies, late, name) for name in names)


def _is_given_early(bodies: Table[str, Body], late: Table[str, Body], name: str) -> bool:
    """Whether ``__init__`` alone gives an attribute what it is, or one other method that prepares,
    once, and the same for each stage."""
    if "." not in name:
        return True
    stores = {method: _stores(body, name) for method, body in late.items()}
    found = [method for method, times in stores.items() for _ in range(times)]
    prepared = [method for method in found if method in PREPARING]
    if not found:
        return True
    alone = found == prepared and len(found) == 1 and not _stores(bodies.get("__init__", ()), name)
    bound = (pair for one in bodies[found[0]] for pair in bindings(one))
    values = [value for target, value in bound if named(target) == name]
    return alone and not any(value is None or "stage" in read_in(value) for value in values)


def _read(given: ast.expr) -> Iterator[str]:
    """The names and attributes in an argument, those of functions left out."""
    called = {
        id(part) for one in walk(given) if isinstance(one, ast.Call) for part in walk(one.func)
    }
    for one in walk(given):
        if id(one) not in called and isinstance(one, (ast.Name, ast.Attribute)):
            yield from {dotted(one) or "self"} - {"self"}


def _changes(part: ast.AST, names: Set[str]) -> bool:
    """Whether a piece of code does something to what has one of these names."""
    match part:
        case ast.Call(ast.Attribute(owner)):
            return dotted(owner) in names
        case ast.Call(ast.Name("setattr"), [owner, *_]):
            return dotted(owner) in names
    targets = [dotted(target) or "" for target, _ in bindings(part)]
    return any(target.startswith(f"{name}.") for target in targets for name in names)


def _makes_up(context: Context, made: ast.Call, frame: Frame) -> bool:
    """Whether the class of a data set draws or computes its samples, as far as is seen."""
    found = context.project.resolve(dotted(made.func) or "", frame.module)
    read = context.project.ancestors(found) if isinstance(found, ClassInfo) else ()
    nodes = (one.node for one in read if isinstance(one, ClassInfo))
    return any(not MAKING_UP.isdisjoint(identifiers(node)) for node in nodes)


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
