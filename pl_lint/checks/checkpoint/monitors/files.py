"""Files written under planted scores: whose weights they hold, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.checks.checkpoint.monitors.planted import evidence_of, is_stale
from pl_lint.checks.proving import found
from pl_lint.checks.values.numbers import same, shown, tolerance
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import FitRecord, PlantedRecord
from pl_lint.facts.spelling import nearest_key
from pl_lint.facts.watchers import PlantedFile, PlantedKeeper
from pl_lint.findings import Finding, Status

_STALE = (
    "save after validation: leave every_n_train_steps out and let val_check_interval decide when, "
    "with save_on_train_epoch_end=False"
)


def judge_files(keeper: PlantedKeeper, fit: FitRecord, case: CaseFacts) -> Iterator[Finding]:
    """The weights in the files of one callback."""
    yield from _stale_scores(keeper, fit, case)
    yield from _not_the_best(keeper, case)


def _stale_scores(keeper: PlantedKeeper, fit: FitRecord, case: CaseFacts) -> Iterator[Finding]:
    """Only a value of validation belongs to weights: one of training belongs to its batches."""
    watcher = keeper.watcher
    stages = {event.stage for event in fit.events if event.name == watcher.key}
    stale = [offer for offer in keeper.offers if is_stale(offer)]
    if stages != {"validate"} or not stale:
        return
    offer = stale[-1]
    text = (
        f"{watcher.name} saves by steps and watches {watcher.key!r}, which validation logs: the "
        f"weights of step {offer.step} were judged by {shown(offer.score)}, the score of earlier "
        f"weights; they score {shown(offer.true)}"
    )
    text += "; it keeps all of them, and only their names may be wrong" if watcher.keeps_all else ""
    how, cause = f"{len(stale)} of {len(keeper.offers)} times", "the value of an earlier validation"
    evidence = evidence_of(str(watcher.key), offer.score, offer.true, how, cause)
    status = Status.SUSPECTED if watcher.keeps_all else Status.PROVED
    yield found(case, "LTN305", text, _STALE, watcher.location, (evidence,), status)


def _not_the_best(keeper: PlantedKeeper, case: CaseFacts) -> Iterator[Finding]:
    """The file that is called the best does not hold the best: another one was written over it."""
    best = keeper.best
    if best is None or best.score is None or keeper.watcher.by_steps:
        return
    written = [file for file in keeper.files if file.path == best.path and file.over]
    if written and is_stale(best):
        text = (
            f"{keeper.watcher.name} keeps its best in {best.path}, and {written[-1].over} writes "
            f"there too: the file holds weights that score {shown(best.true)}, not "
            f"{shown(best.score)}"
        )
        how = f"what {best.path} is said to score, and what the weights in it score"
        evidence = evidence_of(str(keeper.watcher.key), best.score, best.true, how)
        remedy, place = "give each a filename of its own", keeper.watcher.location
        yield found(case, "checkpoint", text, remedy, place, (evidence,))


def judge_kept_best(record: PlantedRecord, case: CaseFacts) -> Iterator[Finding]:
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
        evidence = evidence_of(first.watcher.key, record.restored, first.best.true, how)
        remedy, place = "load best_model_path by its name", first.watcher.location
        yield found(case, "checkpoint", text, remedy, place, (evidence,))


# --- names ----------------------------------------------------------------------------------------


def judge_file_names(
    keeper: PlantedKeeper, available: Sequence[str], case: CaseFacts
) -> Iterator[Finding]:
    nested = next((file for file in keeper.files if "/" in file.path.replace("\\", "/")), None)
    if nested is not None and "/" not in _literal(keeper.template):
        yield _folders(keeper, nested, case)
    absent = next((file for file in keeper.files if file.absent), None)
    if absent is not None:
        yield _zero(keeper, absent, available, case)


def _literal(template: str) -> str:
    """A file name without its fields: a slash there is a folder that was meant."""
    return "".join(part.rpartition("}")[2] for part in template.split("{"))


def _folders(keeper: PlantedKeeper, nested: PlantedFile, case: CaseFacts) -> Finding:
    text = (
        f"{keeper.watcher.name}(filename={keeper.template!r}) makes a folder for each checkpoint: "
        f"{nested.path}"
    )
    remedy = "write the name yourself, val_acc={val/acc:.2f}, with auto_insert_metric_name=False"
    return found(case, "LTN303", text, remedy, keeper.watcher.location)


def _zero(
    keeper: PlantedKeeper, absent: PlantedFile, available: Sequence[str], case: CaseFacts
) -> Finding:
    near = nearest_key(absent.absent[0], available)
    text = (
        f"{keeper.watcher.name}(filename={keeper.template!r}) writes 0 for {absent.absent[0]!r}, "
        f"which has no value there: {absent.path}"
    )
    remedy = f"write {{{near}}}" if near else "use a key that is logged"
    return found(case, "LTN304", text, remedy, keeper.watcher.location)
