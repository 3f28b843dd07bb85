"""From paths to findings: the pipeline of the reader.

Files are found, searched for words and split into parts, which are judged one by one. Nothing that
is read is imported or executed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.plain import frozen, replace
from pl_lint.static.configs.files import ConfigFile, is_config, load
from pl_lint.static.imports import imported
from pl_lint.static.offspring import inheriting
from pl_lint.static.parts import Material, split
from pl_lint.static.reading import AnyRule, JudgedAs, Reading, joined
from pl_lint.static.schedule import Schedule, one_by_one
from pl_lint.static.sources import (
    Contents,
    Unreadable,
    find_sources,
    mentions_lightning,
    read_bytes,
)
from pl_lint.static.surroundings import Surroundings
from pl_lint.trail import Trail

__all__ = ["AnyRule", "Reading", "read"]


def read(
    paths: Sequence[Path],
    config: Config,
    rules: Iterable[AnyRule],
    contents: Contents = read_bytes,
    trail: Trail | None = None,
    each: Schedule = one_by_one,
) -> Reading:
    """Read files and folders and judge them by those of ``rules`` that the settings select.

    ``trail`` gets everything on disk that the answer depends on; ``each`` judges the parts.
    """
    trail = trail or Trail()
    around = Surroundings(trail)
    found = _load(paths, config, contents, trail)
    parts = split(found.sources, found.configs, around, paths)
    if not parts:
        return _together((), found)
    from pl_lint.static.judgement import Judge  # most commits of most projects wait for none
    from pl_lint.static.versions import doubts

    for source in (*found.sources, *found.configs):
        around.look_around(source.path)  # before a process of its own does it
    judge = Judge(config, tuple(rule for rule in rules if config.selects(rule)), around)
    return replace(
        _together(each(judge, parts), found), warnings=(*found.warnings, *doubts(config))
    )


def _together(parts: Sequence[Reading], found: Found) -> Reading:
    findings = (finding for part in parts for finding in part.findings)
    unreadable = (reason for part in parts for reason in part.unreadable)
    return Reading(
        joined(part.project for part in parts),
        tuple(sorted(findings, key=_order)),
        (*found.unreadable, *unreadable),
        found.files,
        sum(part.relevant for part in parts),
        tuple(_versions(parts)),
        found.warnings,
    )


def _versions(parts: Sequence[Reading]) -> Iterator[JudgedAs]:
    """The versions of all parts, the most frequent first."""
    files = Counter[tuple[str, str]]()
    for one in (one for part in parts for one in part.judged):
        files[one.version, one.because] += one.files
    for (version, because), count in sorted(files.items(), key=lambda one: (-one[1], one[0])):
        yield JudgedAs(version, because, count)


@frozen
class Found:
    """What is going to be read, what cannot be, and how many files that is."""

    sources: tuple[Material, ...]
    configs: tuple[ConfigFile, ...]
    unreadable: tuple[Unreadable, ...]
    files: int
    warnings: tuple[str, ...]


def _load(paths: Sequence[Path], config: Config, contents: Contents, trail: Trail) -> Found:
    """Finds the files and those among them that matter.

    YAML without anything of Lightning's is no file of ours, and not counted.
    """
    sources: list[Material] = []
    unreadable: list[Unreadable] = []
    passed_over: list[Path] = []
    settings: list[Path] = []
    files = 0
    everything = tuple(find_sources(paths, config, trail))
    for path in everything:
        if is_config(path):
            settings.append(path)
            continue
        files += 1
        data = contents(path)
        if isinstance(data, Unreadable):
            unreadable.append(data)
        elif mentions_lightning(data):
            sources.append(Material(path, data))
        elif path.suffix != ".ipynb":  # which nothing can import
            passed_over.append(path)
    heirs = dict(inheriting(tuple(sources), passed_over, contents))
    sources += (Material(path, data) for path, data in heirs.items())
    rest = [path for path in passed_over if path not in heirs]
    for path, data in imported(tuple(sources), rest, contents):
        sources.append(Material(path, data, asked_for=False))
    configs, broken = load(settings, contents, frozenset(paths))
    count = files + len(configs) + len(broken)
    warnings = (*_empty(paths, everything, config), *_idle(paths, everything, config))
    return Found(tuple(sources), tuple(configs), (*unreadable, *broken), count, warnings)


def _empty(paths: Sequence[Path], found: Sequence[Path], config: Config) -> Iterator[str]:
    """The folders that were named for nothing. Of the one that everybody is in something else is
    said."""
    files = [os.path.abspath(one) for one in found]
    left_out = f", but for what `exclude` leaves out ({', '.join(config.exclude)})"
    why = left_out if config.exclude else ""
    for path in (one for one in paths if one != Path()):
        folder = os.path.join(os.path.abspath(path), "")
        if os.path.isdir(path) and not any(one.startswith(folder) for one in files):
            yield f"{path}: there is no file to read in this folder{why}"


def _idle(paths: Sequence[Path], found: Sequence[Path], config: Config) -> Iterator[str]:
    """Patterns that match nothing, where everything was looked at that they may match."""
    root = config.root
    whole = any(root.is_relative_to(os.path.abspath(path)) for path in paths)
    for pattern in config.idle_patterns(found) if whole else ():
        yield f"`per-file-ignores`: {pattern!r} matches no file that is read"


def _order(finding: Finding) -> tuple[object, ...]:
    return finding.location.order, finding.code
