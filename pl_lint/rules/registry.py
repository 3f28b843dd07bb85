"""What a rule is, and which there are.

A rule is a function over facts. Its docstring is its documentation page; its code, its name and its
place in the catalogue stand in the decorator. Nothing else has to be written to add one.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Literal

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Fix
from pl_lint.plain import frozen

Check = Callable[["Rule", ProjectFacts], Iterator[Finding]]
Subject = Literal["code", "comments"]


@frozen
class Rule:
    """A short predicate over facts.

    ``rows`` are the rows of the catalogue of mistakes that it finds, ``default`` whether it is on
    without being selected, ``observers`` who finds the mistake: ``reading`` alone, or ``both``
    where a run can prove or refute it. ``condition`` says when a suspected finding is a mistake.
    ``calls`` names the calls that it looks at (``CallSite``): ``torch.utils.data.DataLoader``,
    ``self.manual_backward``, ``.backward`` of anything, any call with a keyword (``download=``).
    No other calls are kept. ``subject``: a
    rule about comments is asked last, when it is known what they hide. ``preview``: its precision
    on public code is not known yet, so that it is off unless previews are asked for. ``migration``:
    on where ``--target 2`` asks what has to change, whether or not it is on by default.
    ``fixable``: some of its findings bring a fix.
    """

    code: str
    name: str
    rows: tuple[str, ...]
    status: Status
    default: bool
    observers: str
    condition: str
    calls: tuple[str, ...]
    subject: Subject
    preview: bool
    migration: bool
    fixable: bool
    check: Check

    @property
    def documentation(self) -> str:
        from inspect import cleandoc  # which imports much, for who explains rules alone

        return cleandoc(self.check.__doc__ or "")

    @property
    def summary(self) -> str:
        return self.documentation.partition("\n")[0]

    def __call__(self, facts: ProjectFacts) -> Iterator[Finding]:
        return self.check(self, facts)

    def finding(
        self,
        location: Location,
        message: str,
        *,
        remedy: str = "",
        subject: str = "",
        fix: Fix | None = None,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            self.code,
            message,
            location,
            self.status,
            remedy,
            subject,
            self.condition,
            fix=fix,
        )


def rule(
    code: str,
    name: str,
    *,
    rows: tuple[str, ...],
    status: Status = Status.CERTAIN,
    default: bool = True,
    observers: str = "reading",
    condition: str = "",
    calls: tuple[str, ...] = (),
    subject: Subject = "code",
    preview: bool = False,
    migration: bool = False,
    fixable: bool = False,
) -> Callable[[Check], Rule]:
    """Make a rule of a function."""

    def made(check: Check) -> Rule:
        return Rule(
            code,
            name,
            rows,
            status,
            default,
            observers,
            condition,
            calls,
            subject,
            preview,
            migration,
            fixable,
            check,
        )

    return made


@functools.cache
def all_rules() -> tuple[Rule, ...]:
    """The rules of every module of this package and of the packages in it, by code."""
    modules = map(importlib.import_module, sorted(_modules()))
    found = {id(v): v for module in modules for v in vars(module).values() if isinstance(v, Rule)}
    return tuple(sorted(found.values(), key=lambda rule: rule.code))


def _modules() -> Iterator[str]:
    """By their files: ``pkgutil`` imports ``inspect``, and looks at each folder several times."""
    here = os.path.dirname(__file__)
    above = os.path.dirname(os.path.dirname(here))
    for folder, _, files in os.walk(here):
        package = os.path.relpath(folder, above).replace(os.sep, ".")
        for file in files:
            name, suffix = os.path.splitext(file)
            if suffix == ".py":
                yield package if name == "__init__" else f"{package}.{name}"
