"""What a mistake is that only a run can see: a code, a name, a page of documentation."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from pl_lint.findings import Status


@dataclass(frozen=True)
class Mistake:
    """A code that a run gives: its name, its rows in the catalogue, its page."""

    code: str
    name: str
    rows: tuple[str, ...]
    text: str
    status: Status = Status.PROVED
    default: bool = True
    observers: str = "running"

    @property
    def documentation(self) -> str:
        return inspect.cleandoc(self.text)

    @property
    def summary(self) -> str:
        return self.documentation.partition("\n")[0]
