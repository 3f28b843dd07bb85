"""What the reader has to report, before anything is said about how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.plain import frozen
from pl_lint.static.reading import JudgedAs
from pl_lint.static.sources import BrokenCell, Unfinished, Unreadable

if TYPE_CHECKING:
    from pl_lint.rules.registry import Rule

CLEAN, FOUND, UNUSABLE = 0, 1, 2
"""The exit codes of ``pl-lint``."""


@frozen
class Result:
    """One run of the reader.

    ``files`` were looked at, in ``relevant`` of them Lightning code was found. ``rules`` are all
    that there are. ``fixed`` were mended in this run, ``known`` stand in the baseline and are not
    told again. ``judged`` says by which Lightning, ``warnings`` are about paths and settings.
    """

    findings: tuple[Finding, ...]
    unreadable: tuple[Unreadable, ...]
    files: int
    relevant: int
    config: Config
    rules: Iterable[Rule] = ()
    fixed: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    judged: tuple[JudgedAs, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The name of each code's rule."""
        return {rule.code: rule.name for rule in self.rules}

    @cached_property
    def summaries(self) -> Mapping[str, str]:
        """The first line of what each code's rule says of itself."""
        return {rule.code: rule.summary for rule in self.rules}

    @cached_property
    def decided_by_runs(self) -> frozenset[str]:
        """The codes that a run proves or refutes."""
        return frozenset(rule.code for rule in self.rules if rule.observers == "both")

    @property
    def failing(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if self.config.counts(finding))

    @property
    def notes(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not self.config.counts(finding))

    @property
    def broken(self) -> tuple[Unreadable, ...]:
        """The files that cannot be read; not those that are only too much."""
        return tuple(one for one in self.unreadable if not isinstance(one, Unfinished))

    @property
    def broken_cells(self) -> tuple[BrokenCell, ...]:
        """The cells that cannot be read of notebooks that can."""
        return tuple(one for one in self.unreadable if isinstance(one, BrokenCell))

    @property
    def read(self) -> int:
        """How many of the files that were looked at could be read."""
        return self.files - len(self.broken)

    @property
    def exit_code(self) -> int:
        """A file that cannot be read wins: nobody knows what it holds."""
        if self.broken or not self.files:
            return UNUSABLE
        return FOUND if self.failing else CLEAN


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings as people read files, whatever order they were made in."""
    return tuple(sorted(findings, key=lambda f: (f.location.order, f.code, f.message)))
