"""The part of the data that a data set is, as it is written: ``Leaves(root / "test", self.plain)``.

Of a folder and its files values say little; two data sets that are written alike, of names that
stand for one thing, are the same data. What is said of images on their way (``transform=``) makes
no other data.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from pl_lint.static.interpreter import makings
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import ClassInfo, FunctionNode, Module, dotted
from pl_lint.static.naming import bindings, identifiers, named
from pl_lint.static.sources import SourceFile
from pl_lint.static.trees import walk

HELD_OUT = re.compile(r"(?<![a-z])(test|testing|val|valid|validation|eval|dev|holdout)(?![a-z])")
"""What a text says that names a part of the data; ``train`` alone may be cut afterwards."""
Body = tuple[ast.AST, ...]
Scope = FunctionNode | ast.Module
IS_TRAINING = frozenset({"train", "is_train", "training"})
PATHS = ("join", "Path")
READING = (*PATHS, "listdir", "len")
PREPARING = ("__init__", "prepare_data", "setup")
"""Methods that make what the hooks of loaders find."""
OPENS = re.compile(r"open|load|read|imread|glob|rglob|listdir|scandir|iterdir|walk")
"""How functions begin by which a data set has its samples from files."""
AS_PART = (ast.BinOp, ast.FormattedValue)
"""``self.root / name``, ``f"{self.root}/a"``"""


def of(context: Context, node: ast.expr | None, frame: Frame) -> str:
    """What a loader is given: the call that makes it, as text, and where its names are known; else
    nothing. An attribute or a name stands for a call that is all it is ever given. A constant must
    say which part of the data it is."""
    made, method = _call(context, node, frame)
    return _as_text(made, method, frame) if made is not None and _names_a_part(made) else ""


def made_by(context: Context, node: ast.expr | None, frame: Frame) -> str:
    """The same of all of the data, or of a part that no constant names: where nothing that the call
    is given is another one from hook to hook, and samples are read from files, not made up."""
    made, method = _call(context, node, frame)
    if made is None or not (made.args or made.keywords) or not _opens(context, made, frame):
        return ""
    told = frame.depth > 0 and _is_local(made, method, frame)  # its callers may say which part
    lasts = not told and all(_lasts(context, path, method, frame) for path in _read(made))
    return _as_text(made, method, frame) if lasts else ""


def _call(
    context: Context, node: ast.expr | None, frame: Frame
) -> tuple[ast.Call | None, Scope | None]:
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


def _as_text(made: ast.Call, method: Scope | None, frame: Frame) -> str:
    owner = frame.defining.qualified if frame.defining is not None else ""
    local = not isinstance(method, ast.Module) and _is_local(made, method, frame)
    scope = method.name if method is not None and local else ""
    return f"{frame.module.path}:{owner}:{scope}:{_without_transforms(made)}"


def _is_local(made: ast.Call, method: Scope | None, frame: Frame) -> bool:
    """Whether the function around a call gives something that it reads its value."""
    body = frame.module.source.parts(method) if method is not None else ()
    return any(_stores(body, name) for name in _names(made))


def _lasts(context: Context, path: str, method: Scope | None, frame: Frame) -> bool:
    """Whether what a call is given is the same whenever it is made: it gets its value in one place,
    an attribute before the hooks of loaders are asked and the same for each stage, and in all code
    that sees it nothing is set in it, and it is handed to nothing that may do so."""
    head, *rest = path.split(".")
    if head == "self":
        return bool(rest) and _attribute_lasts(context, path, rest, frame)
    body = frame.module.source.parts(method) if method is not None else ()
    if not _stores(body, head):
        body = frame.module.source.parts(frame.module.source.tree)
    once = _stores(body, head) == int(head not in frame.module.imports)
    return once and not any(_changes(one, path, frame.module, head) for one in body)


def _attribute_lasts(context: Context, path: str, rest: Sequence[str], frame: Frame) -> bool:
    """The same of ``self.args.root``, by all methods of its class and of those above it."""
    if frame.defining is None:
        return False
    root, sources = f"self.{rest[0]}", [one.source for one in context.project.modules]
    ancestors = context.project.ancestors(frame.defining)
    line = [one for one in ancestors if isinstance(one, ClassInfo)]
    given: list[bool] = []
    for info in line:
        for name, node in info.methods.items():
            body = info.module.source.parts(node)
            if any(_changes(one, path, info.module, root) for one in body):
                return False
            early = name in PREPARING and not (name == "setup" and _asks(node, body))
            given += [early] * _stores(body, root)
    once = given == ([] if rest[0] == "hparams" else [True])
    outside = any(makings.changed_outside(one, sources) for one in rest)
    return once and not outside and _is_told_one_thing(frame.defining.name, sources)


def _is_told_one_thing(name: str, sources: Iterable[SourceFile]) -> bool:
    """Whether no two calls of a class differ: two objects of it may be two parts of the data."""
    called = re.compile(rf"(?<!class )\b{name}\((?=(.*))")
    return len({given for one in sources for given in one.found(called)}) < 2


def _asks(node: FunctionNode, body: Body) -> bool:
    """Whether a method reads what it is told."""
    told = {one.arg for one in node.args.args[1:]}
    return any(isinstance(one, ast.Name) and one.id in told for one in body)


def _read(made: ast.Call) -> Iterator[str]:
    """The names and attributes in the arguments of a call, those of functions left out, each as
    far as it goes: ``self.args.root``."""
    given = [*made.args, *(one.value for one in _of_data(made))]
    inner = [one.func for arg in given for one in walk(arg) if isinstance(one, ast.Call)]
    left_out = {id(part) for one in inner for part in walk(one)}
    for arg in given:
        for one in walk(arg):
            if isinstance(one, (ast.Name, ast.Attribute)) and id(one) not in left_out:
                left_out |= {id(part) for part in walk(one)}
                yield dotted(one) or "self"


def _changes(part: ast.AST, path: str, module: Module, root: str) -> bool:
    """Whether a piece of code may change what ``path`` leads to: sets something in it, calls a
    method of it, or gets hold of it; but to give ``root`` its value."""
    text = dotted(part) if isinstance(part, (ast.Name, ast.Attribute)) else None
    above = module.source.above
    around = above.get(part)
    if text is None or isinstance(around, ast.Attribute) or not f"{text}.".startswith(f"{root}."):
        return False
    node = part
    while isinstance(around, ast.Subscript) and around.value is node:
        node, around = around, above[around]
    if not isinstance(node.ctx, ast.Load):
        return text != root or node is not part
    if isinstance(around, ast.Call) and around.func is node:
        return True
    while isinstance(around, (ast.keyword, ast.Starred)):
        around = above[around]
    whole = f"{path}.".startswith(f"{text}.")
    return whole and not (isinstance(around, AS_PART) or _is_harmless(around))


def _is_harmless(call: ast.AST | None) -> bool:
    """Whether it makes an object or a path of what it is given, or looks at it."""
    return isinstance(call, ast.Call) and (_is_class(call.func) or _last(call.func) in READING)


def _opens(context: Context, made: ast.Call, frame: Frame) -> bool:
    """Whether the class of a data set reads files, as far as it is seen."""
    found = context.project.resolve(dotted(made.func) or "", frame.module)
    read = context.project.ancestors(found) if isinstance(found, ClassInfo) else ()
    nodes = [one.node for one in read if isinstance(one, ClassInfo)]
    return not nodes or any(OPENS.match(name) for one in nodes for name in identifiers(one))


def _made(node: ast.expr | None, frame: Frame) -> tuple[ast.expr | None, Scope | None]:
    """The expression that makes it, and the function that this stands in."""
    if isinstance(node, ast.Call):
        return node, frame.code
    text = frame.meant(named(node)) if node is not None else ""
    owner, _, name = text.rpartition(".")
    if owner == "self" and frame.defining is not None:
        return _only_given(text, tuple(frame.defining.methods.values()), frame)
    if not owner and name:
        return _only_given(name, (frame.code or frame.module.source.tree,), frame)
    return None, None


def _only_given(
    text: str, methods: tuple[Scope, ...], frame: Frame
) -> tuple[ast.expr | None, Scope | None]:
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
    return _last(function)[:1].isupper()


def _last(function: ast.expr) -> str:
    return (dotted(function) or "").rpartition(".")[2]


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
    plain = all(_last(one.func) in PATHS for one in inner)
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
    return ast.unparse(ast.Call(made.func, made.args, _of_data(made)))


def _of_data(made: ast.Call) -> list[ast.keyword]:
    """What a call says by keywords, of transforms aside."""
    return [one for one in made.keywords if "transform" not in (one.arg or "")]
