"""What settings build, as the same sites that Python gives: rules know nothing of YAML."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pl_lint.facts import lightning
from pl_lint.facts.origins import UNPACKED, Pairs
from pl_lint.facts.sites import (
    ABSENT,
    YES,
    CallSite,
    ClassFacts,
    ImportSite,
    MonitorSite,
    SchedulerSite,
    SeedSite,
    TrainerSite,
)
from pl_lint.facts.values import UNKNOWN, Known, Several, Value
from pl_lint.places import Location
from pl_lint.plain import field, frozen, mutable, replace
from pl_lint.static.configs import hydra
from pl_lint.static.configs.commandline import (
    command_lines,
    configures_itself,
    is_read_by_cli,
)
from pl_lint.static.configs.fed import Built, fed
from pl_lint.static.configs.files import ConfigFile, walk
from pl_lint.static.configs.handed import Handed, asked_for
from pl_lint.static.configs.located import Located
from pl_lint.static.configs.tree import Leaf, Listing, Table
from pl_lint.static.configs.values import (
    Reader,
    odd_on_purpose,
    places,
    target_of,
    target_place,
)
from pl_lint.static.interpreter.files import PACKAGES
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.interpreter.watchers import WATCHERS, defaults
from pl_lint.static.names import ClassInfo, Project
from pl_lint.static.versions import Versions

LIBRARIES = (
    *("lightning.", "pytorch_lightning.", "torch.", "torchvision.", "torchmetrics.", "builtins."),
    *("hydra.", "omegaconf.", "optuna.", "hydra_plugins.", "numpy.", "albumentations.", "timm."),
)
"""Packages that hold no module of anybody's: what they build logs nothing."""
PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"
PLATEAUS = (PLATEAU, "ReduceLROnPlateau", "lightning.pytorch.cli.ReduceLROnPlateau")
PLATEAUS += ("pytorch_lightning.cli.ReduceLROnPlateau",)


@frozen
class _Made:
    """An object that a config builds: the keys that lead to it, its table, its class."""

    path: tuple[str, ...]
    table: Table
    name: str
    info: ClassInfo | None = None

    @property
    def canonical(self) -> str | None:
        return lightning.canonical(self.name)


@frozen(eq=False)
class _Whole:
    """One composed config, or one file that is a config by itself.

    ``complete``: nothing else adds to it. ``alone``: one file that names no others; it is all
    there is if it says what is trained. ``only``: the file that alone is asked about. ``files`` are
    those that it was composed of.
    """

    tree: Table
    path: str
    complete: bool
    alone: bool = False
    only: str = ""
    files: frozenset[str] = frozenset()


@mutable
class Gathered:
    """What the settings of a project say; ``schedulers`` by the class that they are built for."""

    handed: Handed
    monitors: list[MonitorSite] = field(default_factory=list)
    schedulers: dict[str, list[SchedulerSite]] = field(default_factory=dict)

    def added(self, owner: ClassFacts) -> ClassFacts:
        """A class with the schedulers that settings give it."""
        more = tuple(dict.fromkeys(self.schedulers.get(owner.name, ())))
        return replace(owner, schedulers=owner.schedulers + more) if more else owner


def gather_configs(
    files: Sequence[ConfigFile],
    project: Project,
    modules: Sequence[ClassInfo],
    versions: Versions,
    recorder: Recorder,
) -> Gathered:
    """Record what settings build. Trainers, seeds and calls go to ``recorder``; what watches is
    returned, already linked to the modules that it watches."""
    gathered = Gathered(Handed(recorder.all(TrainerSite), project))
    composed: set[str] = set()
    for root in hydra.roots(files):
        inside = frozenset(file.path for file in root.files.values())
        composed |= inside
        variants: list[tuple[tuple[str, ...], MonitorSite]] = []
        for one in hydra.compositions(root):
            first = root.folder or "config"
            whole = _Whole(
                one.tree, f"{first}/config.yaml", not one.open, only=one.added, files=one.files
            )
            reading = _Reading(whole, project, modules, versions, recorder, gathered)
            variants += reading.record(one.chosen)
        gathered.monitors += _completed(variants)
    asked = asked_for(project) if files else frozenset()
    for file in files:
        if file.path not in composed:
            bare = os.path.normpath(PurePosixPath(file.path).with_suffix(""))
            complete = is_read_by_cli(file) or (file.is_alone and bare in asked)
            whole = _Whole(file.content, file.path, complete, file.is_alone)
            reading = _Reading(whole, project, modules, versions, recorder, gathered)
            gathered.monitors += (site for _, site in reading.record(True))
    return gathered


def _completed(
    variants: Sequence[tuple[tuple[str, ...], MonitorSite]],
) -> Iterator[MonitorSite]:
    """The watchers of all compositions. What one leaves out and another one gives is not known:
    the first is not meant to be run as it is."""
    keyed = {path for path, site in variants if site.key != ABSENT}
    directed = {(path, site.key) for path, site in variants if _gives(site, "mode")}
    for path, site in variants:
        if site.key == ABSENT and path in keyed:
            site = replace(site, key=UNKNOWN)
        if not _gives(site, "mode") and (path, site.key) in directed:
            site = replace(site, mode=UNKNOWN)
        yield site


def _gives(site: MonitorSite, name: str) -> bool:
    return name in dict(site.arguments)


class _Reading:
    """Reads one composed config."""

    def __init__(
        self,
        whole: _Whole,
        project: Project,
        modules: Sequence[ClassInfo],
        versions: Versions,
        recorder: Recorder,
        gathered: Gathered,
    ) -> None:
        self._whole = whole
        self._project = project
        self._modules = modules
        self._versions = versions
        self._recorder = recorder
        self._gathered = gathered
        self._values = Reader(whole.tree)
        self._classes = Located(project, modules, whole.path)
        self._made = tuple(self._all_made())
        says_what = any(one.info in modules for one in self._made)
        self._complete = whole.complete or (whole.alone and says_what)

    def record(self, chosen: bool) -> list[tuple[tuple[str, ...], MonitorSite]]:
        """Note everything that the config builds; the watchers are returned with their places."""
        linked = self._linked() if chosen else ()
        found: list[tuple[tuple[str, ...], MonitorSite]] = []
        complete = self._complete and chosen
        for site in fed(*self._of_project()) if chosen else ():
            self._recorder.add(site)
        for one in self._made:
            self._named(one)
            if one.canonical == lightning.TRAINER:
                site = self._trainer(one.table, one.path, target_place(one.table))
                if chosen:
                    self._gathered.handed.chosen.setdefault(site, set()).update(self._trained())
            watcher = self._watcher(one)
            if watcher is not None:
                site = self._monitor(one, watcher, linked, complete)
                if self._is_asked_about(site):
                    found.append((one.path, site))
        whole = self._whole
        loaded = frozenset({whole.path}) if whole.alone else frozenset()
        self._gathered.handed.record(whole.tree, self._values, loaded, whole.files, chosen)
        for path, table in command_lines(self._whole.tree):
            found += self._command_line(path, table, linked)
        return found

    def _is_asked_about(self, site: MonitorSite) -> bool:
        only = self._whole.only
        return not only or only in {site.location.path, *(at.path for _, at in site.places)}

    # --- what is built ----------------------------------------------------------------------------

    def _all_made(self) -> Iterator[_Made]:
        for path, table in walk(self._whole.tree):
            if target_of(table) is None:
                continue
            name = self._values.target(table, path)
            if name is not None:
                yield _Made(path, table, name, self._classes.find(name))

    def _linked(self) -> tuple[str, ...]:
        """The modules that this config trains; none where that is not known.

        Where it names none they may be any of the project, unless something that it builds is not
        known and may be the module, or a callback that logs.
        """
        named = self._trained()
        unknown = [one for one in self._made if one.info is None and not _of_library(one)]
        hidden = any("callback" in word.lower() for one in unknown for word in one.path)
        if hidden or (unknown and not named) or not self._complete:
            return ()
        if named:
            return named
        home = self._versions.project_of(self._whole.path)
        return tuple(
            sorted(
                info.qualified
                for info in self._modules
                if self._versions.project_of(info.module.path) == home
            )
        )

    def _trained(self) -> tuple[str, ...]:
        """The modules of the project that this config builds."""
        named = {one.info.qualified for one in self._made if one.info in self._modules}
        return tuple(sorted(named))

    def _of_project(self) -> tuple[list[Built], list[Built]]:
        """The modules of the project that it builds, and its other classes."""
        modules, others = list[Built](), list[Built]()
        for one in self._made:
            if one.info is not None and one.path:
                found = modules if one.info in self._modules else others
                found.append((one.info.qualified, one.path, one.table))
        return modules, others

    # --- sites ------------------------------------------------------------------------------------

    def _named(self, one: _Made) -> None:
        """A class path is imported and, where it is watched for, called."""
        place = target_place(one.table)
        if one.name.startswith(PACKAGES):
            self._recorder.add(ImportSite(one.name, place, alias=one.name))
        self._call(one.canonical or one.name, one.table, one.path, place)

    def _call(self, name: str, table: Table, path: tuple[str, ...], place: Location) -> None:
        if name in self._recorder.watched.names:
            pairs = dict(self._values.pairs(table, path, hidden=True))
            elsewhere = (name for name, at in places(table) if at.path != place.path)
            pairs |= dict.fromkeys(elsewhere, UNKNOWN)  # a call has one place to be told at
            pairs |= odd_on_purpose(table)
            self._recorder.add(CallSite(name, place, arguments=tuple(pairs.items())))

    def _trainer(
        self, table: Table, path: tuple[str, ...], place: Location, more: Pairs = ()
    ) -> TrainerSite:
        """A Trainer. Code and the command line may give it more, so it is never complete."""
        pairs = dict(self._values.pairs(table, path, hidden=False))
        pairs.update(more)
        if "callbacks" not in pairs and (given := self._callbacks()) is not None:
            pairs["callbacks"] = given
        lines = places(table)
        pairs |= odd_on_purpose(table)
        site = TrainerSite(tuple(pairs.items()), False, place, lines)
        if not self._whole.only or self._whole.only in {place.path, *(p.path for _, p in lines)}:
            self._recorder.add(site)
            self._gathered.handed.run.setdefault(place, set()).update(self._trained() or ("",))
        return site

    def _callbacks(self) -> Value | None:
        """What Hydra's ``callbacks`` build, which code hands to the Trainer."""
        given = self._whole.tree.get("callbacks")
        if given is None or isinstance(given, Leaf) or not self._complete:
            return None
        if isinstance(given, Listing):
            return self._values.value(given, ("callbacks",))
        nodes = [(name, one) for name, one in given.entries.items() if isinstance(one, Table)]
        made = [self._values.made(one, ("callbacks", name)) for name, one in nodes]
        return Several(tuple(made))

    def _watcher(self, one: _Made) -> str | None:
        """Which of Lightning's callbacks that watch a key something is."""
        if one.canonical in WATCHERS:
            return one.canonical
        if one.info is None or self._project.method(one.info, "format_checkpoint_name"):
            return None
        names = (base for base in self._project.ancestors(one.info) if isinstance(base, str))
        known = (lightning.canonical(base) for base in names)
        return next((name for name in known if name in WATCHERS), None)

    def _monitor(
        self, one: _Made, watcher: str, linked: tuple[str, ...], complete: bool
    ) -> MonitorSite:
        partial = one.table.get("_partial_") is not None
        own_class = one.canonical not in WATCHERS
        hidden = not complete or partial or own_class
        pairs = self._values.pairs(one.table, one.path, hidden)
        given = dict(pairs)
        hidden = UNPACKED in given
        fields = {
            name: given.get(name, UNKNOWN if hidden else default)
            for name, default in defaults(watcher).items()
        }
        key = fields.pop("monitor")
        if not complete and key == ABSENT:  # null, to be set by whoever chooses this
            key = UNKNOWN
        place = target_place(one.table)
        return MonitorSite(
            watcher=watcher.rpartition(".")[2],
            key=key,
            location=place,
            modules=linked,
            lightning=self._versions.newest(place.path),
            arguments=pairs,
            places=places(one.table),
            **fields,
        )

    # --- LightningCLI -----------------------------------------------------------------------------

    def _command_line(
        self, path: tuple[str, ...], table: Table, linked: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], MonitorSite]]:
        """The settings of LightningCLI: a Trainer without a class, a seed, a scheduler."""
        trainer = table.table("trainer")
        if trainer is not None and target_of(trainer) is None:
            place = table.keys.get("trainer", trainer.place)
            self._trainer(trainer, (*path, "trainer"), place)
            self._call(lightning.TRAINER, trainer, (*path, "trainer"), place)
        seed = table.get("seed_everything")
        if isinstance(seed, Leaf) and seed.value not in (None, False):
            self._recorder.add(SeedSite(YES, seed.place))
        scheduler = table.table("lr_scheduler")
        name = target_of(scheduler) if scheduler is not None else None
        if scheduler is not None and name in PLATEAUS:
            yield from self._plateau((*path, "lr_scheduler"), scheduler, linked)
        elif scheduler is not None and name is not None:
            self._scheduler(name, (*path, "lr_scheduler"), scheduler, linked)

    def _scheduler(
        self, name: str, path: tuple[str, ...], table: Table, linked: tuple[str, ...]
    ) -> None:
        """Any other scheduler: LightningCLI returns it in a list, so that it steps per epoch."""
        pairs = self._values.pairs(table, path, hidden=False)
        site = SchedulerSite(name, pairs, ABSENT, "list", False, target_place(table))
        if len(linked) == 1 and not configures_itself(self._project):
            self._gathered.schedulers.setdefault(linked[0], []).append(site)

    def _plateau(
        self, path: tuple[str, ...], table: Table, linked: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], MonitorSite]]:
        place = target_place(table)
        pairs = self._values.pairs(table, path, hidden=False)
        given = dict(pairs)
        key = given.get("monitor", ABSENT)
        site = SchedulerSite(PLATEAU, pairs, ABSENT, "dict", False, place, monitor=key)
        for name in linked:
            self._gathered.schedulers.setdefault(name, []).append(site)
        if key != ABSENT:
            yield (
                path,
                MonitorSite(
                    "lr_scheduler",
                    key,
                    place,
                    mode=given.get("mode", Known("min")),
                    modules=linked,
                    lightning=self._versions.newest(place.path),
                    arguments=pairs,
                    places=places(table),
                ),
            )


# --- small questions ------------------------------------------------------------------------------


def _of_library(one: _Made) -> bool:
    return one.canonical is not None or one.name.startswith(LIBRARIES)
