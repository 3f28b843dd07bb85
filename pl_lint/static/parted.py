"""Parts of one data set, and the transforms that are set on one or the other of them.

This is asked of the text of one function, or of a script: ``random_split`` and ``Subset`` make
parts that share their data set, so that what is set on ``val.dataset`` holds for all of them. Who
copies the data set, takes a part for its indices alone or looks at samples in between is left out.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from pl_lint.facts.origins import RANDOM_SPLITS, SUBSETS
from pl_lint.facts.sites import PartedSite, SetTransform
from pl_lint.plain import frozen
from pl_lint.static.names import FunctionNode, Module, Project, dotted
from pl_lint.static.naming import Binding, bindings
from pl_lint.static.trees import children, walk

TRANSFORMS = ("transform", "transforms", "target_transform")
BY_PLACE = {
    "ImageFolder": 1,
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100"), 2),
}
"""Where data sets of torchvision take their transform."""
OF_DATA = re.compile(
    r"set|data|ds$|sub|split|part|train|val|test|base|inner|orig|source|wrapped|"
    r"sample|image|item|example|^.$"
)
"""How what may be a part is called where somebody reads its transform."""
TAKING = (ast.Call, ast.For, ast.comprehension)
BLOCKS = ("body", "orelse", "finalbody")
MAX_LOADERS = 4
"""Loaders of loaders are followed so far."""


def parted(project: Project) -> Iterator[PartedSite]:
    """Every data set that is taken in parts, on which transforms are set."""
    for module in project.modules:
        text = module.source.text
        if ".transform" in text and ("random_split(" in text or "Subset(" in text):
            scopes = [
                _Scope(module, home, _steps(body)) for home, body in _bodies(module.source.tree)
            ]
            for scope in scopes:
                others = [one for one in scopes if one.home is scope.home and one is not scope]
                for found in _groups(scope, project):
                    yield from _told(found, scope.along(found.last), others, project)


Block = tuple[int, ...]
"""Where a block stands: the numbers of the blocks around it, and its own."""


@frozen
class _Step:
    """A statement, its place in the order of the text, and the block that it stands in."""

    node: ast.stmt
    place: int
    block: Block

    def beside(self, other: _Step) -> bool:
        """Whether both are in one way through the code, and not in two branches of it."""
        return all(one == two for one, two in zip(self.block, other.block, strict=False))


@frozen
class _Group:
    """Parts of one data set, by name, and the steps that make the first and the last of them."""

    parts: tuple[str, ...]
    whole: ast.expr
    first: _Step
    last: _Step


@frozen
class _Given:
    """One name or attribute that gets a value."""

    step: _Step
    name: str
    target: ast.expr
    value: ast.expr | None


class _Scope:
    """The statements of a function, or of a file outside of its functions and classes. ``home`` is
    the class or the file around it."""

    def __init__(self, module: Module, home: ast.AST, steps: Sequence[_Step]) -> None:
        self.module = module
        self.home = home
        self.steps = steps

    def along(self, step: _Step) -> _Scope:
        """What stands in one way through the code with a step."""
        return _Scope(self.module, self.home, [one for one in self.steps if one.beside(step)])

    @cached_property
    def given(self) -> list[_Given]:
        return [
            _Given(step, ast.unparse(target), target, value)
            for step in self.steps
            for target, value in _bindings(step.node)
        ]

    @cached_property
    def taken(self) -> list[tuple[int, ast.AST, ast.AST]]:
        """What is read as a whole, and not only for something of it: its place, the node, and the
        node around it."""
        return [
            (step.place, node, around)
            for step in self.steps
            for around in _own(step.node)
            for node in (*children(around), *_named_arguments(around))
            if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))
            and isinstance(node.ctx, ast.Load)
            and not isinstance(around, (ast.Attribute, ast.Subscript, ast.keyword))
        ]

    def takes(self, name: str) -> Iterator[tuple[int, ast.AST]]:
        """Where a name is read as a whole, and by what."""
        return ((place, around) for place, node, around in self.taken if _text(node) == name)

    def changes(self, part: str) -> bool:
        """Whether something of a part is given a value."""
        return any(one.name.startswith(f"{part}.") for one in self.given)


def _named_arguments(node: ast.AST) -> list[ast.expr]:
    return [one.value for one in node.keywords] if isinstance(node, ast.Call) else []


def _bodies(home: ast.Module | ast.ClassDef) -> Iterator[tuple[ast.AST, Sequence[ast.stmt]]]:
    """The bodies of functions, each with the class or the file that it stands in."""
    yield home, home.body
    waiting = children(home)
    for node in waiting:
        if isinstance(node, ast.ClassDef):
            yield from _bodies(node)
            continue
        if isinstance(node, FunctionNode):
            yield home, node.body
        waiting += children(node)


def _steps(body: Iterable[ast.stmt]) -> list[_Step]:
    numbers = itertools.count()
    flat = _flat(body, (), numbers)
    return [_Step(node, place, block) for place, (node, block) in enumerate(flat)]


def _flat(
    body: Iterable[ast.stmt], block: Block, numbers: Iterator[int]
) -> Iterator[tuple[ast.stmt, Block]]:
    """The statements in the order of the text, each with the block that it stands in. One that is
    skipped only where there is no such transform stands in the block around."""
    for node in body:
        yield node, block
        if isinstance(node, (FunctionNode, ast.ClassDef)):
            continue
        same = isinstance(node, (ast.With, ast.Try)) or _asks_for_it(node)
        handlers = [one.body for one in getattr(node, "handlers", ())]
        for inner in (*(getattr(node, name, []) for name in BLOCKS), *handlers):
            apart = not same or inner in handlers
            yield from _flat(inner, (*block, next(numbers)) if apart else block, numbers)


def _asks_for_it(node: ast.stmt) -> bool:
    """``if self.plain: self.val_set.dataset.transform = self.plain``"""
    match node:
        case ast.If(test, [ast.Assign(value=value)], []):
            return any(_text(one) == _text(value) for one in walk(test))
    return False


def _own(node: ast.stmt) -> list[ast.AST]:
    """The nodes of a statement without those of the statements in it, which come by themselves."""
    nodes: list[ast.AST] = [node]
    for one in nodes:
        below = children(one)
        nodes += (part for part in below if not isinstance(part, (ast.stmt, ast.ExceptHandler)))
    return nodes


def _bindings(node: ast.stmt) -> Iterator[Binding]:
    items = node.items if isinstance(node, ast.With) else ()
    return (pair for part in (node, *items) for pair in bindings(part))


def _text(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.expr) else ""


def _groups(scope: _Scope, project: Project) -> Iterator[_Group]:
    """The parts that one ``random_split`` makes, and the Subsets of one data set."""
    subsets: dict[str, list[tuple[_Given, ast.expr]]] = {}
    for step in scope.steps:
        if not isinstance(step.node, ast.Assign):
            continue
        whole = _whole(step.node.value, RANDOM_SPLITS, scope, project)
        names = tuple(one.name for one in scope.given if one.step is step)
        if whole is not None:
            yield _Group(names, whole, step, step)
    for one in scope.given:
        whole = _whole(one.value, SUBSETS, scope, project)
        if whole is not None and not isinstance(whole, ast.Call):
            subsets.setdefault(ast.unparse(whole), []).append((one, whole))
    for name, made in subsets.items():
        first, last = made[0][0].step, made[-1][0].step
        again = (one.step.place for one in scope.given if one.name == name)
        if not any(first.place <= place <= last.place for place in again):
            yield _Group(tuple(one.name for one, _ in made), made[0][1], first, last)


def _whole(
    value: ast.expr | None, makers: Sequence[str], scope: _Scope, project: Project
) -> ast.expr | None:
    """The data set of which a call makes parts."""
    if not isinstance(value, ast.Call):
        return None
    if project.resolve(dotted(value.func) or "?", scope.module) not in makers:
        return None
    named = (one.value for one in value.keywords if one.arg == "dataset")
    return value.args[0] if value.args else next(named, None)


def _told(
    group: _Group, scope: _Scope, others: Sequence[_Scope], project: Project
) -> Iterator[PartedSite]:
    sets = [one for one in scope.given if one.step.place > group.first.place]
    sets = [one for one in sets if _part(one.target, group.parts)]
    if not sets or _is_touched(group, sets, scope, others):
        return
    together = [one for one in sets if one.step.block == sets[-1].step.block]
    built = _built_with(group, scope) if together[-1].step.block == group.last.block else ""
    yield PartedSite(
        parts=tuple(one for one in group.parts if _is_used(one, sets[-1], scope, others)),
        built_with=built,
        sets=tuple(_set(one, group, scope) for one in together),
        read_as=frozenset(_read(project)) if any(map(_on_part, together)) else frozenset(),
        location=scope.module.source.location(group.first.node),
    )


def _part(target: ast.expr, parts: Sequence[str]) -> str:
    """The part that ``part.dataset.transform`` or ``part.transform`` is of."""
    if not isinstance(target, ast.Attribute) or target.attr not in TRANSFORMS:
        return ""
    owner = target.value
    while isinstance(owner, ast.Attribute) and owner.attr == "dataset":
        owner = owner.value
    return name if (name := ast.unparse(owner)) in parts else ""


def _on_part(one: _Given) -> bool:
    """Whether it is set on the part itself."""
    return not one.name.rpartition(".")[0].endswith(".dataset")


def _set(one: _Given, group: _Group, scope: _Scope) -> SetTransform:
    part = _part(one.target, group.parts)
    return SetTransform(
        part=part,
        through=one.name.removeprefix(f"{part}."),
        given=_meant(one.value, one.step, scope),
        location=scope.module.source.location(one.target),
    )


def _meant(value: ast.expr | None, step: _Step, scope: _Scope) -> str:
    """A value as it is written; what a local name was last given, where that is a name, too."""
    text = _text(value) if value is not None else ""
    given = [one.value for one in scope.given if one.name == text and one.step.place < step.place]
    alias = given[-1] if given else None
    return _text(alias) if isinstance(alias, (ast.Name, ast.Attribute)) else text


def _is_touched(
    group: _Group, sets: Sequence[_Given], scope: _Scope, others: Sequence[_Scope]
) -> bool:
    """Whether a part is another one by then, has a data set of its own, is set elsewhere as well,
    or gives samples in between."""
    between = range(group.last.place + 1, sets[-1].step.place)
    return any(
        _is_replaced(part, between, scope)
        or _is_looked_at(part, between, scope)
        or ("." in part and any(one.changes(part) for one in others))
        for part in group.parts
    )


def _is_replaced(part: str, between: range, scope: _Scope) -> bool:
    return any(
        one.name == f"{part}.dataset" or (one.name == part and one.step.place in between)
        for one in scope.given
        if one.step.place >= between.start
    )


def _is_looked_at(name: str, places: range, scope: _Scope, depth: int = 0) -> bool:
    """Whether something is given a part, or a loader of it, that may take samples of it."""
    for place, around in scope.takes(name) if depth < MAX_LOADERS else ():
        if place not in places or not isinstance(around, TAKING) or _only_counts(around):
            continue
        loaders = [one.name for one in scope.given if one.value is around and _is_loader(around)]
        if not loaders or any(_is_looked_at(one, places, scope, depth + 1) for one in loaders):
            return True
    return False


def _only_counts(around: ast.AST) -> bool:
    return _called(around) in ("len", "print", "Subset", "random_split")


def _is_loader(around: ast.AST) -> bool:
    return _called(around) == "DataLoader"


def _called(around: ast.AST) -> str:
    name = dotted(around.func) if isinstance(around, ast.Call) else None
    return (name or "").rpartition(".")[2]


def _is_used(part: str, last: _Given, scope: _Scope, others: Sequence[_Scope]) -> bool:
    """Whether somebody takes the part and not only its indices, and does not put another one in its
    place. An attribute may be taken by other classes, an item with what it is in."""
    after = [one for one in scope.given if one.name == part and one.step.place > last.step.place]
    kept = all(one.value is not None and _hands_on(one.value, part) for one in after)
    where = (scope, *others) if "." in part else (scope,)
    taken = any(any(one.takes(part)) for one in where)
    lent = any(any(one.takes(f"{part}.indices")) for one in where)
    return kept and (taken or (not part.isidentifier() and not lent))


def _hands_on(value: ast.expr, part: str) -> bool:
    """``train = DataLoader(train)``"""
    if not isinstance(value, ast.Call) or "copy" in _text(value.func):
        return False
    return any(_text(one) == part for one in (*value.args, *_named_arguments(value)))


def _built_with(group: _Group, scope: _Scope) -> str:
    """The transform that the data set is made with, as it is written."""
    made = group.whole
    if not isinstance(made, ast.Call):
        name = ast.unparse(made)
        before = [one for one in scope.given if one.name == name]
        before = [one for one in before if one.step.place < group.first.place]
        if not before or not isinstance(before[-1].value, ast.Call):
            return ""
        made = before[-1].value
    place = BY_PLACE.get((dotted(made.func) or "").rpartition(".")[2], len(made.args))
    given = [one.value for one in made.keywords if one.arg == "transform"]
    given += made.args[place : place + 1]
    return _meant(given[0], group.first, scope) if given else ""


def _read(project: Project) -> Iterator[str]:
    """The transforms that code reads of something that may be a part."""
    for module in project.modules:
        for node in module.source.parts(module.source.tree):
            match node:
                case ast.Attribute(owner, attr, ast.Load()) if attr in TRANSFORMS:
                    last = (dotted(owner) or "data").rpartition(".")[2]
                    if last != "self" and OF_DATA.search(last.lower()):
                        yield attr
                case ast.Call(ast.Name("getattr"), [_, ast.Constant(str(attr)), *_]):
                    yield attr
