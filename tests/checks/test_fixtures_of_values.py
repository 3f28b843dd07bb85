"""Fixtures of all checks but those that have files of their own: for another worker."""

from __future__ import annotations

import pytest
from fixtures_of_checks import FIXTURES, Fixture, assert_found, fixtures
from test_fixtures_of_ranks import CHECKS as RANKS
from test_fixtures_of_training import CHECKS as TRAINING

from pl_lint.checks.registry import all_checks
from pl_lint.runtime.isolation.runs import Runner

OTHERS = tuple(check.name for check in all_checks() if check.name not in RANKS + TRAINING)


@pytest.mark.parametrize("fixture", list(fixtures(OTHERS)), ids=str)
def test_check_finds_what_is_there_and_nothing_else(fixture: Fixture, runner: Runner) -> None:
    assert_found(fixture, runner)


def test_every_check_has_sick_and_healthy_fixtures() -> None:
    for check in all_checks():
        names = [path.stem for path in (FIXTURES / check.name).glob("*.py")]
        assert any(name.startswith("sick_") for name in names), check.name
        assert any(name.startswith("healthy_") for name in names), check.name
