"""What reading says, in a session that also runs: docs/statuses.md, as exit codes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from sessions import NO_CACHE, Session, plant, pytest_in, with_head

CERTAIN = with_head("""
    from torchmetrics.classification import BinaryF1Score


    class Averaging(Line):
        def __init__(self):
            super().__init__()
            self.f1 = BinaryF1Score()

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.f1.update(self.net(x), y > 0)
            self.log("val_f1", self.f1.compute())
    """)
PROVED = with_head("""
    class Root(Line):
        def validation_step(self, batch, batch_idx):
            self.log("val_rmse", torch.sqrt(self.loss(batch)))


    @pl_lint.case
    def root():
        return Root(), {"train": pairs(), "val": pairs()}
    """)
REFUTED = PROVED.replace(
    'self.log("val_rmse", torch.sqrt(self.loss(batch)))',
    'self.log("val_rmse", torch.sqrt(self.net(batch[0]).abs()).sum() / len(batch[0]))',
)
"""A mean of roots, written so that reading does not see the mean."""
SELECT = '[tool.pl-lint]\nselect = ["LTN101", "LTN103"]\n'


def session(folder: Path, text: str, keyword: str) -> Session:
    plant(folder / "project", {"models.py": text, "pyproject.toml": SELECT})
    return pytest_in(folder / "project", *NO_CACHE, "-k", keyword)


def test_what_is_certain_fails(tmp_path: Path) -> None:
    found = session(tmp_path, CERTAIN, "reading")
    assert found.code == pytest.ExitCode.TESTS_FAILED
    assert found.states == {"models.py::reading": "failed"}
    [finding] = found.report["read"]
    assert (finding["code"], finding["status"], finding["counts"]) == ("LTN101", "certain", True)
    assert 'self.log("val_f1", self.f1.compute())' in found.output


def test_what_a_run_proved_is_not_counted_as_read_alone(tmp_path: Path) -> None:
    case = """

    @pl_lint.case
    def built():
        return {}(), {{"train": pairs(), "val": pairs()}}
    """
    for module, alone in (("Line", True), ("Averaging", False)):
        text = CERTAIN + dedent(case).format(module)
        found = session(tmp_path / module, text, "reading or (built and logged-values)")
        ran = found.states["models.py::built::logged-values"]
        assert (ran == "failed") is not alone
        assert found.states["models.py::reading"] == "failed"
        said = "reading alone is certain of 1 more, in 1 of 1 files" in found.closing
        assert said is alone


def test_a_comment_hides_it(tmp_path: Path) -> None:
    text = CERTAIN.replace("compute())", "compute())  # noqa: LTN101")
    found = session(tmp_path, text, "reading")
    assert found.code == pytest.ExitCode.OK
    assert found.report["read"] == []


@pytest.mark.parametrize(
    ("text", "keyword", "status", "code"),
    [
        (PROVED, "reading", "suspected", pytest.ExitCode.OK),
        (PROVED, "logged-values", "proved", pytest.ExitCode.TESTS_FAILED),
        (REFUTED, "logged-values", "refuted", pytest.ExitCode.OK),
    ],
    ids=["suspected", "proved", "refuted"],
)
def test_what_is_suspected_is_decided_by_a_run(
    tmp_path: Path, text: str, keyword: str, status: str, code: int
) -> None:
    found = session(tmp_path, text, keyword)
    assert found.code == code
    [finding] = found.report["read"]
    assert (finding["code"], finding["status"]) == ("LTN103", status)
    assert f"{status:<9}  LTN103  models.py:" in found.closing
    assert ("; nothing was run" in found.closing) == (status == "suspected")


def test_a_file_in_a_folder_that_cannot_be_read_fails_if_it_is_of_lightning(tmp_path: Path) -> None:
    """As ``pl-lint`` exits with 2 for it, whatever else passes."""
    broken = {"broken.py": "import lightning\nclass Lit(:\n", "other.py": "class Lit(:\n"}
    plant(tmp_path / "project", broken)
    found = session(tmp_path, PROVED, "reading")
    assert found.code == pytest.ExitCode.TESTS_FAILED
    assert found.states == {"broken.py::reading": "failed", "models.py::reading": "passed"}
    assert "broken.py:2:" in found.closing
    [unreadable] = found.report["unreadable"]
    assert (unreadable["path"], unreadable["line"]) == ("broken.py", 2)
