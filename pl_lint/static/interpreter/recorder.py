"""Collects what an interpretation sees. The same site seen twice is one site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pl_lint.findings import Location

Site = TypeVar("Site")


@dataclass(eq=False)
class Recorder:
    """Sites by kind, in the order in which they were first seen."""

    sites: dict[type, dict[Any, None]] = field(default_factory=dict)
    called_methods: set[str] = field(default_factory=set)
    saves_hyperparameters: bool = False
    links: dict[Location, set[str]] = field(default_factory=dict)
    """Which classes are trained with a watcher; an empty name is a class that is not known."""

    def add(self, site: object) -> None:
        self.sites.setdefault(type(site), {})[site] = None

    def link(self, watcher: Location, model: str) -> None:
        """A watcher sees what this class logs."""
        self.links.setdefault(watcher, set()).add(model)

    def all(self, kind: type[Site]) -> tuple[Site, ...]:
        return tuple(self.sites.get(kind, {}))

    def extend(self, sites: Iterable[object]) -> None:
        for site in sites:
            self.add(site)
