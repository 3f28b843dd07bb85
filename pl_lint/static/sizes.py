"""Batch sizes that only settings know: YAML, and the defaults of a class of settings."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from pl_lint.facts.sites import LoaderSite
from pl_lint.plain import replace
from pl_lint.static.configs.files import ConfigFile, walk
from pl_lint.static.configs.tree import Leaf
from pl_lint.static.names import Project


def sized(
    loaders: Iterable[LoaderSite], project: Project, configs: Sequence[ConfigFile]
) -> Iterator[LoaderSite]:
    """The loaders, with whether all that is written of the setting that sizes them says 1."""
    ones: dict[str, bool] = {}
    for loader in loaders:
        name = loader.sized_by
        if name and name not in ones:
            written = [*_of_yaml(name, configs), *_of_classes(name, project)]
            ones[name] = bool(written) and all(one == 1 for one in written)
        yield replace(loader, one_by_setting=True) if ones.get(name) else loader


def _of_yaml(name: str, configs: Sequence[ConfigFile]) -> Iterator[object]:
    for file in configs:
        for _, table in walk(file.tree):
            node = table.get(name)
            if node is not None:
                yield node.value if isinstance(node, Leaf) else node


def _of_classes(name: str, project: Project) -> Iterator[object]:
    """What stands in the bodies of classes: ``batch_size: int = 1``."""
    for module in project.modules:
        for info in module.classes.values():
            node = info.constants.get(name)
            if node is not None:
                yield node.value if isinstance(node, ast.Constant) else node
