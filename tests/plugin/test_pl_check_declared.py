"""What the author of a case declares, and what is said of a case that is not sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sessions import NO_CACHE, Session, plant, pytest_in, with_head

import pl_lint
from pl_lint.facts.events import CaseFacts
from pl_lint.plugin.declared import mistakes_in

CASES = with_head("""
    import os


    class Crashing(Line):
        def test_step(self, batch, batch_idx):
            raise RuntimeError("not written yet")


    def both():
        return {"train": pairs(), "test": pairs()}


    @pl_lint.case(expected_failures={"fast-dev-run": "the test step is not written yet"})
    def expected():
        return Crashing(), both()


    class Leaving(Line):
        def training_step(self, batch, batch_idx):
            os._exit(3)


    @pl_lint.case(expected_failures={"fast-dev-run": "the licence of the simulator is gone"})
    def killed():
        return Leaving(), pairs()


    @pl_lint.case(expected_failures={"fast-dev-run": "it used to crash"})
    def unexpected():
        return Line(), pairs()


    @pl_lint.case(expected_failures={"logged-vales": "a slip of the pen"})
    def misspelled():
        return Line(), pairs()


    @pl_lint.case(
        batch_dependent={"los": "a slip", "loss": "logged, and declared for no good reason"},
        tolerances={"val_gone": 0.1},
    )
    def stale():
        return Line(), pairs()


    @pl_lint.case
    def four():
        return Line(), pairs(), {}, "too many"


    @pl_lint.case
    def no_module():
        return pairs(), Line()


    @pl_lint.case
    def no_stage():
        return Line(), {"train": pairs(), "vall": pairs()}


    @pl_lint.case
    def no_argument():
        return Line(), pairs(), {"callbackz": []}


    @pl_lint.case
    def raising():
        return Line(undefined), pairs()


    @pl_lint.case
    def with_fixture(tmp_path, width, depth=2, *more, **options):
        return Line(), pairs()
    """)
CHECKS = ("fast-dev-run", "logged-values")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = plant(tmp_path_factory.mktemp("declared") / "project", {"cases.py": CASES})
    return pytest_in(folder, *NO_CACHE, "-k", " or ".join(CHECKS))


def states(session: Session, case: str) -> tuple[str, ...]:
    return tuple(session.states[f"cases.py::{case}::{check}"] for check in CHECKS)


def message(session: Session, case: str) -> str:
    [text] = session.messages(f"cases.py::{case}::fast-dev-run")
    return text


def test_an_expected_failure_is_one(session: Session) -> None:
    row = session.row("cases.py::expected::fast-dev-run")
    assert row["state"] == "expected failure"
    assert row["reason"] == "the test step is not written yet"
    assert session.table()["expected"][0] == "xfail"
    assert "2 xfailed" in session.output


def test_the_death_of_a_process_can_be_expected(session: Session) -> None:
    assert states(session, "killed") == ("expected failure", "not decided")


def test_an_unexpected_pass_fails(session: Session) -> None:
    assert states(session, "unexpected")[0] == "failed"
    assert "was expected to fail (it used to crash) and passes" in message(session, "unexpected")


def test_an_expected_failure_of_no_check_is_an_error_with_the_nearest_name(
    session: Session,
) -> None:
    assert states(session, "misspelled") == ("failed", "not decided")
    assert message(session, "misspelled") == (
        "expected_failures names 'logged-vales', which is no check; did you mean 'logged-values'?"
    )


def test_declarations_for_keys_that_are_never_logged_are_reported(session: Session) -> None:
    notes = session.row("cases.py::stale::logged-values")["notes"]
    told = [note for note in notes if note.startswith("stale: ")]
    assert len(told) == 2
    assert "batch_dependent names 'los', which was never logged; did you mean 'loss'?" in told[0]
    assert "tolerances names 'val_gone', which was never logged; known: loss" in told[1]
    assert told[0] in session.closing
    assert session.row("cases.py::stale::logged-values")["open"] >= len(told)


def declaring(**declared: Mapping[str, Any]) -> CaseFacts:
    return CaseFacts("Line", "cases.py", 1, "lightning.pytorch", (), **declared)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (declaring(expected_failures={"training": ""}), "no reason for 'training'; say why"),
        (declaring(expected_failures={"training": None}), "no reason for 'training'; say why"),
        (declaring(batch_dependent={"loss": " "}), "batch_dependent gives no reason for 'loss'"),
        (declaring(tolerances={"loss": "5%"}), "tolerances gives 'loss' '5%'; write how far"),
        (declaring(recorded=("seeds",)), "recorded names 'seeds', which is no origin; did"),
        (declaring(tolerances={"loss": -0.1}), "tolerances gives 'loss' -0.1; write how far"),
    ],
)
def test_a_declaration_that_says_nothing_is_a_mistake(case: CaseFacts, text: str) -> None:
    [told] = mistakes_in(case)
    assert text in told


def test_what_is_declared_with_its_reason_is_none() -> None:
    sound = declaring(
        expected_failures={"training": "it does not learn yet"},
        batch_dependent={"loss": "it compares the samples of a batch"},
        tolerances={"loss": 0.05, "count": 0},
    )
    assert mistakes_in(sound) == []


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            "four",
            "the case is wrong: four returned 4 values; return the module, the data and optionally",
        ),
        ("no_module", "first value that no_module returned is a DataLoader, not a LightningModule"),
        ("no_stage", "the data of the case have no stage 'vall'; the stages are 'train', 'val', "),
        ("no_argument", "the Trainer has no argument 'callbackz'; did you mean 'callbacks'?"),
        (
            "with_fixture",
            "the case is wrong: with_fixture asks for tmp_path, width, but a case is called "
            "without arguments, and pytest's fixtures are not given to it; build everything inside",
        ),
        ("raising", "the case raised NameError: name 'undefined' is not defined at cases.py:"),
    ],
)
def test_a_wrong_case_is_one_clear_failure(session: Session, case: str, text: str) -> None:
    assert states(session, case) == ("failed", "not decided")
    assert text in message(session, case)
    reason = session.row(f"cases.py::{case}::logged-values")["reason"]
    assert "see fast-dev-run" in reason


def test_no_failure_shows_the_insides_of_pl_lint(session: Session) -> None:
    assert "Traceback" not in session.output
    assert "pl_lint/" not in session.output.split("= FAILURES =")[1].replace(str(Path.cwd()), "")


def test_a_misspelled_option_of_a_case_says_what_was_meant() -> None:
    with pytest.raises(TypeError, match="did you mean 'expected_failures'"):
        pl_lint.case(expected_failure={"training": "it does not learn"})
