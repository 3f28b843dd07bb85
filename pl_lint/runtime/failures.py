"""Runs that did not end as they should: whose business that is, and what is known all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pl_lint.facts.codec import from_json
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import RanksRecord
from pl_lint.findings import Location
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.specs import CASE_FILE
from pl_lint.runtime.worlds import EVALUATED

WHERE_TO_LOOK = (
    "if it is a module of the project: install the project (pip install -e .), or name its folder "
    "in pytest's setting pythonpath"
)
MORE_TIME = "a module that is slow, not stuck, needs a higher limit: --pl-timeout SECONDS"


class RunFailed(Exception):
    """A run did not end as it should.

    ``owner`` is the check that fails for it; ``case`` what the case was before that, None where it
    was never built; ``directory`` where the run left what it had done, empty where it left nothing.
    """

    def __init__(
        self,
        message: str,
        owner: str,
        location: Location | None = None,
        case: CaseFacts | None = None,
        directory: str = "",
    ) -> None:
        super().__init__(message)
        self.owner = owner
        self.location = location
        self.case = case
        self.directory = directory

    def of(self, owner: str) -> RunFailed:
        """The same failure, as the business of another check."""
        return type(self)(str(self), owner, self.location, self.case, self.directory)


class RunHung(RunFailed):
    """A run that had no result when its time was up."""


def failure_of(outcome: RunOutcome, owner: str) -> RunFailed:
    ending = outcome.error
    frame = ending.frame if ending is not None else None
    place = Location(frame.path, frame.line) if frame is not None else None
    kind = RunHung if outcome.status == "hung" else RunFailed
    case = _case_in(Path(outcome.directory))
    said = "; ".join([outcome.message, *_more(outcome)])
    return kind(said, owner, place, case, outcome.directory)


def _more(outcome: RunOutcome) -> Iterator[str]:
    """What helps against it."""
    if _ran_out_of_time(outcome):
        yield from (*_given_up(outcome), MORE_TIME)
    if outcome.error is not None and outcome.error.type == "ModuleNotFoundError":
        yield WHERE_TO_LOOK


def evaluated_before(failure: RunFailed, ranks: int) -> list[RanksRecord]:
    """What ranks had evaluated before a fit that did not end; only what all of them have."""
    directory = Path(failure.directory)
    files = [directory / EVALUATED.format(rank=rank) for rank in range(ranks)]
    if not failure.directory or not all(file.exists() for file in files):
        return []
    return [from_json(RanksRecord, json.loads(file.read_text("utf-8"))) for file in files]


def _ran_out_of_time(outcome: RunOutcome) -> bool:
    """Importing has a limit of its own, which nobody can raise."""
    return outcome.status == "hung" and outcome.phase == "run"


def _given_up(outcome: RunOutcome) -> Iterator[str]:
    """Ranks that no longer waited for one that hangs: they told why in their records."""
    for data in outcome.records:
        error = (data.get("fit") or {}).get("error")
        if error is not None:
            at = " > ".join(error["stack"])
            yield f"rank {data['rank']} had given up waiting at {at or 'no line of the module'}"


def _case_in(directory: Path) -> CaseFacts | None:
    """What a run that broke off had said of its case; nothing where that was never built."""
    told = directory / CASE_FILE
    return from_json(CaseFacts, json.loads(told.read_text("utf-8"))) if told.exists() else None
