"""What the parts of ``training`` share: the two records, and words for places in a module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pl_lint.checks.proving import found
from pl_lint.checks.training.script import Script
from pl_lint.checks.values.evidence import counted
from pl_lint.checks.values.lines import line_of_part
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import FitRecord, TrainingRecord
from pl_lint.facts.training import TrainingStory
from pl_lint.findings import Evidence, Finding, Location, Status

NAMED = 3
"""Submodules that are named of one optimizer, or in one finding."""
WATCHED = "a fit of two epochs, every backward pass, step and batch seen"


@dataclass(frozen=True)
class View:
    """The small fit, the run of one batch, and what reading suspects of modes."""

    case: CaseFacts
    fit: FitRecord
    trained: TrainingRecord
    suspected: Sequence[Finding] = ()

    @property
    def story(self) -> TrainingStory:
        return self.fit.training

    def place(self, name: str) -> Location:
        return line_of_part(name, self.fit.places, self.case)

    def optimizer(self, number: int) -> str:
        """``the Adam of self.generator``: there may be several Adams."""
        story = self.story.optimizers[number]
        parts = [f"self.{part}" for part in story.parts]
        if not parts:
            return f"the {story.name}"
        if len(parts) > NAMED:
            parts = [*parts[: NAMED - 1], f"{len(parts) - NAMED + 1} others"]
        *most, last = parts
        return f"the {story.name} of {' and '.join([', '.join(most), last] if most else [last])}"

    def parts_in_words(self, parameters: Iterable[str]) -> str:
        """The submodules that parameters make up, the first three by name."""
        known = [one.name for one in self.story.parameters]
        named = [in_words(block, members) for block, members in blocks(parameters, known)]
        others = f" and {len(named) - NAMED} others" if len(named) > NAMED else ""
        return ", ".join(named[:NAMED]) + others

    @property
    def configured(self) -> Location:
        """Where the optimizers are made."""
        return self.story.configured or self.case.home

    def found(
        self,
        code: str,
        message: str,
        location: Location,
        remedy: str,
        status: Status = Status.PROVED,
        condition: str = "",
        script: Script | None = None,
        evidence: Evidence | None = None,
    ) -> Finding:
        building = self.case.building
        return found(
            self.case,
            code,
            message,
            remedy,
            location,
            (evidence,) if evidence else (),
            status=status,
            condition=condition,
            script=script(building, message) if script and building else "",
        )


def watched(key: str, seen: int, expected: int, how: str = WATCHED) -> Evidence:
    """Two counts of what was done in the small fit."""
    return counted(key, seen, expected, how)


def blocks(bad: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Bad parameters in the largest submodules that have no others: ``encoder`` for the six of an
    encoder. The whole module is no block: each of its children is one."""
    waiting, every = list(bad), list(known)
    while waiting:
        name = waiting[0]
        parts = name.split(".")
        prefixes = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        block = next(p for p in prefixes if all(n in waiting for n in every if inside(n, p)))
        members = tuple(each for each in waiting if inside(each, block))
        waiting = [each for each in waiting if each not in members]
        yield block, members


def inside(name: str, block: str) -> bool:
    return name == block or name.startswith(f"{block}.")


def in_words(block: str, members: tuple[str, ...]) -> str:
    """``self.head (2 parameters)``."""
    if members == (block,):
        return f"self.{block}"
    return f"self.{block} ({len(members)} parameter{'s' * (len(members) > 1)})"
