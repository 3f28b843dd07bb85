"""Scripts that are called as files of tests are (``test_model.py``), and test a model for whoever
starts them: they ask the command line for what to test, and hold nothing that a test runner takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.static.names import Module, Project

ASKING = frozenset({"argparse", "click", "fire", "hydra", "jsonargparse", "typer", "tyro"})
"""What reads a command line."""
RUNNERS = frozenset({"pytest", "unittest", "nose", "hypothesis"})


def trials(project: Project) -> Iterator[str]:
    """The paths of these scripts, whatever their names are."""
    for module in project.modules:
        imported = {one.partition(".")[0] for one in module.imports.values()}
        asks = bool(imported & ASKING) or "sys.argv" in module.source.text
        if asks and not imported & RUNNERS and not _has_tests(module):
            yield module.path


def _has_tests(module: Module) -> bool:
    """Whether a test runner finds something in a file, by the names that it goes by."""
    functions = any(one.startswith("test_") for one in module.functions)
    return functions or any(one.startswith("Test") for one in module.classes)
