"""A resumed fit beside the one that was never interrupted: what is other in it, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pl_lint.checks.checkpoint.wording import EQUAL_BITS, differing
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import FLOAT32, same, tolerance
from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Evidence

_MODE = "mode of "
_GONE = "and gone"
"""Only modes that are another than that of the module around them are noted, and the whole's."""
_MODE_OF_ALL = f"{_MODE}self"


@dataclass(frozen=True)
class Moment:
    """Where a fit was interrupted: its name in the diary, and what may be compared after it.

    Averages over an epoch that was interrupted are lost in Lightning's own hands: inside an epoch
    only what validation logs is held against the whole fit.
    """

    name: str
    words: str
    stages: tuple[str, ...]


EPOCH_END = Moment("epoch 1", "after an epoch", ("train", "validate"))
MIDDLE = Moment("middle", "inside an epoch", ("validate",))


@dataclass(frozen=True)
class Resumption:
    """Two fits that should be one: ``whole`` was never interrupted, ``resumed`` was at a moment.

    With a second whole fit in the place of the resumed one it says what chance makes of them.
    ``left_over`` are keys whose values hold what earlier epochs left behind: that those are other
    is no fault of the checkpoint's.
    """

    moment: Moment
    whole: FitRecord
    resumed: FitRecord
    case: CaseFacts
    left_over: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        return f"a run resumed {self.moment.words}"

    @property
    def same_weights(self) -> bool:
        return self.whole.digests == self.resumed.digests

    @property
    def is_harmless(self) -> bool:
        """Whether it ended as it should, and no value may be other for something that was lost."""
        return self.same_weights and not (self.lost and self.changed)

    @property
    def is_right(self) -> bool:
        return self.same_weights and not self.changed

    @property
    def lost(self) -> Mapping[str, str]:
        """State that is other right after resuming, in words by name, but for modes."""
        found = self._differences.items()
        return {name: text for name, text in found if not name.startswith(_MODE)}

    @property
    def modes(self) -> list[str]:
        """Modes that are other right after resuming, in words; no checkpoint has them."""
        found = [text for name, text in self._differences.items() if name.startswith(_MODE)]
        return [text.replace(_GONE, "and that of the rest of the module") for text in found]

    @property
    def has_other_mode(self) -> bool:
        """Whether the whole module was in another mode right after resuming."""
        return _MODE_OF_ALL in self._differences

    @property
    def changed(self) -> set[str]:
        return {value.key for value in self.values}

    @cached_property
    def values(self) -> tuple[Evidence, ...]:
        """What was logged with another value after the first epoch: of epochs, and of single
        steps, where equal bits are asked for."""
        found = (*self._values_of_epochs(), *self._values_of_steps())
        return tuple(value for value in found if value.key not in self.left_over)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The numbers that a finding shows."""
        return self.values[:1]

    @property
    def other_batch(self) -> str:
        """The first training batch that holds something else; nothing where none does."""
        theirs = {(batch.epoch, batch.batch): batch.parts for batch in self.resumed.begun}
        for mine in self.whole.begun:
            if theirs.get((mine.epoch, mine.batch), mine.parts) != mine.parts:
                return f"batch {mine.batch} of epoch {mine.epoch}"
        return ""

    @property
    def other_step(self) -> str:
        """The first optimizer step that left other weights, and the first of those."""
        again = {step.step: step for step in self.resumed.steps}
        for step in self.whole.steps:
            other = again.get(step.step)
            if other is not None and other.digests != step.digests:
                name = next(k for k, v in step.digests.items() if other.digests.get(k) != v)
                return f"step {step.step} in {name!r}"
        return "the end of the fit"

    @cached_property
    def _differences(self) -> Mapping[str, str]:
        mine, theirs = (fit.states.get(self.moment.name, {}) for fit in (self.whole, self.resumed))
        return differing(mine, theirs, "after resuming")

    def _values_of_epochs(self) -> Iterator[Evidence]:
        theirs = {(each.stage, each.epoch): each.values for each in self.resumed.epochs}
        for each in self.whole.epochs:
            if each.epoch and each.stage in self.moment.stages:
                for name, true in each.values.items():
                    value = theirs.get((each.stage, each.epoch), {}).get(name)
                    yield from self._other(name, value, true, tolerance(true))

    def _values_of_steps(self) -> Iterator[Evidence]:
        theirs = {_call(event): event.value for event in self.resumed.events if event.epoch}
        for event in self.whole.events:
            if event.epoch and event.stage in self.moment.stages:
                yield from self._other(event.name, theirs.get(_call(event)), event.value, 0.0)

    def _other(
        self, name: str, value: float | None, true: float | None, within: float
    ) -> Iterator[Evidence]:
        if value is None or true is None or same(value, true, within):
            return
        how = f"a two-epoch fit resumed {self.moment.words}; the truth is the one never interrupted"
        yield Evidence(
            key=name,
            logged=value,
            true=true,
            tolerance=within,
            world=ONE_PROCESS,
            how=how,
            cause="state that the checkpoint does not have",
            because=FLOAT32 if within else EQUAL_BITS,
        )


def _call(event: LogEvent) -> tuple[str, int, int, str]:
    return event.stage, event.epoch, event.batch, event.name
