"""The closing words of a session: modules by checks, what is left open, what was not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

from pl_lint.checks.registry import rank_of
from pl_lint.findings import Finding, Status
from pl_lint.join import settles
from pl_lint.plugin.items import READING, near
from pl_lint.plugin.outcomes import State
from pl_lint.plugin.results import Results, Row
from pl_lint.plugin.unrun import SHOWN, lines_to_add
from pl_lint.report.numbers import comparison
from pl_lint.rules.registry import all_rules
from pl_lint.static.sources import shown

WORDS = {
    State.PASSED: "pass",
    State.FAILED: "FAIL",
    State.EXPECTED: "xfail",
    State.NOT_TRIGGERED: "n/a",
    State.NOT_DECIDED: "open",
    State.NOT_BUILT: "not run",
}
PARTLY = "pass*"
"""Never a silent green: what such a pass could not decide stands among the notes."""
LEGEND = {
    State.EXPECTED: "fails as the case declares",
    State.NOT_TRIGGERED: "nothing that was run could fail this check",
    State.NOT_DECIDED: "these runs cannot tell; reasons below",
    State.NOT_BUILT: "no data, or no case and not runnable with default arguments",
}


@dataclass
class Summary:
    """Writes what a session found, shortest and most important first."""

    results: Results
    to: pytest.TerminalReporter
    most_cases: int = SHOWN

    def write(self) -> None:
        self.to.section("pl-check")
        parts = (
            self._table(),
            self._counts(),
            self._reasons(),
            self._suspicions(),
            self._unreadable(),
            lines_to_add(self.results.not_run, self.results.project.data, self.most_cases),
            self._nothing(),
        )
        written = False
        for part in parts:
            lines = list(part)
            if lines and written:
                self.to.line("")
            for line in lines:
                self.to.line(line)
            written = written or bool(lines)

    # --- modules by checks ---------------------------------------------------------------------

    def _table(self) -> Iterator[str]:
        targets = self.results.targets
        checks = sorted({row.check for row in self.results.checked}, key=rank_of)
        if not targets:
            return
        width = max(len(target.name) for target in targets)
        titles = [_title(check) for check in checks]
        widths = [max(len(WORDS[State.NOT_BUILT]), *map(len, title)) for title in titles]
        for parts in zip_longest(*titles, fillvalue=""):
            yield _line("", width, parts, widths)
        for target in targets:
            rows = self.results.of(target)
            yield _line(target.name, width, [_word(rows.get(check)) for check in checks], widths)

    def _counts(self) -> Iterator[str]:
        states = [row.outcome.state for row in self.results.checked]
        if not states:
            return
        counts = [f"{states.count(s)} {_plain(s)}" for s in State if s in states]
        number = count(len(self.results.targets), "module")
        yield f"{count(len(states), 'check')} of {number}: {', '.join(counts)}"
        for state, meaning in LEGEND.items():
            if state in states:
                yield f"  {WORDS[state]:<7} {meaning}"
        if any(map(_is_partly, self.results.checked)):
            yield f"  {PARTLY:<7} passed in what these runs can tell; the rest is in the notes"
        yield from self._passed()
        yield from self._read()

    def _passed(self) -> Iterator[str]:
        """On how much a pass rests, where its check says it."""
        passed = [row for row in self.results.checked if row.outcome.state is State.PASSED]
        told = [row for row in passed if row.outcome.reason]
        for (check, reason), group in _grouped(told, lambda r: (r.check, r.outcome.reason)).items():
            yield f"{check} passed: {reason} ({', '.join(row.module for row in group)})"

    def _read(self) -> Iterator[str]:
        """What nothing but reading says; a run may have proved the rest of its findings."""
        read = [row for row in self.results.rows if row.check == READING]
        proofs = [ruling for ruling in self.results.rulings if ruling.status is Status.PROVED]
        alone = [
            [one for one in row.outcome.findings if not any(settles(r, one) for r in proofs)]
            for row in read
            if row.outcome.state is State.FAILED
        ]
        if number := sum(map(len, alone)):
            files = f"{sum(map(bool, alone))} of {len(read)} files"
            yield f"reading alone is certain of {number} more, in {files}"

    # --- what is left open --------------------------------------------------------------------

    def _reasons(self) -> Iterator[str]:
        """Why checks are open, each reason once; then what the decided ones had to leave out."""
        rows = self.results.checked
        open_rows = [row for row in rows if row.outcome.state is State.NOT_DECIDED]
        stories = _grouped(open_rows, lambda row: (row.module, row.outcome.reason))
        if stories:
            yield "open (not decided):"
        for (module, reason), group in stories.items():
            yield f"  {module}: {', '.join(row.check for row in group)}: {reason}"
        noted = [(row, note) for row in rows for note in row.outcome.notes]
        if noted:
            yield "notes:"
        for row, note in noted:
            yield f"  {row.module}: {row.check}: {note}"

    def _suspicions(self) -> Iterator[str]:
        """What became of each suspicion: code, place, and the numbers or why there are none."""
        suspected = [f for f in self.results.asked_for if f.status is not Status.CERTAIN]
        if suspected:
            yield "what reading suspected:"
        ran = any(not row.outcome.why_not_run for row in self.results.checked)
        by_runs = {rule.code for rule in all_rules() if rule.observers == "both"}
        for finding in suspected:
            status = finding.status.value
            status = "undecided" if finding.status is Status.SUSPECTED and ran else status
            yield f"  {status:<9}  {finding.code}  {near(finding).location}"
            decider = "no run has decided it" if ran else "nothing was run"
            if finding.code not in by_runs:
                decider = "only you can decide that"
            yield f"             {_became(finding, decider)}"

    def _unreadable(self) -> Iterator[str]:
        project = self.results.project
        given = [u for u in project.reading.unreadable if project.is_given(Path(u.location.path))]
        for one in given:
            yield f"{one.location}: {one.verdict}: {one.message}"

    def _nothing(self) -> Iterator[str]:
        """Never a silent green."""
        project = self.results.project
        if not project.targets:
            paths = ", ".join(shown(path) for path in project.paths)
            yield f"nothing was checked: no LightningModule to run and no case in {paths}"
            yield from self._elsewhere()
        elif not self.results.any_visited:
            yield "nothing was checked: pytest was told not to look where the modules are"
            yield "  (norecursedirs, --ignore, collect_ignore)"
        elif self.results.is_empty_handed:
            yield "nothing was checked: none of these modules could be run and judged"

    def _elsewhere(self) -> Iterator[str]:
        """Cases beside the given files that build the modules in them."""
        project = self.results.project
        modules = project.reading.project.modules()
        given = {m.name for m in modules if project.is_given(Path(m.location.path))}
        for case in project.reading.project.cases:
            if given & set(case.builds):
                nodeid = f"{case.path}::{case.function}"
                yield f'  there is a case beside it: pytest --pl-check "{nodeid}"'


def _became(finding: Finding, decider: str) -> str:
    if finding.evidence:
        evidence = finding.evidence[-1]
        verdict = "the truth was logged: " if finding.status is Status.REFUTED else ""
        return f"{evidence.key}: {verdict}{comparison(evidence)}"
    if finding.status is Status.PROVED:
        return finding.message
    condition = f"a mistake {finding.condition}" if finding.condition else finding.message
    return f"{condition}; {decider}"


def _grouped(
    rows: Iterable[Row], key: Callable[[Row], tuple[str, str]]
) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _title(check: str) -> tuple[str, ...]:
    """A check's name over two lines, so that the table fits a terminal."""
    first, hyphen, rest = check.rpartition("-")
    return (first + hyphen, rest) if hyphen else ("", rest)


def _line(name: str, width: int, cells: Iterable[str], widths: Iterable[int]) -> str:
    shown_cells = [f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=True)]
    return "  ".join([f"{name:<{width}}", *shown_cells]).rstrip()


def _word(row: Row | None) -> str:
    if row is None:
        return ""
    return PARTLY if _is_partly(row) else WORDS[row.outcome.state]


def _is_partly(row: Row) -> bool:
    return row.outcome.state is State.PASSED and row.outcome.open > 0


def _plain(state: State) -> str:
    return {State.EXPECTED: "failed as expected"}.get(state, state.value)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
