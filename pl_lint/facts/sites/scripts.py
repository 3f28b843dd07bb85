"""What stands around the classes: Trainers and their calls, what watches keys, seeds and splits."""

from __future__ import annotations

from typing import Literal

from pl_lint.facts.branches import Arms, apart
from pl_lint.facts.origins import UNPACKED, Origin, Pairs
from pl_lint.facts.values import ABSENT, UNKNOWN, YES, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen


@frozen
class MonitorSite:
    """Something that watches a logged key: a callback, or a scheduler's configuration.

    ``modules`` are the classes that are trained with it, or else those that its file knows; empty
    where there are none. ``lightning`` is the newest version that the code around it admits.
    """

    watcher: str
    key: Value
    location: Location
    mode: Value = UNKNOWN
    filename: Value = ABSENT
    auto_insert_metric_name: Value = YES
    every_n_train_steps: Value = ABSENT
    modules: tuple[str, ...] = ()
    lightning: str = ""
    arguments: Pairs = ()
    places: tuple[tuple[str, Location], ...] = ()

    def at(self, *names: str) -> Location:
        """Where the first of these arguments stands that has a place of its own (in settings each
        has a line); else the whole."""
        return _first_place(self, names)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        default: Value = UNKNOWN if UNPACKED in given else ABSENT
        return given.get(name, given.get(str(position), default))


@frozen
class LeftOutSite:
    """A callback that watches a key and that nobody is given: nothing reads its name in the
    function or program that makes it. ``scope``: that function, as that of a TrainerCall."""

    watcher: str
    name: str
    key: Value
    scope: str
    location: Location


@frozen
class TrainerSite:
    """A Trainer and what it is built with. ``places`` are the lines of settings, ``keywords`` the
    places of a call's keyword arguments. ``spread``: the keys that lead to the settings in
    ``Trainer(**cfg.trainer)``; ``asked``: those that lead to one value, as in
    ``Trainer(devices=cfg.trainer.devices)``, and what it is where settings do not say.
    ``by_default``: what arguments are that only the command line knows, unless it says otherwise.
    ``again``: the callbacks that were made before a loop of which each round makes and fits it.
    ``modules``: the classes that the settings which build it name as what it runs; ``chosen_for``:
    those for which a program or an experiment of it chooses just these arguments. ``one_gpu``: the
    machine that its file is written for has no more."""

    arguments: Pairs
    complete: bool
    location: Location
    places: tuple[tuple[str, Location], ...] = ()
    keywords: tuple[tuple[str, Location], ...] = ()
    spread: tuple[str, ...] = ()
    asked: tuple[tuple[str, tuple[str, ...], Value], ...] = ()
    modules: tuple[str, ...] = ()
    chosen_for: tuple[str, ...] = ()
    one_gpu: bool = False
    by_default: Pairs = ()
    again: tuple[str, ...] = ()

    def at(self, *names: str) -> Location:
        """Where the first of these arguments stands that has a place of its own."""
        return _first_place(self, names)

    def keyword(self, name: str) -> Location:
        """Where an argument stands itself; the whole where it has no place of its own."""
        return dict(self.keywords).get(name, self.at(name))

    def argument(self, name: str) -> Value:
        default: Value = ABSENT if self.complete else UNKNOWN
        return dict(self.arguments).get(name, default)


def _first_place(site: MonitorSite | TrainerSite, names: tuple[str, ...]) -> Location:
    known = dict(site.places)
    return next((known[name] for name in names if name in known), site.location)


@frozen
class Hands:
    """A function that runs a model by a Trainer, or hands it to one that does, at this line.

    ``handled`` is the last line up to there at which the ``name`` got the model, or anybody but a
    Trainer was given it (0: it came as a parameter); ``later``: somebody is given it afterwards.
    ``untouched``: nobody but a Trainer was given what the name stands for, or stood for, before.
    """

    scope: str
    name: str
    line: int
    handled: int
    later: bool
    untouched: bool


@frozen
class Renewal:
    """Where a function puts another model under a name, or other weights into the one that it has;
    ``arms``: the branches that this stands in, as those of a TrainerCall."""

    location: Location
    arms: Arms


@frozen
class TrainerCall:
    """``trainer.fit(...)`` and its sisters, in the order of the scope they stand in.

    ``scope`` names the function; ``model`` and ``ckpt_path`` are Known(None) where left out.
    ``monitored``: the trainer has a ModelCheckpoint that watches a key, and does not leave averaged
    weights behind. ``reloaded``: the model was given other weights before by ``load_state_dict`` or
    comes from ``load_from_checkpoint`` (``from_checkpoint``), at least in one branch, or somebody
    was given the one that the Trainer holds. ``as_built``: what is tested is surely as its
    constructor left it, which was given nothing that looks like weights; asked of ``test`` only.
    ``arms``: the branches that it stands in, each with the line of the first of them and its
    number. ``told``: the names that conditions around it, and around the calls that lead to it,
    hold equal to constants, each with those. ``models``: all classes that the model may be of; an
    empty name is one that is not known. ``data``: the classes of what it is given as a data module,
    or in the place of loaders. ``loaders``: how many loaders it is given for a stage, 0 where they
    are not seen in a list or a dict. ``written``: the model, where it is a plain name or attribute;
    ``replaced``: the same function puts another into that attribute later; ``renewed``: where it
    did so before, or gave it other weights.
    ``hands``: through which functions a model that is a plain name came, the one that makes the
    call first. ``names``: the local names of loaders that nothing is known of, by their stages.
    ``trains_alone``: a fit that is surely given a loader for training, and none for validation.
    ``fitted_before``: the line of the fit that the same Trainer has made before in the same
    function, or the line of the call itself, in a loop; 0 where there is none, or where anybody may
    have changed how far it goes.
    """

    method: Literal["fit", "validate", "test", "predict"]
    scope: str
    trainer: Location | None
    model: str
    passes_model: bool
    ckpt_path: Value
    monitored: bool
    location: Location
    reloaded: bool = False
    from_checkpoint: bool = False
    as_built: bool = False
    arms: Arms = ()
    told: tuple[tuple[str, frozenset[str]], ...] = ()
    models: tuple[str, ...] = ("",)
    data: tuple[str, ...] = ()
    loaders: tuple[tuple[str, int], ...] = ()
    written: str = ""
    replaced: bool = False
    renewed: tuple[Renewal, ...] = ()
    hands: tuple[Hands, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    trains_alone: bool = False
    fitted_before: int = 0

    def excludes(self, other: TrainerCall) -> bool:
        """Whether this and another call of the same function stand in two branches of one ``if``,
        or under two answers to one question, so that only one of them runs."""
        return apart(self.arms, other.arms) or any(
            one == two and answers.isdisjoint(others)
            for one, answers in self.told
            for two, others in other.told
        )


@frozen
class SeedSite:
    """A call of ``seed_everything``."""

    workers: Value
    location: Location


@frozen
class BackendSite:
    """An assignment to an attribute of torch or of a module of it: ``name`` with the module as
    torch calls it (``torch.backends.cudnn.benchmark``), ``written`` as the code does."""

    name: str
    written: str
    location: Location


@frozen
class SplitSite:
    """A random split of data; ``seeded`` where a generator or a random state is given. ``parts``:
    what the Subsets are called that the same function makes of an order that is drawn."""

    function: str
    seeded: bool
    location: Location
    parts: tuple[str, ...] = ()


@frozen
class SliceSite:
    """A part of a list of files, or of a table whose rows were drawn: ``of[lower:upper]``, each as
    it is written, in one function. ``guards``: as those of a CallSite."""

    of: str
    lower: str
    upper: str
    function: str
    origin: Origin
    location: Location
    owner: str = ""
    hook: str = ""
    guards: tuple[str, ...] = ()


@frozen
class PickSite:
    """One file of a list of files, by its number: ``of[index]``. ``assigned`` names what the
    statement around it fills; ``guards``: as those of a CallSite."""

    of: str
    index: int
    assigned: str
    function: str
    location: Location
    guards: tuple[str, ...] = ()


@frozen
class RestSite:
    """What is left of a table without the rows that were drawn from it: ``df.drop(train.index)``.
    ``origin``: what the drawn rows are made of."""

    function: str
    origin: Origin
    location: Location
