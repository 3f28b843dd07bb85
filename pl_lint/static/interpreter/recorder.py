"""Collects what an interpretation sees. The same site seen twice is one site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Site = TypeVar("Site")


@dataclass(eq=False)
class Recorder:
    """Sites by kind, in the order in which they were first seen."""

    sites: dict[type, dict[Any, None]] = field(default_factory=dict)
    called_methods: set[str] = field(default_factory=set)
    saves_hyperparameters: bool = False

    def add(self, site: object) -> None:
        self.sites.setdefault(type(site), {})[site] = None

    def discard(self, site: object) -> None:
        self.sites.get(type(site), {}).pop(site, None)

    def all(self, kind: type[Site]) -> tuple[Site, ...]:
        return tuple(self.sites.get(kind, {}))

    def extend(self, sites: Iterable[object]) -> None:
        for site in sites:
            self.add(site)
