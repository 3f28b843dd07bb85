"""Whatever a module does, the session goes on, ends in time and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sessions import (
    NO_CACHE,
    Session,
    command,
    environment,
    plant,
    processes_with,
    pytest_in,
    with_head,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "checks" / "fast-dev-run"
MARK = "PL_LINT_TEST_MARK"
MODELS = with_head("""
    import os
    import subprocess
    import sys
    import time

    from lightning.pytorch.callbacks import ModelCheckpoint


    class Leaving(Line):
        '''Leaves the interpreter, and a child of its own that would outlive it.'''

        def training_step(self, batch, batch_idx):
            subprocess.Popen(["sleep", "300"], start_new_session=True)
            os._exit(3)

        def train_dataloader(self):
            return pairs()


    class Validated(Line):
        '''Has an epoch value to search small runs for.'''

        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), sync_dist=True)


    @pl_lint.case
    def sound():
        keeper = ModelCheckpoint(dirpath="checkpoints", monitor="val_loss")
        data = {"train": pairs(), "val": pairs()}
        return Validated(), data, {"callbacks": [keeper], "default_root_dir": "here"}
    """)
HANGING = with_head("""
    import time
    from pathlib import Path


    class Hanging(Line):
        def training_step(self, batch, batch_idx):
            Path(os.environ["STARTED"]).touch()
            time.sleep(600)

        def train_dataloader(self):
            return pairs()
    """).replace("import lightning as L", "import os\n\nimport lightning as L", 1)

SICK = {
    "sick_exit.py::exit_in_training": "sys.exit(3)",
    "sick_flood.py::flood_in_training": "printed more than 2 MB",
    "sick_hang.py::hang_in_training": "hung: no result after 3 s; the main thread was at sick_hang",
    "sick_segfault.py::segfault_in_training": "died with SIGSEGV; the main thread was at sick_seg",
    "package/models.py::Leaving": "ended its process with exit code 3",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def everything_in(folder: Path) -> tuple[str, list[Path]]:
    files = sorted(path for path in folder.rglob("*") if ".git" not in path.parts)
    return git(folder, "status", "--porcelain", "--ignored"), files


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {"package/__init__.py": "", "package/models.py": MODELS, ".gitignore": "*.pyc\n"}
    folder = plant(tmp_path_factory.mktemp("sick") / "project", files)
    for nodeid in SICK:
        name = nodeid.split("::")[0]
        if (FIXTURES / name).exists():
            shutil.copy(FIXTURES / name, folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "as it was")
    return folder


@pytest.fixture(scope="module")
def before(project: Path) -> tuple[str, list[Path]]:
    return everything_in(project)


@pytest.fixture(scope="module")
def mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def session(project: Path, before: object, mark: str) -> Session:
    started = time.monotonic()
    found = pytest_in(project, *NO_CACHE, "--pl-timeout", "3", **{MARK: mark})
    assert time.monotonic() - started < 90
    return found


@pytest.mark.parametrize("module", SICK)
def test_it_is_one_failed_item_with_a_useful_message(session: Session, module: str) -> None:
    of_module = {
        nodeid: state for nodeid, state in session.states.items() if nodeid.startswith(module)
    }
    assert of_module.pop(f"{module}::fast-dev-run") == "failed"
    assert set(of_module.values()) <= {"not decided", "not triggered"}
    [message] = session.messages(f"{module}::fast-dev-run")
    assert SICK[module] in message


def test_the_other_checks_point_to_it(session: Session) -> None:
    row = session.row("sick_hang.py::hang_in_training::logged-values")
    assert (row["state"], row["reason"]) == ("not decided", "a run failed; see fast-dev-run")
    assert row["reason"] in session.closing


def test_the_other_modules_still_run(session: Session) -> None:
    sound = [s for nodeid, s in session.states.items() if "::sound::" in nodeid]
    assert sound.count("passed") >= 4
    assert "failed" not in sound
    assert session.code == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_nothing_is_left_running(session: Session, mark: str) -> None:
    assert not processes_with(MARK, mark)


def test_the_project_tree_is_as_it_was(
    session: Session, project: Path, before: tuple[str, list[Path]]
) -> None:
    assert everything_in(project) == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_ctrl_c_ends_the_session_and_all_runs(tmp_path: Path, workers: list[str]) -> None:
    folder = plant(tmp_path / "project", {"models.py": HANGING})
    mark, started = uuid.uuid4().hex, tmp_path / "started"
    variables = {MARK: mark, "STARTED": str(started)}
    with (
        (tmp_path / "output").open("wb") as output,
        subprocess.Popen(
            command("--pl-check", *NO_CACHE, *workers),
            cwd=folder,
            env=environment(**variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as session,
    ):
        try:
            assert soon(started.exists, 60)
            os.killpg(session.pid, signal.SIGINT)  # as a terminal does
            ended = soon(lambda: session.poll() is not None, 120)
            if not ended:
                os.killpg(session.pid, signal.SIGABRT)  # pytest has each write its stacks
                session.wait(10)
            assert ended, (tmp_path / "output").read_text()
            assert session.returncode == pytest.ExitCode.INTERRUPTED
            assert soon(lambda: not processes_with(MARK, mark), 10)
        finally:
            for pid in processes_with(MARK, mark):
                os.kill(pid, signal.SIGKILL)


def soon(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
