"""What a dotted name means: import aliases, classes and their bases across the files of a run.

Fewer than half of the classes with Lightning hooks name ``LightningModule`` in their own file; the
others inherit it from a class somewhere else in the project. So all files are indexed first, and
a base is then looked up by where its import points.
"""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePath

from pl_lint.facts import lightning, torchmetrics
from pl_lint.plain import field, mutable
from pl_lint.static.sources import SourceFile

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
TORCH_MODULES = ("torch.nn.Module", "torch.nn.modules.module.Module")
MAX_ANCESTORS = 100
"""Classes that a class inherits from, itself included; people write a dozen."""


@mutable
class ClassInfo:
    """A class statement: where it stands and what its body defines."""

    name: str
    module: Module
    node: ast.ClassDef
    bases: tuple[str, ...]

    @property
    def qualified(self) -> str:
        return f"{self.module.name}.{self.name}"

    @cached_property
    def methods(self) -> Mapping[str, FunctionNode]:
        """The functions of the body, one level of ``if`` included, also under a second name
        (``test_step = validation_step``); the last definition counts."""
        found: dict[str, FunctionNode] = {}
        for node in statements(self.node.body):
            match node:
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                    found[name] = node
                case ast.Assign([ast.Name(name)], ast.Name(other)) if other in found:
                    found[name] = found[other]
        return found

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        return assignments(self.node.body)


@mutable
class Module:
    """One file: what its top-level names stand for."""

    source: SourceFile
    name: str
    is_package: bool = False
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    classes: dict[str, ClassInfo] = field(default_factory=dict)
    functions: dict[str, FunctionNode] = field(default_factory=dict)
    constants: Mapping[str, ast.expr] = field(default_factory=dict)
    inner_classes: list[ClassInfo] = field(default_factory=list)
    """Classes that stand in functions: Lightning may call them, no other file can name them."""

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))


Definition = ClassInfo | FunctionNode


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body and of the ``if``, ``try`` and ``with`` blocks in it."""
    for node in body:
        yield node
        for block in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                yield from statements(getattr(node, block, ()))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from statements(handler.body)


def assignments(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """Names that are assigned exactly once in a body, with what they are assigned."""
    found: dict[str, ast.expr] = {}
    twice: set[str] = set()
    for name, value in _assigned(body):
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in statements(body):
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                yield name, value
            case ast.AugAssign(target=ast.Name(name), value=value):
                yield name, value
                yield name, value
            case (
                ast.Assign(targets=[ast.Subscript() as part], value=value)
                | ast.AugAssign(target=ast.Subscript() as part, value=value)
            ):
                yield from _changed(part.value, value)
            case ast.Expr(ast.Call(ast.Attribute(owner, method)) as value) if method in CHANGING:
                yield from _changed(owner, value)


CHANGING = frozenset({"append", "extend", "insert", "pop", "setdefault", "update"})


def _changed(part: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """A list or dict that is changed after it was assigned is as good as assigned twice."""
    while isinstance(part, ast.Subscript):
        part = part.value
    if isinstance(part, ast.Name):
        yield part.id, value
        yield part.id, value


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` as text, ``None`` for any other expression."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, attribute):
            inner = dotted(value)
            return f"{inner}.{attribute}" if inner else None
        case ast.Subscript(value):  # Generic[T]
            return dotted(value)
    return None


# --- one file -------------------------------------------------------------------------------------


def index_module(source: SourceFile) -> Module:
    """Read the imports, classes, functions and constants at the top level of a file."""
    tree = source.tree
    pure = PurePath(source.path)
    steps = [part for part in pure.with_suffix("").parts if part not in ("", "/", ".", "..")]
    is_package = bool(steps) and steps[-1] == "__init__"
    name = ".".join(steps[:-1] if is_package else steps) or "__main__"
    module = Module(source, name, is_package, constants=assignments(tree.body))
    for node in statements(tree.body):
        _index_statement(node, module)
    _index_inner_imports(tree, module)
    module.inner_classes.extend(_inner_classes(tree, module))
    return module


def _index_statement(node: ast.stmt, module: Module) -> None:
    match node:
        case ast.ClassDef(name=name):
            module.classes[name] = _class(node, name, module)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            module.functions[name] = node
        case ast.Import() | ast.ImportFrom():
            _index_import(node, module)


def _class(node: ast.ClassDef, name: str, module: Module) -> ClassInfo:
    bases = tuple(text for base in node.bases if (text := dotted(base)))
    unknown = ("?",) if len(bases) < len(node.bases) else ()
    return ClassInfo(name, module, node, bases + unknown)


def _inner_classes(tree: ast.Module, module: Module) -> Iterator[ClassInfo]:
    for function in _functions(tree.body):
        for node in statements(function.body):
            if isinstance(node, ast.ClassDef):
                yield _class(node, f"{function.name}.<locals>.{node.name}", module)


def _index_import(node: ast.Import | ast.ImportFrom, module: Module) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            module.imports[alias.asname or target] = target
        return
    origin = _absolute(node, module)
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(origin)
        else:
            module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}".lstrip(".")


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    """Where a from-import points, relative dots resolved against the file's own place."""
    if not node.level:
        return node.module or ""
    keep = len(module.parts) - node.level + (1 if module.is_package else 0)
    return ".".join((*module.parts[: max(keep, 0)], *filter(None, (node.module,))))


def _index_inner_imports(tree: ast.Module, module: Module) -> None:
    """Imports inside functions: close enough to file-wide, where the name is not taken."""
    taken = dict(module.imports)
    for function in _functions(tree.body):
        for node in statements(function.body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                _index_import(node, module)
    module.imports.update(taken)


def _functions(body: Iterable[ast.stmt]) -> Iterator[FunctionNode]:
    for node in body:
        if isinstance(node, FunctionNode):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


# --- all files ------------------------------------------------------------------------------------


class Project:
    """All files of a run, and what a name in one of them refers to; ``settings`` are the texts of
    its YAML files."""

    def __init__(self, modules: Iterable[Module], settings: Iterable[str] = ()) -> None:
        self.modules = tuple(modules)
        self.settings = tuple(settings)
        self._by_tail: dict[str, list[Module]] = {}
        for module in self.modules:
            self._by_tail.setdefault(module.parts[-1], []).append(module)
        self._resolved: dict[tuple[str, str], Definition | str] = {}
        self._found: dict[tuple[str, str], Module | None] = {}
        self._ancestors: dict[ClassInfo, tuple[ClassInfo | str, ...]] = {}
        self._homes = {
            id(node): module for module in self.modules for node in module.functions.values()
        }

    def home(self, node: FunctionNode) -> Module | None:
        """The file that a top-level function stands in."""
        return self._homes.get(id(node))

    def reads(self, name: str, module: Module) -> bool:
        """Whether another file may import a name from a file."""
        others = (one for one in self.modules if one is not module)
        return any(
            bool(one.stars) or any(origin.endswith(f".{name}") for origin in one.imports.values())
            for one in others
        )

    def find_module(self, name: str, near: Module) -> Module | None:
        """The file that an import names.

        The import may start deeper than the path the user gave (``src/`` on the path, a script's
        own folder), so the tail of the path decides, and among several the nearest file.
        """
        key = (name, near.path)
        if key not in self._found:
            self._found[key] = self._nearest(tuple(name.split(".")), near)
        return self._found[key]

    def imported(self, module: Module) -> Iterator[Module]:
        """The files that a file imports, or something in them."""
        for name in (*module.imports.values(), *module.stars):
            for target in (name, name.rpartition(".")[0]):
                found = self.find_module(target, module) if target else None
                if found is not None:
                    yield found
                    break

    def _nearest(self, wanted: tuple[str, ...], near: Module) -> Module | None:
        candidates = [
            module
            for module in self._by_tail.get(wanted[-1], ())
            if module.parts[-len(wanted) :] == wanted and module is not near
        ]
        return max(candidates, key=lambda module: _kinship(module, near), default=None)

    def resolve(self, name: str, module: Module) -> Definition | str:
        """What a dotted name means in a file: a class, a function, or a name from outside."""
        key = (name, module.path)
        if key not in self._resolved:
            self._resolved[key] = name  # the answer to whoever asks in a circle of imports
            self._resolved[key] = self._look_up(name, module)
        return self._resolved[key]

    def _look_up(self, name: str, module: Module) -> Definition | str:
        head, _, rest = name.partition(".")
        if not rest and head in module.classes:
            return module.classes[head]
        if not rest and head in module.functions:
            return module.functions[head]
        if head in module.imports:
            full = f"{module.imports[head]}.{rest}" if rest else module.imports[head]
            return self.locate(full, module)
        return self._from_stars(name, module)

    def _from_stars(self, name: str, module: Module) -> Definition | str:
        for origin in module.stars:
            found = self.locate(f"{origin}.{name}", module)
            if not isinstance(found, str) or _is_of_library(found):
                return found
        return name

    def locate(self, name: str, near: Module) -> Definition | str:
        """What an absolute dotted name means; itself where no file of the run defines it."""
        owner, _, last = name.rpartition(".")
        target = self.find_module(owner, near) if owner else None
        if target is None or lightning.canonical(name):  # also where Lightning itself is read
            return name
        found = self.resolve(last, target)
        return name if found == last else found

    def constant(self, name: str, near: Module) -> tuple[ast.expr, Module] | None:
        """The expression that a constant of another file of the run is assigned."""
        owner, _, last = name.rpartition(".")
        target = self.find_module(owner, near) if owner else None
        if target is None or last not in target.constants:
            return None
        return target.constants[last], target

    def method(self, info: ClassInfo, name: str) -> tuple[ClassInfo, FunctionNode] | None:
        """A method of a class or of what it inherits from the files read, and its owner."""
        own = (base for base in self.ancestors(info) if isinstance(base, ClassInfo))
        return next(((base, base.methods[name]) for base in own if name in base.methods), None)

    def ancestors(self, info: ClassInfo) -> tuple[ClassInfo | str, ...]:
        """The class and everything it inherits, in the order that Python looks members up."""
        if info not in self._ancestors:
            _linearize(info, self, self._ancestors)
        return self._ancestors[info]


def _is_of_library(name: str) -> bool:
    """Whether Lightning or torchmetrics defines a name that a star import may have brought."""
    home = lightning.canonical(name)
    return bool(home) or (name.startswith("torchmetrics.") and bool(torchmetrics.canonical(name)))


def _kinship(module: Module, near: Module) -> tuple[int, int]:
    shared = 0
    for mine, theirs in zip(module.parts, near.parts, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared, -len(module.parts)


Ancestors = tuple["ClassInfo | str", ...]


def _linearize(info: ClassInfo, project: Project, done: dict[ClassInfo, Ancestors]) -> None:
    """Depth first, keeping the last mention: equals Python's order for all but exotic diamonds.

    Each class is gone into once, whatever the shape of the tree. Of classes that inherit each other
    in a circle only the one that is asked for is remembered: the others' answers lack it.
    """
    begun: dict[ClassInfo, Ancestors] = {}
    waiting, circular = [info], False
    while waiting:
        current = waiting[-1]
        bases = [project.resolve(name, current.module) for name in current.bases]
        if current not in begun:
            begun[current] = ()
            for base in reversed([one for one in bases if isinstance(one, ClassInfo)]):
                if base in done:
                    continue
                if base not in begun:
                    waiting.append(base)
                circular = circular or begun.get(base) == ()
        else:
            waiting.pop()
            begun[current] = begun[current] or _merged(current, bases, ChainMap(done, begun))
    done.update({info: begun[info]} if circular else begun)


def _merged(
    info: ClassInfo,
    bases: Sequence[Definition | str],
    known: Mapping[ClassInfo, Ancestors],
) -> Ancestors:
    """A class and what its bases inherit, each at its last mention."""
    order: list[ClassInfo | str] = [info]
    for base in bases:
        if isinstance(base, ClassInfo):
            order += [one for one in known[base] if one is not info]
        elif isinstance(base, str):
            order.append(base)
    last = {id(item) if isinstance(item, ClassInfo) else item: i for i, item in enumerate(order)}
    return tuple(order[i] for i in sorted(last.values()))[:MAX_ANCESTORS]
