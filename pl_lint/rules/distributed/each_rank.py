"""What each process does for itself: files, loggers, skipped steps."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, must_be
from pl_lint.findings import Finding, Status
from pl_lint.places import SETTINGS
from pl_lint.rules.distributed.evidence import (
    asks_for_data,
    for_one_count,
    for_one_rank,
    several_devices,
    starts_scripts,
)
from pl_lint.rules.judging import beyond_one_device, stage_on_several, version_at
from pl_lint.rules.loggers import choice
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN505",
    "step-skipped-on-one-rank",
    rows=("DDP05",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the condition holds on some processes only",
)
def step_skipped_on_one_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step returns None, which DDP does not support.

    What it does
    ------------
    Reading finds `return` and `return None` in a `training_step` that Lightning optimizes, its end
    where only a branch on the data before it returns the loss, and a loss that is None where the
    data say so, where a Trainer of the project runs several processes; what the data decide also
    where one may by what is written (all devices, `sync_batchnorm`). Running recognises the error
    that Lightning raises on several ranks for it.

    Why is this bad
    ---------------
    On one device the batch is skipped. On several the run ends, mostly late: at the first loss that
    is not finite.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                if not torch.isfinite(loss):
                    return None
                return loss

        trainer = Trainer(devices=2, strategy="ddp")

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                if not torch.isfinite(loss):
                    return 0.0 * sum(p.sum() for p in self.parameters())
                return loss

        trainer = Trainer(devices=2, strategy="ddp")

    When to ignore
    --------------
    Where the condition holds on all processes or on none.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/5243
    - https://github.com/Lightning-AI/pytorch-lightning/issues/12190
    """
    surely = several_devices(facts)
    for owner in facts.modules():
        several = surely or stage_on_several(facts, owner, "train")
        automatic = several and owner.optimization == "automatic"
        for leaving in owner.returns if automatic else ():
            skips = leaving.hook == "training_step" and leaving.guards
            if not leaving.written:  # the end, where a branch before it has returned the loss
                skips = skips and asks_for_data(leaving.guards) and _returns_a_loss(owner)
            skips = skips and (surely or asks_for_data(leaving.guards))
            skips = skips and not for_one_count(leaving.guards)
            chosen = "optimizer_idx" in leaving.guards
            nothing = must_be(leaving.value, None) and skips and not chosen
            at_times = leaving.hook == "training_step" and asks_for_data(leaving.nothing_if)
            if (nothing or at_times) and not facts.in_tests(leaving.location):
                yield self.finding(
                    leaving.location,
                    "a step that returns None ends the run on several processes",
                    remedy="return a loss of zero that depends on all parameters",
                    subject=owner.short_name,
                )


def _returns_a_loss(owner: ClassFacts) -> bool:
    """Whether some way through ``training_step`` ends with a value."""
    found = [one for one in owner.returns if one.hook == "training_step" and one.written]
    return any(not must_be(one.value, None) for one in found)


WRITING = (
    *("torch.save", "numpy.save", "numpy.savez", "numpy.savetxt", "pickle.dump", "json.dump"),
    *(".to_csv", ".to_json", ".to_excel", ".to_pickle", ".savefig", ".write_text", ".write_bytes"),
    *("matplotlib.pyplot.savefig", "torchvision.utils.save_image", "cv2.imwrite"),
)
PRINT, OPEN = "builtins.print", "builtins.open"


@rule(
    "LTN511",
    "done-by-every-rank",
    rows=("DDP11",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    calls=(*WRITING, PRINT, OPEN),
    condition="if several processes run it",
)
def done_by_every_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Every rank writes the same file, or prints the same line.

    What it does
    ------------
    Reading finds prints and writes to files in hooks of Lightning classes under no condition on
    the rank. Running notes which files each rank opens for writing in a fit, to which folders it
    adds points for TensorBoard without a logger, and the lines that it prints. The same file or
    folder on two ranks is a failure, a print a note; files that bear the rank in their name are
    fine.

    Why is this bad
    ---------------
    The copies overwrite each other, or each line of a table appears once for every rank.

    Example
    -------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.table.to_csv("scores.csv")

    Use instead
    -----------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                if self.trainer.is_global_zero:
                    self.table.to_csv("scores.csv")

    When to ignore
    --------------
    Where one process runs. `self.print` and functions decorated with `rank_zero_only` do it by
    themselves.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/visualize/logging_advanced.html
    """
    for owner in beyond_one_device(facts, facts.classes):
        for call in facts.calls_in(owner, *WRITING, PRINT, OPEN):
            if _in_a_run(call) and not for_one_rank(call.guards) and _writes(call):
                what = "prints this" if call.name == PRINT else "writes this file"
                yield self.finding(
                    call.location,
                    f"every process {what}",
                    remedy="self.print(...)" if call.name == PRINT else GUARD,
                    subject=owner.short_name,
                )


GUARD = "if self.trainer.is_global_zero: ..."


def _in_a_run(call: CallSite) -> bool:
    """Whether Lightning calls it while several processes are at work."""
    return bool(call.hook) and call.hook not in ("__init__", "prepare_data", "configure_callbacks")


def _writes(call: CallSite) -> bool:
    """Whether a file is written that may be the same for all."""
    if call.name == OPEN:
        mode = call.argument("mode", 1)
        text = mode.value if isinstance(mode, Known) else ""
        return isinstance(text, str) and any(letter in text for letter in "wax")
    return True


INIT, LOG = "wandb.init", "wandb.log"
ASKS_FOR_UPDATE = frozenset({"hasattr", "'update'"})
"""``if hasattr(experiment.config, "update")`` is false where there is none."""


@rule(
    "LTN512",
    "experiment-off-rank-zero",
    rows=("DDP12",),
    status=Status.SUSPECTED,
    observers="both",
    calls=(INIT, ".update", LOG, choice.WANDB),
    condition="if several processes train",
)
def experiment_off_rank_zero(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`logger.experiment` is used on other ranks as only rank zero's can be.

    What it does
    ------------
    Reading finds `experiment.config.update(...)` and `wandb.init(...)` in Lightning classes under
    no condition on the rank, the same two in scripts with a Trainer of several devices (commands of
    a command line that run no Trainer aside), and
    `wandb.log(...)` where the run is WandbLogger's, in classes that several processes may run by
    what is written. Running answers on rank 1 as Lightning does: there every attribute of the
    experiment is a function that does nothing.

    Why is this bad
    ---------------
    `experiment.add_scalar(...)` does nothing on rank 1, as it should.
    `experiment.config.update(...)` raises AttributeError, since a function has no `update`.
    `wandb.init` starts one more run for each process. WandbLogger begins its run on rank zero only:
    `wandb.log` raises on the others, "You must call wandb.init() before wandb.log()".

    Example
    -------
        class Model(LightningModule):
            def on_fit_start(self):
                self.logger.experiment.config.update({"layers": 3})

    Use instead
    -----------
        class Model(LightningModule):
            def on_fit_start(self):
                if self.trainer.is_global_zero:
                    self.logger.experiment.config.update({"layers": 3})

    When to ignore
    --------------
    Where one process trains.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/13166
    """
    for owner in beyond_one_device(facts, facts.classes):
        for call in facts.calls_in(owner, INIT, ".update", LOG):
            problem = _off_rank_zero(call) or _without_a_run(facts, owner, call)
            asks = for_one_rank(call.guards) or ASKS_FOR_UPDATE.issubset(call.guards)
            alone = asks or _saves_settings(owner, call) or _is_too_early(owner, call)
            if problem and not alone and not facts.in_tests(call.location):
                yield self.finding(call.location, problem, remedy=GUARD, subject=owner.short_name)
    several = {
        one.location.path
        for one in facts.trainers
        if starts_scripts(one, version_at(facts, one.location))
    }
    for call in facts.calls_of(INIT, ".update"):
        in_script = not call.owner and call.location.path in several
        in_script = in_script and not _is_a_program_without_trainer(facts, call)
        in_script = in_script and not call.location.path.endswith(SETTINGS)  # built who knows where
        asks = for_one_rank(call.guards) or ASKS_FOR_UPDATE.issubset(call.guards)
        problem = _off_rank_zero(call) if in_script and not asks else ""
        if problem and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                f"each process runs this script, and {problem}",
                remedy="leave it to WandbLogger(project=..., config=...)",
            )


def _is_a_program_without_trainer(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether a call stands in a command of a command line (``@click.command()``), which is started
    by itself, and the command makes no Trainer run."""
    here = (one for one in facts.trainer_calls if one.location.path == call.location.path)
    runs = any(one.scope.rpartition(":")[2] == call.function for one in here)
    return "command" in call.guards and not runs


def _saves_settings(owner: ClassFacts, call: CallSite) -> bool:
    """``save_config`` of LightningCLI's callback runs on rank zero (``setup`` of cli.py)."""
    bases = (one.rpartition(".")[2] for one in owner.ancestors)
    return call.function == "save_config" and "SaveConfigCallback" in bases


def _is_too_early(owner: ClassFacts, call: CallSite) -> bool:
    """Whether a module asks for its logger while it is built: there is none on any process
    (LTN653)."""
    return (owner.kind, call.hook) == ("module", "__init__") and call.receiver.startswith(
        "self.logger"
    )


def _off_rank_zero(call: CallSite) -> str:
    if call.receiver.endswith("experiment.config"):
        return "on other processes than the first, experiment.config has no update: AttributeError"
    return "every process starts a run of its own" if call.name == INIT else ""


def _without_a_run(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> str:
    """Only WandbLogger begins runs, and nobody asks whether there is one."""
    of_logger = bool(facts.calls_of(choice.WANDB)) and not facts.calls_of(INIT)
    known = call.name == LOG and call.stage in ("train", "validate", "test")
    in_hook = known and "run" not in call.guards
    if not of_logger or not in_hook or not stage_on_several(facts, owner, call.stage):
        return ""
    return "on other processes than the first there is no run of W&B's: wandb.log raises there"
