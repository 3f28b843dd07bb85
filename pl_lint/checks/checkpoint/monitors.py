"""What watches a key: does it find it, and does it keep what is best by it?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import ABSOLUTE, RELATIVE, same, shown, tolerance
from pl_lint.facts import torchmetrics
from pl_lint.facts.directions import higher_by_name
from pl_lint.facts.events import CaseFacts, Note, sentence
from pl_lint.facts.records import FitRecord, PlantedRecord
from pl_lint.facts.watchers import (
    CHECKPOINT,
    STOPPER,
    PlantedFile,
    PlantedKeeper,
    PlantedKey,
    PlantedOffer,
    Reaction,
    Watcher,
)
from pl_lint.findings import Evidence, Finding, Location, Status

_PLANTED = "planted scores, 4 epochs of 4 steps"
_AS_PLANTED = (
    f"{RELATIVE:g} of the score, and {ABSOLUTE:g}: a planted score comes back as it was given, but "
    "for the digits that float32 does not have"
)
_STALE = (
    "save after validation: leave every_n_train_steps out and let val_check_interval decide when, "
    "with save_on_train_epoch_end=False"
)


def judge_monitors(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    fit = runs.fit()
    if not fit.watchers:
        return
    for watcher in fit.watchers:
        into.passed += watcher.key is not None and not watcher.missing
        later = _logged_later(watcher, fit)
        if later is not None:
            into.undecided.append(
                sentence(
                    f"{watcher.name} watches {watcher.key!r}, which is logged at line {later.line}"
                    ": two short epochs did not come to it"
                )
            )
        else:
            into.findings += _never_logged(watcher, case)
        if not watcher.missing and watcher.kind != CHECKPOINT:
            into.findings += _wrong_direction(watcher, fit, None, case)
    if any(watcher.kind == CHECKPOINT for watcher in fit.watchers):
        _judge_keepers(runs, fit, case, into)
    _judge_scores(runs, fit, case, into)
    _note_weights(fit, into)


def _judge_keepers(runs: Runs, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    record = runs.planted()
    if record.error is not None:
        into.undecided.append(Note("checkpoint callbacks under planted scores", str(record.error)))
        return
    missing = {watcher.key for watcher in fit.watchers if watcher.missing}
    into.findings += _other_than_best(record, case)
    for keeper in record.keepers:
        into.findings += _file_names(keeper, fit.watchers[0].available, case)
        if keeper.watcher.key is None or keeper.watcher.key in missing:
            continue
        if len(set(_scores(keeper))) < 2 or keeper.best is None:
            into.untriggered.append(
                sentence(f"{keeper.watcher.name} saved nothing under planted scores")
            )
            continue
        into.passed += 1
        into.findings += _wrong_direction(keeper.watcher, fit, keeper, case)
        into.findings += _stale_scores(keeper, fit, case)
        into.findings += _not_the_best(keeper, case)


# --- keys -----------------------------------------------------------------------------------------


def _logged_later(watcher: Watcher, fit: FitRecord) -> Location | None:
    """A call that could log a missing key and was not made: after the fifth epoch, say."""
    ran = [event.location for event in fit.events]
    for site in watcher.sites:
        if not any(site.covers(place.line) and place.path == site.path for place in ran):
            return site
    return None


def _never_logged(watcher: Watcher, case: CaseFacts) -> Iterator[Finding]:
    if watcher.key is None or not watcher.missing:
        return
    near = difflib.get_close_matches(watcher.key, watcher.available, n=1, cutoff=0.6)
    end = (
        "Lightning ends the fit for it after the first epoch"
        if watcher.raises
        else "and nothing says so: no checkpoint is saved"
        if watcher.kind == CHECKPOINT
        else "and nothing says so"
    )
    text = (
        f"{watcher.name} watches {watcher.key!r}, which is never logged in two short epochs; {end}"
    )
    text += f"; did you mean {near[0]!r}?" if near else ""
    remedy = f"watch {near[0]!r}" if near else f"log {watcher.key!r} with self.log"
    yield found(case, "LTN302", text, remedy, watcher.location)


# --- modes ----------------------------------------------------------------------------------------


def _wrong_direction(
    watcher: Watcher, fit: FitRecord, keeper: PlantedKeeper | None, case: CaseFacts
) -> Iterator[Finding]:
    """By what torchmetrics says of the object behind the key; by its name, only a suspicion."""
    assert watcher.key is not None
    metric = _metric_of(watcher.key, fit)
    stated = torchmetrics.higher_is_better(metric) if metric else None
    higher = higher_by_name(watcher.key) if stated is None else stated
    if higher is None or watcher.mode == ("max" if higher else "min"):
        return
    why = f"torchmetrics' {metric} says so" if stated is not None else "by its name"
    better = "higher" if higher else "lower"
    does = "stops while it gets better" if watcher.kind == STOPPER else "takes the worse for better"
    text = f"{watcher.name}(monitor={watcher.key!r}, mode={watcher.mode!r}): {better} is better "
    reaction = watcher.rising if higher else watcher.falling
    evidence = _kept_evidence(watcher.key, higher, keeper) if keeper else ()
    if evidence:
        kept, true = evidence[0].logged, evidence[0].true
        does = f"of planted scores it kept {shown(kept)} and not {shown(true)}"
    elif reaction is not None:
        does, evidence = _reacts(watcher.key, reaction, higher)
    yield found(
        case,
        "LTN301",
        f"{text}({why}); {does}",
        f"mode={'max' if higher else 'min'!r}",
        watcher.location,
        evidence,
        Status.PROVED if stated is not None else Status.SUSPECTED,
    )


def _metric_of(key: str, fit: FitRecord) -> str:
    """The class of the torchmetrics object that the logged value comes from; empty for others."""
    keys = (PlantedKey.of_metric(replay.name, replay.stage, True, True) for replay in fit.replays)
    pairs = zip(fit.replays, keys, strict=True)
    found_classes = {replay.metric_class for replay, one in pairs if key in one.metrics}
    return found_classes.pop() if len(found_classes) == 1 else ""


def _kept_evidence(key: str, higher: bool, keeper: PlantedKeeper) -> tuple[Evidence, ...]:
    best = keeper.best.score if keeper.best else None
    if best is None:
        return ()
    true = max(_scores(keeper)) if higher else min(_scores(keeper))
    how = "offered " + ", ".join(shown(score) for score in _scores(keeper))
    return _of_planted(key, best, true, how)


def _reacts(key: str, reaction: Reaction, higher: bool) -> tuple[str, tuple[Evidence, ...]]:
    """What it does about planted scores that get better and better."""
    first, last = reaction.scores[0], reaction.scores[-1]
    move = "rises" if higher else "falls"
    does = "stops"
    if reaction.rates is not None:
        before, after = reaction.rates
        does = f"cuts the rate from {shown(before)} to {shown(after)}"
    true = reaction.scores[reaction.after - 1]
    how = (
        f"planted, it {move} from {shown(first)} to {shown(last)} in {len(reaction.scores)} epochs"
    )
    evidence = Evidence(
        key, reaction.best, true, tolerance(true), "planted scores", how, because=_AS_PLANTED
    )
    text = f"{how}: it takes {shown(reaction.best)} for the best and {does} after epoch "
    return f"{text}{reaction.after}, at {shown(true)}", (evidence,)


def _of_planted(key: str, logged: float, true: float, how: str) -> tuple[Evidence, ...]:
    return (Evidence(key, logged, true, tolerance(true), _PLANTED, how, because=_AS_PLANTED),)


def _scores(keeper: PlantedKeeper) -> list[float]:
    return [offer.score for offer in keeper.offers]


# --- scores ---------------------------------------------------------------------------------------


def _judge_scores(runs: Runs, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    """Does a checkpoint score what it was chosen for? The first epoch's: nothing that a module
    remembers of earlier epochs is in its values."""
    record = runs.reloaded()
    first, again = record.first, record.first_again
    logged = next((e.values for e in fit.epochs if (e.stage, e.epoch) == ("validate", 0)), {})
    keepers = [watcher for watcher in fit.watchers if watcher.kind == CHECKPOINT]
    for watcher in keepers:
        key = watcher.key
        if key is None or key not in logged or key not in first.values or first.error is not None:
            continue
        chosen, value = logged[key], first.values[key]
        if same(chosen, value, tolerance(value)):
            into.passed += 1
        elif not same(value, again.values.get(key, value), tolerance(value)):
            into.undecided.append(
                sentence(f"{key!r} differs between two validations of one checkpoint")
            )
        elif same(chosen, record.first_restored.values.get(key, value), tolerance(chosen)):
            into.notes.append(
                sentence(
                    f"{watcher.name} judges a checkpoint by {key!r} = {shown(chosen)}, the score "
                    "of weights that a callback holds and saves as its state; load_from_checkpoint "
                    f"gives others, which score {shown(value)}"
                )
            )
        elif not _explained(runs, key, value, into):
            into.findings.append(_other_score(watcher, chosen, value, case))


def _explained(runs: Runs, key: str, value: float, into: Gathering) -> bool:
    """Whether another mistake has been found that changes the value, or the sanity check does."""
    if any(finding.code in ("LTN306", "LTN310", "LTN311") for finding in into.findings):
        return True
    clean = runs.fit_without_sanity_check()
    values = next((e.values for e in clean.epochs if (e.stage, e.epoch) == ("validate", 0)), {})
    return same(values.get(key, value), value, tolerance(value))


def _other_score(watcher: Watcher, chosen: float, value: float, case: CaseFacts) -> Finding:
    text = (
        f"{watcher.name} judges a checkpoint by {watcher.key!r} = {shown(chosen)}; loaded again, "
        f"it scores {shown(value)}: other weights were validated than were saved"
    )
    evidence = compared(str(watcher.key), chosen, value, how="the first epoch")
    remedy = (
        "save the weights that are validated (lightning.pytorch.callbacks.WeightAveraging does)"
    )
    return found(case, "checkpoint", text, remedy, watcher.location, (evidence,))


# --- files ----------------------------------------------------------------------------------------


def _stale_scores(keeper: PlantedKeeper, fit: FitRecord, case: CaseFacts) -> Iterator[Finding]:
    """Only a value of validation belongs to weights: one of training belongs to its batches."""
    watcher = keeper.watcher
    assert watcher.key is not None
    stages = {event.stage for event in fit.events if event.name == watcher.key}
    if stages != {"validate"}:
        return
    stale = [offer for offer in keeper.offers if _is_stale(offer)]
    if not stale:
        return
    offer = stale[-1]
    text = (
        f"{watcher.name} saves by steps and watches {watcher.key!r}, which validation logs: the "
        f"weights of step {offer.step} were judged by {shown(offer.score)}, the score of earlier "
        f"weights; they score {shown(offer.true)}"
    )
    evidence = Evidence(
        watcher.key,
        offer.score,
        offer.true,
        tolerance(offer.true),
        _PLANTED,
        f"{len(stale)} of {len(keeper.offers)} times",
        "the value of an earlier validation",
        _AS_PLANTED,
    )
    status = Status.SUSPECTED if watcher.keeps_all else Status.PROVED
    text += "; it keeps all of them, and only their names may be wrong" if watcher.keeps_all else ""
    yield found(case, "LTN305", text, _STALE, watcher.location, (evidence,), status)


def _is_stale(judged: PlantedFile | PlantedOffer) -> bool:
    return judged.score is not None and not same(judged.score, judged.true, tolerance(judged.true))


def _not_the_best(keeper: PlantedKeeper, case: CaseFacts) -> Iterator[Finding]:
    """The file that is called the best does not hold the best: another one was written over it."""
    best = keeper.best
    if best is None or best.score is None or keeper.watcher.by_steps:
        return
    written = [file for file in keeper.files if file.path == best.path and file.over]
    if written and _is_stale(best):
        text = (
            f"{keeper.watcher.name} keeps its best in {best.path}, and {written[-1].over} writes "
            f"there too: the file holds weights that score {shown(best.true)}, not "
            f"{shown(best.score)}"
        )
        how = f"what {best.path} is said to score, and what the weights in it score"
        evidence = _of_planted(str(keeper.watcher.key), best.score, best.true, how)
        remedy, place = "give each a filename of its own", keeper.watcher.location
        yield found(case, "checkpoint", text, remedy, place, evidence)


def _other_than_best(record: PlantedRecord, case: CaseFacts) -> Iterator[Finding]:
    """``test(ckpt_path="best")`` asks the first of the checkpoint callbacks (``_select_ckpt_path``
    in ``connectors/checkpoint_connector.py``)."""
    first = next(iter(record.keepers), None)
    if first is None or first.watcher.key is None or record.restored is None or first.best is None:
        return
    if not same(record.restored, first.best.true, tolerance(first.best.true)):
        text = (
            f'test(ckpt_path="best") loads weights that score {shown(record.restored)}, and the '
            f"best of {first.watcher.name} score {shown(first.best.true)}"
        )
        how = "the weights that are tested, and the best of those saved"
        evidence = _of_planted(first.watcher.key, record.restored, first.best.true, how)
        remedy, place = "load best_model_path by its name", first.watcher.location
        yield found(case, "checkpoint", text, remedy, place, evidence)


def _file_names(
    keeper: PlantedKeeper, available: Sequence[str], case: CaseFacts
) -> Iterator[Finding]:
    watcher = keeper.watcher
    nested = next((file for file in keeper.files if "/" in file.path.replace("\\", "/")), None)
    if nested is not None and "/" not in _literal(keeper.template):
        yield found(
            case,
            "LTN303",
            f"{watcher.name}(filename={keeper.template!r}) makes a folder for each checkpoint: "
            f"{nested.path}",
            "write the name yourself, val_acc={val/acc:.2f}, with auto_insert_metric_name=False",
            watcher.location,
        )
    absent = next((file for file in keeper.files if file.absent), None)
    if absent is not None:
        near = difflib.get_close_matches(absent.absent[0], available, n=1, cutoff=0.6)
        yield found(
            case,
            "LTN304",
            f"{watcher.name}(filename={keeper.template!r}) writes 0 for {absent.absent[0]!r}, "
            f"which has no value there: {absent.path}",
            f"write {{{near[0]}}}" if near else "use a key that is logged",
            watcher.location,
        )


def _literal(template: str) -> str:
    """A file name without its fields: a slash there is a folder that was meant."""
    return "".join(part.rpartition("}")[2] for part in template.split("{"))


def _note_weights(fit: FitRecord, into: Gathering) -> None:
    keepers = [watcher for watcher in fit.watchers if watcher.kind == CHECKPOINT]
    if keepers and all(watcher.weights_only for watcher in keepers):
        into.notes.append(
            sentence(
                "every checkpoint is saved with save_weights_only=True: none of them can be resumed"
            )
        )
