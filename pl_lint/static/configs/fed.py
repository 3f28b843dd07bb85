"""Which data modules settings give to the modules that they train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pl_lint.facts.sites import FedSite
from pl_lint.static.configs.files import walk
from pl_lint.static.configs.hydra import MISSING
from pl_lint.static.configs.tree import Leaf, Node, Table

Built = tuple[str, tuple[str, ...], Table]
"""A class of the project that a config builds: its name, the keys that lead to it, its table."""


def fed(modules: Iterable[Built], others: Iterable[Built]) -> Iterator[FedSite]:
    """What one config says: a module has what stands beside it, as ``data`` beside ``model``.
    Nothing where something of that waits for another config to say the rest."""
    known = list(others)
    for owner, (*above, _), _ in modules:
        beside = [(name, table) for name, path, table in known if [*path[:-1]] == above]
        if not any(_waits(table) for _, table in beside):
            said = [(name, key, _is_one(node)) for name, key, node in _settings(beside)]
            ones = {(name, key) for name, key, one in said if one}
            others = {(name, key) for name, key, one in said if not one}
            classes = tuple(sorted({name for name, _ in beside}))
            yield FedSite(owner, classes, frozenset(ones - others))


def _settings(built: Iterable[tuple[str, Table]]) -> Iterator[tuple[str, str, Node]]:
    for name, table in built:
        for key, node in table.entries.items():
            yield name, key, node


def _is_one(node: Node) -> bool:
    """``batch_size: 1``"""
    return isinstance(node, Leaf) and node.value == 1 and node.value is not True


def _waits(table: Table) -> bool:
    """Whether a setting is still to be given: ``batch_size: ???``."""
    nodes = (node for _, one in walk(table) for node in one.entries.values())
    return any(isinstance(node, Leaf) and node.value == MISSING for node in nodes)
