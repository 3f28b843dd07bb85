"""Words that several rules use."""

from __future__ import annotations

import pytest

from pl_lint.rules.wording import listed


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("", ""),
        ("A", "A"),
        ("AB", "A and B"),
        ("ABAB", "A and B"),
        ("ABCD", "A, B, C and D"),
        ("ABCDE", "A, B, C and 2 more"),
    ],
)
def test_of_many_names_some_are_told(names: str, sentence: str) -> None:
    assert listed(names) == sentence
