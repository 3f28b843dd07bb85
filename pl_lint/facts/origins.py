"""Where a logged value comes from: what reading knows of how it was made. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Literal

from pl_lint.facts.values import Value
from pl_lint.plain import frozen, values

Pairs = tuple[tuple[str, Value], ...]
"""Arguments of a call by name (``"0"``, ``"1"`` for positional ones), hashable."""
UNPACKED = "**"
"""The name under which ``Pairs`` say that ``*`` or ``**`` hides further arguments."""


DRAWN_ROWS = "pandas.DataFrame.sample"
"""What draws a share of a table's rows, in an order of chance."""
RANDOM_SPLITS = ("torch.utils.data.random_split", "torch.utils.data.dataset.random_split")
SUBSETS = ("torch.utils.data.Subset", "torch.utils.data.dataset.Subset")
SPLITTING = (*RANDOM_SPLITS, "sklearn.model_selection.train_test_split")
"""What draws the parts of a data set at random."""
LISTINGS = ("os.listdir", "os.scandir", "glob.", "pathlib.Path.")
"""What lists files in the order of the file system."""


OF_LIGHTNING = ("self.optimizers", "self.lr_schedulers")
"""What hands out the optimizers and schedulers that Lightning keeps. Every process has the same
ones, and so the same learning rates, whatever data it sees."""


Extent = Literal["", "mean", "other"]
"""What a number that is made of a batch stands for: the mean over it, something else (one number
for each sample, a sum, one of several), or what reading cannot tell."""


def joined_extent(extents: Iterable[Extent]) -> Extent:
    """The extent of what may be any of these."""
    found = set(extents)
    return "other" if "other" in found else "mean" if found == {"mean"} else ""


@frozen
class MetricObject:
    """The torchmetrics object itself: Lightning computes, synchronises and resets it."""

    metric: str


@frozen
class MetricForward:
    """What calling a metric returned: its value on this batch alone."""

    metric: str


@frozen
class MetricCompute:
    """What ``compute()`` of a metric returned: its value over everything since the last reset."""

    metric: str


@frozen
class Number:
    """A constant of the program."""


@frozen
class BatchValue:
    """Computed from the batch by operations that nothing more is known of."""


@frozen
class ListOfSteps:
    """A Python list attribute that the steps fill: it holds what this process saw. ``key``: where
    each step leaves a dict, the item that is meant."""

    attribute: str
    key: str = ""


@frozen
class UnknownOrigin:
    """Reading cannot tell."""


class Compound:
    """An origin that is made of others.

    The same part may be reached on many ways. So how deep it is, and its hash, are worked out once
    for each part and not once for each way, of which there are exponentially many.
    """

    @cached_property
    def depth(self) -> int:
        below = parts_below(self)  # type: ignore[arg-type]
        return 1 + max((depth_of(source) for source in below), default=0)

    @cached_property
    def _hash(self) -> int:
        return hash((type(self), *values(self)))

    def __hash__(self) -> int:
        return self._hash


@frozen
class Gathered(Compound):
    """Brought together from all processes by hand (``all_gather``, ``all_reduce``)."""

    sources: tuple[Origin, ...] = ()

    __hash__ = Compound.__hash__


@frozen
class FunctionCall(Compound):
    """The result of a function outside the project whose name is known; ``per_sample`` where it is
    called in a loop over the samples of a batch."""

    name: str
    arguments: Pairs = ()
    sources: tuple[Origin, ...] = ()
    per_sample: bool = False

    __hash__ = Compound.__hash__


@frozen
class Derived(Compound):
    """The result of an operation on other values: ``sqrt``, ``mean``, ``arithmetic``, ``call``."""

    operation: str
    sources: tuple[Origin, ...]

    __hash__ = Compound.__hash__


@frozen
class Either(Compound):
    """One of several, depending on how the code runs."""

    options: tuple[Origin, ...]

    __hash__ = Compound.__hash__


NO_ORIGIN = UnknownOrigin()

Origin = (
    MetricObject
    | MetricForward
    | MetricCompute
    | Number
    | BatchValue
    | ListOfSteps
    | UnknownOrigin
    | Gathered
    | FunctionCall
    | Derived
    | Either
)


def parts(origin: Origin) -> Iterator[Origin]:
    """An origin and everything it was made of."""
    yield origin
    for source in parts_below(origin):
        yield from parts(source)


def sure_parts(origin: Origin) -> Iterator[Origin]:
    """As ``parts``, but only what the value is made of whichever branch the code takes."""
    yield origin
    if isinstance(origin, Either):
        common, *others = [list(sure_parts(option)) for option in origin.options]
        yield from (part for part in common if all(part in other for other in others))
        return
    for source in parts_below(origin):
        yield from sure_parts(source)


def sure_part(origin: Origin, fits: Callable[[Origin], bool]) -> Origin | None:
    """A part that fits and that the value is made of whichever branch the code takes; where each
    branch has another one, the first of them."""
    if fits(origin):
        return origin
    below = (sure_part(source, fits) for source in parts_below(origin))
    if isinstance(origin, Either):
        found = list(below)
        return None if None in found else found[0]
    return next((part for part in below if part is not None), None)


def local_parts(origin: Origin) -> Iterator[Origin]:
    """As ``parts``, but nothing that was gathered from all processes, or that all of them have.

    A branch that gathers (``if self.trainer.world_size > 1``) does so where there are several.
    """
    if isinstance(origin, Gathered) or gathers_in_a_branch(origin) or is_of_lightning(origin):
        return
    yield origin
    for source in parts_below(origin):
        yield from local_parts(source)


def gathers_in_a_branch(origin: Origin) -> bool:
    """Whether the value is gathered in some of the ways that the code may take."""
    options = origin.options if isinstance(origin, Either) else ()
    return any(isinstance(part, Gathered) for option in options for part in parts(option))


def is_of_lightning(origin: Origin) -> bool:
    return isinstance(origin, FunctionCall) and origin.name in OF_LIGHTNING


def is_drawn(origin: Origin) -> bool:
    """Whether a value is rows of a table that pandas has drawn."""
    return isinstance(origin, FunctionCall) and origin.name == DRAWN_ROWS


def is_split(origin: Origin) -> bool:
    """Whether a value is a part of a data set that was split, or all of them."""
    return isinstance(origin, FunctionCall) and origin.name in SPLITTING


def is_listing(origin: Origin) -> bool:
    """Whether a value is files in the order in which the file system gives them."""
    return isinstance(origin, FunctionCall) and origin.name.startswith(LISTINGS)


def parts_below(origin: Origin) -> tuple[Origin, ...]:
    """What an origin was directly made of."""
    match origin:
        case Derived(_, sources) | FunctionCall(_, _, sources) | Gathered(sources):
            return sources
        case Either(options):
            return options
        case _:
            return ()


def depth_of(origin: Origin) -> int:
    """How many derivations lie between an origin and the last of its leaves."""
    return origin.depth if isinstance(origin, Compound) else 0
