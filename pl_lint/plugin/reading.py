"""What reading says about the files under test: their modules, their cases, what is suspected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pl_lint.config import Config
from pl_lint.facts import lightning
from pl_lint.facts.sites import ABSENT, CaseSite, ClassFacts, TrainerSite
from pl_lint.facts.values import UNKNOWN, Known, must_be
from pl_lint.findings import Finding, Location
from pl_lint.rules.loggers.choice import made
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import Reading, read
from pl_lint.static.sources import Unfinished, Unreadable

PLAIN_DDP = ("ddp", "ddp_spawn", "ddp_fork", "ddp_notebook")


@dataclass(frozen=True)
class Target:
    """One thing to run: a case function, or a module class to build with default arguments.

    ``modules`` are the classes that it may build, as far as reading knows. ``excuse`` is why a
    class needs no case of its own.
    """

    path: Path
    name: str
    location: Location
    is_case: bool
    modules: tuple[ClassFacts, ...] = ()
    excuse: str = ""

    @property
    def key(self) -> tuple[Path, str]:
        return self.path, self.name


@dataclass
class ProjectReading:
    """The reader's answer for one pytest session, asked once.

    ``paths`` are what the user gave. ``around`` is read as well, because a script that trains a
    module says what must be true of it, but what is only found there is neither run nor reported.
    """

    paths: Sequence[Path]
    config: Config
    around: Sequence[Path] = ()

    @cached_property
    def reading(self) -> Reading:
        return read([*self.paths, *self.around], self.config, all_rules())

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every case, and every concrete module that no case builds, in the given paths. What a
        notebook defines cannot be imported, and is only read."""
        cases = [self._case(site) for site in self.reading.project.cases]
        built = {module.name for case in cases for module in case.modules}
        classes = [
            self._bare(c, built)
            for c in self.reading.project.modules()
            if c.name not in built and self._is_concrete(c)
        ]
        return tuple(
            target
            for target in (*cases, *classes)
            if target.path.suffix == ".py" and self.is_given(target.path)
        )

    def _bare(self, module: ClassFacts, built: Set[str]) -> Target:
        path = Path(module.location.path).resolve()
        excuse = self._excuse(module, built)
        return Target(path, module.short_name, module.location, False, (module,), excuse)

    def _excuse(self, module: ClassFacts, built: Set[str]) -> str:
        """Why nobody has to write a case for a class that is tried with default arguments."""
        heirs = [
            other.short_name
            for other in self.reading.project.modules()
            if other.name in built and module.name in other.ancestors
        ]
        if heirs:
            return f"{', '.join(sorted(heirs))}, built by a case, extends it"
        own = {m.name for each in [module, *self._ancestors(module)] for m in each.own_methods}
        return "" if "training_step" in own or module.open else "it has no training_step"

    def is_given(self, path: Path) -> bool:
        """Whether a file is one that the user asked for."""
        resolved = path.resolve()
        return any(resolved.is_relative_to(given.resolve()) for given in self.paths)

    @cached_property
    def broken(self) -> Mapping[Path, Unreadable]:
        """The given files that cannot be read: those for which ``pl-lint`` exits with 2."""
        places = {Path(each.location.path).resolve(): each for each in self.reading.unreadable}
        return {
            path: each
            for path, each in places.items()
            if self.is_given(path) and not isinstance(each, Unfinished)
        }

    @cached_property
    def data(self) -> ClassFacts | None:
        """The LightningDataModule of the project, if there is one and no other."""
        found = [
            one
            for one in self.reading.project.classes
            if one.kind == "datamodule" and Path(one.location.path).suffix == ".py"
            if "<locals>" not in one.name and not self._is_extended(one)
        ]
        return found[0] if len(found) == 1 else None

    def _is_extended(self, one: ClassFacts) -> bool:
        return any(one.name in other.ancestors for other in self.reading.project.classes)

    def findings_in(self, path: Path) -> tuple[Finding, ...]:
        return tuple(
            finding
            for finding in self.reading.findings
            if Path(finding.location.path).resolve() == path
        )

    def suspicions_of(self, target: Target) -> tuple[Finding, ...]:
        """What reading suspects of the modules of a target, scripts that train them included."""
        return tuple(f for f in self.reading.findings if self._is_about(f, target))

    def _is_about(self, finding: Finding, target: Target) -> bool:
        """A finding names a class as people do. Where several share that name (the copies of an
        experiment), only what stands in the class's own file is surely about it."""
        modules = [each for each in target.modules if each.short_name == finding.subject]
        namesakes = [m for m in self.reading.project.modules() if m.short_name == finding.subject]
        own = {Path(each.location.path).resolve() for each in modules}
        is_unique = len(namesakes) == len(modules)
        here = Path(finding.location.path).resolve() in own
        return not finding.subject or (bool(modules) and (is_unique or here))

    def monitors_of(self, target: Target) -> tuple[tuple[str, str], ...]:
        """The keys, with mode, that checkpoints of the project watch on these modules."""
        names = {module.name for module in target.modules}
        return tuple(sorted(set(self._monitors(names))))

    def plain_ddp_of(self, target: Target) -> Location | None:
        """A Trainer of the project that fits one of these modules by DDP as it is by default: it
        raises for parameters that get no gradient."""
        places = (site.location for site in self._fitting(target) if _is_plain_ddp(site))
        return next(places, None)

    def precisions_of(self, target: Target) -> frozenset[str]:
        """The precisions in which Trainers of the project fit these modules."""
        given = (site.argument("precision") for site in self._fitting(target))
        return frozenset(str(value.value) for value in given if isinstance(value, Known))

    def planned_for(self, target: Target) -> tuple[int, str] | None:
        """For how many epochs the Trainers of the project fit these modules, and where the first of
        them stands; None where that is not known, or several are told."""
        sites = list(self._fitting(target))
        counts = {site.argument("max_epochs") for site in sites}
        (count,) = counts if len(counts) == 1 else (UNKNOWN,)
        epochs = count.value if isinstance(count, Known) else None
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
            return None
        place = sites[0].keyword("max_epochs")
        return epochs, f"{Path(place.path).name}:{place.line}"

    @cached_property
    def loggers(self) -> tuple[str, ...]:
        """The classes of the loggers that the project builds."""
        return tuple(sorted(name.rpartition(".")[2] for name in made(self.reading.project)))

    def _fitting(self, target: Target) -> Iterator[TrainerSite]:
        """The Trainers that fit one of these modules, as far as they are known."""
        project, names = self.reading.project, {module.name for module in target.modules}
        trainers = {site.location: site for site in project.trainers}
        for call in project.trainer_calls:
            if call.method == "fit" and call.model in names and call.trainer in trainers:
                yield trainers[call.trainer]

    def _monitors(self, names: set[str]) -> Iterator[tuple[str, str]]:
        project = self.reading.project
        for site in project.monitors:
            known = isinstance(site.key, Known) and isinstance(site.mode, Known)
            watched = {module.name for module in project.trained_with(site)}
            if known and site.watcher == "ModelCheckpoint" and names & watched:
                yield str(site.key.value), str(site.mode.value or "min")

    def _case(self, site: CaseSite) -> Target:
        project = self.reading.project
        modules = tuple(c for c in project.modules() if c.name in site.builds)
        path = Path(site.path).resolve()
        return Target(path, site.function, site.location, True, modules)

    def _is_concrete(self, module: ClassFacts) -> bool:
        """A class without any step is a base for others; so is one with abstract methods, and one
        that another class extends and whose own name says so."""
        lineage = [module, *self._ancestors(module)]
        methods = {method.name for each in lineage for method in each.own_methods}
        extended = self._is_extended(module)
        says_base = module.short_name.lower().startswith(("base", "abstract", "_"))
        nested = "<locals>" in module.name
        is_base = _is_abstract(lineage) or (extended and says_base)
        return bool(methods & set(lightning.STEPS)) and not is_base and not nested

    def _ancestors(self, module: ClassFacts) -> Iterator[ClassFacts]:
        known = {found.name: found for found in self.reading.project.classes}
        return (known[name] for name in module.ancestors if name in known)


def _is_plain_ddp(trainer: TrainerSite) -> bool:
    """Whether a Trainer surely has this strategy: by its name, or because it has several devices
    and nothing else is said (``accelerator_connector.py``, 2.6.6)."""
    strategy, devices = trainer.argument("strategy"), trainer.argument("devices")
    if any(must_be(strategy, name) for name in PLAIN_DDP):
        return True
    count = devices.value if isinstance(devices, Known) else None
    several = isinstance(count, int) and count > 1
    return several and (strategy == ABSENT or must_be(strategy, "auto"))


def _is_abstract(lineage: Sequence[ClassFacts]) -> bool:
    """Whether some method of a class, or inherited and not overridden, is abstract."""
    nearest: dict[str, bool] = {}
    for each in lineage:
        for method in each.own_methods:
            abstract = any(name.endswith("abstractmethod") for name in method.decorators)
            nearest.setdefault(method.name, abstract)
    return any(nearest.values())
