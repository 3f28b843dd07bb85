"""Collects what an interpretation sees. The same site seen twice is one site."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeVar

from pl_lint.findings import Location
from pl_lint.plain import field, frozen, mutable

Site = TypeVar("Site")


@frozen
class Watched:
    """The names of the calls that some rule looks at."""

    names: frozenset[str] = frozenset()

    @cached_property
    def last(self) -> frozenset[str]:
        """The last word of each name: most calls are told from these alone."""
        return frozenset(name.rpartition(".")[2] for name in self.names)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What a text must hold, one of them, to make a call that is wanted."""
        return tuple(dict.fromkeys(map(_in_text, sorted(self.names))))

    @cached_property
    def keywords(self) -> frozenset[str]:
        """The keywords that make any call worth a site: ``download=``."""
        return frozenset(name.removesuffix("=") for name in self.names if name.endswith("="))

    def wants(self, name: str) -> bool:
        return name in self.names or f".{name.rpartition('.')[2]}" in self.names


def _in_text(name: str) -> str:
    """A method is called behind a dot; a function may have been imported under its last word, or
    under a name that ends in it."""
    last = name.rpartition(".")[2]
    if last.endswith(("=", ")")):  # a keyword; an object that is called where it is made
        return last
    dot = "." if name.startswith((".", "self.", "super.")) else ""
    return f"{dot}{last}("


@mutable
class Recorder:
    """Sites by kind, in the order in which they were first seen."""

    watched: Watched = field(default_factory=Watched)
    sites: dict[type, dict[Any, None]] = field(default_factory=dict)
    called_methods: set[str] = field(default_factory=set)
    saves_hyperparameters: bool = False
    links: dict[Location, set[str]] = field(default_factory=dict)
    """Which classes are trained with a watcher; an empty name is a class that is not known."""

    seen: int = 0
    """How often something was seen, the same again included."""
    found: int = 0
    """How much was seen that had not been seen before."""

    def add(self, site: object) -> None:
        self.seen += 1
        known = self.sites.setdefault(type(site), {})
        before = len(known)
        known[site] = None
        self.found += len(known) - before

    def link(self, watcher: Location, model: str) -> None:
        """A watcher sees what this class logs."""
        self.seen += 1
        known = self.links.setdefault(watcher, set())
        self.found += model not in known
        known.add(model)

    def all(self, kind: type[Site]) -> tuple[Site, ...]:
        return tuple(self.sites.get(kind, {}))

    def take(self, other: Recorder) -> None:
        """All sites and links of another one."""
        for sites in other.sites.values():
            self.extend(sites)
        for watcher, models in other.links.items():
            self.links.setdefault(watcher, set()).update(models)

    def extend(self, sites: Iterable[object]) -> None:
        for site in sites:
            self.add(site)
