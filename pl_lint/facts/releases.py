"""Reading published releases as text: modules, classes and where a name was really defined.

Only the generators use this. Nothing is imported and nothing of a release is executed: a wheel or
an installed tree is parsed, so that releases which would no longer install can still be asked.
"""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Found:
    """A class or function and the dotted name of the place that defines it."""

    dotted: str
    node: Definition


@dataclass(frozen=True)
class Module:
    """One parsed module: what its top level defines and what it imports from elsewhere."""

    name: str
    tree: ast.Module
    is_package: bool

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        return {
            node.name: node for node in top_level(self.tree.body) if isinstance(node, Definition)
        }

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted name, for ``from x import y as z``."""
        pairs: dict[str, str] = {}
        for node in top_level(self.tree.body):
            if isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                pairs |= {
                    alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names
                }
        return pairs

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        up = node.level - (1 if self.is_package else 0)
        base = parts[: len(parts) - up]
        return ".".join(base + ([node.module] if node.module else []))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run at import, those inside ``if`` and ``try`` included."""
    for node in body:
        yield node
        match node:
            case ast.If(body=inner, orelse=other):
                yield from top_level(inner + other)
            case ast.Try(body=inner, orelse=other):
                yield from top_level(inner + other)


@dataclass(frozen=True)
class Release:
    """One published version of a package."""

    version: str
    modules: Mapping[str, Module]

    @property
    def minor(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    def find(self, dotted: str, depth: int = 0) -> Found | None:
        """Follow re-exports until the place that defines ``dotted``; None for names of others."""
        module_name, _, name = dotted.rpartition(".")
        module = self.modules.get(module_name)
        if module is None or depth > 12:
            return None
        if name in module.definitions:
            return Found(dotted, module.definitions[name])
        if name in module.imports:
            return self.find(module.imports[name], depth + 1)
        return None

    def ancestry(self, found: Found) -> list[Found]:
        """The class and those of its bases that this release defines, nearest first."""
        module = self.modules[found.dotted.rpartition(".")[0]]
        chain = [found]
        for base in found.node.bases if isinstance(found.node, ast.ClassDef) else []:
            if isinstance(base, ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                parent = self.find(f"{module.name}.{base.id}")
                if parent is not None and parent.dotted != found.dotted:
                    chain += [one for one in self.ancestry(parent) if one not in chain]
        return chain

    def definitions(self) -> Iterator[Found]:
        for module in self.modules.values():
            for name, node in module.definitions.items():
                yield Found(f"{module.name}.{name}", node)

    def exports(self) -> Iterator[tuple[str, Found]]:
        """Every dotted name under which a definition of this release can be imported."""
        for module in self.modules.values():
            for name in [*module.definitions, *module.imports]:
                found = self.find(f"{module.name}.{name}")
                if found is not None:
                    yield f"{module.name}.{name}", found


def read_release(path: Path, packages: tuple[str, ...], version: str = "") -> Release:
    """Parse the named packages of a wheel, or of a directory that holds them unpacked."""
    files = _wheel_files(path) if path.suffix == ".whl" else _tree_files(path, packages)
    wanted = {name: text for name, text in files if name.split("/", 1)[0] in packages}
    modules = (_parse(name, wanted[name]) for name in sorted(wanted))
    return Release(version or _wheel_version(path), {module.name: module for module in modules})


def _wheel_version(path: Path) -> str:
    found = re.match(r"\w+-([^-]+)-", path.name)
    if found is None:
        raise ValueError(f"not a wheel's name: {path.name}")
    return found[1]


def _wheel_files(path: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                yield name, archive.read(name).decode("utf-8")


def _tree_files(root: Path, packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for package in packages:
        for file in (root / package).rglob("*.py"):
            yield file.relative_to(root).as_posix(), file.read_text("utf-8")


def _parse(file: str, text: str) -> Module:
    parts = file.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, ast.parse(text), is_package)


def parameters(node: Definition) -> list[list[Any]]:
    """A signature as data: ``[name, kind]`` or ``[name, kind, default]``, ``self`` left out.

    ``kind`` is ``positional``, ``keyword``, ``args`` or ``kwargs``. A default is a one-element list
    with its constant, or an empty list where it is not a constant.
    """
    if isinstance(node, ast.ClassDef):
        raise TypeError("ask for the signature of the class's __init__")
    spec = node.args
    positional = spec.posonlyargs + spec.args
    gap: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
    rows = [
        _parameter(arg.arg, "positional", default)
        for arg, default in zip(positional, gap + list(spec.defaults), strict=True)
    ]
    if rows and rows[0][0] in ("self", "cls"):
        rows = rows[1:]
    if spec.vararg is not None:
        rows.append([spec.vararg.arg, "args"])
    rows += [
        _parameter(arg.arg, "keyword", default)
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    if spec.kwarg is not None:
        rows.append([spec.kwarg.arg, "kwargs"])
    return rows


def _parameter(name: str, kind: str, default: ast.expr | None) -> list[Any]:
    if default is None:
        return [name, kind]
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return [name, kind, []]
    plain = value is None or isinstance(value, (bool, int, float, str))
    return [name, kind, [value] if plain else []]


def methods(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    """A class's own public methods; properties are not methods, overload stubs give way."""
    return {
        one.name: one
        for one in node.body
        if isinstance(one, ast.FunctionDef) and not _is_property(one)
    }


def _is_property(node: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"property", "setter", "getter", "deleter"})


def spans(values: list[tuple[tuple[int, int], Any]]) -> list[list[Any]]:
    """``[since, until, value]`` rows of a history; ``until`` is the first version without it.

    ``values`` holds one entry per version in order; None means that the version lacks it.
    """
    rows: list[list[Any]] = []
    for version, value in values:
        if rows and rows[-1][1] is None and rows[-1][2] == value:
            continue
        if rows and rows[-1][1] is None:
            rows[-1][1] = list(version)
        if value is not None:
            rows.append([list(version), None, value])
    return rows
