"""From paths to findings: the pipeline of the reader.

Two passes: all files are indexed first, then the classes are interpreted with their ancestors
resolved across files. Nothing that is read is imported or executed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pl_lint.config import Config, Selectable
from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Location
from pl_lint.fixes import Fix
from pl_lint.plain import frozen, replace
from pl_lint.static.configs.files import ConfigFile, is_config, load
from pl_lint.static.fixing.changes import Mender
from pl_lint.static.imports import imported
from pl_lint.static.interpreter.work import Excess, TooDeep, Works
from pl_lint.static.parts import Material, Part, split
from pl_lint.static.project import gather, joined
from pl_lint.static.schedule import Schedule, one_by_one
from pl_lint.static.sources import (
    TOO_DEEP,
    Contents,
    SourceFile,
    Unfinished,
    Unreadable,
    find_sources,
    mentions_lightning,
    parse,
    read_bytes,
)
from pl_lint.static.surroundings import Surroundings
from pl_lint.static.versions import installed, package_folders
from pl_lint.trail import Trail

DEEP = 60
"""Nested syntax in a file that may exhaust Python's stack. Code that people write stays below."""


class AnyRule(Selectable, Protocol):
    """What the engine needs of a rule. The rules themselves stand above this layer."""

    @property
    def calls(self) -> tuple[str, ...]: ...

    @property
    def subject(self) -> str: ...

    def __call__(self, facts: ProjectFacts) -> Iterator[Finding]: ...


@frozen
class Reading:
    """What reading found. ``files`` counts all files looked at, the unparsed ones included;
    in ``relevant`` of them there is something of Lightning's."""

    project: ProjectFacts
    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    files: int = 0
    relevant: int = 0


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
    selected = tuple(rule for rule in rules if config.selects(rule))

    judge = Judge(config, selected, around)
    parts = split(found.sources, found.configs, around) or (Part((), ()),)
    for source in (*found.sources, *found.configs):
        around.look_around(source.path)  # before a process of its own does it
    read_parts = each(judge, parts)
    return _together(read_parts, found)


@frozen
class Judge:
    """Judges parts: what the rules find in files that have nothing to do with others."""

    config: Config
    rules: tuple[AnyRule, ...]
    around: Surroundings

    def __call__(self, part: Part) -> Reading:
        return _judgement(part, self.config, self.rules, self.around)

    def question(self, part: Part) -> Iterator[object]:
        """All that the judgement depends on, this program itself aside."""
        yield os.getcwd(), self.config, [rule.code for rule in self.rules]
        yield [(one.path, one.asked_for, one.data) for one in part.sources]
        yield [(one.path, one.text) for one in part.configs]
        paths = [one.path for one in (*part.sources, *part.configs)]
        folders = dict.fromkeys(folder for path in paths for folder in self.around.folders(path))
        yield [(one, self.around.names(one), self.around.pin_texts(one)) for one in folders]
        yield installed(self.around, package_folders())


def _judgement(
    part: Part, config: Config, rules: Sequence[AnyRule], around: Surroundings
) -> Reading:
    loaded = [(one, parse(one.file, one.data)) for one in part.sources]
    sources = [source for _, source in loaded if isinstance(source, SourceFile)]
    unreadable = [
        reason for one, reason in loaded if one.asked_for and isinstance(reason, Unreadable)
    ]
    watched = frozenset(name for rule in rules for name in rule.calls)
    sources, left, project = _gather(sources, config, watched, part.configs, around)
    kept = _judged(project, rules, (*sources, *part.configs), config)
    menders = {file.path: _mender(file) for file in (*sources, *part.configs)}
    mended = tuple(_mended(kept, menders))
    relevant = relevant_files(project)
    return Reading(project, mended, (*unreadable, *left), relevant=relevant)


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


def relevant_files(project: ProjectFacts) -> int:
    """In how many files something of Lightning's was found: a class, a Trainer, a monitor."""
    sites = (*project.classes, *project.monitors, *project.trainers, *project.trainer_calls)
    return len({site.location.path for site in (*sites, *project.stray_logs)})


class AnyMender(Protocol):
    """Turns the fixes of one file's findings into edits."""

    def resolved(self, fixes: Sequence[Fix | None]) -> list[Fix | None]: ...


def _mender(file: SourceFile | ConfigFile) -> AnyMender:
    """Few projects have notebooks or settings: what mends them is imported where one has."""
    if isinstance(file, ConfigFile):
        from pl_lint.static.fixing.settings import SettingsMender

        return SettingsMender(file)
    if file.path.endswith(".ipynb"):
        from pl_lint.static.fixing.notebooks import CellMender

        return CellMender(file)
    return Mender(file)


def _mended(findings: Sequence[Finding], menders: Mapping[str, AnyMender]) -> Iterator[Finding]:
    """The findings with the edits of their fixes."""
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.location.path, []).append(finding)
    for path, found in by_file.items():
        mender = menders.get(path)
        if mender is None:
            fixes: Sequence[Fix | None] = [None] * len(found)
        else:
            fixes = mender.resolved([finding.fix for finding in found])
        for finding, fix in zip(found, fixes, strict=True):
            yield replace(finding, fix=fix)


def _judged(
    project: ProjectFacts,
    rules: Sequence[AnyRule],
    sources: Sequence[SourceFile | ConfigFile],
    config: Config,
) -> list[Finding]:
    """What the rules find and no comment hides; then what they find wrong with the comments."""
    about_code = [rule for rule in rules if rule.subject == "code"]
    findings = _distinct(finding for rule in about_code for finding in rule(project))
    suppressions = {source.path: source.suppressions for source in sources}
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.location.path, []).append(finding)
    codes = frozenset(rule.code for rule in about_code)
    comments = tuple(
        site
        for path, one in suppressions.items()
        for site in one.sites(by_file.get(path, ()), codes)
    )
    project = replace(project, suppressions=comments)
    findings += [
        finding for rule in rules if rule.subject == "comments" for finding in rule(project)
    ]
    return [
        one
        for one in findings
        if not suppressions[one.location.path].hides(one) and not config.hides(one)
    ]


def _gather(
    sources: list[SourceFile],
    config: Config,
    watched: frozenset[str],
    configs: Sequence[ConfigFile],
    around: Surroundings,
) -> tuple[list[SourceFile], list[Unreadable], ProjectFacts]:
    """Interprets the sources. Those too deeply nested for that are left out: all that are so by
    themselves, and else the deepest, so that the project is not read once for each of them. What
    cannot be read, or not to its end, comes second."""

    def readable(source: SourceFile) -> bool:
        try:
            gather([source], config, watched, (), around)
        except RecursionError:
            return False
        return True

    left, too_deep = list(sources), []
    while True:
        works = Works()
        try:
            project = gather(left, config, watched, configs, around, works)
            return left, [*too_deep, *map(_too_much, works.excesses())], project
        except RecursionError as error:
            deep = [source for source in left if source.depth >= DEEP]
            if not deep and isinstance(error, TooDeep):
                deep = [source for source in left if source.path == error.path]
            if not deep:  # no file's fault
                raise
            deepest = max(deep, key=lambda source: source.depth)
            guilty = [one for one in deep if not readable(one)] or [deepest]
            left = [one for one in left if one not in guilty]
            too_deep += [Unreadable(Location(one.path, 1), TOO_DEEP) for one in guilty]


def _too_much(excess: Excess) -> Unfinished:
    told = f": {excess.judged} of {excess.classes} classes judged" * bool(excess.classes)
    message = f"too much to read{told}; split the file or exclude it"
    return Unfinished(Location(excess.path, 1), message)


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


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code and place: a helper that two classes inherit is one mistake."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.code, finding.location), finding)
    return list(kept.values())


def _order(finding: Finding) -> tuple[object, ...]:
    return finding.location.order, finding.code
