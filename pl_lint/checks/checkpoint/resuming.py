"""``fit(ckpt_path=...)``: does a resumed fit end as the one that was never interrupted?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pl_lint.checks.checkpoint.script import resumed as resumed_script
from pl_lint.checks.checkpoint.wording import (
    EQUAL_BITS,
    SAVE_STATE,
    SET_MODE,
    WORLD,
    at_line,
    differing,
    essence,
    is_refusal,
    place_of,
    refused,
    remedy_for,
)
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.numbers import FLOAT32, same, tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, Note, RunError, sentence
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Evidence, Finding

_CALL = "fit(ckpt_path=...)"
_NO_MIDDLE = "there is no middle to resume from"
_CALLBACK = "callback "
_MODE = "mode of "
_GONE = "and gone"
"""Only modes that are another than that of the module around them are noted."""
_NOT_STARTED = "and Lightning calls no on_train_epoch_start in an epoch that it goes on with"
_LIGHTNINGS = (
    "checkpoints are saved inside an epoch: Lightning does not keep the place in a plain "
    "DataLoader, and a resumed fit reads the first samples of its epoch again; here pl-lint kept it"
)
_OTHER_RUN = "is not the run that was interrupted"
_PAIR_HOOKS = "write on_load_checkpoint beside on_save_checkpoint, with the same keys"
_SEED_DATA = (
    "draw what is random in the data from the generators that Lightning seeds, or from the epoch "
    "and the index: a generator of the data set's own starts anew with a resumed run"
)


@dataclass(frozen=True)
class Moment:
    """Where a fit was interrupted: its name in the diary, and what may be compared after it.

    Averages over an epoch that was interrupted are lost in Lightning's own hands: inside an epoch
    only what validation logs is held against the whole fit.
    """

    name: str
    words: str
    stages: tuple[str, ...]


_EPOCH_END = Moment("epoch 1", "after an epoch", ("train", "validate"))
_MIDDLE = Moment("middle", "inside an epoch", ("validate",))


def judge_resuming(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    whole = runs.fit()
    if whole.epochs_run < whole.epochs_planned:
        into.undecided.append(Note("resuming", f"the fit stopped after {whole.epochs_run} epoch"))
        return
    record = runs.resumed()
    if record.refused is not None:
        _add(refused(case, _CALL, record.refused), into)
    if record.from_epoch is None:
        into.undecided.append(Note("resuming", "the fit left no checkpoint of its first epoch"))
        return
    if record.from_epoch.error is not None:
        _add(_resume_error(record.from_epoch.error, case), into)
        return
    if any(watcher.by_steps for watcher in whole.watchers):
        into.notes.append(sentence(_LIGHTNINGS))
    said = _judge_from(_EPOCH_END, record.from_epoch, _NOTHING, runs, case, into)
    if record.from_middle is None:
        into.untriggered.append(Note("resuming inside an epoch", _NO_MIDDLE))
    elif record.from_middle.error is not None:
        _add(_crash_in_the_middle(record.from_middle, record.from_middle.error, whole, case), into)
    else:
        _judge_from(_MIDDLE, record.from_middle, said, runs, case, into)


def _add(finding: Finding, into: Gathering) -> None:
    """Unless loading has found the same."""
    if finding.code not in {each.code for each in into.findings}:
        into.findings.append(finding)


@dataclass(frozen=True)
class _Said:
    """What was found or noted to be lost already: not to be said again."""

    found: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    unnamed: bool = False


_NOTHING = _Said()


def _judge_from(
    moment: Moment, resumed: FitRecord, said: _Said, runs: Runs, case: CaseFacts, into: Gathering
) -> _Said:
    whole = runs.fit()
    differences = differing(_state(whole, moment), _state(resumed, moment), "after resuming")
    lost = {name: text for name, text in differences.items() if not name.startswith(_MODE)}
    modes = [
        text.replace(_GONE, "and that of the rest of the module")
        for name, text in differences.items()
        if name.startswith(_MODE)
    ]
    values = _changed_values(whole, resumed, moment)
    changed = {value.key for value in values}
    equal = whole.digests == resumed.digests
    if equal and not (lost and changed):
        into.passed += bool(whole.steps)
        into.notes += [
            sentence(
                f"lost on resume {moment.words}, to no effect here: {text}"
                f"{at_line(name, whole.places)}"
            )
            for name, text in lost.items()
            if name not in said.found | said.noted
        ]
        return _Said(noted=frozenset(lost))
    again = runs.fit_again()
    chance = differing(_state(whole, moment), _state(again, moment), "")
    by_chance = changed and changed <= {v.key for v in _changed_values(whole, again, moment)}
    if whole.digests != again.digests or (equal and by_chance):
        into.undecided.append(Note("resuming", "the module is not reproducible to begin with"))
        return _Said(noted=frozenset(lost))
    news = {n: text for n, text in lost.items() if n not in chance and n not in said.found}
    batch = _first_batch(whole, resumed)
    if moment is _MIDDLE and batch and not said.unnamed:  # its data were not gone on with
        into.undecided.append(Note(f"resuming {moment.words}", f"{batch} has other data"))
    elif news and batch and moment is _EPOCH_END and not _half_saved(news, whole):
        into.findings.append(_other_data(batch, news, case, values[:1]))
    elif news:
        into.findings += _lost_state(moment, news, whole, case, values[:1])
    elif not lost and not said.unnamed:
        _judge_unnamed(moment, modes, whole, resumed, case, into, values[:1])
    return _Said(found=frozenset(lost), unnamed=not lost)


def _state(record: FitRecord, moment: Moment) -> Mapping[str, str]:
    return record.states.get(moment.name, {})


def _call(event: LogEvent) -> tuple[str, int, int, str]:
    return event.stage, event.epoch, event.batch, event.name


def _changed_values(whole: FitRecord, other: FitRecord, moment: Moment) -> tuple[Evidence, ...]:
    """What was logged with another value after the first epoch: of single steps, where equal bits
    are asked for, and of epochs."""
    values = {(each.stage, each.epoch): each.values for each in other.epochs}
    steps = {_call(event): event.value for event in other.events if event.epoch}
    by_step = [
        (event.name, event.value, steps[_call(event)], 0.0)
        for event in whole.events
        if event.epoch and event.stage in moment.stages and _call(event) in steps
    ]
    by_epoch = [
        (name, value, values[each.stage, each.epoch][name], tolerance(value))
        for each in whole.epochs
        if each.epoch and each.stage in moment.stages
        for name, value in each.values.items()
        if name in values.get((each.stage, each.epoch), {})
    ]
    return tuple(
        _evidence(name, value, true, within, moment)
        for name, true, value, within in by_epoch + by_step
        if true is not None and value is not None and not same(value, true, within)
    )


def _evidence(name: str, value: float, true: float, within: float, moment: Moment) -> Evidence:
    return Evidence(
        key=name,
        logged=value,
        true=true,
        tolerance=within,
        world=WORLD,
        how=f"a two-epoch fit resumed {moment.words}; the truth is the one never interrupted",
        cause="state that the checkpoint does not have",
        because=FLOAT32 if within else EQUAL_BITS,
    )


def _crash_in_the_middle(
    resumed: FitRecord, error: RunError, whole: FitRecord, case: CaseFacts
) -> Finding:
    """State that each epoch makes anew is not there where Lightning goes on inside of one."""
    lost = differing(_state(whole, _MIDDLE), _state(resumed, _MIDDLE), "after resuming")
    told = sorted(lost, key=lambda name: name.rpartition(".")[2] not in error.message)
    named = {name: lost[name] for name in told if not name.startswith(_MODE)}
    if not named or is_refusal(error):
        return _resume_error(error, case)
    text = (
        f"a run resumed {_MIDDLE.words} raised {error.kind}: {essence(error)}; "
        f"{', '.join(list(named.values())[:3])}, {_NOT_STARTED}"
    )
    return found(case, "LTN310", text, remedy_for(named), place_of(named, whole.places))


def _resume_error(error: RunError, case: CaseFacts) -> Finding:
    if is_refusal(error):
        return refused(case, _CALL, error)
    text = f"{_CALL} raised {error.kind}: {essence(error)}"
    return found(
        case, "checkpoint", text, "resume it by hand with fit(ckpt_path=...) to see the traceback"
    )


def _lost_state(
    moment: Moment,
    lost: Mapping[str, str],
    whole: FitRecord,
    case: CaseFacts,
    evidence: tuple[Evidence, ...],
) -> Iterator[Finding]:
    """The module's state and that of its callbacks, each in a finding of its own."""
    prefix = f"a run resumed {moment.words} {_OTHER_RUN}: "
    of_callbacks = {n: text for n, text in lost.items() if n.startswith(_CALLBACK)}
    others = {n: text for n, text in lost.items() if n not in of_callbacks}
    if others:
        code = "LTN311" if whole.unpaired else "LTN310"
        remedy = _PAIR_HOOKS if whole.unpaired else remedy_for(others)
        hint = f" ({whole.unpaired})" if whole.unpaired else ""
        text = prefix + ", ".join(list(others.values())[:3]) + hint
        place, script = place_of(others, whole.places), _script(moment, text, case, others)
        yield found(case, code, text, remedy, place, evidence, script=script)
    if of_callbacks:
        text = prefix + ", ".join(list(of_callbacks.values())[:3])
        place = place_of(of_callbacks, whole.places)
        remedy, script = remedy_for(of_callbacks), _script(moment, text, case, of_callbacks)
        yield found(case, "LTN311", text, remedy, place, evidence, script=script)


def _half_saved(lost: Mapping[str, str], whole: FitRecord) -> bool:
    """Whether something of it was meant to be saved, or is a callback's: curricula often are."""
    return bool(whole.unpaired) or any(name.startswith(_CALLBACK) for name in lost)


def _other_data(
    batch: str, lost: Mapping[str, str], case: CaseFacts, evidence: tuple[Evidence, ...]
) -> Finding:
    """What was lost may not be why: a generator in the data set begins anew with a resumed run."""
    prefix = f"a run resumed {_EPOCH_END.words} {_OTHER_RUN}"
    text, remedy = f"{prefix}: {batch} has other data, from the same samples", _SEED_DATA
    if lost:
        text += "; lost as well: " + ", ".join(list(lost.values())[:3])
        remedy += f"; where they follow what was lost, {remedy_for(lost)}"
    return found(case, "LTN310", text, remedy, None, evidence)


def _judge_unnamed(
    moment: Moment,
    modes: Sequence[str],
    whole: FitRecord,
    resumed: FitRecord,
    case: CaseFacts,
    into: Gathering,
    evidence: tuple[Evidence, ...],
) -> None:
    """Other weights, and nothing that was looked at was lost but modes, which no checkpoint has.
    Inside an epoch the modes are Lightning's doing: it does not call the hook that sets them."""
    prefix, batch = f"a run resumed {moment.words} {_OTHER_RUN}", _first_batch(whole, resumed)
    step = f"other weights, first at {_first_step(whole, resumed)}"
    if batch:
        into.findings.append(_other_data(batch, {}, case, evidence))
    elif moment is _EPOCH_END:
        text = f"{prefix}: {'; '.join([step, *modes[:1]])}"
        remedy = SET_MODE if modes else SAVE_STATE
        place = next((change.location for change in whole.training.mode_changes), None)
        at = place if modes else None
        script = _script(moment, text, case)
        into.findings.append(found(case, "LTN310", text, remedy, at, evidence, script=script))
    elif modes:
        into.notes.append(Note(prefix, f"{modes[0]}, {_NOT_STARTED}"))
    else:
        into.undecided.append(Note(prefix, f"{step}, and nothing is known to be lost"))


def _script(moment: Moment, text: str, case: CaseFacts, lost: Iterable[str] = ()) -> str:
    """Inside an epoch there is none: see ``script``."""
    return resumed_script(case.building, text, next(iter(lost), "")) if moment is _EPOCH_END else ""


def _first_batch(whole: FitRecord, resumed: FitRecord) -> str:
    """The first training batch that holds something else; nothing where none does."""
    theirs = {(batch.epoch, batch.batch): batch.parts for batch in resumed.begun}
    other = (b for b in whole.begun if theirs.get((b.epoch, b.batch), b.parts) != b.parts)
    return next((f"batch {batch.batch} of epoch {batch.epoch}" for batch in other), "")


def _first_step(whole: FitRecord, resumed: FitRecord) -> str:
    again = {step.step: step for step in resumed.steps}
    for step in whole.steps:
        other = again.get(step.step)
        if other is not None and other.digests != step.digests:
            name = next(k for k, v in step.digests.items() if other.digests.get(k) != v)
            return f"step {step.step} in {name!r}"
    return "the end of the fit"
