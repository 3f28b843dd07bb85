"""Lost state that nobody should save: what an epoch leaves behind for the next one by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pl_lint.checks.checkpoint.wording import LAYERS, remedy_for
from pl_lint.facts.records import FitRecord
from pl_lint.facts.training import Kept

_ANEW = "where its epoch begins (on_train_epoch_start, on_validation_epoch_start)"


def remedy_of(lost: Iterable[str], fit: FitRecord, only_logged: bool) -> str:
    """What to write instead. What grows for ever is to be cleared: to save it would save the
    mistake. Where the weights are not touched by what was lost (``only_logged``), only the author
    knows whether a count or a sum was to be one of the whole training."""
    names, known = list(lost), never_cleared(fit)
    grown = [name for name in names if name in known]
    others = [name for name in names if name not in known]
    if grown and not others:
        return _clear(grown)
    keep = remedy_for(others)
    counted = [name for name in others if not name.startswith(LAYERS)]
    if only_logged and (counted or not others):
        what = " and ".join(counted) or "what it is made of"
        keep = f"set {what} back {_ANEW} if it is to hold one epoch; if not, {keep}"
    return "; ".join([_clear(grown), keep]) if grown else keep


def _clear(names: Sequence[str]) -> str:
    return (
        f"clear {' and '.join(names)} {_ANEW}: then nothing of it is lost; only a buffer that is "
        "meant to fill belongs in the checkpoint"
    )


def never_cleared(fit: FitRecord) -> dict[str, Kept]:
    """Tensors that are gathered from epoch to epoch (LTN719), by the names that lost state has."""
    return {
        f"callback {kept.owner}.{kept.attribute}" if kept.owner else f"self.{kept.attribute}": kept
        for kept in fit.training.kept
        if kept.tensors and 0 < kept.sizes[0] < kept.sizes[1]
        if not kept.shortened and not kept.renewed
    }


def causes(names: Iterable[str], fit: FitRecord) -> str:
    """That it is never cleared, with the numbers, for a sentence about what was lost."""
    known = never_cleared(fit)
    sizes = ((name, known[name].sizes) for name in names if name in known)
    return "".join(
        f"; {name} is never cleared: {first} values after the first epoch, {last} after the second"
        for name, (first, last) in sizes
    )
