"""Programs that stand in a repository beside the one that it is about: copies of other people's.

What their Trainers say is no evidence about the classes around them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.static.names import Module, Project
from pl_lint.static.versions import Versions


def copies(project: Project, versions: Versions) -> Iterator[tuple[str, str]]:
    """The files that stand in a folder which says for itself what it needs, with that folder, where
    nothing inside imports anything outside of it and nothing outside anything inside."""
    folders = {one.path: versions.inner(one.path) for one in project.modules}
    if not any(folders.values()):
        return
    tied: set[str] = set()
    for module in project.modules:
        here = folders[module.path]
        for other in _imported(module, project):
            if folders[other.path] != here:
                tied |= {here, folders[other.path]}
    yield from ((path, folder) for path, folder in folders.items() if folder and folder not in tied)


def _imported(module: Module, project: Project) -> Iterator[Module]:
    """The files of the run that a file imports, or something in them."""
    for name in (*module.imports.values(), *module.stars):
        for target in (name, name.rpartition(".")[0]):
            found = project.find_module(target, module) if target else None
            if found is not None:
                yield found
                break
