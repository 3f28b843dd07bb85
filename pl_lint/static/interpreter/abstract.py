"""The values that the interpreter computes with, and how two of them join."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pl_lint.facts.origins import (
    NO_ORIGIN,
    Extent,
    ListOfSteps,
    MetricObject,
    Number,
    Origin,
    Pairs,
    UnknownOrigin,
    joined_extent,
)
from pl_lint.facts.sites import ABSENT
from pl_lint.facts.values import (
    UNKNOWN,
    Known,
    Made,
    Named,
    OneOf,
    Pattern,
    Several,
    Table,
    Value,
)
from pl_lint.plain import field, frozen
from pl_lint.static.interpreter.derivation import MAX_OPTIONS, derived, either
from pl_lint.static.names import ClassInfo, FunctionNode, Module

MAX_SIZE = 5_000
"""A container of more values, those of its items counted, is no longer looked into."""


@frozen
class Const:
    """A Python constant."""

    value: Any


@frozen
class Text:
    """A string with holes, as in ``Pattern``."""

    parts: tuple[str | None, ...]


@frozen
class Sequence:
    """A tuple, list or set; ``complete`` unless it may hold more than these items. ``maker`` is
    the class from outside that holds them (``torch.nn.ModuleList``)."""

    items: tuple[Abstract, ...] = ()
    complete: bool = True
    maker: str = ""
    size: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _bound(self, self.items)


@frozen
class Mapping:
    """A dict, ModuleDict or the like; ``complete`` unless it may hold more than these items."""

    items: tuple[tuple[Abstract, Abstract], ...] = ()
    complete: bool = True
    maker: str = ""
    size: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _bound(self, (part for pair in self.items for part in pair))

    def with_item(self, key: Abstract, value: Abstract) -> Mapping:
        return self.merged(Mapping(((key, value),)))

    def without(self, key: Abstract) -> Mapping:
        """With nothing under a key."""
        kept = tuple(pair for pair in self.items if pair[0] != key)
        return Mapping(kept, self.complete, self.maker)

    def merged(self, other: Mapping) -> Mapping:
        """With the items of another one, each in the place of what had its key."""
        kept: dict[object, tuple[Abstract, Abstract]] = {}
        for number, (key, value) in enumerate((*self.items, *other.items)):
            name = key if isinstance(key, Const) else number
            kept.pop(name, None)
            kept[name] = key, value
        return Mapping(tuple(kept.values()), self.complete and other.complete, self.maker)

    def get(self, key: Abstract) -> Abstract | None:
        """The value of a key; of all keys where it is not known which."""
        if isinstance(key, Const) and all(isinstance(k, Const) for k, _ in self.items):
            return next((value for k, value in self.items if k == key), None)
        return join(*(value for _, value in self.items)) if self.items else None


def _bound(container: Sequence | Mapping, values: Iterable[Abstract]) -> None:
    """Keeps values small: ``x = [x, x]``, written 60 times, is quickly read and has no end."""
    size = 1 + sum(getattr(value, "size", 1) for value in values)
    if size > MAX_SIZE:
        size = 1
        object.__setattr__(container, "items", ())
        object.__setattr__(container, "complete", False)
    object.__setattr__(container, "size", size)


@frozen
class Metric:
    """A torchmetrics object. ``identity`` tells two objects of equal making apart; ``gives_dict``:
    whether its value is a dict, None where it may be."""

    identity: int
    name: str
    arguments: Pairs = ()
    gives_dict: bool | None = False


@frozen
class Collection:
    """A MetricCollection; ``members`` by the key that they are logged under, affixes left out."""

    identity: int
    members: tuple[tuple[str, Metric], ...] = ()
    prefix: Value = ABSENT
    postfix: Value = ABSENT
    complete: bool = True


@frozen
class Instance:
    """An object of a class of the project, or of a class outside that is known by name."""

    name: str
    arguments: Pairs = ()
    complete: bool = True
    label: object = field(default=None, compare=False)
    """What the maker wants to remember of it (the site it made)."""
    holds: Origin = field(default=NO_ORIGIN, compare=False)
    """What a data set gives items of, where its constructor was given that."""


@frozen
class Reference:
    """A name from outside the project: a module, a class, a function."""

    name: str


@frozen
class LocalClass:
    """A class of the project."""

    info: ClassInfo


@frozen
class Function:
    """A function of the project that is no method, with the names it closes over."""

    node: FunctionNode
    module: Module
    closure: dict[str, Abstract] = field(default_factory=dict, compare=False)
    __hash__ = None  # type: ignore[assignment]


@frozen
class Self:
    """The object whose class is interpreted."""


@frozen
class Holder:
    """An object of a class that Lightning does not call: an experiment that holds a Trainer."""

    info: ClassInfo


@frozen
class Super:
    """``super()`` in a method that ``after`` defines."""

    after: ClassInfo


@frozen
class Bound:
    """A method that was looked up and not called yet."""

    receiver: Abstract
    name: str


@frozen
class Opaque:
    """Anything else, by its origin."""

    origin: Origin = NO_ORIGIN
    extent: Extent = ""


@frozen
class Choice:
    """One of a few values, depending on a branch that reading cannot decide."""

    options: tuple[Abstract, ...]


Abstract = (
    Const
    | Text
    | Sequence
    | Mapping
    | Metric
    | Collection
    | Instance
    | Reference
    | LocalClass
    | Function
    | Self
    | Holder
    | Super
    | Bound
    | Opaque
    | Choice
)
NOTHING = Opaque()
NONE = Const(None)


def same_constant(one: object, other: object) -> bool:
    """Equality that tells 1, 1.0 and True apart."""
    return type(one) is type(other) and one == other


def same(one: Abstract, other: Abstract) -> bool:
    if isinstance(one, Const) and isinstance(other, Const):
        return same_constant(one.value, other.value)
    return type(one) is type(other) and one == other


def options(value: Abstract) -> tuple[Abstract, ...]:
    """The alternatives that a value stands for."""
    return value.options if isinstance(value, Choice) else (value,)


def in_use(value: Abstract) -> Abstract:
    """What a value is where it is called or logged, which raises of None."""
    if not isinstance(value, Choice) or NONE not in value.options:
        return value
    return join(*(option for option in value.options if option != NONE))


RELOADED, CHANGED = "reloaded", "changed"
"""The labels of a model whose weights were loaded into it, and of an object that was given another
part: ``model.net = best.net``."""


def join(*values: Abstract) -> Abstract:
    """The value that may be any of these. What one branch did to an object may have been done."""
    if values and not isinstance(values[0], Choice) and all(one is values[0] for one in values):
        return values[0]
    distinct: list[Abstract] = []
    for value in values:
        for option in options(value):
            place = next((n for n, kept in enumerate(distinct) if same(option, kept)), None)
            if place is None:
                distinct.append(option)
            elif isinstance(option, Instance) and option.label in (RELOADED, CHANGED):
                distinct[place] = option
            if len(distinct) > MAX_OPTIONS:  # of the thousands in a table all would be compared
                return _in_common(distinct)
    if len(distinct) == 1:
        return distinct[0]
    if not distinct:
        return NOTHING
    if all(isinstance(option, Opaque) for option in distinct):
        extent = joined_extent(option.extent for option in distinct)  # type: ignore[union-attr]
        return Opaque(either(option.origin for option in distinct), extent)  # type: ignore[union-attr]
    return Choice(tuple(distinct))


def _in_common(alternatives: list[Abstract]) -> Abstract:
    """What is known of more alternatives than are kept apart: of lists what is in all of them, as
    of callbacks that conditions add one after another."""
    lists = [one for one in alternatives if isinstance(one, Sequence)]
    if len(lists) < len(alternatives):
        return NOTHING
    first, *others = lists
    held = (item for item in first.items if all(_holds(one, item) for one in others))
    maker = first.maker if all(one.maker == first.maker for one in others) else ""
    return Sequence(tuple(held), complete=False, maker=maker)


def _holds(one: Sequence, item: Abstract) -> bool:
    return any(same(item, held) for held in one.items)


# --- to the vocabulary of facts -------------------------------------------------------------------


def to_value(abstract: Abstract) -> Value:
    """What a rule may know of it."""
    match abstract:
        case Const(value):
            return Known(value)
        case Text(text):
            return Pattern(text)
        case Choice(choices) if all(isinstance(option, Const) for option in choices):
            return OneOf(tuple(option.value for option in choices))  # type: ignore[union-attr]
        case Sequence(items, True) if all(isinstance(item, Const) for item in items):
            return Known(tuple(item.value for item in items))  # type: ignore[union-attr]
        case Sequence(items, True):
            return Several(tuple(map(to_value, items)))
        case Mapping(items, True):
            return Table(tuple((to_value(key), to_value(value)) for key, value in items))
        case Instance(name, arguments):
            return Made(name, arguments)
        case Reference(name):
            return Named(name)
        case LocalClass(info):
            return Named(info.qualified)
        case Function(node):
            return Named(f"<function {node.name}>")
        case Self():
            return Named("self")
        case Bound(Self(), name):
            return Named(f"self.{name}")
        case _:
            return UNKNOWN


NUMBERS = frozenset(
    f"{library}.{name}"
    for library in ("numpy", "math", "torch")
    for name in ("nan", "inf", "pi", "e", "NaN", "NAN", "Inf")
)
"""Constants of libraries."""


def to_origin(abstract: Abstract, path_of: PathOf) -> Origin:
    """What a value was made of; ``path_of`` names metrics as the class reaches them."""
    match abstract:
        case Opaque(origin):  # most are
            return origin
        case Const() | Text() | Sequence((), True):
            return Number()
        case Reference(name) if name in NUMBERS:
            return Number()
        case Metric(identity) | Collection(identity):
            return MetricObject(path_of(identity))
        case Choice(choices):
            return either(to_origin(option, path_of) for option in choices)
        case Sequence(items) if items:
            return derived("sequence", [to_origin(item, path_of) for item in items])
        case Mapping(items) if items:
            return derived("mapping", [to_origin(item, path_of) for _, item in items])
        case _:
            return UnknownOrigin()


class PathOf:
    """Names for metrics by identity; one that no attribute holds is named by its class."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}

    def __call__(self, identity: int) -> str:
        return self._paths.get(identity, f"<{identity}>")

    def name(self, identity: int, path: str) -> None:
        """The first attribute that holds a metric names it; another one is an alias."""
        self._paths.setdefault(identity, path)

    def named(self, identity: int) -> bool:
        return identity in self._paths


def is_list_of_steps(value: Abstract) -> bool:
    return isinstance(value, Opaque) and isinstance(value.origin, ListOfSteps)
