"""Everything that is read of a project, gathered from its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pl_lint.config import Config
from pl_lint.facts.sites import (
    AssignmentSite,
    CallSite,
    CaseSite,
    ClassFacts,
    DeviceSite,
    FedSite,
    GivenReadSite,
    GlobalSite,
    HyperparameterSite,
    ImportSite,
    ItemSite,
    LeftOutSite,
    ListedSite,
    ListSite,
    LoaderSite,
    LoggedReadSite,
    LogSite,
    MetricItemSite,
    MetricUse,
    MonitorSite,
    PickSite,
    ProjectFacts,
    ReachSite,
    ReadSite,
    RemovedNameSite,
    RestSite,
    ReturnSite,
    SchedulerSite,
    SeedSite,
    SliceSite,
    SplitSite,
    StrayLog,
    TrainerCall,
    TrainerSite,
    UnsharedSite,
)
from pl_lint.facts.values import YES, must_be
from pl_lint.plain import replace
from pl_lint.static.averages import averages
from pl_lint.static.backends import backends
from pl_lint.static.bound import bound
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.configs.sites import gather_configs
from pl_lint.static.copies import copies
from pl_lint.static.heirs import settled
from pl_lint.static.interpreter.classes import LightningClass, classify, facts_of
from pl_lint.static.interpreter.files import interpret_file
from pl_lint.static.interpreter.parameters import data_classes
from pl_lint.static.interpreter.recorder import Recorder, Watched
from pl_lint.static.interpreter.work import TooMuch, Works, blamed
from pl_lint.static.kept import kept
from pl_lint.static.layers import layers
from pl_lint.static.loaded import loaded
from pl_lint.static.measures import giving_losses, learning_measures
from pl_lint.static.names import ClassInfo, Module, Project, index_module
from pl_lint.static.networks import networks
from pl_lint.static.numbering import numbered
from pl_lint.static.orphans import alone, orphans, users
from pl_lint.static.parted import parted
from pl_lint.static.seeking import loading
from pl_lint.static.sizes import sized
from pl_lint.static.sources import SourceFile
from pl_lint.static.standalone import standalone
from pl_lint.static.streams import (
    classes_of_one_item,
    classes_of_pairs,
    inherited_items,
    streams,
    told_from_outside,
    told_their_length,
)
from pl_lint.static.surroundings import Surroundings
from pl_lint.static.trials import trials
from pl_lint.static.uncalled import uncalled
from pl_lint.static.unchanged import unchanged
from pl_lint.static.unowned import unowned
from pl_lint.static.unprepared import unprepared
from pl_lint.static.versions import Versions
from pl_lint.static.workers import alike

USED = re.compile(r"""(?<!super\(\))\.([a-z]\w+)|["'](\w+)["']""")
OWN = (
    ReturnSite,
    ReadSite,
    LoggedReadSite,
    GivenReadSite,
    LogSite,
    MetricItemSite,
    MetricUse,
    ListSite,
    AssignmentSite,
    ItemSite,
    DeviceSite,
    SchedulerSite,
    HyperparameterSite,
)
"""Kinds of sites that belong to a class; the others belong to the project."""


AS_NOTED = {
    "stray_logs": StrayLog,
    "trainer_calls": TrainerCall,
    "calls": CallSite,
    "seeds": SeedSite,
    "splits": SplitSite,
    "slices": SliceSite,
    "picks": PickSite,
    "rests": RestSite,
    "left_out": LeftOutSite,
    "reaches": ReachSite,
    "globals": GlobalSite,
    "cases": CaseSite,
    "imports": ImportSite,
    "removed_names": RemovedNameSite,
    "unshared": UnsharedSite,
    "fed": FedSite,
    "listed": ListedSite,
}
"""Facts of the project that are what was noted on the way, and its kind."""


AS_WRITTEN: Mapping[str, Callable[[Project], Iterable[Any]]] = {
    "streams": streams,
    "layers": layers,
    "kept": kept,
    "averages": averages,
    "bound": bound,
    "unowned": unowned,
    "loaded": loaded,
    "unprepared": unprepared,
    "unchanged": unchanged,
    "backends": backends,
    "parted": parted,
    "networks": networks,
    "lengths": told_their_length,
    "told": told_from_outside,
    "alike": alike,
    "numbered": numbered,
}
"""Those that are seen in the text of classes, and by what."""
NAMED_BY_TEXT: Mapping[str, Callable[[Project], Iterable[Any]]] = {
    "of_one_item": classes_of_one_item,
    "of_pairs": classes_of_pairs,
    "inherited_items": inherited_items,
    "learning_measures": learning_measures,
    "giving_losses": giving_losses,
    "trials": trials,
    "loading": loading,
    "data_classes": data_classes,
}
"""The same of sets of names: of classes and of files."""


def gather(
    sources: Sequence[SourceFile],
    config: Config,
    watched: frozenset[str] = frozenset(),
    configs: Sequence[ConfigFile] = (),
    around: Surroundings | None = None,
    works: Works | None = None,
) -> ProjectFacts:
    """Interpret every class that Lightning calls and every script around them.

    ``watched`` names the calls that leave a ``CallSite``; ``works`` tells in the end which files
    were too much to be read to their end.
    """
    works = works or Works()
    project = Project(map(index_module, sources), (one.text for one in configs))
    calls = Watched(watched)
    versions = Versions((*sources, *configs), config, around)
    shared = Recorder(calls)
    found = tuple(_lightning_classes(project))
    read = (_facts(one, project, shared, works, versions) for one in found)
    classes = tuple(one for one in read if one is not None)
    names_used = _NamesUsed(sources, versions)
    skip = frozenset(one.info for one in found)
    for module in project.modules:
        _read_around(module, project, shared, works, skip)
    linked = tuple(_linked(shared, project, found, versions))
    modules = tuple(one.info for one in found if one.kind == "module")
    settings = gather_configs(configs, project, modules, versions, shared)
    by_itself = alone(project, configs, {one.location.path for one in classes})
    known = settled(classes, shared.all(TrainerCall), _switches(project, shared.all(TrainerSite)))
    return ProjectFacts(
        classes=tuple(settings.added(names_used.marked(one)) for one in known),
        monitors=(*linked, *settings.monitors),
        trainers=tuple(settings.handed.completed(shared.all(TrainerSite))),
        lightning=tuple((one.path, versions.newest(one.path)) for one in (*sources, *configs)),
        because=tuple((one.path, versions.says(one.path)) for one in (*sources, *configs)),
        without_task=frozenset(
            one.path for one in sources if versions.keeps_below("torchmetrics", one.path, TASKS)
        ),
        loads_all=frozenset(
            one.path for one in sources if versions.keeps_below("torch", one.path, WEIGHTS_ONLY)
        ),
        copies=tuple(copies(project, versions)),
        alone=by_itself,
        orphans=frozenset(orphans(project, by_itself)),
        users=frozenset(users(project, by_itself)),
        standalone=frozenset(standalone(project, configs, by_itself)),
        uncalled=frozenset(uncalled(project, configs, shared.all(TrainerCall))),
        loaders=tuple(sized(shared.all(LoaderSite), project, configs)),
        **{name: tuple(seen(project)) for name, seen in AS_WRITTEN.items()},
        **{name: frozenset(seen(project)) for name, seen in NAMED_BY_TEXT.items()},
        **{name: shared.all(kind) for name, kind in AS_NOTED.items()},
    )


SWITCHED = re.compile(r"(?<!self)\.automatic_optimization\s*=(?!=)\s*(?!True\b)\S")
"""Automatic optimization that code beside a module switches off for it."""


def _switches(project: Project, trainers: Sequence[TrainerSite]) -> bool:
    """Whether code, or a Trainer of Lightning before 1.3, may switch automatic optimization off."""
    told = (dict(one.arguments).get("automatic_optimization", YES) for one in trainers)
    by_trainer = not all(must_be(one, True) for one in told)
    return by_trainer or any(module.source.found(SWITCHED) for module in project.modules)


def _lightning_classes(project: Project) -> Iterator[LightningClass]:
    for module in project.modules:
        for info in (*module.classes.values(), *module.inner_classes):
            found = classify(info, project)
            if found is not None:
                yield found


def _facts(
    found: LightningClass, project: Project, shared: Recorder, works: Works, versions: Versions
) -> ClassFacts | None:
    """What is known of a class; nothing where its file is too much."""
    recorder, path = Recorder(shared.watched), found.info.module.path
    try:
        with blamed(path):
            facts = facts_of(found, project, recorder, works.on(path), versions.newest(path))
    except TooMuch:
        works.count(path, judged=False)
        return None
    works.count(path, judged=True)
    for kind, sites in recorder.sites.items():
        if kind not in OWN:
            shared.extend(sites)
    return facts


TASKS = (0, 11)
"""The torchmetrics that asks each classification metric for its task."""
WEIGHTS_ONLY = (2, 6)
"""The torch that loads nothing but tensors and plain values, unless it is told."""


def _read_around(
    module: Module,
    project: Project,
    shared: Recorder,
    works: Works,
    skip: frozenset[ClassInfo],
) -> None:
    """What stands around the classes of a file: all of it or, where that is too much, nothing."""
    recorder = Recorder(shared.watched)
    with suppress(TooMuch), blamed(module.path):
        interpret_file(module, project, recorder, works.on(module.path), skip)
        shared.take(recorder)


def _linked(
    shared: Recorder, project: Project, found: Sequence[LightningClass], versions: Versions
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
        newest = versions.newest(monitor.location.path)
        yield replace(monitor, modules=monitor.modules or known, lightning=newest)


def _visible(module: Module, project: Project) -> set[ClassInfo]:
    """The classes that a file defines or imports by name."""
    named = (project.resolve(name, module) for name in module.imports)
    return {*module.classes.values(), *(one for one in named if isinstance(one, ClassInfo))}


EVALUATING = ("validation_step", "test_step")
"""Steps that code may put into a class, or ask for before a Trainer is told to run them."""


class _NamesUsed:
    """Names that are read as an attribute or written as a string, by the project they stand in.

    A search of the text instead of one more walk over every tree: what it finds too much makes a
    rule silent, never loud. One project does not call the methods of another beside it.
    """

    def __init__(self, sources: Sequence[SourceFile], versions: Versions) -> None:
        self._versions = versions
        self._texts: dict[Path, list[str]] = {}
        for source in sources:
            self._texts.setdefault(versions.project_of(source.path), []).append(source.text)
        self._names: dict[Path, frozenset[str]] = {}

    def marked(self, owner: ClassFacts) -> ClassFacts:
        """The class with what code around it calls."""
        home = self._versions.project_of(owner.location.path)
        methods = (
            replace(one, called=one.called or self._used(one.name, home))
            for one in owner.own_methods
        )
        keys = tuple(
            replace(one, named_again=self._count(one.key, home) > 1)
            for one in owner.checkpoint_keys
        )
        assignments = tuple(
            replace(one, unread=False) if one.unread and self._reached(one.attribute, home) else one
            for one in owner.assignments
        )
        asked_for = frozenset(one for one in EVALUATING if self._used(one, home))
        return replace(
            owner,
            own_methods=tuple(methods),
            checkpoint_keys=keys,
            assignments=assignments,
            given=owner.given | asked_for,
        )

    def _reached(self, attribute: str, home: Path) -> bool:
        """Whether code takes an attribute of something but ``self``, or writes it as a text."""
        taken = re.compile(rf"""(?<!\bself)\.{attribute}\b|["']{attribute}["']""")
        texts = (text for folder in self._around(home) for text in self._texts[folder])
        return any(taken.search(text) for text in texts)

    def _around(self, home: Path) -> Iterator[Path]:
        for folder in self._texts:
            if folder.is_relative_to(home) or home.is_relative_to(folder):
                yield folder

    def _count(self, text: str, home: Path) -> int:
        """How often a text is written as a string in a project."""
        texts = self._texts.get(home, ())
        return sum(one.count(f'"{text}"') + one.count(f"'{text}'") for one in texts)

    def _used(self, name: str, home: Path) -> bool:
        return any(name in self._in(folder) for folder in self._around(home))

    def _in(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            found = (name for text in self._texts[folder] for name in USED.findall(text))
            self._names[folder] = frozenset(one for pair in found for one in pair if one)
        return self._names[folder]
