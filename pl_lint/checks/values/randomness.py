"""Values that chance decides: no two evaluations agree on them, so none can be held against one."""

from __future__ import annotations

from collections.abc import Mapping

from pl_lint.checks.values.numbers import FLOAT32, same, shown, tolerance
from pl_lint.facts.events import AGAIN, USUAL, CaseFacts, EvaluationPass, Note

OTHER_DATA = (
    "its data set gives other samples each time it is asked, whatever the seed (a generator of its "
    "own?)"
)
SEEDED_DATA = (
    "under another seed the data themselves differ (an unseeded random_split, a random transform?)"
)
A_COUNT = "a count that goes on over the whole run, or one that is never reset"


def random_part(name: str, passes: Mapping[str, EvaluationPass], case: CaseFacts) -> Note | None:
    """Why a value cannot be judged because it differs between two evaluations that are equal but
    for their seed; None if it does not."""
    usual, again = passes.get(USUAL), passes.get(AGAIN)
    if usual is None or again is None or name not in usual.values or name not in again.values:
        return None
    one, other = usual.values[name], again.values[name]
    if same(one, other, value_tolerance(case, name, one)):
        return None
    if any(event.python_number for event in usual.events if event.name == name):
        return Note(
            name, "a Python number that differs between equal runs (a time, a load) is set aside"
        )
    if usual.seen and usual.seen != again.seen:
        return Note(name, f"{SEEDED_DATA}: {shown(one)}, then {shown(other)}")
    return Note(name, f"evaluating twice with other seeds gave {shown(one)} and {shown(other)}")


def value_tolerance(
    case: CaseFacts, name: str, true: float, values: list[float] | None = None
) -> float:
    """How far a logged key may be off: as its case declares it, or as float32 sums are."""
    if name in case.tolerances:
        return tolerance(true, relative=case.tolerances[name])
    return tolerance(true, values or ())


def why_tolerance(case: CaseFacts, name: str) -> str:
    """The reason for it, in words."""
    if name in case.tolerances:
        return f"{case.tolerances[name]:g} of the true value, as the case declares"
    return FLOAT32
