"""Everything that is read of a project, gathered from its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pl_lint.config import Config
from pl_lint.facts.sites import (
    CaseSite,
    ClassFacts,
    DeviceSite,
    HyperparameterSite,
    ListSite,
    LogSite,
    MetricUse,
    MonitorSite,
    ProjectFacts,
    SchedulerSite,
    SeedSite,
    SplitSite,
    StrayLog,
    TrainerCall,
    TrainerSite,
)
from pl_lint.static.interpreter.classes import LightningClass, classify, facts_of
from pl_lint.static.interpreter.files import interpret_file
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.names import ClassInfo, Module, Project, index_module
from pl_lint.static.sources import SourceFile
from pl_lint.static.versions import Versions

USED = re.compile(r"""(?<!super\(\))\.([a-z]\w+)|["'](\w+)["']""")
OWN = (LogSite, MetricUse, ListSite, DeviceSite, SchedulerSite, HyperparameterSite)
"""Kinds of sites that belong to a class; the others belong to the project."""


def gather(sources: Sequence[SourceFile], config: Config) -> ProjectFacts:
    """Interpret every class that Lightning calls and every script around them."""
    project = Project(index_module(source) for source in sources)
    versions = Versions(sources, config)
    shared = Recorder()
    found = tuple(_lightning_classes(project))
    classes = tuple(_facts(one, project, shared, versions) for one in found)
    skip = frozenset(one.info for one in found)
    for module in project.modules:
        interpret_file(module, project, shared, skip)
    return ProjectFacts(
        classes=classes,
        monitors=tuple(_linked(shared, project, found)),
        stray_logs=shared.all(StrayLog),
        trainers=shared.all(TrainerSite),
        calls=shared.all(TrainerCall),
        seeds=shared.all(SeedSite),
        splits=shared.all(SplitSite),
        cases=shared.all(CaseSite),
        attributes_used=_attributes_used(sources),
    )


def _lightning_classes(project: Project) -> Iterator[LightningClass]:
    for module in project.modules:
        for info in module.classes.values():
            found = classify(info, project)
            if found is not None:
                yield found


def _facts(
    found: LightningClass, project: Project, shared: Recorder, versions: Versions
) -> ClassFacts:
    recorder = Recorder()
    facts = facts_of(found, project, recorder, versions.newest(found.info.module.path))
    for kind, sites in recorder.sites.items():
        if kind not in OWN:
            shared.extend(sites)
    return facts


def _linked(
    shared: Recorder, project: Project, found: Sequence[LightningClass]
) -> Iterator[MonitorSite]:
    """The watchers with the classes that they are trained with.

    Where no Trainer is seen to get a watcher, with the module classes that its file defines or
    imports: whoever builds a callback for a module mostly builds the module beside it. Where one
    is seen to train something that is not known, with none.
    """
    files = {module.path: module for module in project.modules}
    modules = {one.info for one in found if one.kind == "module"}
    for monitor in shared.all(MonitorSite):
        models = shared.links.get(monitor.location, set())
        if not models:
            seen = _visible(files[monitor.location.path], project) & modules
            models = {info.qualified for info in seen}
        known = tuple(sorted(models)) if "" not in models else ()
        yield monitor if monitor.modules else replace(monitor, modules=known)


def _visible(module: Module, project: Project) -> set[ClassInfo]:
    """The classes that a file defines or imports by name."""
    named = (project.resolve(name, module) for name in module.imports)
    return {*module.classes.values(), *(one for one in named if isinstance(one, ClassInfo))}


def _attributes_used(sources: Sequence[SourceFile]) -> frozenset[str]:
    """Every name that is read as an attribute or written as a string, over all files.

    A search of the text instead of one more walk over every tree: what it finds too much makes a
    rule silent, never loud.
    """
    return frozenset(
        name for source in sources for match in USED.findall(source.text) for name in match if name
    )
