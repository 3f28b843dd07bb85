"""With pytest-xdist: the same outcomes, the same closing words, and no run made twice."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from sessions import NO_CACHE, Session, plant, pytest_in, with_head

MODELS = with_head("""
    import os
    from pathlib import Path


    class Counted(Line):
        def on_fit_start(self):
            with Path(os.environ["FITS"]).open("a") as log:
                log.write("fit\\n")


    class Wrong(Counted):
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), batch_size=1)


    @pl_lint.case
    def right():
        return Counted(), pairs()


    @pl_lint.case(expected_failures={"logged-values": "known"})
    def wrong():
        return Wrong(), {"train": pairs(), "val": pairs()}


    class NeedsWidth(Line):
        def __init__(self, width):
            super().__init__()
    """)
ROOT = Path(__file__).parents[2]
READ = {
    "notebook.ipynb": ROOT / "fixtures/rules/LTN402/sick_notebook.ipynb",
    "settings/fit.yaml": ROOT / "fixtures/rules/LTN712/sick_settings/fit.yaml",
    "settings/model.py": ROOT / "fixtures/rules/LTN712/sick_settings/model.py",
}
"""What is only read: a notebook and settings have an item each, and fail it."""
CHECKS = "reading or fast-dev-run or logged-values or checkpoint or event-file"


def fits(folder: Path) -> int:
    return (folder / "fits").read_text().count("fit")


def run(folder: Path, *options: str) -> Session:
    texts = {name: path.read_text("utf-8") for name, path in READ.items()}
    plant(folder / "project", {"models.py": MODELS, **texts})
    variables = {"FITS": str(folder / "fits")}
    return pytest_in(folder / "project", *NO_CACHE, "-k", CHECKS, *options, **variables)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, int]:
    folder = tmp_path_factory.mktemp("alone")
    return run(folder), fits(folder)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, int]:
    folder = tmp_path_factory.mktemp("together")
    return run(folder, "-n", "2"), fits(folder)


def normalised(report: dict[str, Any]) -> dict[str, Any]:
    """Without the project's own place, which stands in the scripts."""
    report = copy.deepcopy(report)
    for finding in (found for row in report["run"] for found in row["findings"]):
        finding["script"] = re.sub(r"sys\.path\.insert\(.*?\)\n", "", finding["script"], flags=re.S)
    return report


def test_the_data_file_is_the_same(
    alone: tuple[Session, int], together: tuple[Session, int]
) -> None:
    assert normalised(together[0].report) == normalised(alone[0].report)
    assert set(alone[0].states.values()) >= {"passed", "expected failure", "not run"}
    read = [alone[0].states[f"{name}::reading"] for name in READ if not name.endswith(".py")]
    assert read == ["failed", "failed"]


def test_the_closing_words_are_the_same(
    alone: tuple[Session, int], together: tuple[Session, int]
) -> None:
    assert together[0].closing == alone[0].closing
    assert together[0].code == alone[0].code


def test_workers_share_their_runs(
    alone: tuple[Session, int], together: tuple[Session, int]
) -> None:
    assert together[1] == alone[1]
