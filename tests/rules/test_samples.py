"""The faults of the samples that the first documents had: our own rendering of each, and what is to
be found in it.

The documents are introductions and advice of the kind that people copy from. ``# expect:`` names
every finding of all rules; those that are on by default are found without being selected.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

SAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "samples").glob("*.py"))
EXPECTED = re.compile(r"# expect: (LTN\d{3}(?:, LTN\d{3})*)")
ON = {rule.code for rule in all_rules() if rule.default and not rule.preview}


def expected(sample: Path) -> set[tuple[int, str]]:
    lines = enumerate(sample.read_text(encoding="utf-8").split("\n"), start=1)
    found = ((number, match) for number, line in lines if (match := EXPECTED.search(line)))
    return {(number, code) for number, match in found for code in match[1].split(", ")}


def found(sample: Path, config: Config) -> set[tuple[int, str]]:
    reading = read([sample], config, all_rules())
    assert not reading.unreadable
    return {(one.location.line, one.code) for one in reading.findings}


def test_there_is_one_of_each_document() -> None:
    documents = {sample.stem.partition("_")[0] for sample in SAMPLES}
    assert documents == {"basics", "logging", "metrics", "progress", "start"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_its_faults_are_found_and_nothing_else(sample: Path) -> None:
    assert found(sample, Config(root=sample.parent, select=("ALL",))) == expected(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_by_default_those_that_are_on(sample: Path) -> None:
    wanted = {(line, code) for line, code in expected(sample) if code in ON}
    assert found(sample, Config(root=sample.parent)) == wanted
