"""Which YAML files hold settings of Lightning's, read and ready to be composed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pl_lint.places import SETTINGS, Location
from pl_lint.plain import frozen
from pl_lint.static.configs.comments import YamlSuppressions
from pl_lint.static.configs.tree import Broken, Leaf, Listing, Node, Table, parse
from pl_lint.static.sources import Contents, Unreadable, shown

WORDS = (b"_target_", b"class_path", b"lightning", b"trainer", b"callbacks", b"defaults:")
WORDS += (b"devices:", b"gpus:")
"""A file that holds none of these has nothing to say about Lightning."""
LARGEST = 2**20
"""Bytes. Longer YAML is data: annotations, locks, results."""
FOLDERS_OF_RUNS = frozenset({"lightning_logs", "wandb", "mlruns", "outputs", "multirun"})
"""Where loggers and Hydra write down what a run was given."""
CLEARLY_OURS = re.compile(
    r"""(?:_target_|class_path)\s*:\s*["']?(?:lightning|pytorch_lightning)\."""
)
OF_A_COMMAND_LINE = (
    re.compile(r"^trainer\s*:", re.MULTILINE),
    re.compile(r"^seed_everything\s*:|^\s*(?:-\s+)?class_path\s*:", re.MULTILINE),
)
"""What LightningCLI's files say, whatever classes they build."""
TEMPLATE = re.compile(r"\{\{|\{%|<%|^\s*@", re.MULTILINE)
PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
HEAD = 2000
"""Characters in which Hydra's package header stands."""


@frozen(eq=False)
class ConfigFile:
    """One YAML file; ``tree`` is its mapping."""

    path: str
    text: str
    tree: Table

    @cached_property
    def suppressions(self) -> YamlSuppressions:
        return YamlSuppressions(self.text, self.path)

    @cached_property
    def package(self) -> str | None:
        """Where Hydra puts what stands here; None where its folder says so."""
        found = PACKAGE.search(self.text[:HEAD])
        return found[1] if found else None

    @cached_property
    def defaults(self) -> tuple[Node, ...] | None:
        """Hydra's list of what this file is composed of; None where there is none."""
        given = self.tree.get("defaults")
        is_list = isinstance(given, Listing) and all(map(_is_default, given.items))
        return given.items if isinstance(given, Listing) and is_list else None

    @property
    def is_alone(self) -> bool:
        """Whether Hydra composes it with no other file."""
        given = self.defaults or ()
        return all(isinstance(one, Leaf) and one.value == "_self_" for one in given)

    @cached_property
    def content(self) -> Table:
        """Everything but the list of defaults."""
        if self.defaults is None:
            return self.tree
        rest = {name: node for name, node in self.tree.entries.items() if name != "defaults"}
        return Table(rest, self.tree.place, self.tree.keys, self.tree.open)


def _is_default(node: Node) -> bool:
    """``_self_``, ``model: mnist``, ``override /model: [a, b]``."""
    if isinstance(node, Leaf):
        return isinstance(node.value, str)
    return isinstance(node, Table) and len(node.entries) == 1


def is_config(path: Path) -> bool:
    """Whether a file is YAML by its name."""
    return path.suffix in SETTINGS


def matters(path: Path, data: bytes) -> bool:
    """Whether a YAML file may hold settings of Lightning's."""
    of_a_run = not FOLDERS_OF_RUNS.isdisjoint(path.parts[:-1])
    return len(data) <= LARGEST and not of_a_run and any(word in data for word in WORDS)


def is_clearly_ours(text: str) -> bool:
    """Whether it is worth saying that a file is broken: others have tools of their own."""
    of_cli = all(pattern.search(text) for pattern in OF_A_COMMAND_LINE)
    return of_cli or CLEARLY_OURS.search(text) is not None


def is_asked_for(text: str) -> bool:
    """Of a file that is named everything is told."""
    return True


def read(
    path: Path, data: bytes, is_told: Callable[[str], bool] = is_clearly_ours
) -> ConfigFile | Unreadable | None:
    """The settings in a file. None where it holds something else; what is broken is told only of
    those texts of which ``is_told`` says so, and of no template."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        tree = parse(text, shown(path))
    except UnicodeDecodeError:
        return None
    except Broken as error:
        if not is_told(text) or TEMPLATE.search(text):
            return None
        message = f"broken YAML: {error}; correct it or exclude the file"
        return Unreadable(Location(shown(path), error.line, error.column), message)
    return ConfigFile(shown(path), text, tree) if tree is not None else None


def load(
    paths: Sequence[Path], contents: Contents, named: Collection[Path] = ()
) -> tuple[list[ConfigFile], list[Unreadable]]:
    """The settings in those files that matter, and in those that Hydra composes them of."""
    found: list[ConfigFile] = []
    unreadable: list[Unreadable] = []
    others: list[Path] = []
    for path in paths:
        data = contents(path)
        if isinstance(data, Unreadable):
            unreadable.append(data)
            continue
        asked, of_use = path in named, matters(path, data)
        if not of_use:
            others.append(path)
        if not of_use and not asked:
            continue
        file = read(path, data, is_asked_for if asked else is_clearly_ours)
        if isinstance(file, Unreadable):
            unreadable.append(file)
        elif of_use and file is not None:
            found.append(file)
    return [*found, *_composed(found, others, contents)], unreadable


def _composed(
    found: Sequence[ConfigFile], others: Sequence[Path], contents: Contents
) -> Iterator[ConfigFile]:
    """Files without a word of Lightning's that lie where Hydra looks for what those found need."""
    folders = {Path(file.path).parent for file in found if file.defaults is not None}
    for path in others:
        if folders.isdisjoint(Path(shown(path)).parents):
            continue
        data = contents(path)
        file = read(path, data) if isinstance(data, bytes) and len(data) <= LARGEST else None
        if isinstance(file, ConfigFile):
            yield file


def walk(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Every mapping in a tree with the keys that lead to it."""
    if isinstance(node, Table):
        yield path, node
        for name, child in node.entries.items():
            yield from walk(child, (*path, name))
    elif isinstance(node, Listing):
        for index, child in enumerate(node.items):
            yield from walk(child, (*path, str(index)))
