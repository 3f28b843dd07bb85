"""What reading says in the end, and what it asks of a rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from pl_lint.config import Selectable
from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.plain import frozen, names
from pl_lint.static.sources import Unreadable


class AnyRule(Selectable, Protocol):
    """What is asked of a rule. The rules themselves stand above this layer."""

    @property
    def calls(self) -> tuple[str, ...]: ...

    @property
    def subject(self) -> str: ...

    def __call__(self, facts: ProjectFacts) -> Iterator[Finding]: ...


@frozen
class JudgedAs:
    """By which Lightning so many ``files`` with something of Lightning's were judged: ``version``
    is empty for the newest that is known, ``because`` where nothing says so."""

    version: str
    because: str
    files: int

    @property
    def known(self) -> str:
        """The version with a name."""
        from pl_lint.facts.lightning import LATEST  # without Lightning code there is nothing to say

        return ".".join(self.version.split(".")[:2]) or ".".join(map(str, LATEST))


@frozen
class Reading:
    """What reading found. ``files`` counts all files looked at, the unparsed ones included;
    in ``relevant`` of them there is something of Lightning's. ``warnings`` are about what was asked
    for: paths and settings."""

    project: ProjectFacts
    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    files: int = 0
    relevant: int = 0
    judged: tuple[JudgedAs, ...] = ()
    warnings: tuple[str, ...] = ()


def joined(projects: Iterable[ProjectFacts]) -> ProjectFacts:
    """The facts of several projects as if they were one."""
    every = tuple(projects)
    if len(every) < 2:
        return every[0] if every else ProjectFacts()
    fields = {name: [getattr(one, name) for one in every] for name in names(ProjectFacts)}
    return ProjectFacts(**{name: _together(values) for name, values in fields.items()})


def _together(values: Sequence[Any]) -> object:
    """The same field of several projects."""
    match values[0]:
        case bool():
            return any(values)
        case frozenset():
            return frozenset().union(*values)
    return tuple(site for one in values for site in one)
