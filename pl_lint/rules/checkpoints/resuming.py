"""What a run that goes on from a checkpoint has seen before."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, MonitorSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule

STATEFUL = "torchdata.stateful_dataloader.StatefulDataLoader"
INSIDE = ("every_n_train_steps", "train_time_interval")


@rule(
    "LTN313",
    "resumed-inside-an-epoch",
    rows=("CKP13",),
    status=Status.SUSPECTED,
    default=False,
    calls=(STATEFUL,),
    condition="if a fit goes on from a checkpoint that was saved inside an epoch",
)
def resumed_inside_epoch(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A fit resumes from checkpoints saved inside an epoch, and the loader begins it anew.

    What it does
    ------------
    Finds a ModelCheckpoint that saves inside the epoch (`every_n_train_steps`,
    `train_time_interval`) in a project that calls `fit` with a `ckpt_path`, where nothing keeps the
    position of the data: no `StatefulDataLoader`, and no DataModule with a `state_dict`.

    Why is this bad
    ---------------
    Lightning goes on with the batch number of the checkpoint, and a plain DataLoader gives out its
    first batches again: samples 0 to 23 were read twice, and 24 to 47 not at all. There is a
    warning ("your dataloader is not resumable").

    Example
    -------
        checkpoint = ModelCheckpoint(every_n_train_steps=500)
        trainer = Trainer(max_epochs=10, callbacks=[checkpoint])
        trainer.fit(model, data, ckpt_path="last.ckpt")

    Use instead
    -----------
        checkpoint = ModelCheckpoint(every_n_epochs=1)
        trainer = Trainer(max_epochs=10, callbacks=[checkpoint])
        trainer.fit(model, data, ckpt_path="last.ckpt")

    or a loader that keeps its place, `torchdata.stateful_dataloader.StatefulDataLoader`.

    When to ignore
    --------------
    Where the order of the data is drawn anew in any case, and an epoch has no meaning.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18780
    - https://github.com/Lightning-AI/pytorch-lightning/issues/17543
    """
    if not _resumes(facts) or _keeps_its_place(facts):
        return
    for monitor in facts.monitors:
        for name in INSIDE if monitor.watcher == "ModelCheckpoint" else ():
            if _is_set(monitor, name) and not facts.in_tests(monitor.location):
                yield self.finding(
                    monitor.at(name),
                    f"{name} saves inside the epoch: whoever resumes from there reads the epoch's "
                    "first batches again",
                    remedy="save at the end of epochs, or use a StatefulDataLoader",
                )


def _resumes(facts: ProjectFacts) -> bool:
    fits = (one for one in facts.trainer_calls if one.method == "fit")
    return any(one.ckpt_path != ABSENT and not facts.in_tests(one.location) for one in fits)


def _keeps_its_place(facts: ProjectFacts) -> bool:
    modules = (one for one in facts.classes if one.kind == "datamodule")
    methods = (method.name for one in modules for method in one.own_methods)
    return bool(facts.calls_of(STATEFUL)) or "state_dict" in methods


def _is_set(monitor: MonitorSite, name: str) -> bool:
    given = monitor.argument(name)
    return name in dict(monitor.arguments) and not (isinstance(given, Known) and not given.value)
