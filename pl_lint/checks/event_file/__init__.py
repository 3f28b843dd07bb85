"""Does TensorBoard's event file hold what was logged, once, at the right step?"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pl_lint.checks.event_file.script import points
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import CaseFacts, LogEvent, LoggerPoint, sentence
from pl_lint.findings import Finding

# Written by Lightning itself beside what the user logs.
LIGHTNINGS_OWN = ("epoch", "hp_metric")


@check("event-file", place=110)
def event_file(runs: Runs) -> Result:
    """The TensorBoard event file holds what was logged, once per step.

    What it promises:
    Every point that Lightning handed to its loggers is in the event file with the same value (in
    float32, as TensorBoard stores it) at the same step, exactly once; nothing else was written
    under the same tag; and no curve's x-axis goes backwards, nor does it stand still where the
    module writes the curve itself.

    How it is judged:
    The event file of a two-epoch fit is read back with TensorBoard's own reader, all points of it,
    and compared with what Lightning handed over.

    What it finds:
    Values written a second time by hand (`self.logger.experiment.add_scalar` beside `self.log`), at
    a step of another axis (`batch_idx`, `current_epoch`), and points that got lost. A logged key
    `step` replaces the x-axis of all that is logged with it; where that does not go forward, the
    curve is named (LTN119). A key `epoch` that says something else than Lightning does is a note.
    """
    if "train" not in runs.case().stages:
        return Gathering().result("the module has no training whose log could be read")
    record, gathering = runs.fit(), Gathering()
    handed = [point for point in record.handed_to_logger if point.tag not in LIGHTNINGS_OWN]
    read = [point for point in record.read_back if point.tag not in LIGHTNINGS_OWN]
    for tag in sorted({point.tag for point in [*handed, *read]}):
        own_axis = _own_axis(tag, record.events)
        problem = next(_problems(_of(tag, handed), _of(tag, read), own_axis), None)
        if problem is None:
            gathering.passed += 1
        else:
            gathering.findings.append(_finding(tag, *problem, record.events, runs.case()))
    gathering.findings += _values_as_steps(record.events, runs.case())
    _note_epochs(record.events, runs.case(), gathering)
    return gathering.result("nothing was logged to a logger")


def _of(tag: str, points: Sequence[LoggerPoint]) -> list[LoggerPoint]:
    return [point for point in points if point.tag == tag]


def _own_axis(tag: str, events: Sequence[LogEvent]) -> bool:
    """Whether the values of a tag are drawn over a logged key ``step``: Lightning takes that for
    the step of all that is logged with it (``logger_connector.py``, ``log_metrics``, 2.6.6)."""
    hooks = {event.hook for event in events if event.name == "step"}
    return any(event.hook in hooks for event in events if event.name == _stem(tag))


def _stem(tag: str) -> str:
    return tag.removesuffix("_step").removesuffix("_epoch")


def _problems(
    handed: list[LoggerPoint], read: list[LoggerPoint], own_axis: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with one curve, as code and words, the most telling first."""
    extra = Counter(map(_stored, read)) - Counter(map(_stored, handed))
    lost = Counter(map(_stored, handed)) - Counter(map(_stored, read))
    if handed and extra:
        step, value = next(iter(extra))
        text = f"the file also holds {_shown(value)} at step {step}, which self.log did not write"
        yield "event-file", text
    if lost:
        step, value = next(iter(lost))
        yield "event-file", f"{_shown(value)} was logged at step {step} and is not in the file"
    # At one step twice: Lightning does so itself where batches are accumulated, so what it handed
    # over is not the user's doing; what it did not is.
    forward = 1 if own_axis or not handed else 0
    for one, other in pairwise(read):
        if other.step < one.step + forward:
            text = f"a point at step {one.step}, then one at step {other.step}"
            if own_axis:
                yield (
                    "LTN119",
                    f"it is drawn over the logged key 'step', which does not go forward: {text}",
                )
            yield "LTN908", f"its x-axis does not go forward: {text}"


def _values_as_steps(events: Sequence[LogEvent], case: CaseFacts) -> Iterator[Finding]:
    """A measured value under the key ``step`` is on no curve at all."""
    for event in events:
        if event.name == "step" and event.value is not None and not event.value.is_integer():
            text = f"{shown(event.value)} is taken for the step of what is logged with it"
            yield _finding("step", "LTN119", text, [event], case)
            return


def _note_epochs(events: Sequence[LogEvent], case: CaseFacts, into: Gathering) -> None:
    """A logged key ``epoch`` takes the place of Lightning's own in the log and in file names."""
    for event in events:
        if event.name == "epoch" and event.value is not None and event.value != event.epoch:
            into.notes.append(
                sentence(
                    f"'epoch' was logged as {shown(event.value)} in epoch {event.epoch}, at "
                    f"{event.location}: it stands for Lightning's own in logs and checkpoint names"
                )
            )
            return


def _stored(point: LoggerPoint) -> tuple[int, float | None]:
    """A point as TensorBoard stores it, in float32; None for NaN, which does not equal itself."""
    if math.isnan(point.value):
        return point.step, None
    try:
        return point.step, struct.unpack("f", struct.pack("f", point.value))[0]
    except OverflowError:
        return point.step, math.copysign(math.inf, point.value)


def _shown(value: float | None) -> str:
    return "nan" if value is None else shown(value)


def _finding(
    tag: str, code: str, problem: str, events: Sequence[LogEvent], case: CaseFacts
) -> Finding:
    places = [event.location for event in events if event.name in (tag, _stem(tag))]
    text = f"the event file does not hold {tag!r} as it was logged: {problem}"
    remedy = (
        "write each tag in one way only, with self.log or with the logger, always at "
        "self.global_step"
    )
    # A measured value under the key `step` is on no curve, which a script could read back.
    script = "" if tag == "step" else points(case.building, text, tag, axis=code != "event-file")
    return found(case, code, text, remedy, places[0] if places else None, script=script)
