"""The options of pytest that people know work on checks too; without ours, nothing changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sessions import NO_CACHE, Session, command, environment, plant, pytest_in, with_head

import pl_lint.plugin
from pl_lint.plugin.datafile import obstacle
from pl_lint.runtime import versions

MODELS = with_head("""
    class Crashing(Line):
        def predict_step(self, batch, batch_idx):
            raise RuntimeError("no forecast")


    @pl_lint.case
    def crashing():
        return Crashing(), {"train": pairs(), "predict": pairs()}


    @pl_lint.case
    def sound():
        return Line(), pairs()
    """)
SUSPECT = with_head("""
    class Suspect(Line):
        def validation_step(self, batch, batch_idx):
            self.log("val_rmse", torch.sqrt(self.loss(batch)))
    """)
FAILING = "models.py::crashing::fast-dev-run"
SOUND = "models.py::sound::fast-dev-run"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {"models.py": MODELS, "suspect.py": SUSPECT}
    return plant(tmp_path_factory.mktemp("options") / "project", files)


@pytest.fixture(scope="module")
def stopped(project: Path) -> Session:
    """A first session that stops at the first failure; --lf then asks what it was."""
    junit = f"--junitxml={project.parent / 'junit.xml'}"
    return pytest_in(project, "-x", junit, "-k", "fast-dev-run or schedule", "-ra")


def test_the_first_failure_can_stop_the_session(stopped: Session) -> None:
    assert stopped.code == 1
    assert stopped.states == {FAILING: "failed"}
    assert "stopping after 1 failures" in stopped.output
    assert stopped.table() == {"crashing": ["FAIL"]}
    assert "suspect.py" not in stopped.closing


def test_junit_names_module_and_check(stopped: Session, project: Path) -> None:
    root = ElementTree.parse(project.parent / "junit.xml").getroot()
    [case] = root.iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("models.crashing", "fast-dev-run")
    [failure] = case.iter("failure")
    assert "no forecast" in (failure.text or "")


def test_the_last_failure_alone_can_be_run_again(stopped: Session, project: Path) -> None:
    session = pytest_in(project, "--lf")
    assert session.states == {FAILING: "failed"}
    assert "suspect.py" not in session.closing


def test_a_suspicion_about_what_was_asked_for_is_told(project: Path) -> None:
    session = pytest_in(project, *NO_CACHE, "suspect.py::reading")
    assert "suspected  LTN103  suspect.py:" in session.closing


def test_one_node_is_run_by_its_id_and_a_skip_stands_at_its_case(project: Path) -> None:
    node = "models.py::sound::schedule"
    session = pytest_in(project, *NO_CACHE, "-rs", node, SOUND)
    assert session.states == {node: "not triggered", SOUND: "passed"}
    line = 1 + MODELS.splitlines().index("def sound():")
    assert f"SKIPPED [1] models.py:{line}: not triggered: " in session.output


@pytest.mark.parametrize("name", ["test_models.py", "trial.py"])
def test_tests_in_the_same_file_are_run_too_and_once(tmp_path: Path, name: str) -> None:
    """Also in a file that pytest looks into only because it is named."""
    text = MODELS + "\n\ndef test_ordinary():\n    assert sound() is not None\n"
    folder = plant(tmp_path / "project", {name: text})
    session = pytest_in(folder, *NO_CACHE, "--collect-only", "-q", name)
    listed = [line for line in session.output.splitlines() if line.startswith(name)]
    assert listed.count(f"{name}::test_ordinary") == 1
    assert listed.count(f"{name}::sound::fast-dev-run") == 1


def test_tests_that_a_test_file_imports_are_not_lost(tmp_path: Path) -> None:
    files = {
        "test_all.py": "from shared import *\n" + MODELS,
        "shared.py": "def test_shared():\n    pass\n",
    }
    session = pytest_in(plant(tmp_path / "project", files), *NO_CACHE, "--collect-only", "-q")
    assert "test_all.py::test_shared" in session.output.splitlines()


# --- without --pl-check ---------------------------------------------------------------------------

PROBE = """
import sys
import pytest
code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
names = ("torch", "lightning", "pytorch_lightning", "pl_lint.runtime", "pl_lint.plugin.session")
print("loaded:", [name for name in names if name in sys.modules], "pl_lint.plugin" in sys.modules)
raise SystemExit(code)
"""


def test_without_the_option_nothing_is_loaded(tmp_path: Path) -> None:
    plant(tmp_path, {"test_a.py": "def test(): pass\n"})
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "loaded: [] True" in done.stdout


class Group:
    """Stands for pytest's parser and its groups, and keeps the names of the options."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: str) -> Group:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.append(name)


def test_an_option_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    options = Group()
    pl_lint.plugin.pytest_addoption(options)  # type: ignore[arg-type]
    assert options.names == ["--pl-check", *pl_lint.plugin.OF_PL_CHECK]
    plant(tmp_path, {"test_a.py": "def test(): pass\n", "pytest.ini": INI})
    for arguments, code in [(("--pl-gpus=1",), pytest.ExitCode.USAGE_ERROR), ((), 0)]:
        done = subprocess.run(
            command("-q", *NO_CACHE, *arguments),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == code
        assert ("--pl-gpus does nothing without --pl-check" in done.stderr) == bool(arguments)


INI = "[pytest]\naddopts = --pl-timeout 120\n"
"""For when ``--pl-check`` is given; ordinary tests are none the worse for it."""

ADDED = """
import sys
import pytest
before = set(sys.modules)
import pl_lint.plugin
print(*sorted(set(sys.modules) - before))
"""


def test_without_the_option_pytest_starts_as_quickly(tmp_path: Path) -> None:
    """Not measured in milliseconds, which depend on the machine: nothing but two small files."""
    done = subprocess.run(
        [sys.executable, "-c", ADDED], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["pl_lint", "pl_lint.plugin"]


def test_what_the_runner_lacks_is_one_clear_error(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "is_installed", lambda name: name != "tensorboard")
    monkeypatch.setattr(pytestconfig.option, "pl_check", True)
    with pytest.raises(pytest.UsageError, match=r"^--pl-check needs tensorboard: pip install"):
        pl_lint.plugin.pytest_configure(pytestconfig)


def test_a_logger_that_is_asked_for_and_missing_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(versions, "is_installed", lambda name: name != "wandb")
    pl_lint.plugin._refuse_loggers_that_are_missing(["MLFlowLogger"])
    with pytest.raises(pytest.UsageError, match=r"needs wandb: pip install '\.\[loggers\]' in "):
        pl_lint.plugin._refuse_loggers_that_are_missing(["WandbLogger", "MLFlowLogger"])


def test_a_folder_of_runs_is_no_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs_of_wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not versions.is_installed("runs_of_wandb")
    assert versions.is_installed("pytest")


@pytest.mark.parametrize(
    ("name", "said"),
    [(".", "is a folder"), ("file/r.json", "cannot be written: "), ("new/r.json", "")],
)
def test_a_report_that_cannot_be_written_is_known_before_the_runs(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "file").touch()
    assert obstacle(tmp_path / name).startswith(said)
    assert bool(obstacle(tmp_path / name)) == bool(said)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


def test_a_report_that_cannot_be_written_in_the_end_is_told_beside_what_was_found(
    tmp_path: Path,
) -> None:
    """As where the disk is full by then: the folder of the report has become a file."""
    full = """
        import shutil
        from pathlib import Path

        def pytest_sessionfinish():
            shutil.rmtree("out")
            Path("out").touch()
        """
    project = plant(tmp_path / "project", {"suspect.py": SUSPECT, "conftest.py": full})
    done = pytest_in(project, "--pl-report", "out/report.json", "-k", "reading")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert "--pl-report out/report.json cannot be written: " in done.output
    assert "suspect.py" in done.closing
