"""Settings that code hands to a Trainer: ``Trainer(**cfg.trainer)``,
``Trainer(devices=cfg.trainer.devices)``.

Such settings name no class. That they are a Trainer's says the code, and of a whole table that most
of its keys are a Trainer's arguments. What a program composes with Hydra it gets; a file by itself
it gets where its name stands in the program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath

from pl_lint.facts.sites import TrainerSite
from pl_lint.facts.values import UNKNOWN
from pl_lint.places import Location
from pl_lint.plain import field, mutable, replace
from pl_lint.static.configs.commandline import is_trainer
from pl_lint.static.configs.tree import Leaf, Listing, Table
from pl_lint.static.configs.values import DEBUGGING, Reader, odd_on_purpose, places, target_of
from pl_lint.static.names import Project

CONFIG_NAME = re.compile(r"""config_name\s*=\s*["']([^"']+)["']""")
"""How a program says which config it wants, in ``hydra.main`` and in decorators around it."""

MAIN = re.compile(r"""\bhydra\.main\(([^()]*)\)""")
CONFIG_PATH = re.compile(r"""config_path\s*=\s*["']([^"']*)["']""")


def asked_for(project: Project) -> frozenset[str]:
    """The files that a ``hydra.main`` of the project names, by their folder and their name; their
    suffix aside."""
    found: set[str] = set()
    for module in project.modules:
        text = module.source.text
        for given in MAIN.findall(text) if "hydra.main" in text else ():
            folder, name = CONFIG_PATH.search(given), CONFIG_NAME.search(given)
            if folder is not None and name is not None:
                here = PurePosixPath(module.path).parent / folder[1] / name[1]
                found.add(os.path.normpath(here).removesuffix(".yaml"))
    return frozenset(found)


@mutable
class Handed:
    """The Trainers of code, and what settings give to those that ask for some."""

    trainers: tuple[TrainerSite, ...]
    project: Project
    given: dict[TrainerSite, dict[TrainerSite, None]] = field(default_factory=dict)
    run: dict[Location, set[str]] = field(default_factory=dict)
    """The classes that the settings of a Trainer name as what it runs; an empty name where one of
    them names none."""
    chosen: dict[TrainerSite, set[str]] = field(default_factory=dict)
    """Those that are trained by what is composed without an option, or by an experiment."""

    def record(
        self,
        tree: Table,
        values: Reader,
        loaded: frozenset[str],
        composed: frozenset[str],
        chosen: bool,
    ) -> None:
        """Look in one config for what Trainers ask for: in a file that has to be loaded by its
        name, or in what is composed of several. What is not ``chosen`` where nothing else is said
        may be on the command line: it tells on how many devices the program may run."""
        for site in self.trainers:
            whole = _with_table(site, tree, values) if chosen else site
            made = _with_single_values(whole, tree, values)
            if made == site:
                continue
            if self._names(site, loaded) if loaded else self._asks_for(site, composed):
                self.given.setdefault(site, {})[made] = None

    def _names(self, site: TrainerSite, loaded: frozenset[str]) -> bool:
        """Whether the file that builds a Trainer names a file of settings."""
        text = self._text_of(site)
        asked = {PurePosixPath(name).stem for name in CONFIG_NAME.findall(text)}
        named = map(PurePosixPath, loaded)
        return any(path.name in text or path.stem in asked for path in named)

    def _asks_for(self, site: TrainerSite, composed: frozenset[str]) -> bool:
        """Whether a config may be the one that the program asks Hydra for, if it says which."""
        asked = {PurePosixPath(name).stem for name in CONFIG_NAME.findall(self._text_of(site))}
        return not asked or not asked.isdisjoint(PurePosixPath(path).stem for path in composed)

    def _text_of(self, site: TrainerSite) -> str:
        return self._texts.get(site.location.path, "")

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """The text of each file: every config asks for that of every Trainer."""
        found: dict[str, list[str]] = {}
        for module in self.project.modules:
            found.setdefault(module.path, []).append(module.source.text)
        return {path: "\n".join(texts) for path, texts in found.items()}

    def completed(self, trainers: Iterable[TrainerSite]) -> Iterator[TrainerSite]:
        """The Trainers with what settings give them, once for each config."""
        for site in trainers:
            for made in map(_with_defaults, self.given.get(site, (site,))):
                names = tuple(sorted(self.run.get(made.location, ())))
                chosen = tuple(sorted(self.chosen.get(site, ())))
                yield replace(made, modules=names, chosen_for=chosen) if names else made


def _with_table(site: TrainerSite, tree: Table, values: Reader) -> TrainerSite:
    """With the settings that it is given as a whole."""
    table = _below(tree, site.spread) if site.spread else None
    if table is None or target_of(table) is not None or not is_trainer(table):
        return site
    pairs = dict(site.arguments) | dict(values.pairs(table, site.spread, hidden=False))
    pairs |= odd_on_purpose(table)
    return replace(site, arguments=tuple(pairs.items()), places=places(table))


def _with_single_values(site: TrainerSite, tree: Table, values: Reader) -> TrainerSite:
    """With those that it asks settings for one by one, and the code does not tell."""
    pairs = dict(site.arguments)
    for name, (*above, key), _ in site.asked:
        table = _below(tree, tuple(above))
        node = table.get(key) if table is not None else None
        node = node or (None if above else _of_a_group(tree, key))
        plain = isinstance(node, Leaf | Listing) and DEBUGGING not in node.place.path.lower()
        if node is not None and plain and pairs.get(name) == UNKNOWN:
            pairs[name] = values.value(node, (*above, key))
    return replace(site, arguments=tuple(pairs.items()))


def _of_a_group(tree: Table, key: str) -> Leaf | Listing | Table | None:
    """A setting of the one group that has it: Hydra 1.0 put what a group's file says at the top."""
    groups = (one for one in tree.entries.values() if isinstance(one, Table))
    found = [node for one in groups if (node := one.get(key)) is not None]
    return found[0] if len(found) == 1 else None


def _with_defaults(site: TrainerSite) -> TrainerSite:
    """With what the code says for settings that are not given."""
    pairs = dict(site.arguments)
    for name, _, otherwise in site.asked:
        if pairs.get(name) == UNKNOWN:
            pairs[name] = otherwise
    return replace(site, arguments=tuple(pairs.items()))


def _below(tree: Table, keys: tuple[str, ...]) -> Table | None:
    found: Table | None = tree
    for key in keys:
        found = found.table(key) if found is not None else None
    return found
