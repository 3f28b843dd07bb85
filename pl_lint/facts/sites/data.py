"""Where samples come from: loaders by the stage that they feed, and streams."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import NO_ORIGIN, UNPACKED, Origin, Pairs
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import ABSENT, UNKNOWN, Known, Made, Several, Table, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen

WHOLE = "len()"
"""What a batch size is called that is the length of the data."""


@frozen
class LoaderSite:
    """One way in which a DataLoader comes to feed a stage.

    A hook of ``owner`` returns it (``train_dataloader``), or a script hands it to a Trainer:
    then ``owner`` is the class of the model, or empty. ``by`` names the hook, or the method of the
    Trainer. ``source`` is the data set as the code reaches it (``self.val_set``,
    ``main:val_set``), empty where that is no plain name; ``origin`` is what it is made of.
    ``single``: the function that hands it to the Trainer makes it, once. ``sized_by``: the name
    under which settings hold its batch size, ``batch_size`` of ``self.cfg.batch_size``, or
    ``WHOLE``: one batch holds all the data; ``otherwise``: what the code takes without one;
    ``one_by_setting``: all settings of that name that are written are 1; ``changed``: code gives it
    another value. ``alias``: what else the class calls it: ``self.test_set`` after its only
    ``self.val_set = self.test_set``, and an item of a dict by its key. ``unsaid``: the arguments
    that are the default of a helper's parameter, which its caller says nothing of.
    ``written``: the call that makes its data set of a part of the data, where it stands and as it
    is written, whichever transforms it has: two that are equal are one part. ``made_by``: the same
    of any data that are not made up, where nothing that the call is given changes meanwhile.
    ``of_lists``: a batch is the list of its samples as they are, by its ``collate_fn``.
    """

    stage: Stage
    owner: str
    source: str
    arguments: Pairs
    location: Location
    by: str = ""
    origin: Origin = NO_ORIGIN
    single: bool = False
    sized_by: str = ""
    otherwise: Value = ABSENT
    one_by_setting: bool = False
    changed: bool = False
    alias: str = ""
    unsaid: tuple[str, ...] = ()
    written: str = ""
    made_by: str = ""
    of_lists: bool = False

    @property
    def of_single_samples(self) -> bool:
        """Whether it is seen to give one sample at a time, or what its data set gives, as it is."""
        apart = self.gives("batch_size", 1) and self.argument("batch_size", 1) == Known(None)
        single = apart or self.argument("batch_size", 1) == Known(1)
        return self.one_by_setting or single or self._unsized

    @property
    def _unsized(self) -> bool:
        """Whether nothing at all says how many samples a batch has: torch takes one."""
        named = ("batch_size", "batch_sampler", "sampler", "collate_fn", "1", "3", "4", "6")
        return self.complete and not any(map(self.gives, named))

    @property
    def dataset(self) -> Value:
        return self.argument("dataset", 0)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        value = given.get(name, given.get(str(position)))
        return value if value is not None else (UNKNOWN if UNPACKED in given else Known(None))

    @property
    def complete(self) -> bool:
        """Whether every argument is seen: no ``*`` or ``**`` hides some."""
        return UNPACKED not in dict(self.arguments)

    def gives(self, name: str, position: int = -1) -> bool:
        """Whether a parameter is seen to be given."""
        given = dict(self.arguments)
        return name in given or str(position) in given


@frozen
class UnsharedSite:
    """A stage is fed with an object that is no DataLoader, and whose class asks for no rank: a
    loader of the project's own, a data set. Lightning shares nothing out of it, so that every
    process sees all of it."""

    stage: Stage
    owner: str
    name: str
    by: str = ""


@frozen
class FedSite:
    """One way in which settings feed a module of the project (``owner``). ``classes``: the other
    classes of the project that they build beside it, its data module among them. ``ones``: which
    of their settings are always 1, by class."""

    owner: str
    classes: tuple[str, ...]
    ones: frozenset[tuple[str, str]] = frozenset()


@frozen
class SetTransform:
    """``part.dataset.transform = given``: ``through`` is ``dataset.transform``, or ``transform``
    where it is set on the part itself; ``given`` is what is written there."""

    part: str
    through: str
    given: str
    location: Location


@frozen
class PartedSite:
    """One data set that ``random_split`` or several Subsets share (``parts``, those that somebody
    takes samples of), and the transforms that the same code then sets on one part or the other.
    ``built_with``: the ``transform=`` that the data set is made with, as it is written; empty where
    that is not seen. ``read_as``: the transforms that code reads of what may be a part."""

    parts: tuple[str, ...]
    built_with: str
    sets: tuple[SetTransform, ...]
    location: Location
    read_as: frozenset[str] = frozenset()


@frozen
class ListedSite:
    """A class of the project (``owner``) whose ``__init__`` keeps files in the order in which the
    file system gave them, in an attribute that its ``__getitem__`` reads."""

    owner: str
    attribute: str
    location: Location


@frozen
class AlikeSite:
    """A loader whose ``worker_init_fn`` seeds all its workers with the same number, and where."""

    loader: Location
    seed: Location


@frozen
class NumberedSite:
    """Where classes get their numbers in the order in which the file system lists their folders."""

    location: Location


@frozen
class LengthSite:
    """A class of the project (``owner``) whose objects have as many items as this parameter of its
    ``__init__`` says."""

    owner: str
    parameter: str
    position: int


@frozen
class ToldSite:
    """A ``set_...`` method of a data set of the project, and the attributes that it puts anew and
    ``__getitem__`` (of a stream: ``__iter__``) reads; none where it keeps what it is told
    elsewhere, in shared memory say."""

    owner: str
    method: str
    attributes: tuple[str, ...]


@frozen
class StreamSite:
    """A class of the project that is an IterableDataset.

    ``words`` are the identifiers in its code, in that of its ancestors of the project, and in the
    functions of its file that it names. ``loops``: its ``__iter__`` goes over something itself, and
    does not only hand on what another object gives. ``over`` are the attributes that it goes over,
    ``called`` the names of what its code calls, ``asked`` those of them that are methods of its own
    and are given what a loop goes over, one by one. ``compared`` are the names in its code that are
    compared with others, or that a part of something begins, ends or steps by, ``idle`` the
    parameters that it does nothing with but keep them, and what only an ``__init__`` names that
    makes up data from a seed. ``got``: the attributes whose ``get()`` it goes over.
    ``by_worker``: the methods of its own that it calls and that ask for the worker. ``drawn``:
    where it draws numbers, one by one, from a generator that ``__init__`` makes and nothing makes
    or seeds anew.
    """

    name: str
    words: frozenset[str]
    loops: bool
    location: Location
    over: tuple[str, ...] = ()
    called: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    compared: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    got: frozenset[str] = frozenset()
    by_worker: frozenset[str] = frozenset()
    drawn: tuple[Location, ...] = ()


@frozen
class LayersSite:
    """Layers (``modules``, the names of their classes) that the ``__init__`` of a class puts in a
    plain list or dict and gives to nothing else."""

    name: str
    attribute: str
    modules: tuple[str, ...]
    location: Location


@frozen
class KeptSite:
    """A tensor that the ``__init__`` of a network keeps as a plain attribute, works out from
    others and leaves where it is: nothing moves it, and other methods compute with it."""

    name: str
    attribute: str
    location: Location


@frozen
class BoundSite:
    """A class of the project that keeps the device that it is given by a parameter (``place``: its
    number) in an attribute, and works on that device when its methods are called."""

    name: str
    parameter: str
    place: int
    attribute: str


@frozen
class UnownedSite:
    """A network (``made_of``) that has weights to learn and belongs to no module: an object of the
    file, or made anew by a method in each step; where it is made. ``callers``: the methods of
    LightningModules that call it, each with its class."""

    callers: tuple[tuple[str, str], ...]
    name: str
    made_of: str
    location: Location
    each_step: bool


@frozen
class LoadedSite:
    """A module (``model``) that comes out of a checkpoint and computes at ``use``, although nobody
    has put it into evaluation mode; ``layer``: what computes otherwise in training."""

    model: str
    layer: str
    location: Location
    use: Location


@frozen
class UnchangedSite:
    """A network is given back, in the same function, the weights (``name``) that it gave, of which
    none has changed."""

    name: str
    network: str
    location: Location


@frozen
class UnpreparedSite:
    """A function makes a data module (``name``) and reads an attribute of it that nothing but
    ``prepare_data()`` or ``setup()`` fills, before it has called or given away the object."""

    name: str
    attribute: str
    location: Location


@frozen
class AverageSite:
    """An average of weights that a callback (``owner``) keeps in an attribute, puts back into
    something, and saves in no checkpoint; where training changes it."""

    owner: str
    attribute: str
    location: Location


def made_of(value: Value, libraries: tuple[str, ...] = ("",)) -> Iterator[Made]:
    """Every object that reading sees inside a value: the transforms of a data set, say.

    What stands in an object is looked at only where it is one of ``libraries`` (names of
    packages), or the value itself: what a project's own class does with its arguments is not known.
    """
    match value:
        case Made(_, arguments):
            yield value
            for _, inner in arguments:
                yield from _made_in(inner, libraries)
        case Several() | Table():
            yield from _made_in(value, libraries)


def _made_in(value: Value, libraries: tuple[str, ...]) -> Iterator[Made]:
    match value:
        case Made(name):
            yield from made_of(value, libraries) if name.startswith(libraries) else (value,)
        case Several(items):
            for item in items:
                yield from _made_in(item, libraries)
        case Table(pairs):
            for _, item in pairs:
                yield from _made_in(item, libraries)
