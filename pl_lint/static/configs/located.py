"""The classes of the project that dotted names in settings mean."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pl_lint.facts import lightning
from pl_lint.static.names import ClassInfo, Module, Project, index_module
from pl_lint.static.sources import SourceFile
from pl_lint.static.suppressions import Suppressions


class Located:
    """Looks names up from the place of one config; ``modules`` are the project's modules."""

    def __init__(self, project: Project, modules: Sequence[ClassInfo], path: str) -> None:
        self._project = project
        self._modules = modules
        self._near = _standing_at(path)

    def find(self, name: str) -> ClassInfo | None:
        found = self._project.locate(name, self._near)
        if isinstance(found, ClassInfo):
            return found
        owner, _, last = name.rpartition(".")
        folders = owner.split(".")
        named = [
            info
            for info in self._modules
            if info.name == last and _leads_through(info.module.parts, folders)
        ]
        return named[0] if len(named) == 1 and not lightning.canonical(name) else None


def _standing_at(path: str) -> Module:
    """A file without any code at the place of a config: names are looked up from there."""
    return index_module(SourceFile(path, "", ast.parse(""), Suppressions("")))


def _leads_through(parts: Sequence[str], folders: Sequence[str]) -> bool:
    """Whether a module lies in a package, or is it, wherever the path to it begins."""
    size = len(folders)
    return any(list(parts[i : i + size]) == list(folders) for i in range(len(parts)))
