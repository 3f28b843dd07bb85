"""``fit(ckpt_path=...)``: does a resumed fit end as the one that was never interrupted?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pl_lint.checks.checkpoint.carried import causes, remedy_of
from pl_lint.checks.checkpoint.deciding import Deciding, Put, deciding
from pl_lint.checks.checkpoint.left_over import left_over_keys
from pl_lint.checks.checkpoint.resumption import EPOCH_END, MIDDLE, Resumption
from pl_lint.checks.checkpoint.script import resumed as resumed_script
from pl_lint.checks.checkpoint.wording import (
    SAVE_STATE,
    SET_MODE,
    at_line,
    essence,
    is_refusal,
    listed,
    place_of,
    refused,
    remedy_for,
)
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.facts.events import CaseFacts, Note, RunError, sentence
from pl_lint.facts.records import FitRecord, ResumeRecord
from pl_lint.facts.watchers import CHECKPOINT
from pl_lint.findings import Finding, Status

_CALL = "fit(ckpt_path=...)"
_NO_MIDDLE = "there is no middle to resume from"
_ANEW = "this Lightning begins an interrupted epoch once more, which newer ones do not"
_CALLBACK = "callback "
_NOT_STARTED = "and Lightning calls no on_train_epoch_start in an epoch that it goes on with"
_LIGHTNINGS = (
    "checkpoints are saved inside an epoch: Lightning does not keep the place in a plain "
    "DataLoader, and a resumed fit reads the first samples of its epoch again; here pl-lint kept it"
)
_SET_AT_START = "give it a value in on_train_start, too, which a resumed fit comes by"
_IF_INSIDE = (
    "a checkpoint is saved inside an epoch: every_n_train_steps, train_time_interval, or several "
    "validations in an epoch"
)
_OTHER_RUN = "is not the run that was interrupted"
_PAIR_HOOKS = "write on_load_checkpoint beside on_save_checkpoint, with the same keys"
_RESTORE_MODE = (
    "no checkpoint holds modes: leave them to Lightning, or restore the one that you found"
)
_SEED_DATA = (
    "draw what is random in the data from the generators that Lightning seeds, or from the epoch "
    "and the index: a generator of the data set's own starts anew with a resumed run"
)


@dataclass(frozen=True)
class _Said:
    """What was found or noted to be lost already: not to be said again. ``unnamed``: the fit ended
    otherwise, and nothing was known to be lost."""

    found: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    unnamed: bool = False


def judge_resuming(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    whole = runs.fit()
    if whole.epochs_run < whole.epochs_planned:
        into.undecided.append(Note("resuming", f"the fit stopped after {whole.epochs_run} epoch"))
        return
    record = runs.resumed()
    if record.refused is not None:
        _add(refused(case, _CALL, record.refused), into)
    resumed = record.from_epoch
    if resumed is None:
        into.undecided.append(Note("resuming", "the fit left no checkpoint of its first epoch"))
    elif resumed.error is not None:
        _add(_resume_error(resumed.error, case), into)
    else:
        if any(watcher.by_steps for watcher in whole.watchers):
            into.notes.append(sentence(_LIGHTNINGS))
        said = _judge(Resumption(EPOCH_END, whole, resumed, case), _Said(), runs, into)
        _judge_middle(record, said, runs, case, into)


def _judge_middle(
    record: ResumeRecord, said: _Said, runs: Runs, case: CaseFacts, into: Gathering
) -> None:
    resumed = record.from_middle
    if record.starts_anew:
        into.undecided.append(Note("resuming inside an epoch", _ANEW))
        return
    if resumed is None:
        into.untriggered.append(Note("resuming inside an epoch", _NO_MIDDLE))
        return
    one = Resumption(MIDDLE, runs.fit(), resumed, case)
    if resumed.error is not None:
        _add(_crash_in_the_middle(one, resumed.error), into)
    else:
        _judge(one, said, runs, into)


def needed_to_go_on(runs: Runs, case: CaseFacts) -> frozenset[str]:
    """What no checkpoint has and a resumed fit is shown to need, by its name among the states: it
    goes on otherwise without it, and as it should where it is put back."""
    whole, record, needed = runs.fit(), runs.resumed(), set[str]()
    for moment, resumed in ((EPOCH_END, record.from_epoch), (MIDDLE, record.from_middle)):
        if resumed is None or resumed.error is not None:
            continue
        one = Resumption(moment, whole, resumed, case)
        if not one.is_harmless and not _decides(replace(one, resumed=runs.fit_again()), one):
            guilty = deciding(one.lost, (), _put_back(one, runs))
            needed |= {*guilty.lost} if guilty.shown else set()
    return frozenset(needed)


def _put_back(one: Resumption, runs: Runs) -> Callable[[Put], list[bool]]:
    def are_right(put: Put) -> list[bool]:
        fits = runs.resumed_with(one.moment.name, put).fits
        return [fit.error is None and replace(one, resumed=fit).is_right for fit in fits]

    return are_right


def _add(finding: Finding, into: Gathering) -> None:
    """Unless loading has found the same."""
    if finding.code not in {each.code for each in into.findings}:
        into.findings.append(finding)


def _judge(one: Resumption, said: _Said, runs: Runs, into: Gathering) -> _Said:
    """A difference counts if it has an effect, and if two whole fits do not have it."""
    if one.is_harmless:
        into.passed += bool(one.whole.steps)
        into.notes += _without_effect(one, said)
        return _Said(noted=frozenset(one.lost))
    chance = replace(one, resumed=runs.fit_again())
    if _decides(chance, one):
        into.undecided.append(Note("resuming", "the module is not reproducible to begin with"))
        return _Said(noted=frozenset(one.lost))
    if one.same_weights:
        one = replace(one, left_over=left_over_keys(runs, one.case, one.lost))
    if one.is_harmless:
        into.passed += bool(one.whole.steps)  # the weights, and every other value
        into.notes += _left_over(one, said)
        return _Said(noted=frozenset(one.lost))
    lost = {name: text for name, text in one.lost.items() if name not in chance.lost}
    _tell(one, lost, said, runs, into)
    return _Said(found=frozenset(one.lost), unnamed=not one.lost)


def _without_effect(one: Resumption, said: _Said) -> Iterator[Note]:
    for name, text in one.lost.items():
        if name not in said.found | said.noted:
            at = at_line(name, one.whole.places)
            yield sentence(f"lost on resume {one.moment.words}, to no effect here: {text}{at}")


def _left_over(one: Resumption, said: _Said) -> Iterator[Note]:
    """What ``logged-values`` fails for: to keep it in the checkpoint would keep the mistake."""
    keys = ", ".join(map(repr, sorted(replace(one, left_over=frozenset()).changed)))
    for name, text in one.lost.items():
        if name not in said.found | said.noted:
            yield sentence(
                f"lost on resume {one.moment.words}: {text}{at_line(name, one.whole.places)}; "
                f"{keys} should not hold it in another epoch either (see logged-values)"
            )


def _decides(chance: Resumption, one: Resumption) -> bool:
    """Whether two whole fits differ as the resumed one does from the first of them."""
    only_values = one.same_weights and one.changed <= chance.changed
    return not chance.same_weights or only_values


def _tell(
    one: Resumption, lost: Mapping[str, str], said: _Said, runs: Runs, into: Gathering
) -> None:
    """What a fit that ended otherwise had lost, as far as it is known and was not told before."""
    news = {name: text for name, text in lost.items() if name not in said.found}
    inside, other_data = one.moment is MIDDLE, one.other_batch
    if inside and other_data and not said.unnamed:  # its data were not gone on with
        into.undecided.append(Note(f"resuming {one.moment.words}", f"{other_data} has other data"))
    elif news and one.has_other_mode and not all(_put_back(one, runs)([[*lost]]) or [False]):
        _tell_unnamed(one, into)
    elif news and other_data and not inside and not _half_saved(one, news):
        _tell_other_data(one, news, into)
    elif news:
        _tell_lost(one, lost, said, runs, into)
    elif not one.lost and not said.unnamed:
        _tell_unnamed(one, into)


def _tell_other_data(one: Resumption, lost: Mapping[str, str], into: Gathering) -> None:
    """These fits are made without workers. Workers begin each epoch with copies of the data set, of
    which the generators stand as they stood, or are seeded by ``worker_init_fn``."""
    workers = one.whole.workers
    if not workers:
        into.findings.append(_other_data(one, lost))
        return
    text = (
        f"{one.other_batch} has other data, from the same samples, but is drawn here without the "
        f"loader's workers ({workers}), which would begin each epoch with copies of the data set"
    )
    text += f"; lost as well: {listed(lost)}" if lost else ""
    into.undecided.append(Note(f"resuming {one.moment.words}", text))


def _tell_lost(
    one: Resumption, lost: Mapping[str, str], said: _Said, runs: Runs, into: Gathering
) -> None:
    """What of it makes the difference; the rest is a note, as where nothing does."""
    guilty = deciding(lost, [name for name in lost if name in said.found], _put_back(one, runs))
    into.findings += _lost_state(one, guilty)
    into.notes += _without_effect(one, replace(said, found=said.found | {*guilty.lost}))


def _tell_unnamed(one: Resumption, into: Gathering) -> None:
    """Other weights, and nothing that was looked at was lost but modes, which no checkpoint has.
    Inside an epoch the modes are Lightning's doing: it does not call the hook that sets them."""
    prefix = f"{one.words} {_OTHER_RUN}"
    if one.other_batch:
        _tell_other_data(one, {}, into)
    elif one.moment is EPOCH_END:
        into.findings.append(_other_weights(one, prefix))
    elif one.modes:
        into.notes.append(Note(prefix, f"{one.modes[0]}, {_NOT_STARTED}"))
    else:
        step = f"other weights, first at {one.other_step}"
        into.undecided.append(Note(prefix, f"{step}, and nothing is known to be lost"))


# --- findings -------------------------------------------------------------------------------------


def _resume_error(error: RunError, case: CaseFacts) -> Finding:
    if is_refusal(error):
        return refused(case, _CALL, error)
    text = f"{_CALL} raised {error.kind}: {essence(error)}"
    return found(
        case, "checkpoint", text, "resume it by hand with fit(ckpt_path=...) to see the traceback"
    )


def _crash_in_the_middle(one: Resumption, error: RunError) -> Finding:
    """State that each epoch makes anew is not there where Lightning goes on inside of one: nothing
    that ever happens to a case which saves after its epochs only."""
    if not one.lost or is_refusal(error):
        return _resume_error(error, one.case)
    told = sorted(one.lost, key=lambda name: name.rpartition(".")[2] not in error.message)
    named = {name: one.lost[name] for name in told}
    text = f"{one.words} raised {error.kind}: {essence(error)}; {listed(named)}, {_NOT_STARTED}"
    saves = _saves_inside(one.whole)
    return found(
        one.case,
        "LTN310",
        text,
        f"{_SET_AT_START}; {remedy_for(named)}",
        place_of(named, one.whole.places),
        status=Status.PROVED if saves else Status.SUSPECTED,
        condition="" if saves else _IF_INSIDE,
    )


def _saves_inside(fit: FitRecord) -> bool:
    """Whether the case's own callbacks save between two batches: by steps or time, or after each of
    several validations of an epoch."""
    keepers = [watcher for watcher in fit.watchers if watcher.kind == CHECKPOINT]
    validations = Counter(each.epoch for each in fit.epochs if each.stage == "validate")
    often = any(count > 1 for count in validations.values())
    return any(keeper.by_steps or often for keeper in keepers)


def _lost_state(one: Resumption, guilty: Deciding) -> Iterator[Finding]:
    """The module's state and that of its callbacks, each in a finding of its own."""
    unpaired = one.whole.unpaired
    of_callbacks = [name for name in guilty.lost if name.startswith(_CALLBACK)]
    of_module = [name for name in guilty.lost if name not in of_callbacks]
    if of_module and unpaired:
        yield _lost(one, guilty.only(of_module), "LTN311", _PAIR_HOOKS, f" ({unpaired})")
    elif of_module:
        yield _lost(one, guilty.only(of_module), "LTN310", _remedy(one, of_module))
    if of_callbacks:
        yield _lost(one, guilty.only(of_callbacks), "LTN311", _remedy(one, of_callbacks))


def _remedy(one: Resumption, lost: Iterable[str]) -> str:
    return remedy_of(lost, one.whole, only_logged=one.same_weights)


def _lost(one: Resumption, guilty: Deciding, code: str, remedy: str, hint: str = "") -> Finding:
    lost = guilty.lost
    text = f"{one.words} {_OTHER_RUN}: {guilty.words}{hint}{causes(lost, one.whole)}"
    place, script = place_of(lost, one.whole.places), _script(one, text, lost)
    return found(one.case, code, text, remedy, place, one.evidence, script=script)


def _half_saved(one: Resumption, lost: Iterable[str]) -> bool:
    """Whether something of it was meant to be saved, or is a callback's: curricula often are."""
    return bool(one.whole.unpaired) or any(name.startswith(_CALLBACK) for name in lost)


def _other_data(one: Resumption, lost: Mapping[str, str]) -> Finding:
    """What was lost may not be why: a generator in the data set begins anew with a resumed run."""
    text = f"{one.words} {_OTHER_RUN}: {one.other_batch} has other data, from the same samples"
    remedy = _SEED_DATA
    if lost:
        text += f"; lost as well: {listed(lost)}"
        remedy += f"; where they follow what was lost, {remedy_for(lost)}"
    return found(one.case, "LTN310", text, remedy, None, one.evidence)


def _other_weights(one: Resumption, prefix: str) -> Finding:
    step = f"other weights, first at {one.other_step}"
    text = f"{prefix}: {'; '.join([step, *one.modes[:1]])}"
    changes = one.whole.training.mode_changes if one.modes else ()
    place = next((change.location for change in changes), None)
    set_mode = _RESTORE_MODE if one.has_other_mode else SET_MODE
    remedy, script = set_mode if one.modes else SAVE_STATE, _script(one, text)
    return found(one.case, "LTN310", text, remedy, place, one.evidence, script=script)


def _script(one: Resumption, text: str, lost: Iterable[str] = ()) -> str:
    """Inside an epoch there is none: see ``script``."""
    if one.moment is MIDDLE:
        return ""
    return resumed_script(one.case.building, text, next(iter(lost), ""))
