"""Who runs what: the Trainers that may run a class, in a project that may hold several programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

from pl_lint.facts.sites.classes import ClassFacts
from pl_lint.facts.sites.scripts import TrainerCall, TrainerSite
from pl_lint.findings import Location


def in_tests(location: Location, trials: Set[str]) -> bool:
    """Whether a place is in a file of tests, by its name or its folder; a name says nothing of the
    scripts that are known to be none."""
    *folders, name = _parts(location)
    called_so = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    named = called_so and location.path not in trials
    return named or not {"test", "tests", "testing"}.isdisjoint(folders)


def in_notebook(location: Location) -> bool:
    """Whether a place is in a notebook, whose classes nothing else can import."""
    return location.path.endswith(".ipynb")


class Programs:
    """Which Trainers may run which classes. Each answer is worked out once: many rules ask, for
    many a place of one class."""

    def __init__(
        self,
        classes: Sequence[ClassFacts],
        trainers: Sequence[TrainerSite],
        calls: Sequence[TrainerCall],
        copies: Mapping[str, str],
        alone: Set[str] = frozenset(),
        built: Iterable[str] = (),
        trials: Set[str] = frozenset(),
    ) -> None:
        self._classes = classes
        self._trainers = trainers
        self._calls = calls
        self._copies = copies
        self._alone = alone
        self._built = frozenset(built)
        self._trials = trials
        self._answers: dict[str, tuple[TrainerSite, ...]] = {}
        self._places: dict[tuple[str, ...], frozenset[Location | None]] = {}

    def trainers_of(self, owner: ClassFacts) -> tuple[TrainerSite, ...]:
        """The Trainers that are known to run a class, and those of the nearest folder that has any:
        a repository may hold several programs. Tests speak for themselves alone. Where some run it
        or may, others do not count of which all that they run is known and something else; nor do
        they where code says of every Trainer what it runs, unless a case builds the class. A copy
        of another program in the repository speaks for itself alone, where the class has Trainers
        of its own program, and so does a file that no other one names. What a notebook defines
        runs there or nowhere."""
        if owner.name not in self._answers:
            self._answers[owner.name] = self._trainers_of(owner)
        return self._answers[owner.name]

    def _trainers_of(self, owner: ClassFacts) -> tuple[TrainerSite, ...]:
        trainers = self._trainers if self._in_tests(owner) else self._outside_tests
        program = self._copies.get(owner.location.path)
        own = [one for one in trainers if self._copies.get(one.location.path) == program]
        here = [one for one in trainers if one.location.path == owner.location.path]
        if not here and in_notebook(owner.location):
            return ()
        candidates = (here if owner.location.path in self._alone else None) or own or trainers
        kin = {owner.name, *self._heirs.get(owner.name, ())}
        running = {place for place, models in self._run_by.items() if not kin.isdisjoint(models)}
        near = {one.location for one in _nearest(candidates, owner.location)}
        free = {place for place in near if "" in self._run_by.get(place, ("",))}
        others = owner.name not in self._built and all(map(self._runs_what_is_written, candidates))
        if running or free or others:
            near = free
        return tuple(one for one in candidates if one.location in near | running)

    def _runs_what_is_written(self, trainer: TrainerSite) -> bool:
        """Whether code says all that a Trainer runs. Settings that build one may be composed
        otherwise on the command line."""
        return not trainer.modules and "" not in self._run_by.get(trainer.location, ("",))

    def places_of(self, methods: tuple[str, ...]) -> frozenset[Location | None]:
        """The Trainers of which one of these methods is called; None where one is not known."""
        if methods not in self._places:
            found = (call.trainer for call in self._calls if call.method in methods)
            self._places[methods] = frozenset(found)
        return self._places[methods]

    @cached_property
    def called(self) -> frozenset[Location | None]:
        """Those of which any method is called."""
        return frozenset(call.trainer for call in self._calls)

    def calls_with(self, owner: ClassFacts) -> tuple[TrainerCall, ...]:
        """The calls that are seen to be given a model of a class, or of one that inherits it."""
        kin = {owner.name, *self._heirs.get(owner.name, ())}
        given = {number for name in kin for number in self._given.get(name, ())}
        return tuple(self._calls[number] for number in sorted(given))

    @cached_property
    def _given(self) -> Mapping[str, list[int]]:
        """The numbers of the calls that are given a model of a class: rules ask for each class."""
        found: dict[str, list[int]] = {}
        for number, call in enumerate(self._calls):
            for name in self._meant(call):
                found.setdefault(name, []).append(number)
        return found

    def _meant(self, call: TrainerCall) -> Iterator[str]:
        return (_class_meant(one, self._by_last) for one in call.models)

    @cached_property
    def _outside_tests(self) -> tuple[TrainerSite, ...]:
        return tuple(one for one in self._trainers if not self._in_tests(one))

    def _in_tests(self, site: ClassFacts | TrainerSite) -> bool:
        return in_tests(site.location, self._trials)

    @cached_property
    def _heirs(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in self._classes:
            for ancestor in one.ancestors:
                found.setdefault(ancestor, []).append(one.name)
        return found

    @cached_property
    def _by_last(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for one in self._classes:
            found.setdefault(one.short_name, []).append(one.name)
        return found

    @cached_property
    def _run_by(self) -> Mapping[Location, set[str]]:
        """The classes that each Trainer runs; an empty name is one that is not known."""
        found: dict[Location, set[str]] = {}
        for call in self._calls:
            if call.trainer is not None:
                found.setdefault(call.trainer, set()).update(self._meant(call))
        for site in self._trainers:
            if site.modules:
                found.setdefault(site.location, set()).update(site.modules)
        return found


def _class_meant(name: str, by_last: Mapping[str, Sequence[str]]) -> str:
    """The class of the project that a name means, which may lead over a package that hands the
    class on (``models.Net`` for ``models.nets.Net``), or to where it stood before it was moved: in
    a folder of the same name the project has no other class that is called so. Empty for any other.
    """
    package, _, last = name.rpartition(".")
    known = by_last.get(last, ())
    through = [one for one in known if package and one.startswith(f"{package}.")]
    if name in known:
        return name
    if len(known) == 1 and package.partition(".")[0] in known[0].split(".")[:-1]:
        return known[0]
    return through[0] if len(through) == 1 else ""


def _nearest(trainers: Sequence[TrainerSite], location: Location) -> Sequence[TrainerSite]:
    """Those in the file's own folder or below it, or else below the folders around it."""
    *folders, _ = _parts(location)
    for depth in range(len(folders), 0, -1):
        around = "/".join(folders[:depth]) + "/"
        near = [one for one in trainers if "/".join(_parts(one.location)).startswith(around)]
        if near:
            return near
    return trainers


def _parts(location: Location) -> list[str]:
    return location.path.replace("\\", "/").split("/")
