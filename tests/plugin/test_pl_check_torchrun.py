"""As one of several processes of torchrun: rank 0 judges as it would alone, the others stand by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import NO_CACHE, Session, environment, plant, pytest_in, with_head

from pl_lint.plugin.running import is_beside_rank_zero

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
MODELS = with_head("""
    import os
    from pathlib import Path

    from lightning.pytorch.utilities import rank_zero_only

    OF_TORCHRUN = [name for name in os.environ if name.startswith("TORCHELASTIC_")]
    RANK_AT_IMPORT = rank_zero_only.rank


    class Alone(Line):
        def on_fit_start(self):
            found = [self.trainer.world_size, RANK_AT_IMPORT, OF_TORCHRUN]
            with Path(os.environ["FITS"]).open("a") as log:
                log.write(f"{found}\\n")

        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), sync_dist=True)


    class Sick(Alone):
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), sync_dist=True, batch_size=1 + batch_idx)


    @pl_lint.case
    def healthy():
        return Alone(), {"train": pairs(), "val": pairs()}


    @pl_lint.case
    def sick():
        return Sick(), {"train": pairs(), "val": pairs()}
    """)
OWN_TESTS = """
    import os


    def test_that_is_not_ours():
        print("rank", os.environ.get("RANK"), "ran it")
    """
CHECKS = "reading or logged-values or (healthy and sync-dist) or test_that"


def under_torchrun(folder: Path, *arguments: str, **variables: str) -> Session:
    report = folder.parent / "report.json"
    given = ("-m", "pytest", "--pl-check", f"--pl-report={report}", *arguments)
    done = subprocess.run(
        [*TORCHRUN, *given],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    data = json.loads(report.read_text("utf-8")) if report.exists() else {}
    return Session(done.returncode, done.stdout, data)


def project(folder: Path) -> tuple[Path, dict[str, str]]:
    planted = plant(folder / "project", {"models.py": MODELS, "test_own.py": OWN_TESTS})
    return planted, {"FITS": str(folder / "fits")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, str]:
    folder = tmp_path_factory.mktemp("unlaunched")
    where, variables = project(folder)
    session = pytest_in(where, *NO_CACHE, "-s", "-k", CHECKS, **variables)
    return session, (folder / "fits").read_text()


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, str]:
    folder = tmp_path_factory.mktemp("launched")
    where, variables = project(folder)
    session = under_torchrun(where, *NO_CACHE, "-s", "-k", CHECKS, **variables)
    return session, (folder / "fits").read_text()


def test_torchrun_fails_when_a_case_does(
    alone: tuple[Session, str], launched: tuple[Session, str]
) -> None:
    assert alone[0].code == launched[0].code == 1
    assert alone[0].states["models.py::sick::logged-values"] == "failed"


def test_the_findings_are_those_of_an_ordinary_session(
    alone: tuple[Session, str], launched: tuple[Session, str]
) -> None:
    here, there = (json.dumps(each.report) for each, _ in (alone, launched))
    assert there == here.replace("/unlaunched0/", "/launched0/")
    assert alone[0].closing == launched[0].closing


def test_one_process_does_the_work_and_knows_nothing_of_torchrun(
    alone: tuple[Session, str], launched: tuple[Session, str]
) -> None:
    assert sorted(launched[1].splitlines()) == sorted(alone[1].splitlines())
    assert set(launched[1].splitlines()) == {"[1, 0, []]", "[2, 0, []]", "[3, 0, []]"}


def test_one_process_reports_and_the_other_says_that_it_does_not(
    launched: tuple[Session, str],
) -> None:
    assert launched[0].output.count("= pl-check =") == 1
    assert "this is rank 1 of 2; rank 0 runs all checks and reports" in launched[0].output


def test_other_tests_run_in_every_process(launched: tuple[Session, str]) -> None:
    assert {f"rank {rank} ran it" in launched[0].output for rank in (0, 1)} == {True}


def test_torchrun_passes_when_all_cases_do_and_one_is_named(tmp_path: Path) -> None:
    """The process that has nothing left to do has not failed, and finds what was named; with
    workers of its own, too."""
    where, variables = project(tmp_path)
    named = "models.py::healthy::fast-dev-run"
    session = under_torchrun(where, *NO_CACHE, "-n", "1", named, **variables)
    assert session.code == 0
    assert session.states == {named: "passed"}


@pytest.mark.parametrize(
    ("variables", "is_beside"),
    [
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "1", "WORLD_SIZE": "2"}, True),
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "2"}, False),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
        ({}, False),
    ],
)
def test_only_torchrun_is_believed(variables: dict[str, str], is_beside: bool) -> None:
    """Where it is not sure that there is a rank 0, everybody judges: never a silent green."""
    assert is_beside_rank_zero(variables) is is_beside
