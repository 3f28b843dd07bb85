"""What a failure leaves in one's hands: a command to paste, and a script that needs no pl-lint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pl_lint.checks.registry import Result, all_checks
from pl_lint.findings import Finding, Location
from pl_lint.judging import judged
from pl_lint.runtime.battery import Battery

SEARCH = "search"


def command(path: Path, *names: str) -> str:
    """The line that runs this item again, from the directory where pytest was started.

    pytest's own node id is relative to its ``rootdir``, which may lie elsewhere, and climbs up to
    files outside of it.
    """
    here, there = Path.cwd(), path.resolve()
    near = there.relative_to(here).as_posix() if there.is_relative_to(here) else str(there)
    return f'pytest --pl-check "{"::".join([near, *names])}"'


def with_scripts(result: Result, battery: Battery, place: Location, subject: str) -> Result:
    """Findings about logged values with the scripts of the search: it knows the smallest run in
    which the same key lies by the same mistake. Only a failure asks for it."""
    searches = [check for check in all_checks() if check.name == SEARCH]
    found = [one for each in searches for one in judged(each, battery, place, subject).findings]
    scripts = {_mistake(each): each.script for each in reversed(found) if each.script}
    findings = [
        replace(each, script=each.script or scripts.get(_mistake(each), ""))
        for each in result.findings
    ]
    return replace(result, findings=tuple(findings))


def _mistake(finding: Finding) -> tuple[str, str]:
    return finding.code, _about(finding)


def _about(finding: Finding) -> str:
    return finding.key


def script_lines(findings: Sequence[Finding], shown: set[str]) -> Iterator[str]:
    """One script; those of the other values of one failure are much the same, and the report has
    them. What an earlier failure has ``shown`` is not shown again."""
    with_one = [finding for finding in findings if finding.script]
    new = [finding for finding in with_one if finding.script not in shown]
    if not with_one:
        return
    if not new:
        yield "the script above shows it without pl-lint"
        return
    shown.add(new[0].script)
    others = len(with_one) - 1
    more = f" ({others} more in --pl-report)" if others else ""
    key = _about(new[0])
    about = f", {key!r}" if key else ""
    yield f"without pl-lint{about}{more}:\n{new[0].script}"
