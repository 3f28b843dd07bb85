"""Findings that a project has already and wants to be left alone with: only new ones count.

A finding is recognised by its file, its code and the text of its line, not by its number, so that
lines may move. Where a file has the same line several times, as many findings are known as were
written down. The file is JSON in the order of paths, so that it merges well. Its paths are relative
to the folder that it lies in, so that it means the same wherever it is used from.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pl_lint.config import ConfigError
from pl_lint.findings import Finding
from pl_lint.places import Lines
from pl_lint.plain import frozen

VERSION = 2
"""In 1 paths were relative to wherever the file was written from."""
Mark = tuple[str, str, str]
"""The path, the code and the line of a finding."""


@frozen
class Baseline:
    """How many findings of each mark are known; paths are relative to ``folder``."""

    folder: Path
    known: Counter[Mark]

    def parted(
        self, findings: Iterable[Finding], lines: Lines
    ) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """The findings that are not known, and those that are, in their order."""
        left = self.known.copy()
        new: list[Finding] = []
        known: list[Finding] = []
        for finding in findings:
            mark = mark_of(finding, lines, self.folder)
            (known if left[mark] > 0 else new).append(finding)
            left[mark] -= 1
        return tuple(new), tuple(known)


def mark_of(finding: Finding, lines: Lines, folder: Path) -> Mark:
    place = finding.location
    text = lines(place.source)
    line = " ".join(text[place.line - 1].split()) if 0 < place.line <= len(text) else ""
    return _from(folder, place.path), finding.code, line


def _from(folder: Path, path: str) -> str:
    """A path as one says it in a folder, whatever links lead to either."""
    real = os.path.realpath(path)
    try:
        return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()
    except ValueError:  # different drives
        return Path(real).as_posix()


def of(findings: Iterable[Finding], lines: Lines, folder: Path) -> Baseline:
    return Baseline(folder, Counter(mark_of(finding, lines, folder) for finding in findings))


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
    anew = f"write it anew: --write-baseline {file}"
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        remedy = f"make it with --write-baseline {file}"
        raise ConfigError(str(file), "no such file", remedy) from error
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        problem = f"is no baseline: line {error.lineno} is no JSON"
        raise ConfigError(str(file), problem, anew) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(file), "is no baseline: it is no JSON in UTF-8", anew) from error
    try:
        return Baseline(file.parent, _counted(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(str(file), "is no baseline of this version of pl-lint", anew) from error


def _counted(document: Any) -> Counter[Mark]:
    if document["version"] != VERSION:
        raise KeyError("version")
    known: Counter[Mark] = Counter()
    for row in document["findings"]:
        known[str(row["path"]), str(row["code"]), str(row["line"])] += int(row["count"])
    return known
