"""Calls and assignments: what rules ask for by name."""

from __future__ import annotations

from pl_lint.facts.branches import Arms
from pl_lint.facts.origins import NO_ORIGIN, UNPACKED, Origin, Pairs
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import ABSENT, UNKNOWN, Known, Made, Several, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen


@frozen
class Told:
    """A condition that asks for an attribute which is a parameter of ``__init__``, and nothing
    else: its place, counted without ``self``, and its default. It holds where what is given is
    ``among`` constants, or is true where there are none to compare with, and ``wanted`` says so."""

    attribute: str
    parameter: str
    position: int
    default: Value
    among: tuple[object, ...] | None
    wanted: bool

    def given(self, made: Made) -> Value:
        """What an object was built with."""
        if UNPACKED in dict(made.arguments):
            return UNKNOWN
        value = made.argument(self.parameter, self.position)
        return self.default if value is None else value

    def holds(self, value: Value) -> bool | None:
        """Whether it holds for this value; None where that cannot be said."""
        match value:
            case Known(constant):
                answer = bool(constant) if self.among is None else constant in self.among
                return answer is self.wanted
            case Made() | Several() if self.among in (None, (None,)):
                return (self.among is None) is self.wanted
        return None


@frozen
class CallSite:
    """One way to reach one call that some rule asked for (``calls=`` of its decorator).

    ``name`` is spelled as the library spells it, Lightning's things by their canonical name;
    ``self.x`` is a method of the class, ``.x`` one of an object that nothing is known of, ``X()``
    the call of an object of the class ``X``. What stands around it and what is done with it:

    - ``receiver``: the text before the last dot (``""`` where it is no plain name); ``bound``: that
      is surely an object, no class.
    - ``guards``: the identifiers in the conditions that the call stands under, in the decorators of
      its functions, and in conditions that left the function before, and MISSING where a file was
      not there yet; ``within``: the context managers around it, and ``enabled=`` where one of them
      may be switched off by its argument.
    - ``home``: the class whose body holds the call, by its own name; ``items_of``: the class whose
      ``__getitem__`` makes the call, itself or by what it calls; ``needed_if``: the attributes that
      all conditions name under which an item is made of its result, if there always are some;
      ``for_all``: nothing decides on such a call but how large something is; ``if_told``: nothing
      but that and what the object of ``items_of`` was built with; ``object_of``: the class whose
      objects make the call when they are called, by its whole name.
    - ``assigned``: what the result is assigned to (``self.x``); ``kept``: the attribute that
      ``__init__`` makes of a local name that stands for the result and for nothing else; ``then``:
      the methods that are called on it, or on what it is an argument of, in the same expression;
      ``dropped``: nothing is done with it; ``fed``: a layer is given it as indices.
    - ``numbers_of``: the data set or the list of which a split gets the numbers, by which its items
      are then taken; ``numbers_origin``: what that is made of.
    - ``members``: what is read of the result of a method of the class, where nothing else is
      done with it (``get_last_lr``).
    - ``written``: the arguments that are plain names, as they are written
      (``trainer.global_step``), and MISSING for what is True where a file is not there
      yet; ``built``: the class of the project that is called, ``brought``: the arguments that a
      call makes for it alone, each with the place of that call; ``added``: what
      a logarithm of a probability adds.
    - ``arms``: the branches that it stands in, each with the line of the first of them and its
      number; ``first``: it is the first statement of its function.
    """

    name: str
    location: Location
    owner: str = ""
    hook: str = ""
    stage: Stage | None = None
    function: str = ""
    arguments: Pairs = ()
    origins: tuple[tuple[str, Origin], ...] = ()
    receiver: str = ""
    receiver_origin: Origin = NO_ORIGIN
    guards: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    assigned: str = ""
    then: tuple[str, ...] = ()
    bound: bool = False
    dropped: bool = False
    written: tuple[tuple[str, str], ...] = ()
    built: str = ""
    brought: tuple[tuple[str, Location], ...] = ()
    kept: str = ""
    items_of: str = ""
    needed_if: tuple[str, ...] = ()
    for_all: bool = False
    if_told: tuple[Told, ...] = ()
    object_of: str = ""
    home: str = ""
    added: Value = ABSENT
    fed: bool = False
    arms: Arms = ()
    first: bool = False
    members: tuple[str, ...] | None = None
    numbers_of: Value = UNKNOWN
    numbers_origin: Origin = NO_ORIGIN

    @property
    def complete(self) -> bool:
        """Whether every argument is seen: no ``*`` or ``**`` hides some."""
        return UNPACKED not in dict(self.arguments)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        value = given.get(name, given.get(str(position)))
        return value if value is not None else (ABSENT if self.complete else UNKNOWN)

    def gives(self, name: str, position: int = -1) -> bool:
        """Whether a parameter is seen to be given."""
        given = dict(self.arguments)
        return name in given or str(position) in given

    def origin(self, name: str, position: int = -1) -> Origin:
        """What a parameter is made of."""
        given = dict(self.origins)
        return given.get(name, given.get(str(position), NO_ORIGIN))


@frozen
class AssignmentSite:
    """``self.attribute = value`` in a Lightning class, or ``+=`` where ``augmented``. ``unread``:
    what ``__init__`` makes, and nothing that was read mentions again. ``carried``: the value is
    worked out from what the attribute held (``self.x = 0.9 * self.x + y``); ``added``: it is that
    and something more (``+=``, ``self.x = self.x + y``). ``arms``: the branches that it stands in,
    each with the line of the first of them and its number: 0 is where the condition holds.
    ``left``: where a tensor stays that ``__init__`` worked out from others (``cpu``,
    ``self.device``), nothing moves, and other methods compute with. ``given``: the value as it is
    written, where that is a name or an attribute of something. ``weights_of``: the module, as it is
    written, whose own tensors a dict of weights holds (``self.net.state_dict()``)."""

    attribute: str
    value: Value
    origin: Origin
    location: Location
    augmented: bool = False
    hook: str = ""
    stage: Stage | None = None
    function: str = ""
    guards: tuple[str, ...] = ()
    unread: bool = False
    carried: bool = False
    added: bool = False
    arms: Arms = ()
    left: str = ""
    given: str = ""
    weights_of: str = ""


@frozen
class ItemSite:
    """``self.attribute[index] = value`` in a Lightning class, or ``+=``; for a list of another
    object ``attribute`` is the whole name (``trainer.optimizers``). ``made_of``: the identifiers in
    the call that gave the value, or gave it to its local name; none where no call did."""

    attribute: str
    origin: Origin
    location: Location
    stage: Stage | None = None
    guards: tuple[str, ...] = ()
    made_of: frozenset[str] = frozenset()


@frozen
class ReachSite:
    """``owner.attribute = value`` on something that is not the class itself, in a class that
    Lightning calls: ``self.trainer.datamodule.dataset.level = 3``. ``receiver`` is the text before
    the last dot, ``origin`` what that is made of. ``each_of``: what a loop takes all parameters of,
    to do this to each under no condition: ``self.net``."""

    receiver: str
    attribute: str
    owner: str
    hook: str
    stage: Stage | None
    location: Location
    value: Value = UNKNOWN
    origin: Origin = NO_ORIGIN
    each_of: str = ""


@frozen
class GlobalSite:
    """A ``global`` statement in a method of a class that Lightning calls.

    ``carried`` are those of the names that the function changes by what they were: a counter, a
    best value. What it only reads, sets or fills once is not among them.
    """

    names: tuple[str, ...]
    owner: str
    hook: str
    stage: Stage | None
    location: Location
    carried: tuple[str, ...] = ()
