"""Programs that stand in a repository beside the one that it is about: copies of other people's.

What their Trainers say is no evidence about the classes around them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.static.names import Project
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
        for other in project.imported(module):
            if folders[other.path] != here:
                tied |= {here, folders[other.path]}
    yield from ((path, folder) for path, folder in folders.items() if folder and folder not in tied)
