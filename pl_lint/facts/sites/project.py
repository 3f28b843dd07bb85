"""Everything that was read of a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from typing import Literal

from pl_lint.facts.sites.behaviour import ImportSite, RemovedNameSite
from pl_lint.facts.sites.calls import CallSite, GlobalSite, ReachSite
from pl_lint.facts.sites.classes import ClassFacts, NetworkSite
from pl_lint.facts.sites.data import (
    AlikeSite,
    AverageSite,
    BoundSite,
    FedSite,
    KeptSite,
    LayersSite,
    LengthSite,
    ListedSite,
    LoadedSite,
    LoaderSite,
    NumberedSite,
    PartedSite,
    StreamSite,
    ToldSite,
    UnchangedSite,
    UnownedSite,
    UnpreparedSite,
    UnsharedSite,
)
from pl_lint.facts.sites.logged import StrayLog
from pl_lint.facts.sites.programs import Programs, in_tests
from pl_lint.facts.sites.scripts import (
    BackendSite,
    LeftOutSite,
    MonitorSite,
    PickSite,
    RestSite,
    SeedSite,
    SliceSite,
    SplitSite,
    TrainerCall,
    TrainerSite,
)
from pl_lint.findings import Location
from pl_lint.plain import frozen, names, replace


@frozen
class CaseSite:
    """A function marked with ``@pl_lint.case``, and the classes that its body builds."""

    path: str
    function: str
    location: Location
    builds: tuple[str, ...] = ()


@frozen
class SuppressionSite:
    """A comment that hides findings with ``codes``, of which ``unused`` hide none.

    ``location`` is the whole comment with the blanks before it, ``named`` where its codes stand.
    ``own``: it is pl-lint's own, so that every code in it should be one of ours.
    """

    location: Location
    named: Location
    codes: tuple[str, ...]
    unused: tuple[str, ...] = ()
    own: bool = False


SlipKind = Literal["open", "blanket", "list", "wide", "empty", "rest", "word", "place", "tool"]


@frozen
class CommentSlip:
    """A comment that was meant to hide findings, and is not what it looks like.

    ``kind``: a bracket is missing; other tools take it for a comment that hides everything, or that
    is none; it does hide everything; it names no code; a part of its codes is not read; no comment
    is called so; it stands behind code where that does not count; it is another tool's. ``written``
    is its text, ``codes`` are those that it hides all the same, ``word`` stands where a code
    should; ``span`` and ``meant``, where that is clear, say what to write where.
    """

    location: Location
    kind: SlipKind
    written: str
    codes: tuple[str, ...] = ()
    word: str = ""
    span: Location | None = None
    meant: str = ""


@frozen
class ProjectFacts:
    """Everything that was read, over all files of the run.

    ``lightning`` is the version that each file is judged by, ``because`` what says so.
    ``without_task``: the files whose project is pinned to a torchmetrics that knows no tasks.
    ``loads_all``: those whose project is pinned to a torch that unpickles any object.
    ``copies``: the files that stand in a program of its own inside the project, with its folder.
    ``alone``: the files with Lightning's classes that no other file names. ``orphans``: those of
    them that start nothing. ``users``: those that build their classes, load what was trained, and
    train none. ``standalone``: those that use nothing of the project either.
    ``hides_trainers``: a file that could not be read may build some. ``trains_beside``: other
    programs of the project, of which nothing else is told here, train classes of their own.
    ``of_one_item``: the classes of the project whose ``__len__`` says 1: a data set that is one
    graph. ``of_pairs``: those each of whose items is a tuple. ``lengths``: those that are told how
    many items they have. ``told``: the methods by which data sets are told what their items depend
    on. ``learning_measures``: its modules that hold parameters and no layers, as a loss does that
    learns its weights. ``giving_losses``: its layers with a dropout, by file and name, that return
    their loss. ``uncalled``: its functions that seed and that nothing calls, by file and name.
    ``trials``: the files that test what the command line says, and are no tests themselves,
    whatever they are called. ``loading``: those that load a checkpoint, or ask for the best one.
    """

    classes: tuple[ClassFacts, ...] = ()
    monitors: tuple[MonitorSite, ...] = ()
    stray_logs: tuple[StrayLog, ...] = ()
    trainers: tuple[TrainerSite, ...] = ()
    trainer_calls: tuple[TrainerCall, ...] = ()
    calls: tuple[CallSite, ...] = ()
    seeds: tuple[SeedSite, ...] = ()
    backends: tuple[BackendSite, ...] = ()
    splits: tuple[SplitSite, ...] = ()
    slices: tuple[SliceSite, ...] = ()
    picks: tuple[PickSite, ...] = ()
    rests: tuple[RestSite, ...] = ()
    left_out: tuple[LeftOutSite, ...] = ()
    reaches: tuple[ReachSite, ...] = ()
    globals: tuple[GlobalSite, ...] = ()
    cases: tuple[CaseSite, ...] = ()
    suppressions: tuple[SuppressionSite, ...] = ()
    slips: tuple[CommentSlip, ...] = ()
    imports: tuple[ImportSite, ...] = ()
    removed_names: tuple[RemovedNameSite, ...] = ()
    lightning: tuple[tuple[str, str], ...] = ()
    because: tuple[tuple[str, str], ...] = ()
    without_task: frozenset[str] = frozenset()
    loads_all: frozenset[str] = frozenset()
    loaders: tuple[LoaderSite, ...] = ()
    streams: tuple[StreamSite, ...] = ()
    layers: tuple[LayersSite, ...] = ()
    kept: tuple[KeptSite, ...] = ()
    averages: tuple[AverageSite, ...] = ()
    bound: tuple[BoundSite, ...] = ()
    unowned: tuple[UnownedSite, ...] = ()
    loaded: tuple[LoadedSite, ...] = ()
    unprepared: tuple[UnpreparedSite, ...] = ()
    unchanged: tuple[UnchangedSite, ...] = ()
    unshared: tuple[UnsharedSite, ...] = ()
    fed: tuple[FedSite, ...] = ()
    listed: tuple[ListedSite, ...] = ()
    parted: tuple[PartedSite, ...] = ()
    networks: tuple[NetworkSite, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    alone: frozenset[str] = frozenset()
    orphans: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    standalone: frozenset[str] = frozenset()
    hides_trainers: bool = False
    trains_beside: bool = False
    of_one_item: frozenset[str] = frozenset()
    of_pairs: frozenset[str] = frozenset()
    inherited_items: frozenset[tuple[str, str]] = frozenset()
    lengths: tuple[LengthSite, ...] = ()
    told: tuple[ToldSite, ...] = ()
    alike: tuple[AlikeSite, ...] = ()
    numbered: tuple[NumberedSite, ...] = ()
    data_classes: frozenset[str] = frozenset()
    learning_measures: frozenset[str] = frozenset()
    giving_losses: frozenset[tuple[str, str]] = frozenset()
    uncalled: frozenset[tuple[str, str]] = frozenset()
    trials: frozenset[str] = frozenset()
    loading: frozenset[str] = frozenset()

    def views(self) -> tuple[ProjectFacts, ...]:
        """What rules are asked of: each program that has nothing to do with its project alone, with
        the classes and the Trainers for them that stand in it, and the project without these."""
        built = {one.location.path for one in self.trainers}
        apart = {one.location.path for one in self.classes} & built & self.standalone
        if not apart:
            return (self,)
        programs = (self._seen({path}) for path in sorted(apart))
        rest = self._seen({path for path, _ in self.lightning} - apart)
        return (replace(rest, trains_beside=True), *programs)

    def _seen(self, paths: Set[str]) -> ProjectFacts:
        """What stands in these files, and what has no place."""
        sites = {name: value for name in names(self) if _has_places(value := getattr(self, name))}
        kept = {
            name: tuple(one for one in value if one.location.path in paths)
            for name, value in sites.items()
        }
        return replace(self, **kept)

    def lightning_at(self, location: Location) -> str:
        """The newest Lightning that the code around a place admits; empty without a limit."""
        return self._lightning_by_path.get(location.path, "")

    @cached_property
    def _lightning_by_path(self) -> Mapping[str, str]:
        return dict(self.lightning)

    def modules(self) -> tuple[ClassFacts, ...]:
        """The modules that a Trainer may run: where there is one, it is none of those of scripts
        that only use what was trained elsewhere."""
        return self._modules

    @cached_property
    def _modules(self) -> tuple[ClassFacts, ...]:
        unrun = self.users if self.trainers or self.trains_beside else frozenset[str]()
        return tuple(one for one in self.all_modules() if one.location.path not in unrun)

    def all_modules(self) -> tuple[ClassFacts, ...]:
        """With those that are only used."""
        return self._all_modules

    @cached_property
    def _all_modules(self) -> tuple[ClassFacts, ...]:
        return tuple(found for found in self.classes if found.kind == "module")

    def classes_of(self, *names: str) -> tuple[ClassFacts, ...]:
        """The classes of these names."""
        found = (
            one for name in dict.fromkeys(names) for one in self._classes_by_name.get(name, ())
        )
        return tuple(found)

    @cached_property
    def _classes_by_name(self) -> Mapping[str, list[ClassFacts]]:
        named: dict[str, list[ClassFacts]] = {}
        for one in self.classes:
            named.setdefault(one.name, []).append(one)
        return named

    def logging_classes(self) -> tuple[ClassFacts, ...]:
        """What logs: modules, and callbacks, whose ``self.log`` and ``pl_module.log`` follow the
        rules of the callback's own hook."""
        callbacks = (found for found in self.classes if found.kind == "callback")
        return (*self.modules(), *callbacks)

    @cached_property
    def programs(self) -> Programs:
        built = (name for case in self.cases for name in case.builds)
        return Programs(
            self.classes,
            self.trainers,
            self.trainer_calls,
            dict(self.copies),
            self.alone,
            built,
            self.trials,
        )

    def in_tests(self, location: Location) -> bool:
        """Whether a place is in a file of tests, where odd settings are the point."""
        if location.path not in self._tests:
            self._tests[location.path] = in_tests(location, self.trials)
        return self._tests[location.path]

    @cached_property
    def _tests(self) -> dict[str, bool]:
        return {}

    def trainers_of(self, call: TrainerCall) -> tuple[TrainerSite, ...]:
        """The Trainers that a call may be one of: a function that makes them may make several,
        which all stand in one place."""
        return tuple(self._trainers_by_place.get(call.trainer, ()))

    @cached_property
    def _trainers_by_place(self) -> Mapping[Location | None, list[TrainerSite]]:
        placed: dict[Location | None, list[TrainerSite]] = {}
        for site in self.trainers:
            placed.setdefault(site.location, []).append(site)
        return placed

    def calls_of(self, *names: str) -> tuple[CallSite, ...]:
        """The calls of these names, ``.x`` of a method whatever its object is."""
        return tuple(site for name in names for site in self._calls_by_name.get(name, ()))

    def calls_in(self, owner: ClassFacts, *names: str) -> tuple[CallSite, ...]:
        """The same, of one Lightning class with what it inherits."""
        own = self._calls_by_owner.get(owner.name, {})
        return tuple(site for name in names for site in own.get(name, ()))

    @cached_property
    def _calls_by_name(self) -> Mapping[str, list[CallSite]]:
        return _by_name(self.calls)

    @cached_property
    def _calls_by_owner(self) -> Mapping[str, Mapping[str, list[CallSite]]]:
        owned: dict[str, list[CallSite]] = {}
        for site in self.calls:
            owned.setdefault(site.owner, []).append(site)
        return {owner: _by_name(sites) for owner, sites in owned.items()}

    def trained_with(self, monitor: MonitorSite) -> tuple[ClassFacts, ...]:
        """The modules whose values a monitor sees, with what inherits from them.

        None where that is not known: the code that trains may be in a file that was not read.
        """
        names = set(monitor.modules)
        return tuple(
            found
            for found in self.modules()
            if found.name in names or not names.isdisjoint(found.ancestors)
        )


def _has_places(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and hasattr(value[0], "location")


def _by_name(calls: Iterable[CallSite]) -> dict[str, list[CallSite]]:
    """By their names, by that of the method alone, and by those of the keywords that they give."""
    found: dict[str, list[CallSite]] = {}
    for site in calls:
        found.setdefault(site.name, []).append(site)
        found.setdefault(f".{site.name.rpartition('.')[2]}", []).append(site)
        for keyword, _ in site.arguments:
            found.setdefault(f"{keyword}=", []).append(site)
    return found
