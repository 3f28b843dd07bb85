"""Plain data: what ``dataclasses`` is, for a command that starts anew with each commit.

The standard library writes up to seven methods for each class and compiles them on import: half a
millisecond a class, which with 150 classes was a third of what reading three files took, and it
needs ``inspect`` for that. Here all methods are shared but ``__init__``, which is compiled when
the first object is made; most classes never have one. Where others ask ``dataclasses`` about such
a class (``replace``, ``fields``, ``asdict``), it is one of its own.
"""

from __future__ import annotations

import operator
from reprlib import recursive_repr

TYPE_CHECKING = False  # typing takes longer to import than all that stands here
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        """What type checkers are told."""
        return lambda decorator: decorator


_NOTHING = object()


class Field:
    """What is known of an attribute: its default, who makes one, and whether it tells two apart."""

    def __init__(self, default: Any, default_factory: Any, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.compare = compare

    @property
    def said(self) -> Mapping[str, Any]:
        """What was said of it, as ``dataclasses.field`` takes it."""
        return {name: value for name, value in vars(self).items() if value is not _NOTHING}


def field(*, default: Any = _NOTHING, default_factory: Any = _NOTHING, compare: bool = True) -> Any:
    """An attribute that has to be made for each object, or that does not tell two apart."""
    return Field(default, default_factory, compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: Any = None, *, eq: bool = True, order: bool = False) -> Any:
    """A class of objects that never change, and are equal where their attributes are."""
    if kind is None:
        return lambda decorated: frozen(decorated, eq=eq, order=order)
    _prepare(kind, '_set(self, "{0}", {1})')
    kind.__setattr__ = _refuse
    kind.__delattr__ = _refuse
    if eq:
        _compare(kind)
    if order:
        for name in ("__lt__", "__le__", "__gt__", "__ge__"):
            setattr(kind, name, _ordering(getattr(operator, name), _values(kind)))
    return kind


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def mutable(kind: type[T]) -> type[T]:
    """A class of objects that are only equal to themselves."""
    return _prepare(kind, "self.{0} = {1}")


def is_plain(one: object) -> bool:
    """Whether something is an object of such a class."""
    return hasattr(type(one), "__fields__")


def names(kind: Any) -> tuple[str, ...]:
    """The attributes of such a class, or of one of its objects."""
    return tuple(kind.__fields__)


def values(one: Any) -> tuple[Any, ...]:
    """What an object holds."""
    return tuple(getattr(one, name) for name in one.__fields__)


def replace(one: T, /, **changes: Any) -> T:
    """Another object that differs in what is named."""
    kept = {name: getattr(one, name) for name in one.__fields__ if name not in changes}
    return type(one)(**kept, **changes)


# --- the methods ----------------------------------------------------------------------------------


def _prepare(kind: Any, assign: str) -> Any:
    inherited = (getattr(base, "__fields__", {}) for base in reversed(kind.__mro__[1:]))
    fields = {name: one for known in inherited for name, one in known.items()}
    kind.__fields__ = fields | {name: _own(kind, name) for name in kind.__annotations__}
    kind.__match_args__ = tuple(kind.__fields__)
    kind.__init__ = _first(kind, assign)
    if "__repr__" not in vars(kind):
        kind.__repr__ = _shown
    kind.__dataclass_fields__ = _ForDataclasses("__dataclass_fields__")
    kind.__dataclass_params__ = _ForDataclasses("__dataclass_params__")
    return kind


def _own(kind: type, name: str) -> Field:
    """What a class says of one of its attributes; a default that is made is none of the class."""
    said = vars(kind).get(name, _NOTHING)
    if not isinstance(said, Field):
        return Field(said, _NOTHING, True)
    if said.default is _NOTHING:
        delattr(kind, name)
    else:
        setattr(kind, name, said.default)
    return said


def _first(kind: Any, assign: str) -> Callable[..., None]:
    def __init__(self: object, *given: object, **named: object) -> None:
        kind.__init__ = _written(kind, assign)
        kind.__init__(self, *given, **named)

    return __init__


def _written(kind: Any, assign: str) -> Any:
    known: dict[str, Any] = {"_set": object.__setattr__}
    head, body = ["self"], []
    for name, one in kind.__fields__.items():
        value, default = name, f"default_of_{name}"
        if one.default_factory is not _NOTHING:
            known[default] = one.default_factory
            value = f"{default}() if {name} is {default} else {name}"
        elif one.default is not _NOTHING:
            known[default] = one.default
        head.append(f"{name}={default}" if default in known else name)
        body.append(assign.format(name, value))
    if hasattr(kind, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(head)}):\n " + "\n ".join(body or ["pass"]), known)
    return known["__init__"]


def _refuse(self: object, name: str, *_: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"{type(self).__name__}.{name} does not change")


@recursive_repr()
def _shown(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
    return f"{type(self).__qualname__}({told})"


def _compare(kind: Any) -> None:
    """What a class says itself of its hash stays: ``None`` where an attribute has none."""
    of = _values(kind)

    def __eq__(self: object, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self is other or of(self) == of(other)

    def __hash__(self: object) -> int:
        return hash(of(self))

    if "__hash__" not in vars(kind):
        kind.__hash__ = __hash__
    if "__eq__" not in vars(kind):
        kind.__eq__ = __eq__


def _ordering(
    compare: Callable[[object, object], bool], of: Callable[[object], tuple[object, ...]]
) -> Callable[[object, object], bool]:
    def method(self: object, other: object) -> bool:
        return compare(of(self), of(other)) if other.__class__ is self.__class__ else NotImplemented

    return method


def _values(kind: Any) -> Callable[[object], tuple[object, ...]]:
    """What tells two objects apart; a tuple of one as well, which holds a NaN for equal to itself
    and has no hash that somebody else's has."""
    told = [name for name, one in kind.__fields__.items() if one.compare]
    if len(told) != 1:
        return operator.attrgetter(*told) if told else lambda _: ()
    alone = operator.attrgetter(*told)
    return lambda one: (alone(one),)


class _ForDataclasses:
    """An attribute by which ``dataclasses`` knows its classes, made when it first asks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, one: object, kind: Any) -> Any:
        from dataclasses import field, make_dataclass

        told = [(name, object, field(**one.said)) for name, one in kind.__fields__.items()]
        frozen = kind.__setattr__ is _refuse
        made = getattr(make_dataclass(kind.__name__, told, frozen=frozen), self._name)
        setattr(kind, self._name, made)
        return made
