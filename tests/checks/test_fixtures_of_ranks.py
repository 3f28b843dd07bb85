"""Fixtures of the checks that run modules on several ranks: some of them only wait."""

from __future__ import annotations

import pytest
from fixtures_of_checks import Fixture, assert_found, fixtures

from pl_lint.runtime.isolation.runs import Runner

CHECKS = ("sync-dist", "distributed")


@pytest.mark.parametrize("fixture", list(fixtures(CHECKS)), ids=str)
def test_check_finds_what_is_there_and_nothing_else(fixture: Fixture, runner: Runner) -> None:
    assert_found(fixture, runner)
