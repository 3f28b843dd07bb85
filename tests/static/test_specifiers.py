"""What the specifiers of versions admit."""

from __future__ import annotations

import pytest

from pl_lint.static.specifiers import is_below


@pytest.mark.parametrize(
    ("specifier", "below"),
    [
        ("<1.9", True),
        ("<1.9.0", True),
        ("<1.9.1", False),
        ("<=1.9.0", False),
        ("==1.8.0", True),
        ("~=1.9.0", False),
        ("~=1.8.0", True),
        (">=1.8", False),
    ],
)
def test_a_bound_of_three_numbers_is_one_of_two(specifier: str, below: bool) -> None:
    assert is_below(specifier, (1, 9)) is below
