"""Files that are programs by themselves: notebooks and scripts that bring their classes and the
Trainers for them, use nothing of their project, and are named by nothing in it.

Their Trainers, seeds and keys are no evidence about the project around them, nor its about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from pathlib import PurePath

from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.names import Module, Project

LOADS_CODE = re.compile(
    r"\bexec\(|\b(?:spec_from_file|run_path|run_module|import_ipynb|pydoc|papermill)\b|hub\.load\(|"
    r"%run\b|run_line_magic\(\s*[\"']run\b"
)
"""What runs code of another file without importing it."""
READS_SETTINGS = re.compile(r"\b(?:hydra|omegaconf|OmegaConf|yaml|LightningCLI|jsonargparse)\b")


def standalone(project: Project, configs: Sequence[ConfigFile], files: Set[str]) -> Iterator[str]:
    """Those of these files, which nothing names, that use nothing of the project either."""
    stems = {PurePath(one.path).stem for one in project.modules}
    named = re.compile(rf"\b({'|'.join(map(re.escape, sorted(stems)))})\.(?:py|ipynb)\b")
    for module in project.modules:
        text = module.source.text
        tied = LOADS_CODE.search(module.source.written) or any(project.imported(module))
        reads = bool(configs) and READS_SETTINGS.search(text) is not None
        if module.path in files and not tied and not reads and not _names_others(module, named):
            yield module.path


def _names_others(module: Module, named: re.Pattern[str]) -> bool:
    own = PurePath(module.path).stem
    return any(stem != own for stem in named.findall(module.source.written))
