"""The law of the two observers: every event of a run has a site of the reader that covers it.

A site that is never visited is no contradiction. 'Unknown everywhere' would cover anything, so the
share of fields that reading leaves open has a ceiling.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.facts.codec import from_json
from pl_lint.facts.events import LogEvent
from pl_lint.facts.records import FitRecord
from pl_lint.facts.sites import LogSite, StrayLog
from pl_lint.facts.values import Unknown, may_be
from pl_lint.findings import Location
from pl_lint.join import same_place
from pl_lint.plugin.reading import ProjectReading, Target
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef, RunSpec

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
CORPUS = [FIXTURES / "demo", *sorted((FIXTURES / "checks").iterdir())]
RUN = [FIXTURES / "demo", *(FIXTURES / "checks" / name for name in ("logged-values", "sync-dist"))]
"""What is run, too: the fixtures that log in the most ways. Those of all checks took five minutes
and told nothing more."""
FIELDS = ("key", "on_step", "on_epoch", "sync_dist", "reduce_fx")
CEILINGS = dict.fromkeys(FIELDS, 0.02) | {"batch_size": 0.08}
"""Measured on 172 sites: none of the fields unknown, but for 7 values of ``batch_size``, which is
the length of something in the batch."""
TIMEOUT = 30.0
"""As in `checks/fixtures_of_checks.py`: equal fits are made once."""
FEWEST_EVENTS = 2000
"""Fewer mean that runs went wrong and the law was tested on little; measured: 2830."""


@cache
def reading_of(folder: Path) -> ProjectReading:
    return ProjectReading([folder], Config(root=folder))


@cache
def sites_of(folder: Path) -> tuple[LogSite, ...]:
    project = reading_of(folder).reading.project
    return tuple(site for found in project.classes for site in found.logs)


@cache
def strays_of(folder: Path) -> tuple[StrayLog, ...]:
    """What callbacks log through the module."""
    return reading_of(folder).reading.project.stray_logs


def targets() -> Iterator[tuple[Path, Target]]:
    for folder in RUN:
        for target in reading_of(folder).targets:
            yield folder, target


@pytest.fixture(scope="module")
def told() -> list[int]:
    """How many events each run has told, gathered as the cases below are run."""
    return []


def events_of(runner: Runner, target: Target) -> tuple[LogEvent, ...]:
    """What a fit logs: the one that the tests of fixtures ask for as well. What a fit that raised
    had logged, counts."""
    ref = CaseRef(str(target.path), target.name)
    outcome = runner.run(RunSpec(ref, "fit", timeout=TIMEOUT, options={"monitors": []}))
    assert outcome.finished, outcome.message
    return from_json(FitRecord, outcome.records[0]).events


def covers(site: LogSite, event: LogEvent) -> bool:
    return (
        same_extent(site.location, event.location)
        and site.hook in ("", event.hook)
        and may_be(site.key, event.name.split("/dataloader_idx_")[0])
        and may_be(site.on_step, event.on_step)
        and may_be(site.on_epoch, event.on_epoch)
        and may_be(site.sync_dist, event.sync_dist)
    )


def covers_stray(site: StrayLog, event: LogEvent) -> bool:
    return same_extent(site.location, event.location) and may_be(site.key, event.name)


def same_extent(site: Location, event: Location) -> bool:
    """Both observers see the same call expression; a run on Python 3.10 knows its line only."""
    if not event.end_column:
        return same_place(site, event)
    return same_place(site, event) and extent(site) == extent(event)


def extent(place: Location) -> tuple[int, int, int, int]:
    return place.line, place.column, place.end_line, place.end_column


@pytest.mark.parametrize(
    ("folder", "target"),
    [pytest.param(*pair, id=f"{pair[1].path.stem}::{pair[1].name}") for pair in targets()],
)
def test_every_event_has_a_site_that_covers_it(
    runner: Runner, told: list[int], folder: Path, target: Target
) -> None:
    events = events_of(runner, target)
    told.append(len(events))
    for event in events:
        seen = any(covers(site, event) for site in sites_of(folder))
        assert seen or any(covers_stray(site, event) for site in strays_of(folder)), event


def test_the_runs_had_much_to_tell(told: list[int]) -> None:
    if len(told) < len(list(targets())):
        pytest.skip("only some of the corpus was run")
    assert sum(told) >= FEWEST_EVENTS, sum(told)


@pytest.mark.parametrize("name", CEILINGS)
def test_reading_knows_nearly_every_field(name: str) -> None:
    sites = [site for folder in CORPUS for site in sites_of(folder)]
    unknown = [site for site in sites if isinstance(getattr(site, name), Unknown)]
    assert len(unknown) <= CEILINGS[name] * len(sites), [str(site.location) for site in unknown]


def test_reading_knows_the_hook_of_every_call() -> None:
    assert not [site for folder in CORPUS for site in sites_of(folder) if not site.hook]
