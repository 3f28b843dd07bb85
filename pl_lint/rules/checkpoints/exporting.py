"""Which weights are saved after training, beside those that a ModelCheckpoint keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.branches import apart
from pl_lint.facts.sites import CallSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule

BY_TRAINER = f"{lightning.TRAINER}.save_checkpoint"
SAVING = "torch.save"
WEIGHTS = ".state_dict"
BY_MODULE = (".to_onnx", ".to_torchscript", ".save_pretrained")
EXPORTING = "torch.onnx.export"
SAID = re.compile(r"last|latest|resume|epoch|\bend\b|optim", re.IGNORECASE)
"""What a file is called that is meant to hold the end, or to go on from."""


@rule(
    "LTN336",
    "last-weights-saved",
    rows=("CKP17",),
    status=Status.SUSPECTED,
    condition="if the best weights are meant",
    default=False,
    calls=(BY_TRAINER, SAVING, WEIGHTS, *BY_MODULE, EXPORTING),
)
def last_weights_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """After fit, the last weights are saved or exported although a ModelCheckpoint kept the best.

    What it does
    ------------
    Finds `trainer.save_checkpoint(...)`, `torch.save` of the model, of a part of it or of their
    weights, `to_onnx`, `to_torchscript`, `torch.onnx.export` and `save_pretrained` below a
    `trainer.fit` of that model in the same function, where the Trainer has a ModelCheckpoint with a
    monitor. Silent where any code of the project loads a checkpoint or asks for the best one
    (`best_model_path`, `ckpt_path="best"`), where the file is called the last, where weights are
    averaged, and in tests.

    Why is this bad
    ---------------
    After `fit` the module holds the weights of its last epoch, with EarlyStopping those that were
    `patience` epochs without any progress. What is shipped is then worse than what was kept, and
    nobody uses the checkpoint that was chosen.

    Example
    -------
        trainer = L.Trainer(callbacks=[ModelCheckpoint(monitor="val_loss")])
        trainer.fit(model, datamodule=data)
        torch.save(model.state_dict(), "model.pt")

    Use instead
    -----------
        best = ModelCheckpoint(monitor="val_loss")
        trainer = L.Trainer(callbacks=[best])
        trainer.fit(model, datamodule=data)
        model = Net.load_from_checkpoint(best.best_model_path)
        torch.save(model.state_dict(), "model.pt")

    When to ignore
    --------------
    Where the last weights are what you want to keep.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    if any(not one.passes_model for one in facts.trainer_calls):
        return  # Lightning takes the best checkpoint by itself
    for site in facts.calls_of(BY_TRAINER, SAVING, *BY_MODULE, EXPORTING):
        fits = [one for one in facts.trainer_calls if _is_saved_after(facts, one, site)]
        if fits and not _is_meant(facts, site) and not facts.in_tests(site.location):
            yield self.finding(
                site.location,
                "these are the weights of the last epoch, not those that the ModelCheckpoint "
                "chose as the best",
                remedy="load best_model_path before, or use that file",
                subject=fits[0].model.rpartition(".")[2],
            )


def _is_saved_after(facts: ProjectFacts, fit: TrainerCall, site: CallSite) -> bool:
    """Whether the same function fits a model and then saves it, and chose weights meanwhile."""
    below = fit.scope == f"{site.location.path}:{site.function}" and not apart(fit.arms, site.arms)
    after = below and fit.location.order < site.location.order
    if not (after and fit.method == "fit" and fit.monitored):
        return False
    if site.name == BY_TRAINER:
        return len({one.trainer for one in facts.trainer_calls if one.scope == fit.scope}) == 1
    saved = _saved(facts, site)
    return bool(fit.written) and f"{saved}.".startswith(f"{fit.written}.")


def _saved(facts: ProjectFacts, site: CallSite) -> str:
    """The object whose weights a call saves, as it is written."""
    if site.name not in (SAVING, EXPORTING):
        return site.receiver
    weights = [one.receiver for one in facts.calls_of(WEIGHTS) if _stands_in(one, site)]
    written = dict(site.written)
    given = [written[key] for key in ("obj", "model", "0") if key in written]
    return next(iter((*weights, *given)), "")


def _stands_in(inner: CallSite, outer: CallSite) -> bool:
    place = inner.location
    same = (place.path, place.cell) == (outer.location.path, outer.location.cell)
    return same and outer.location.covers(place.line, place.column)


def _is_meant(facts: ProjectFacts, site: CallSite) -> bool:
    """Whether the file is called the last, or the program makes use of what was kept."""
    path = site.location.path
    alone = path in facts.standalone
    knows = path in facts.loading if alone else bool(facts.loading - facts.standalone)
    given = (value.value for _, value in site.arguments if isinstance(value, Known))
    return knows or any(isinstance(one, str) and SAID.search(one) for one in given)
