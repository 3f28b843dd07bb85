"""Settings that code hands to a Trainer: ``Trainer(**cfg.trainer)``.

Such settings name no class. That they are a Trainer's says the code, and that most of their keys
are its arguments. What a program composes with Hydra it gets; a file by itself it gets where its
name stands in the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from pl_lint.facts.sites import TrainerSite
from pl_lint.static.configs.commandline import is_trainer
from pl_lint.static.configs.tree import Table
from pl_lint.static.configs.values import Reader, odd_on_purpose, places, target_of
from pl_lint.static.names import Project


@dataclass(eq=False)
class Handed:
    """The Trainers of code, and what settings give to those that ask for some."""

    trainers: tuple[TrainerSite, ...]
    project: Project
    given: dict[TrainerSite, dict[TrainerSite, None]] = field(default_factory=dict)

    def record(self, tree: Table, values: Reader, path: str) -> None:
        """Look in one config for what Trainers ask for. ``path``: the file that has to be loaded
        by its name; empty for what is composed."""
        for site in self.trainers:
            table = _below(tree, site.spread) if site.spread else None
            if table is None or target_of(table) is not None or not is_trainer(table):
                continue
            if not path or self._names(site, path):
                pairs = dict(site.arguments) | dict(values.pairs(table, site.spread, hidden=False))
                pairs |= odd_on_purpose(table)
                made = replace(site, arguments=tuple(pairs.items()), places=places(table))
                self.given.setdefault(site, {})[made] = None

    def _names(self, site: TrainerSite, path: str) -> bool:
        """Whether the file that builds a Trainer names a file of settings."""
        file = PurePosixPath(path).name
        here = (one for one in self.project.modules if one.path == site.location.path)
        return any(file in one.source.text for one in here)

    def completed(self, trainers: Iterable[TrainerSite]) -> Iterator[TrainerSite]:
        """The Trainers with what settings give them, once for each config."""
        for site in trainers:
            yield from self.given.get(site, (site,))


def _below(tree: Table, keys: tuple[str, ...]) -> Table | None:
    found: Table | None = tree
    for key in keys:
        found = found.table(key) if found is not None else None
    return found
