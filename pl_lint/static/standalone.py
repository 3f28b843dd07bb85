"""Files that are programs by themselves: notebooks and scripts that bring their classes and the
Trainers for them, use nothing of their project, and are named by nothing in it.

Their Trainers, seeds and keys are no evidence about the project around them, nor its about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from itertools import takewhile
from pathlib import PurePath

from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.names import Module, Project

LOADS_CODE = re.compile(
    r"\bexec\(|\b(?:spec_from_file\w*|run_path|run_module|import_ipynb|pydoc|papermill|entry_points)\b|"
    r"hub\.load\(\s*[\"']\.|%run\b|run_line_magic\(\s*[\"']run\b"
)
"""What runs code of another file without importing it: it may mean any."""
READS_SETTINGS = re.compile(r"\b(?:hydra|omegaconf|OmegaConf|yaml|LightningCLI|jsonargparse)\b")


def standalone(project: Project, configs: Sequence[ConfigFile], files: Set[str]) -> Iterator[str]:
    """Those of these files, which nothing names, that use nothing of the project either."""
    if not files or any(LOADS_CODE.search(one.source.written) for one in project.modules):
        return
    stems = {PurePath(one.path).stem for one in project.modules}
    named = re.compile(rf"\b({'|'.join(map(re.escape, sorted(stems)))})\.(?:py|ipynb)\b")
    known = _Known(project)
    for module in (one for one in project.modules if one.path in files):
        reads = bool(configs) and READS_SETTINGS.search(module.source.text)
        tied = known.is_copied(module) or known.may_be_used_by(module)
        if not reads and not tied and not _names_others(module, named):
            yield module.path


class _Known:
    """What imports may mean in a project: its files, the folders that these are in, and what they
    define. A package may be installed under another name than that of its folder."""

    def __init__(self, project: Project) -> None:
        self._project = project
        parts = [PurePath(one.path).parts[:-1] for one in project.modules]
        above = takewhile(lambda level: len({*level}) == 1, zip(*parts, strict=False))
        depth = len(list(above))
        self._folders = {folder for one in parts for folder in one[depth:]}
        self._homes: dict[str, set[str]] = {}
        for module in project.modules:
            for name in (*module.classes, *module.functions):
                self._homes.setdefault(name, set()).add(module.path)

    def is_copied(self, module: Module) -> bool:
        """Whether all classes of a file stand in another one, too, or the other way round: the
        program that trains and the one that tests may each have a copy of them."""
        own = set(module.classes)
        others = (set(one.classes) for one in self._project.modules if one is not module)
        return any(one and (one <= own or own <= one) for one in others)

    def may_be_used_by(self, module: Module) -> bool:
        origins = {*module.imports.values(), *module.stars}
        heads = {one.partition(".")[0] for one in origins}
        homes = {home for one in origins for home in self._homes.get(one.rpartition(".")[2], ())}
        found = any(self._project.imported(module)) or bool(homes - {module.path})
        return found or not self._folders.isdisjoint(heads)


def _names_others(module: Module, named: re.Pattern[str]) -> bool:
    own = PurePath(module.path).stem
    return any(stem != own for stem in named.findall(module.source.written))
