"""Keys that are watched or drawn: whose value is it that a monitor or a curve sees?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.logged_values.reporting import place_of, wrong_value
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import far, in_batches, same, shown, tolerance, weighted_mean
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, MonitorLook
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Finding, Location

# The fit's own checkpoints by the keys that the project's scripts watch; they may watch at other
# moments than these.
OF_SCRIPTS = "BestKeeper"


def judge_monitors(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """What every monitor of the fit saw at the end of an epoch."""
    record = runs.fit()
    for look in _last_looks(record):
        last = _LastBatch.of(look, record)
        if last is not None and far(
            look.value, last.mean, value_tolerance(case, look.key, last.mean)
        ):
            counts = look.watcher != OF_SCRIPTS or bool(runs.suspected("LTN112"))
            into.findings.append(_last_batch(look, last, counts, case))
        other = _stages_apart(look, record)
        if other is not None:
            into.findings.append(_other_stage(look, other, record, case))


def _last_looks(record: FitRecord) -> list[MonitorLook]:
    """Of each watcher and key the last look, if it was not in the middle of an epoch."""
    looks = {(look.watcher, look.key): look for look in record.looks}
    return [look for look in looks.values() if look.batch < 0]


# --- the last batch only --------------------------------------------------------------------------


class _LastBatch:
    """The values of one training epoch that are logged per step only, and their mean."""

    def __init__(self, events: Sequence[LogEvent]) -> None:
        self.events = events
        self.values = [event.value or 0.0 for event in events]
        self.sizes = [event.samples or 0 for event in events]
        self.mean = weighted_mean(self.values, self.sizes)

    @classmethod
    def of(cls, look: MonitorLook, record: FitRecord) -> _LastBatch | None:
        found = [e for e in record.events if e.name == look.key and e.epoch == look.epoch]
        per_step = [e for e in found if e.stage == "train" and e.value is not None and e.samples]
        if len(per_step) < 2 or len(per_step) < len(found) or any(e.on_epoch for e in found):
            return None
        made = cls(per_step)
        is_last = same(look.value, made.values[-1], tolerance(look.value))
        return made if is_last and not _is_counter(made.values) else None


def _is_counter(values: Sequence[float]) -> bool:
    """A step number, which checkpoints may well watch, to keep the last ones."""
    differences = [later - earlier for earlier, later in pairwise(values)]
    return max(differences) - min(differences) <= tolerance(values[-1])


def _last_batch(look: MonitorLook, last: _LastBatch, counts: bool, case: CaseFacts) -> Finding:
    evidence = compared(
        look.key,
        look.value,
        last.mean,
        how=f"epoch {look.epoch} of a fit{in_batches(last.sizes)}; the truth is the mean of its "
        f"batches, {shown(min(last.values))} to {shown(max(last.values))}",
        case=case,
    )
    cause = Cause(
        "LTN112",
        f"{_watcher(look)} sees the last batch only, for the key is logged per step",
        "log the mean of the epoch: self.log('KEY', ..., on_epoch=True)",
        counts,
    )
    return wrong_value(cause, look.key, evidence, last.events[-1].location, case)


def _watcher(look: MonitorLook) -> str:
    return "ModelCheckpoint" if look.watcher == OF_SCRIPTS else look.watcher


# --- one key of two stages ------------------------------------------------------------------------


def _stages_apart(look: MonitorLook, record: FitRecord) -> float | None:
    """Validation's value of a key, if the monitor saw that of training instead."""
    values = {
        each.stage: each.values[look.key]
        for each in record.epochs
        if each.epoch == look.epoch and look.key in each.values
    }
    if set(values) != {"train", "validate"}:
        return None
    within = tolerance(values["validate"])
    seen = same(look.value, values["train"], within)
    return values["validate"] if seen and far(look.value, values["validate"], within) else None


def _validated(look: MonitorLook, record: FitRecord) -> Sequence[int]:
    """The batches of the validation that a monitor took for another stage."""
    mine = (e for e in record.epochs if (e.stage, e.epoch) == ("validate", look.epoch))
    return next((epoch.sizes for epoch in mine), ())


_NAME_THE_STAGE = "name the stage in the key, for example 'train/KEY' and 'val/KEY'"


def _other_stage(
    look: MonitorLook, validation: float, record: FitRecord, case: CaseFacts
) -> Finding:
    cause = Cause(
        "LTN113",
        f"training logs the same key, and its mean is what {_watcher(look)} sees",
        _NAME_THE_STAGE,
    )
    evidence = compared(
        look.key,
        look.value,
        validation,
        how=f"epoch {look.epoch} of a fit{in_batches(_validated(look, record))}; the truth is the "
        "value of validation",
        case=case,
    )
    return wrong_value(
        cause, look.key, evidence, place_of(record.events, look.key, "validate", case), case
    )


def judge_curves(record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    """Training and validation in one curve: two values of one tag at one step."""
    for name in sorted(_keys_of(record, "train") & _keys_of(record, "validate")):
        clash = next(_clashes(name, record), None)
        if clash is not None:
            into.findings.append(_one_curve(name, *clash, record, case))


def _keys_of(record: FitRecord, stage: str) -> set[str]:
    return {e.name for e in record.events if e.stage == stage and not e.sanity} - {"step", "epoch"}


def _clashes(name: str, record: FitRecord) -> Iterator[tuple[int, float, float]]:
    """Step, training's value and validation's. A validation at the end of an epoch is drawn at the
    step of the last training batch."""
    points = [point for point in record.handed_to_logger if point.tag == name]
    validated = [
        e.values[name] for e in record.epochs if e.stage == "validate" and name in e.values
    ]
    for one, other in pairwise(sorted(points, key=lambda point: point.step)):
        if one.step != other.step or not far(one.value, other.value, tolerance(one.value)):
            continue
        for true, trained in ((one, other), (other, one)):
            if any(same(true.value, value, tolerance(value)) for value in validated):
                yield one.step, trained.value, true.value
                break


def _one_curve(
    name: str, step: int, trained: float, validated: float, record: FitRecord, case: CaseFacts
) -> Finding:
    evidence = compared(
        name,
        trained,
        validated,
        how=f"the curve {name!r} of a fit at step {step}; the truth is the value of validation",
    )
    cause = Cause(
        "LTN113", "training logs the same key: one curve holds the values of both", _NAME_THE_STAGE
    )
    place = _first_line(name, "validate", record) or case.home
    return wrong_value(cause, name, evidence, place, case)


def _first_line(name: str, stage: str, record: FitRecord) -> Location | None:
    return next((e.location for e in record.events if (e.name, e.stage) == (name, stage)), None)


# --- accumulated batches --------------------------------------------------------------------------


def judge_accumulation(record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    """Where batches are accumulated, Lightning draws the values of the last one of each step."""
    for name in sorted(_keys_of(record, "train")):
        events = _of_batches(name, record)
        values = [event.value for event in events if event.value is not None]
        tags = (f"{name}_step",) if any(event.on_epoch for event in events) else (name,)
        drawn = [point.value for point in record.handed_to_logger if point.tag in tags]
        if 0 < len(drawn) < len(values) and len(values) == len(events):
            finding = _subsample(name, values, drawn, events[0].location, case)
            into.findings += [finding] if finding is not None else []


def _of_batches(name: str, record: FitRecord) -> Sequence[LogEvent]:
    """One value for each batch: the last. LBFGS calls the step of one several times."""
    mine = [e for e in record.events if e.name == name and e.stage == "train" and e.on_step]
    return [*{(event.epoch, event.batch): event for event in mine}.values()]


def _subsample(
    name: str, values: Sequence[float], drawn: Sequence[float], place: Location, case: CaseFacts
) -> Finding | None:
    curve, mean = sum(drawn) / len(drawn), sum(values) / len(values)
    if not far(curve, mean, tolerance(mean)):
        return None
    evidence = compared(
        name,
        curve,
        mean,
        how="the mean of the curve of a fit; the truth is the mean of all its batches",
    )
    cause = Cause(
        "LTN128",
        f"batches are accumulated, and the curve holds {len(drawn)} of {len(values)} values, the "
        "last of each step",
        "read the epoch's value, or log the mean of the accumulated batches",
        counts=False,
    )
    return wrong_value(cause, name, evidence, place, case)
