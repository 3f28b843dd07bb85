"""README shows what the tools really print, and points to what exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LINKS = re.findall(r"\]\(([^)#]+)", README)
TARGETS = sorted(set(re.findall(r"(?:^|`)make (?:PYTHON=\S+ )?(\w+)", README, re.MULTILINE)))
SESSIONS = dict(re.findall(r"```console\n\$ (.+)\n((?:.*\n)+?)```", README))


def test_the_shown_reading_is_what_pl_lint_prints() -> None:
    [command] = [command for command in SESSIONS if command.startswith("pl-lint ")]
    script, *arguments = shlex.split(command)
    done = subprocess.run(
        [Path(sys.executable).parent / script, *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == SESSIONS[command]


def test_the_shown_run_is_about_the_line_that_is_there() -> None:
    """Its numbers are those of one machine and one torch."""
    [shown] = [text for command, text in SESSIONS.items() if command.startswith("pytest ")]
    path, number = re.findall(r"^(\S+\.py):(\d+):", shown)[0]
    line = (ROOT / path).read_text("utf-8").splitlines()[int(number) - 1]
    assert line in shown


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_the_table_of_statuses_is_the_one_of_its_page() -> None:
    page = (ROOT / "docs" / "statuses.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert "\n".join(rows) in README
