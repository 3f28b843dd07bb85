"""What ``pytest --pl-check`` finds to run, and what it says of what it cannot run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sessions import NO_CACHE, Session, plant, pytest_in, with_head

MODELS = with_head('''
    from abc import abstractmethod


    class OwnData(Line):
        """Default arguments, data of its own: needs no case."""

        def train_dataloader(self):
            return pairs()


    class WithCase(OwnData):
        def __init__(self, size=3):
            super().__init__()
            if size == 3:
                raise ValueError("is not to be tried with defaults")


    class NeedsWidth(Line):
        def __init__(self, width, depth, bias=True):
            super().__init__()


    class NoData(Line):
        pass


    class Abstract(Line):
        @abstractmethod
        def build(self): ...


    class BaseLine(Line):
        pass


    class FromBase(BaseLine):
        def train_dataloader(self):
            return pairs()
    ''')
OLD_NAME = """
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader


    class OldName(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def training_step(self, batch, batch_idx):
            assert type(self.trainer).__module__.startswith("pytorch_lightning")
            return self.net(batch).pow(2).mean()

        def train_dataloader(self):
            return DataLoader(torch.ones(16, 3), batch_size=8)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)
    """
DERIVED = """
    from others import Line


    class WithCase(Line):
        def test_step(self, batch, batch_idx):
            self.log("test_loss", self.loss(batch))
    """
CASES = """
    from package.models import WithCase

    import pl_lint


    @pl_lint.case
    def wide():
        return WithCase(size=4)
    """
ORDINARY = """
    import os
    from pathlib import Path


    def test_ordinary(number):
        with Path(os.environ["ORDINARY_LOG"]).open("a") as log:
            log.write(f"ran with {number}\\n")
    """
CONFTEST = """
    import pytest


    @pytest.fixture
    def number():
        return 7
    """
PACKAGE = """
    import os

    os.environ["IMPORTED_BY_PYTEST"] = "1"
    """
GUARD = """
    import os
    import sys


    def pytest_unconfigure():
        heavy = [name for name in ("torch", "lightning", "package") if name in sys.modules]
        print("imported by pytest itself:", heavy, os.environ.get("IMPORTED_BY_PYTEST"))
    """


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        "package/__init__.py": PACKAGE,
        "package/models.py": MODELS,
        "package/old_name.py": OLD_NAME,
        "elsewhere/cases.py": CASES,
        "elsewhere/test_ordinary.py": ORDINARY,
        "elsewhere/conftest.py": CONFTEST,
        "guard.py": GUARD,
        "pytest.ini": "[pytest]\npythonpath = .\n",
    }
    return plant(tmp_path_factory.mktemp("collecting") / "project", files)


@pytest.fixture(scope="module")
def session(project: Path) -> Session:
    options = (*NO_CACHE, "-p", "guard", "-k", "fast-dev-run or ordinary", "-s")
    log = project.parent / "ordinary.log"
    return pytest_in(project, *options, ORDINARY_LOG=str(log), PYTHONPATH=found_in(project))


def found_in(project: Path) -> str:
    """For ``-p guard``, which is imported before pytest reads its settings."""
    return os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])


def state(session: Session, module: str) -> str:
    return session.states[f"package/models.py::{module}::fast-dev-run"]


@pytest.mark.parametrize("module", ["OwnData", "FromBase"])
def test_a_class_with_default_arguments_and_its_own_data_needs_no_case(
    session: Session, module: str
) -> None:
    assert state(session, module) == "passed"


def test_a_class_with_a_case_anywhere_is_not_tried_with_default_arguments(session: Session) -> None:
    assert session.states["elsewhere/cases.py::wide::fast-dev-run"] == "passed"
    assert not [nodeid for nodeid in session.states if "WithCase" in nodeid]


def test_abstract_bases_do_not_count(session: Session) -> None:
    modules = {row["module"] for row in session.report["run"]}
    assert not modules & {"Abstract", "BaseLine"}


def test_both_namespaces_in_one_session(session: Session) -> None:
    assert session.states["package/old_name.py::OldName::fast-dev-run"] == "passed"


def test_ordinary_tests_beside_run_once_with_their_fixtures(
    session: Session, project: Path
) -> None:
    assert (project.parent / "ordinary.log").read_text() == "ran with 7\n"


def test_pytest_itself_imports_nothing_of_what_it_checks(session: Session) -> None:
    assert "imported by pytest itself: [] None" in session.output


def test_a_module_that_cannot_be_run_is_skipped_with_its_reason(session: Session) -> None:
    assert session.code == 0
    reasons = {row["module"]: row["reason"] for row in session.report["not_run"]}
    assert set(reasons) == {"NeedsWidth", "NoData", "Line"}
    assert "cannot be built with default arguments" in reasons["NeedsWidth"]
    assert "width" in reasons["NeedsWidth"]
    assert reasons["NoData"] == "it brings no data of its own"
    assert reasons["Line"].endswith("it needs no case: WithCase, built by a case, extends it")
    assert session.table()["NeedsWidth"] == ["not-run"]


def test_the_closing_words_give_lines_that_are_python_and_name_the_arguments(
    session: Session,
) -> None:
    _, _, given = session.closing.partition("pl_cases.py:\n")
    lines = [line.removeprefix("    ") for line in given.splitlines()]
    assert "def no_data():" in lines
    assert "def line():" not in lines
    code = "\n".join(lines)
    compile(code, "pl_cases.py", "exec")
    assert "from package.models import NeedsWidth" in lines
    assert "    return NeedsWidth(width=..., depth=...), MyDataModule()" in lines
    assert "def needs_width():" in lines


def test_require_all_fails_what_cannot_be_run_and_nobody_extends(project: Path) -> None:
    node, base = (f"package/models.py::{name}::fast-dev-run" for name in ("NeedsWidth", "Line"))
    session = pytest_in(project, *NO_CACHE, "--pl-require-all", node, base)
    assert session.code == 1
    assert session.states == {node: "failed", base: "not run"}
    assert "NeedsWidth was not run" in session.messages(node)[0]
    assert "    return NeedsWidth(width=..., depth=...), MyDataModule()" in session.closing


EVALUATED_ONLY = """
    class Probe(L.LightningModule):
        def __init__(self, encoder):
            super().__init__()

        def test_step(self, batch, batch_idx):
            self.log("test_loss", self.loss(batch))


    @pl_lint.case
    def forgotten():
        return Line()
    """
DATA = """
    import lightning as L


    class Pairs(L.LightningDataModule):
        def __init__(self, size, seed=0):
            super().__init__()
    """


def test_a_case_without_data_is_skipped_with_the_lines_to_add(tmp_path: Path) -> None:
    files = {"evaluated.py": with_head(EVALUATED_ONLY), "data.py": DATA}
    session = pytest_in(plant(tmp_path / "project", files), *NO_CACHE, "-k", "forgotten")
    assert set(session.states.values()) == {"not run"}
    assert session.code == pytest.ExitCode.NO_TESTS_COLLECTED
    lines = [line.strip() for line in session.closing.splitlines()]
    assert "forgotten (evaluated.py): the case brings no data: return (module, data)" in lines
    assert "import pl_lint" not in lines
    start = lines.index("to have forgotten run, return its data as well, in evaluated.py:")
    assert [line for line in lines[start + 1 : start + 5] if line] == [
        "from data import Pairs",
        "def forgotten():",
        "return Line(), Pairs(size=...)",
    ]


def test_require_all_asks_for_data_and_not_of_what_is_not_trained(
    tmp_path: Path,
) -> None:
    folder = plant(tmp_path / "project", {"evaluated.py": with_head(EVALUATED_ONLY)})
    session = pytest_in(folder, *NO_CACHE, "--pl-require-all", "-k", "fast-dev-run")
    node = "evaluated.py::forgotten::fast-dev-run"
    assert session.states == {"evaluated.py::Probe::fast-dev-run": "not run", node: "failed"}
    assert session.messages(node) == [
        "forgotten was not run: the case brings no data: return (module, data)"
    ]
    assert "it needs no case: it has no training_step" in session.closing
    assert "def probe" not in session.closing


def test_what_cannot_be_run_fails_once_and_not_for_each_check(tmp_path: Path) -> None:
    folder = plant(tmp_path / "project", {"evaluated.py": with_head(EVALUATED_ONLY)})
    for chosen in (
        "forgotten and (fast-dev-run or logged-values)",
        "forgotten and (search or loggers)",
    ):
        session = pytest_in(folder, *NO_CACHE, "-rs", "--pl-require-all", "-k", chosen)
        assert sorted(session.states.values()) == ["failed", "not run"]
        assert session.code == pytest.ExitCode.TESTS_FAILED
        assert session.output.count("forgotten was not run: the case brings no data") == 1
        assert "not run: see " in session.output


# --- nothing is not green -------------------------------------------------------------------------


def test_zero_modules_found_is_not_green(tmp_path: Path) -> None:
    folder = plant(tmp_path / "project", {"plain.py": "x = 1\n", "test_a.py": "def test(): pass\n"})
    session = pytest_in(folder, *NO_CACHE)
    assert session.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "nothing was checked: no LightningModule to run and no case in ." in session.closing
    assert "1 passed" in session.output


def test_modules_where_pytest_does_not_look_are_not_green(tmp_path: Path) -> None:
    files = {"build/models.py": MODELS, "test_a.py": "def test(): pass\n"}
    session = pytest_in(plant(tmp_path / "project", files), *NO_CACHE)
    assert session.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "pytest was told not to look where the modules are" in session.closing


def test_nothing_that_could_be_run_is_not_green(project: Path) -> None:
    session = pytest_in(project, *NO_CACHE, "package/models.py::NoData")
    assert set(session.states.values()) == {"not run"}
    assert session.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "nothing was checked: none of these modules could be run" in session.closing


def test_what_the_user_left_out_himself_is_no_reason_to_complain(project: Path) -> None:
    variables = {"ORDINARY_LOG": str(project.parent / "other.log"), "PYTHONPATH": found_in(project)}
    session = pytest_in(project, *NO_CACHE, "-k", "test_ordinary", **variables)
    assert session.code == 0
    assert session.report["run"] == []


# --- node ids -------------------------------------------------------------------------------------


def test_node_ids_are_file_name_check(project: Path) -> None:
    session = pytest_in(project, *NO_CACHE, "--collect-only", "-q", "elsewhere/cases.py")
    listed = [line for line in session.output.splitlines() if "::" in line]
    assert "elsewhere/cases.py::wide::logged-values" in listed
    assert len(listed) == len(set(listed))
    assert session.code == 0


@pytest.mark.parametrize("limit", ["0", "nan", "soon"])
def test_a_time_limit_is_a_time(tmp_path: Path, limit: str) -> None:
    session = pytest_in(
        plant(tmp_path / "project", {"a.py": ""}), *NO_CACHE, f"--pl-timeout={limit}"
    )
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert f"argument --pl-timeout: {limit!r} is no number of seconds above 0" in session.output


def test_settings_that_are_not_understood_end_the_session(tmp_path: Path) -> None:
    files = {"pyproject.toml": '[tool.pl-lint]\nselcet = ["LTN1"]\n', "models.py": MODELS}
    session = pytest_in(plant(tmp_path / "project", files), *NO_CACHE)
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean 'select'?" in session.output
    assert "Traceback" not in session.output


def test_a_file_alone_is_read_with_what_lies_around_it(tmp_path: Path) -> None:
    """A class with a case next door is not tried with defaults, and its case is named."""
    files = {
        "pytest.ini": "[pytest]\n",
        "models.py": DERIVED,
        "cases.py": CASES.replace("package.models", "models"),
        "others.py": with_head("@pl_lint.case\ndef other():\n    return Line(), pairs()\n"),
    }
    session = pytest_in(plant(tmp_path / "project", files), *NO_CACHE, "models.py")
    assert set(session.states) <= {"models.py::reading"}
    assert session.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "no LightningModule to run and no case in models.py" in session.closing
    assert 'there is a case beside it: pytest --pl-check "cases.py::wide"' in session.closing
    assert "::other" not in session.closing


def test_hooks_named_test_are_no_tests_to_import_a_script_for(tmp_path: Path) -> None:
    """A script that trains when it is imported is not imported by pytest, whatever its hooks."""
    script = """

        @pl_lint.case
        def with_hooks():
            class Tested(Line):
                def test_step(self, batch, batch_idx):
                    self.log("test_loss", self.loss(batch))

                def test_dataloader(self):
                    return pairs()

            return Tested(), pairs()
        """
    guard = "import sys\n\nassert 'pytest' not in sys.modules, 'imported by pytest'\n"
    folder = plant(tmp_path / "project", {"train.py": guard + with_head(script)})
    session = pytest_in(folder, *NO_CACHE, "-k", "fast-dev-run", "train.py")
    assert "imported by pytest" not in session.output
    assert session.states["train.py::with_hooks::fast-dev-run"] == "passed"
