"""The catalogue's page: every row is accounted for, once, and truly."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import get_args, get_type_hints

import pytest

from pl_lint import docs
from pl_lint.facts.catalogue import Row, all_rows
from pl_lint.rules.registry import all_rules

ROWS = {row.identifier: row for row in all_rows()}
READ = {name for rule in all_rules() for name in rule.rows}
SIZES = {
    name: int(size)
    for name, size in zip(
        "LOG MET CKP REP DDP PRE DEV LOOP DAT LGR DBG".split(),
        "35 17 27 12 15 9 5 32 9 14 5".split(),
        strict=True,
    )
}


def test_it_has_every_row() -> None:
    families = Counter(name.rstrip("0123456789") for name in ROWS)
    assert families == SIZES
    assert sum(families.values()) == 180
    assert len({row.title for row in ROWS.values()}) == 180


def test_rules_and_mistakes_name_rows_that_exist() -> None:
    assert {name for one in docs.all_codes() for name in one.rows} <= ROWS.keys()


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.identifier)
def test_a_row_has_a_rule_or_the_reason_why_not(row: Row) -> None:
    assert (row.identifier in READ) is (not row.unread)
    assert bool(row.unread) is bool(row.measured)
    assert row.readable != "yes" or row.identifier in READ
    assert row.otherwise in get_args(get_type_hints(Row)["otherwise"])
    assert not row.title.endswith(".") and len(row.title) < 90


def test_the_page_says_who_finds_a_row() -> None:
    page = docs.pages()["catalogue.md"]
    assert (
        "| LOG01 | A metric's running `compute()` is logged at every step and averaged again "
        "| silent | [LTN101](rules/LTN101.md) | reading and running |" in page
    )
    pre06 = "| PRE06 | Numbers outgrow half precision | nearly silent | [LTN606](rules/LTN606.md)"
    assert f"{pre06} | running |" in page
    assert "| CKP15 | A resumed run trains zero steps, or ignores the new learning rate" in page
    assert "| silent |  | neither |" in page
    assert "([LTN108](rules/LTN108.md))" in page


def test_reading_code_does_not_load_it() -> None:
    program = (
        "import sys, contextlib, io\nfrom pl_lint.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['check', '--no-cache', '--select', 'ALL', sys.argv[1]])\n"
        "assert 'pl_lint.rules.registry' in sys.modules\n"
        "assert 'pl_lint.facts.catalogue' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, __file__], check=True)
