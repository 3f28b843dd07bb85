"""What reading can know of a value: exactly this, one of these, this shape, or nothing."""

from __future__ import annotations

import re

from pl_lint.plain import frozen


@frozen
class Known:
    """Exactly this Python constant."""

    value: object


@frozen
class OneOf:
    """One of a few constants (two branches of an ``if``)."""

    values: tuple[object, ...]


@frozen
class Pattern:
    """A string with holes: ``f"{stage}/loss"`` is ``(None, "/loss")``; ``None`` is a hole."""

    parts: tuple[str | None, ...]

    def matches(self, text: str) -> bool:
        body = "".join(".*" if part is None else re.escape(part) for part in self.parts)
        return re.fullmatch(body, text, re.DOTALL) is not None


@frozen
class Named:
    """Something by its name, nothing more is known of it: ``torch.median``, ``self.hparams.lr``;
    ``<function f>`` is one that the code itself defines."""

    name: str


BATCH_TIMES_EPOCH = Named("batch_idx * current_epoch")
"""A number that is 0 with the first batch of each epoch."""


@frozen
class Made:
    """A new object of a class: ``DDPStrategy(find_unused_parameters=True)``.

    ``arguments`` by name, ``"0"``, ``"1"`` for positional ones.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def argument(self, name: str, position: int = -1) -> Value | None:
        """What is given for a parameter; None where nothing is seen to be."""
        given = dict(self.arguments)
        return given.get(name, given.get(str(position)))


@frozen
class Several:
    """A list or tuple whose items are not all constants: ``[EarlyStopping("loss")]``."""

    items: tuple[Value, ...]


@frozen
class Table:
    """A dict, all of whose keys are seen."""

    items: tuple[tuple[Value, Value], ...]

    def get(self, key: object) -> Value | None:
        """The value of a key; None where the dict has no such key."""
        return next((value for name, value in self.items if name == Known(key)), None)


@frozen
class Unknown:
    """Reading cannot tell."""


Value = Known | OneOf | Pattern | Named | Made | Several | Table | Unknown
UNKNOWN = Unknown()
ABSENT, YES, NO = Known(None), Known(True), Known(False)
"""An argument that is left out, or given as None; and the two answers."""


def may_be(value: Value, constant: object) -> bool:
    """Whether ``value`` can be ``constant`` when the code runs. An Unknown can be anything, and so
    can what has only a name."""
    match value:
        case Known(known):
            return known == constant
        case OneOf(values):
            return constant in values
        case Pattern():
            return isinstance(constant, str) and value.matches(constant)
        case Made() | Several() | Table():
            return False
        case _:
            return True


def must_be(value: Value, constant: object) -> bool:
    """Whether ``value`` is ``constant`` whatever happens."""
    return isinstance(value, Known) and value.value == constant
