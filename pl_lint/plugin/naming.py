"""Node ids that name nothing: what may be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pl_lint.checks.registry import all_checks
from pl_lint.config import nearest
from pl_lint.plugin.items import READING
from pl_lint.plugin.reading import ProjectReading


def misnamed(ids: Iterable[str], project: ProjectReading, folder: Path) -> Iterator[str]:
    """A line for each id ``file.py::case::check`` of which a part is unknown, as far as there is
    one that is near to it."""
    for nodeid in ids:
        file, *names = nodeid.split("::")
        path = (folder / file).resolve()
        if names and path in project.broken:
            broken = project.broken[path]
            yield f"{broken.location}: {broken.verdict}: {broken.message}"
        elif names:
            meant = meant_by(names, [t.name for t in project.targets if t.path == path])
            if meant and meant != names:
                yield f"did you mean {'::'.join([file, *meant])}?"


def meant_by(names: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The nearest names behind a file; none where the first one is near to none."""
    checks = [check.name for check in all_checks()]
    if names[0] in checks and targets:  # the case was left out
        return [targets[0], names[0]]
    known = nearest(names[0], [READING, *targets])
    if known is None or len(names) == 1:
        return [known] if known else []
    check = nearest(names[1], checks)
    return [known, check] if check else [known]
