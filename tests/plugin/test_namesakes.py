"""Classes of the same name in several files: what is suspected of one is not said of the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from sessions import HEAD, plant

from pl_lint.config import Config
from pl_lint.plugin.reading import ProjectReading

STEP = """\
    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.loss(batch))

"""
TESTED = HEAD.replace("    def configure_optimizers", f"{STEP}    def configure_optimizers")
MODEL = """
@pl_lint.case
def line():
    return Line(), pairs()
"""
SCRIPT = """
def main():
    best = L.pytorch.callbacks.ModelCheckpoint(monitor="loss")
    trainer = L.Trainer(callbacks=[best])
    model = Line()
    trainer.fit(model, pairs())
    trainer.test(model, pairs())
"""


@pytest.mark.parametrize(
    ("files", "suspected"),
    [
        ({"one.py": TESTED + MODEL + SCRIPT}, {"one.py": True}),
        (
            {"one.py": TESTED + MODEL + SCRIPT, "other.py": TESTED + MODEL},
            {"one.py": True, "other.py": False},
        ),
    ],
    ids=["alone", "with a namesake"],
)
def test_a_suspicion_is_about_one_class(
    files: dict[str, str], suspected: dict[str, bool], tmp_path: Path
) -> None:
    project = ProjectReading([plant(tmp_path, files)], Config(), [])
    found = {
        target.path.name: any(f.code == "LTN317" for f in project.suspicions_of(target))
        for target in project.targets
    }
    assert found == suspected


@pytest.mark.parametrize(
    ("trainers", "planned"),
    [
        (("max_epochs=50",), (50, "train.py:6")),
        (("max_epochs=50", "max_epochs=50, devices=2"), (50, "train.py:6")),
        (("max_epochs=50", "max_epochs=3"), None),
        (("max_epochs=50", "devices=2"), None),
        (("max_epochs=-1",), None),
        (("**options",), None),
    ],
    ids=str,
)
def test_scripts_say_for_how_long_a_module_is_trained(
    trainers: tuple[str, ...], planned: tuple[int, str] | None, tmp_path: Path
) -> None:
    head = "import lightning as L\nfrom one import Line, pairs\n\n\ndef main(options):\n"
    calls = [f"    L.Trainer({given}).fit(Line(), pairs())\n" for given in trainers]
    files = {"one.py": HEAD + MODEL, "train.py": head + "".join(calls)}
    project = ProjectReading([plant(tmp_path, files)], Config(), [])
    assert [project.planned_for(target) for target in project.targets] == [planned]
