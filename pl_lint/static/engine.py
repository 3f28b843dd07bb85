"""From paths to findings: the pipeline of the reader.

Files are found, searched for words and split into parts, which are judged one by one. Nothing that
is read is imported or executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.plain import frozen
from pl_lint.static.configs.files import ConfigFile, is_config, load
from pl_lint.static.imports import imported
from pl_lint.static.parts import Material, split
from pl_lint.static.reading import AnyRule, Reading, joined
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
    parts = split(found.sources, found.configs, around)
    if not parts:
        return _together((), found)
    from pl_lint.static.judgement import Judge  # most commits of most projects wait for none

    for source in (*found.sources, *found.configs):
        around.look_around(source.path)  # before a process of its own does it
    judge = Judge(config, tuple(rule for rule in rules if config.selects(rule)), around)
    return _together(each(judge, parts), found)


def _together(parts: Sequence[Reading], found: Found) -> Reading:
    findings = (finding for part in parts for finding in part.findings)
    unreadable = (reason for part in parts for reason in part.unreadable)
    return Reading(
        joined(part.project for part in parts),
        tuple(sorted(findings, key=_order)),
        (*found.unreadable, *unreadable),
        found.files,
        sum(part.relevant for part in parts),
    )


@frozen
class Found:
    """What is going to be read, what cannot be, and how many files that is."""

    sources: tuple[Material, ...]
    configs: tuple[ConfigFile, ...]
    unreadable: tuple[Unreadable, ...]
    files: int


def _load(paths: Sequence[Path], config: Config, contents: Contents, trail: Trail) -> Found:
    """Finds the files and those among them that matter.

    YAML without anything of Lightning's is no file of ours, and not counted.
    """
    sources: list[Material] = []
    unreadable: list[Unreadable] = []
    passed_over: list[Path] = []
    settings: list[Path] = []
    files = 0
    for path in find_sources(paths, config, trail):
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
    for path in imported(sources, passed_over):
        if isinstance(data := contents(path), bytes):
            sources.append(Material(path, data, asked_for=False))
    configs, broken = load(settings, contents, frozenset(paths))
    count = files + len(configs) + len(broken)
    return Found(tuple(sources), tuple(configs), (*unreadable, *broken), count)


def _order(finding: Finding) -> tuple[object, ...]:
    return finding.location.order, finding.code
