"""What travels from one process of a session to another."""

from __future__ import annotations

from dataclasses import replace

from pl_lint.findings import Evidence, Finding, Location, Status
from pl_lint.fixes import Fix, SetArgument
from pl_lint.join import Ruling
from pl_lint.plugin.outcomes import ItemOutcome, State

PLACE = Location("a.py", 3, 5, 3, 9)
EVIDENCE = Evidence("loss", 1.0, 2.0, 0.1, "1 process", because="it is")
FINDING = Finding("LTN106", "m", PLACE, Status.SUSPECTED, evidence=(EVIDENCE,))
RULING = Ruling(("LTN106",), Status.PROVED, PLACE, (EVIDENCE,), "Model")


def test_an_outcome_comes_back_as_it_was_but_for_fixes() -> None:
    fix = Fix("add it", (SetArgument(PLACE, "sync_dist", "True"),))
    whole = ItemOutcome(State.FAILED, "why", (replace(FINDING, fix=fix),), (RULING,), ("note",))
    assert ItemOutcome.from_dict(whole.to_dict()) == replace(whole, findings=(FINDING,))
