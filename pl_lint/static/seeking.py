"""Which files look for the best checkpoint after training, or load any."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.static.names import Project

LOADS = re.compile(
    r"\bbest_model_path\b|\bbest_k_models\b|\bload_from_checkpoint\(|\bload_state_dict\(|"
    r"""\btorch\.load\(|\bckpt_path\s*=\s*(?!None\b)|["']best["']"""
)


def loading(project: Project) -> Iterator[str]:
    """The files that say so."""
    return (module.path for module in project.modules if module.source.found(LOADS))
