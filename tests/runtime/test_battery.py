"""What a check is given where a run does not end, and which check fails for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from pl_lint.facts.events import TIME_LIMIT, RunError
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.failures import RunFailed, RunHung
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef, RunSpec
from pl_lint.runtime.worlds import EVALUATED

CASE = {
    "module": "Net",
    "path": "net.py",
    "line": 1,
    "namespace": "lightning.pytorch",
    "stages": ["train", "validate"],
}
Breaks = Callable[[RunSpec], bool]


@dataclass
class Runs:
    """Runs that leave empty records, but for those that break off."""

    directory: Path
    breaks: Breaks
    status: str = "hung"
    asked: list[RunSpec] = field(default_factory=list)

    def run(self, spec: RunSpec) -> RunOutcome:
        self.asked.append(spec)
        broken = self.breaks(spec)
        return RunOutcome(
            status=cast("Any", self.status if broken else "finished"),
            message="it broke off",
            directory=str(self.directory),
            seconds=1.0,
            culprit=None,
            records=[] if broken else [self._record(spec, rank) for rank in range(2)],
        )

    def _record(self, spec: RunSpec, rank: int) -> dict[str, Any]:
        more = {"fits": [{}, {}]} if spec.program == "repeat" else {}
        return {"rank": rank, "case": CASE, **more}


def battery(folder: Path, breaks: Breaks, status: str = "hung") -> Battery:
    runs = Runs(folder, breaks, status)
    return Battery(cast("Runner", runs), CaseRef("net.py", "net"), timeout=10.0)


def failure_of(ask: Callable[[], object]) -> RunFailed:
    with pytest.raises(RunFailed) as failed:
        ask()
    return failed.value


def asked(one: Battery) -> list[RunSpec]:
    return cast("Runs", one.runner).asked


def of(*programs: str) -> Breaks:
    return lambda spec: spec.program in programs


@pytest.mark.parametrize(
    "ask",
    [
        lambda runs: runs.repeated(),
        lambda runs: runs.fits_in_workers()[0],
        lambda runs: runs.searched("oracle"),
        lambda runs: runs.in_precision("bf16-mixed"),
        lambda runs: runs.untrained(),
    ],
    ids=["repeated", "in workers", "searched", "in precision", "untrained"],
)
def test_a_run_that_is_only_slow_proves_nothing(
    tmp_path: Path, ask: Callable[[Battery], Any]
) -> None:
    slow = of("repeat", "workers", "search", "precision", "untrained")
    record = ask(battery(tmp_path, slow))
    assert record.error is not None and record.error.kind == TIME_LIMIT
    assert record.case.module == "Net" and "--pl-timeout" in record.error.message


def test_what_crashes_is_excused_only_where_it_proves_nothing(tmp_path: Path) -> None:
    crashing = battery(tmp_path, of("workers", "repeat"), "crashed")
    assert cast("RunError", crashing.fits_in_workers()[0].error).kind == "RunFailed"
    failure = failure_of(crashing.repeated)
    assert failure.owner == "reproducible" and not isinstance(failure, RunHung)


def test_a_slow_training_says_what_it_did_not_come_to(tmp_path: Path) -> None:
    notes = battery(tmp_path, of("training")).trained().notes
    assert [note.about for note in notes] == ["one batch", "samples", "hooks"]


def test_two_fits_in_one_process_have_three_times_as_long(tmp_path: Path) -> None:
    one = battery(tmp_path, of())
    one.repeated()
    assert [spec.timeout for spec in asked(one) if spec.program == "repeat"] == [30.0]


def test_a_run_that_broke_off_is_made_once_and_told_of_anew(tmp_path: Path) -> None:
    one = battery(tmp_path, of("fit"))
    first, second = failure_of(one.fit), failure_of(one.fit)
    assert [spec.program for spec in asked(one)] == ["fit"]
    assert isinstance(first, RunHung) and first is not second and str(first) == str(second)


def ranks_fail(spec: RunSpec) -> bool:
    return spec.program == "ranks" and spec.world.ranks > 1


def test_ranks_that_never_came_to_the_fit_fail_sync_dist(tmp_path: Path) -> None:
    one = battery(tmp_path, ranks_fail)
    assert failure_of(lambda: one.fit_on_ranks(2)).owner == "sync-dist"
    assert failure_of(lambda: one.on_ranks(2)).owner == "sync-dist"


def test_what_ranks_evaluated_before_a_fit_that_hangs_is_kept(tmp_path: Path) -> None:
    for rank in range(2):
        record = json.dumps({"rank": rank, "case": CASE})
        (tmp_path / EVALUATED.format(rank=rank)).write_text(record)
    one = battery(tmp_path, ranks_fail)
    assert failure_of(lambda: one.fit_on_ranks(2)).owner == "distributed"
    assert [record.rank for record in one.on_ranks(2)] == [0, 1]
