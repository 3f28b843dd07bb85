"""Arguments of Lightning's callbacks and of ``fit`` and its kin that are gone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.lightning import EARLY_STOPPING, Version
from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Fix, RenameArgument
from pl_lint.rules.judging import is_guessed, version_at
from pl_lint.rules.loops.loaders import RUNS
from pl_lint.rules.registry import Rule, rule

CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
SEED = "lightning.pytorch.seed_everything"
CALLBACKS = (
    *("LearningRateMonitor", "TQDMProgressBar", "RichProgressBar", "StochasticWeightAveraging"),
    *("ModelSummary", "RichModelSummary", "Timer", "GradientAccumulationScheduler"),
)
CALLS = (
    *(CHECKPOINT, EARLY_STOPPING, SEED, *RUNS),
    *(f"lightning.pytorch.callbacks.{name}" for name in CALLBACKS),
)
RENAMED = {
    (CHECKPOINT, "period"): "every_n_epochs",
    (CHECKPOINT, "every_n_val_epochs"): "every_n_epochs",
    ("lightning.pytorch.Trainer.fit", "train_dataloader"): "train_dataloaders",
    ("lightning.pytorch.Trainer.test", "test_dataloaders"): "dataloaders",
    ("lightning.pytorch.Trainer.validate", "val_dataloaders"): "dataloaders",
}
"""What takes the same values under another name (CHANGELOG of 1.4 to 1.6)."""
INSTEAD = {
    (CHECKPOINT, "filepath"): "use dirpath=... and filename=...",
    (CHECKPOINT, "prefix"): "write it into filename=...",
}
LIKE = 0.8
"""How alike, by ``difflib``, a misspelled argument is to the one that was meant."""


@rule("LTN735", "argument-gone", rows=(), calls=CALLS, fixable=True)
def argument_gone(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A callback of Lightning's, or a method of the Trainer, gets an argument that it has not.

    What it does
    ------------
    Compares the keyword arguments of ModelCheckpoint, EarlyStopping and other callbacks, of
    `trainer.fit`, `validate`, `test` and `predict`, and of `seed_everything` with those of the
    Lightning version that the project admits. Those of the Trainer itself have a code of their own,
    LTN703.

    Why is this bad
    ---------------
    The call raises a TypeError: "unexpected keyword argument".

    Example
    -------
        from lightning.pytorch import Trainer
        from lightning.pytorch.callbacks import ModelCheckpoint

        trainer = Trainer(max_epochs=3, callbacks=[ModelCheckpoint(period=2)])
        trainer.fit(model, train_dataloader=loader)

    Use instead
    -----------
        from lightning.pytorch import Trainer
        from lightning.pytorch.callbacks import ModelCheckpoint

        trainer = Trainer(max_epochs=3, callbacks=[ModelCheckpoint(every_n_epochs=2)])
        trainer.fit(model, train_dataloaders=loader)

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with a pin or in the configuration.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_4.html
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_5.html
    """
    for call in facts.calls_of(*CALLS):
        at = version_at(facts, call.location)
        if is_guessed(at) or any(_takes_any(call.name, one) for one in _from(at)):
            continue
        gone = [name for name in dict(call.arguments) if _is_gone(call.name, name, at)]
        if gone:
            of = f"{call.name.rpartition('.')[2]} of Lightning {'.'.join(map(str, at))}"
            yield self.finding(
                call.location,
                f"{of} has no argument {' or '.join(gone)}",
                remedy="; ".join(dict.fromkeys(_remedy(call, name, at) for name in gone)),
                fix=_renamed(call, gone, at),
            )


def _from(at: Version) -> tuple[Version, ...]:
    """A version and those that came after it: a project may be newer than it says."""
    return tuple(one for one in lightning.versions() if one >= at) or (at,)


def _takes_any(name: str, at: Version) -> bool:
    """Whether a call takes arguments of any name, or is not known in a version."""
    known = lightning.signature(name, at)
    return known is None or any(one.kind not in ("positional", "keyword") for one in known)


def _is_gone(call: str, name: str, at: Version) -> bool:
    known = any(name in lightning.argument_names(call, one) for one in _from(at))
    return not known and not name.isdigit() and name != UNPACKED


def _remedy(call: CallSite, name: str, at: Version) -> str:
    if (call.name, name) in INSTEAD:
        return INSTEAD[call.name, name]
    taken = lightning.argument_names(call.name, at)
    new = RENAMED.get((call.name, name))
    if new in taken:
        return f"use {new}=..."
    near = next(iter(difflib.get_close_matches(name, sorted(taken), n=1, cutoff=LIKE)), None)
    return f"did you mean {near}?" if near else f"drop {name}"


def _renamed(call: CallSite, gone: list[str], at: Version) -> Fix | None:
    """A call that raises has nothing to lose; an argument that is given already stays."""
    new = [RENAMED.get((call.name, name), "") for name in gone]
    given = {*dict(call.arguments), ""}
    if not given.isdisjoint(new) or not lightning.argument_names(call.name, at).issuperset(new):
        return None
    changes = (RenameArgument(call.location, old, to) for old, to in zip(gone, new, strict=True))
    return Fix(f"write {', '.join(new)}", tuple(changes), Applicability.SAFE)
