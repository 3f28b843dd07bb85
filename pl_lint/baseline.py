"""Findings that a project has already and wants to be left alone with: only new ones count.

A finding is recognised by its file, its code and the text of its line, not by its number, so that
lines may move. Where a file has the same line several times, as many findings are known as were
written down. The file is JSON in the order of paths, so that it merges well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pl_lint.config import ConfigError
from pl_lint.findings import Finding
from pl_lint.plain import frozen

VERSION = 1
Lines = Callable[[str], Sequence[str]]
Mark = tuple[str, str, str]
"""The path, the code and the line of a finding."""


@frozen
class Baseline:
    """How many findings of each mark are known."""

    known: Counter[Mark]

    def new(self, findings: Iterable[Finding], lines: Lines) -> tuple[Finding, ...]:
        """The findings that are not known, in their order."""
        left = self.known.copy()
        found: list[Finding] = []
        for finding in findings:
            mark = mark_of(finding, lines)
            if left[mark] > 0:
                left[mark] -= 1
            else:
                found.append(finding)
        return tuple(found)


def mark_of(finding: Finding, lines: Lines) -> Mark:
    place = finding.location
    text = lines(place.source)
    line = " ".join(text[place.line - 1].split()) if 0 < place.line <= len(text) else ""
    return Path(place.path).as_posix(), finding.code, line


def of(findings: Iterable[Finding], lines: Lines) -> Baseline:
    return Baseline(Counter(mark_of(finding, lines) for finding in findings))


def dumps(baseline: Baseline) -> str:
    rows = [
        {"path": path, "code": code, "line": line, "count": count}
        for (path, code, line), count in sorted(baseline.known.items())
    ]
    return json.dumps({"version": VERSION, "findings": rows}, indent=1, ensure_ascii=False) + "\n"


def load(file: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        ConfigError: There is no such file, or it holds something else.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        remedy = f"make it with --write-baseline {file}"
        raise ConfigError(str(file), "no such file", remedy) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(str(file), f"cannot be read as a baseline: {error}") from error
    try:
        return Baseline(_counted(document))
    except (KeyError, TypeError, AttributeError) as error:
        problem = "is no baseline of this version of pl-lint"
        raise ConfigError(str(file), problem, f"write it anew: --write-baseline {file}") from error


def _counted(document: Any) -> Counter[Mark]:
    if document["version"] != VERSION:
        raise KeyError("version")
    known: Counter[Mark] = Counter()
    for row in document["findings"]:
        known[str(row["path"]), str(row["code"]), str(row["line"])] += int(row["count"])
    return known
