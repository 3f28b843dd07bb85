"""Where samples come from: loaders by the stage that they feed, and streams. Plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pl_lint.facts.origins import UNPACKED, Pairs
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import UNKNOWN, Known, Made, Several, Table, Value
from pl_lint.findings import Location


@dataclass(frozen=True)
class LoaderSite:
    """One way in which a DataLoader comes to feed a stage.

    A hook of ``owner`` returns it (``train_dataloader``), or a script hands it to a Trainer:
    then ``owner`` is the class of the model, or empty. ``by`` names the hook, or the method of the
    Trainer. ``source`` is the data set as the code reaches it (``self.val_set``,
    ``main:val_set``), empty where that is no plain name.
    """

    stage: Stage
    owner: str
    source: str
    arguments: Pairs
    location: Location
    by: str = ""

    @property
    def dataset(self) -> Value:
        return self.argument("dataset", 0)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        value = given.get(name, given.get(str(position)))
        return value if value is not None else (UNKNOWN if UNPACKED in given else Known(None))

    def gives(self, *names: str) -> bool:
        """Whether one of some parameters may be given by name."""
        given = dict(self.arguments)
        return UNPACKED in given or any(
            given.get(name, Known(None)) != Known(None) for name in names
        )


@dataclass(frozen=True)
class StreamSite:
    """A class of the project that is an IterableDataset.

    ``words`` are the identifiers in its code, in that of its ancestors of the project, and in the
    functions of its file that it names.
    """

    name: str
    words: frozenset[str]
    location: Location


def made_of(value: Value) -> Iterator[Made]:
    """Every object that reading sees inside a value: the transforms of a data set, say."""
    match value:
        case Made(_, arguments):
            yield value
            for _, inner in arguments:
                yield from made_of(inner)
        case Several(items):
            for item in items:
                yield from made_of(item)
        case Table(pairs):
            for _, item in pairs:
                yield from made_of(item)
