"""Everything that is read of a project, gathered from its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.names import Project, index_module
from pl_lint.static.sources import SourceFile

OWN = (LogSite, MetricUse, ListSite, DeviceSite, SchedulerSite, HyperparameterSite)
"""Kinds of sites that belong to a class; the others belong to the project."""


def gather(sources: Iterable[SourceFile], config: Config) -> ProjectFacts:
    """Interpret every class that Lightning calls and every script around them."""
    project = Project(index_module(source) for source in sources)
    shared = Recorder()
    classes = tuple(_classes(project, shared))
    return ProjectFacts(
        classes=classes,
        monitors=shared.all(MonitorSite),
        stray_logs=shared.all(StrayLog),
        trainers=shared.all(TrainerSite),
        calls=shared.all(TrainerCall),
        seeds=shared.all(SeedSite),
        splits=shared.all(SplitSite),
        cases=shared.all(CaseSite),
    )


def _classes(project: Project, shared: Recorder) -> Iterator[ClassFacts]:
    for found in _lightning_classes(project):
        recorder = Recorder()
        yield facts_of(found, project, recorder)
        for kind, sites in recorder.sites.items():
            if kind not in OWN:
                shared.extend(sites)


def _lightning_classes(project: Project) -> Iterator[LightningClass]:
    for module in project.modules:
        for info in module.classes.values():
            found = classify(info, project)
            if found is not None:
                yield found
