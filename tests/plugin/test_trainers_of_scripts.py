"""Which Trainer of a project fits a module on several ranks, though it stands in another file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sessions import HEAD, plant

from pl_lint.config import Config
from pl_lint.plugin.reading import ProjectReading

CASE = """
@pl_lint.case
def line():
    return Line(), pairs()
"""
SCRIPT = """
import lightning as L
from models import Line, pairs


def main():
    trainer = L.Trainer({arguments})
    trainer.{method}(Line(), pairs())
"""


@pytest.mark.parametrize(
    ("arguments", "method", "plain"),
    [
        ("strategy='ddp', devices=2", "fit", True),
        ("strategy='ddp_spawn'", "fit", True),
        ("devices=4", "fit", True),
        ("strategy='auto', devices=4", "fit", True),
        ("", "fit", False),
        ("devices=1", "fit", False),
        ("devices='auto'", "fit", False),
        ("strategy='ddp_find_unused_parameters_true', devices=2", "fit", False),
        ("strategy='fsdp', devices=2", "fit", False),
        ("strategy=L.pytorch.strategies.DDPStrategy(), devices=2", "fit", False),
        ("**settings", "fit", False),
        ("strategy='ddp', devices=2", "validate", False),
    ],
)
def test_a_script_that_trains_on_several_ranks_is_known(
    arguments: str, method: str, plain: bool, tmp_path: Path
) -> None:
    script = SCRIPT.format(arguments=arguments, method=method)
    project = ProjectReading(
        [plant(tmp_path, {"models.py": HEAD + CASE, "train.py": script})], Config(), []
    )
    [target] = project.targets
    found = project.plain_ddp_of(target)
    assert (found is not None) is plain
    assert found is None or Path(found.path).name == "train.py"
