"""Which data modules settings give to the modules that they train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pl_lint.facts.sites import FedSite
from pl_lint.static.configs.files import walk
from pl_lint.static.configs.hydra import MISSING
from pl_lint.static.configs.tree import Leaf, Table

Built = tuple[str, tuple[str, ...], Table]
"""A class of the project that a config builds: its name, the keys that lead to it, its table."""


def fed(modules: Iterable[Built], others: Iterable[Built]) -> Iterator[FedSite]:
    """What one config says: a module has what stands beside it, as ``data`` beside ``model``.
    Nothing where something of that waits for another config to say the rest."""
    known = list(others)
    for owner, (*above, _), _ in modules:
        beside = [(name, table) for name, path, table in known if [*path[:-1]] == above]
        if not any(_waits(table) for _, table in beside):
            ones = {(name, key) for name, table in beside for key in _ones(table)}
            yield FedSite(owner, tuple(sorted({name for name, _ in beside})), frozenset(ones))


def _ones(table: Table) -> Iterator[str]:
    """The settings that say 1: ``batch_size: 1``."""
    for key, node in table.entries.items():
        if isinstance(node, Leaf) and node.value == 1 and node.value is not True:
            yield key


def _waits(table: Table) -> bool:
    """Whether a setting is still to be given: ``batch_size: ???``."""
    nodes = (node for _, one in walk(table) for node in one.entries.values())
    return any(isinstance(node, Leaf) and node.value == MISSING for node in nodes)
