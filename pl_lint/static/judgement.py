"""What the rules find in the files of one part.

Two passes: all files are indexed first, then the classes are interpreted with their ancestors
resolved across files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

from pl_lint.config import Config
from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Location
from pl_lint.fixes import Fix
from pl_lint.plain import frozen, replace
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.interpreter.work import Excess, TooDeep, Works
from pl_lint.static.parts import Part
from pl_lint.static.project import gather
from pl_lint.static.reading import AnyRule, JudgedAs, Reading
from pl_lint.static.sources import TOO_DEEP, SourceFile, Unfinished, Unreadable, parse
from pl_lint.static.suppressions import Suppressions
from pl_lint.static.surroundings import Surroundings
from pl_lint.static.versions import installed, package_folders

DEEP = 60
"""Nested syntax in a file that may exhaust Python's stack. Code that people write stays below."""


@frozen
class Judge:
    """Judges parts: what the rules find in files that have nothing to do with others."""

    config: Config
    rules: tuple[AnyRule, ...]
    around: Surroundings

    def __call__(self, part: Part) -> Reading:
        return _judged(part, self.config, self.rules, self.around)

    def question(self, part: Part) -> Iterator[object]:
        """All that the judgement depends on, this program itself aside."""
        yield os.getcwd(), self.config, [rule.code for rule in self.rules]
        yield [(one.path, one.asked_for, one.data) for one in part.sources]
        yield [(one.path, one.text) for one in part.configs]
        paths = [one.path for one in (*part.sources, *part.configs)]
        folders = dict.fromkeys(folder for path in paths for folder in self.around.folders(path))
        yield [(one, self.around.names(one), self.around.pin_texts(one)) for one in folders]
        yield installed(self.around, package_folders())


def _judged(part: Part, config: Config, rules: Sequence[AnyRule], around: Surroundings) -> Reading:
    """What the rules find in a part, as the settings have it told."""
    loaded = [(one, parse(one.file, one.data)) for one in part.sources]
    read = [(one, source) for one, source in loaded if isinstance(source, SourceFile)]
    broken = [(one, reason) for one, reason in loaded if isinstance(reason, Unreadable)]
    broken += [(one, cell) for one, source in read for cell in source.broken]
    watched = frozenset(name for rule in rules for name in rule.calls)
    sources, left, project = _gather(
        [source for _, source in read], config, watched, part.configs, around
    )
    unread = [*(reason for one, reason in broken if one.asked_for), *left]
    not_read = {reason.location.path for _, reason in broken} | {one.location.path for one in left}
    project = replace(project, hides_trainers=_may_hide_trainers(part, not_read))
    files = (*sources, *part.configs)
    mended = tuple(_mended(_told(project, rules, files, config), files))
    relevant = _relevant_files(project)
    judged = tuple(_judged_as(project, relevant))
    return Reading(project, mended, tuple(unread), relevant=len(relevant), judged=judged)


def _may_hide_trainers(part: Part, not_read: Set[str]) -> bool:
    """Whether a Trainer may be built in a file that could not be read."""
    return any(b"Trainer(" in one.data for one in part.sources if one.path in not_read)


def _relevant_files(project: ProjectFacts) -> frozenset[str]:
    """The files in which something of Lightning's was found: a class, a Trainer, a monitor."""
    sites = (*project.classes, *project.monitors, *project.trainers, *project.trainer_calls)
    return frozenset(site.location.path for site in (*sites, *project.stray_logs))


def _judged_as(project: ProjectFacts, files: frozenset[str]) -> Iterator[JudgedAs]:
    """The versions that files are judged by, and what says so."""
    because = dict(project.because)
    told = Counter((version, because[path]) for path, version in project.lightning if path in files)
    for (version, reason), count in sorted(told.items()):
        yield JudgedAs(version, reason, count)


def _told(
    project: ProjectFacts,
    rules: Sequence[AnyRule],
    sources: Sequence[SourceFile | ConfigFile],
    config: Config,
) -> list[Finding]:
    """What the rules find and no comment hides; then what they find wrong with the comments."""
    about_code = [rule for rule in rules if rule.subject == "code"]
    views = project.views()
    findings = _distinct(one for rule in about_code for view in views for one in rule(view))
    suppressions = {source.path: source.suppressions for source in sources}
    codes = frozenset(rule.code for rule in about_code)
    commented = _with_comments(project, findings, suppressions, codes)
    about_comments = (rule for rule in rules if rule.subject == "comments")
    remarks = (finding for rule in about_comments for finding in rule(commented))
    told = [
        *(one for one in findings if not suppressions[one.location.path].hides(one)),
        *(one for one in remarks if not suppressions[one.location.path].hides_remark(one)),
    ]
    return [one for one in told if not config.hides(one)]


def _with_comments(
    project: ProjectFacts,
    findings: Sequence[Finding],
    suppressions: Mapping[str, Suppressions],
    codes: frozenset[str],
) -> ProjectFacts:
    """The facts with the comments that hide findings, and which of these each one hides."""
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.location.path, []).append(finding)
    found = ((one, by_file.get(path, ())) for path, one in suppressions.items())
    comments = tuple(site for one, here in found for site in one.sites(here, codes))
    slips = tuple(slip for one in suppressions.values() for slip in one.slips())
    return replace(project, suppressions=comments, slips=slips)


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


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code and place: a helper that two classes inherit is one mistake."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.code, finding.location), finding)
    return list(kept.values())


class AnyMender(Protocol):
    """Turns the fixes of one file's findings into edits."""

    def resolved(self, fixes: Sequence[Fix | None]) -> list[Fix | None]: ...


def _mended(
    findings: Sequence[Finding], files: Sequence[SourceFile | ConfigFile]
) -> Iterator[Finding]:
    """The findings with the edits of their fixes."""
    by_path = {file.path: file for file in files}
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.location.path, []).append(finding)
    for path, found in by_file.items():
        fixes: Sequence[Fix | None] = [finding.fix for finding in found]
        known = any(fixes) and path in by_path
        fixes = _mender(by_path[path]).resolved(fixes) if known else [None] * len(found)
        for finding, fix in zip(found, fixes, strict=True):
            yield replace(finding, fix=fix)


def _mender(file: SourceFile | ConfigFile) -> AnyMender:
    """What mends a kind of files is imported where one of them can be mended."""
    if isinstance(file, ConfigFile):
        from pl_lint.static.fixing.settings import SettingsMender

        return SettingsMender(file)
    if file.path.endswith(".ipynb"):
        from pl_lint.static.fixing.notebooks import CellMender

        return CellMender(file)
    from pl_lint.static.fixing.changes import Mender

    return Mender(file)
