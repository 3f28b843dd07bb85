"""Mistakes that only several processes show."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake
from pl_lint.findings import Status

BEST_OF_EACH_RANK = Mistake(
    "LTN107",
    "best-checkpoint-of-one-process",
    ("LOG07",),
    """The best checkpoint is chosen by a value that differs between ranks.

    What it does
    ------------
    Compares `best_model_score` and `best_model_path` of each monitored checkpoint on all ranks
    after a fit on two of them, and on three.

    Why is this bad
    ---------------
    Each rank believes in a best of its own. The file is named by rank zero's value: on rank 1
    `best_model_path` was `epoch=0-val_loss=3.00.ckpt`, which does not exist, and
    `trainer.test(ckpt_path="best")` loads different weights, or none.

    Example
    -------
        self.log("val_loss", loss)
        ModelCheckpoint(monitor="val_loss", filename="{epoch}-{val_loss:.2f}")

    Use instead
    -----------
        self.log("val_loss", loss, sync_dist=True)

    References
    ----------
    Lightning-AI/pytorch-lightning issue 4319.
    """,
)

MIXED_KEYS = Mistake(
    "LTN110",
    "keys-averaged-together",
    ("LOG10",),
    """Ranks log different keys with sync_dist, or in another order.

    What it does
    ------------
    Compares the sequence of reduced keys on all ranks, in steps and at the ends of epochs, and what
    was logged with the mean of those that met.

    Why is this bad
    ---------------
    The reductions pair up by their order, not by key. Where one rank logs `even` and the other
    `odd`, both become the mean of the two: 6.0 was logged for 5.0 and 7.0. Where one rank logs a
    key more, it waits for ever.

    Example
    -------
        for label in batch["label"].unique():
            self.log(f"val_acc_{label}", ..., sync_dist=True)

    Use instead
    -----------
    Log the same keys on every rank, in the same order; keep classes apart in a torchmetrics object.

    References
    ----------
    Lightning-AI/pytorch-lightning issues 21409 and 19604.
    """,
)

ON_RANK_ZERO_ONLY = Mistake(
    "LTN111",
    "key-on-rank-zero-only",
    ("LOG11",),
    """A key is logged on rank zero only, and other ranks need it.

    What it does
    ------------
    Looks for keys that some ranks log and others lack, and for a checkpoint, an EarlyStopping or a
    scheduler that asks every rank for them. In validation a guard without `rank_zero_only=True`
    is enough.

    Why is this bad
    ---------------
    Callbacks run on every rank. A checkpoint that monitors such a key raises on rank 1 that it
    could not find it; where it does not (there is no validation, or `strict=False`), rank 0 waits
    for ever for a save or a decision that the others do not make, or lowers its rate alone.

    Example
    -------
        if self.trainer.is_global_zero:
            self.log("val_r2", r2)

    Use instead
    -----------
        self.log("val_r2", r2)  # on every rank, from gathered values

    References
    ----------
    Lightning-AI/pytorch-lightning issue 19056.
    """,
)

SAVED_BY_ONE = Mistake(
    "LTN325",
    "checkpoint-saved-by-one-rank",
    ("CKP25",),
    """save_checkpoint is called on one rank only, and waits for the others.

    What it does
    ------------
    Counts on each rank which calls the user's code makes that all ranks have to make.

    Why is this bad
    ---------------
    `trainer.save_checkpoint` gathers state from all ranks, and writes on rank zero by itself.
    Behind a guard it waits for ranks that never come, or meets another call of theirs.

    Example
    -------
        if self.trainer.is_global_zero:
            self.trainer.save_checkpoint("mine.ckpt")

    Use instead
    -----------
        self.trainer.save_checkpoint("mine.ckpt")
    """,
)

PADDING = Mistake(
    "LTN501",
    "samples-counted-twice",
    ("DDP01",),
    """Lightning's own: DistributedSampler counts samples twice.

    What it does
    ------------
    A note, and never the module's fault. It tells how many samples of validation and test
    Lightning's sampler would repeat, so that all ranks have the same number.

    Why is this bad
    ---------------
    Repeated samples are counted: .6667 was logged where .8000 is true, on two ranks and five
    samples. Lightning warns in `validate` and `test`, and says nothing in `fit`.

    Use instead
    -----------
    Test on one device, or use `use_distributed_sampler=False` with a sampler that does not repeat.

    References
    ----------
    Lightning-AI/pytorch-lightning issues 2398 and 11364.
    """,
    status=Status.SUSPECTED,
)

UNUSED_PARAMETERS = Mistake(
    "LTN504",
    "unused-parameters",
    ("DDP04",),
    """Trainable parameters never get a gradient, which stops DDP at its second step.

    What it does
    ------------
    Watches the gradients of a fit on two ranks, with `find_unused_parameters=True`, and names the
    parameters of its optimizers that none reached in any step. Those in no optimizer are a note.
    Where neither the case's own Trainer arguments nor a script of the project that fits this module
    name DDP or several devices, it is suspected only: one process trains such a module well.

    Why is this bad
    ---------------
    Since Lightning 2.0 plain `ddp` looks for no unused parameters: the second step raises
    RuntimeError. `fast_dev_run` has one step only. And what gets no gradient learns nothing.

    Use instead
    -----------
    Remove the layers, or freeze them with `requires_grad_(False)`; or, where some steps do not need
    them, `Trainer(strategy="ddp_find_unused_parameters_true")`.

    References
    ----------
    Lightning-AI/pytorch-lightning issue 16611.
    """,
)

SKIPPED_STEP = Mistake(
    "LTN505",
    "step-skipped-on-one-rank",
    ("DDP05",),
    """training_step returns None, which DDP does not support.

    What it does
    ------------
    Recognises the error that Lightning raises on several ranks for it.

    Why is this bad
    ---------------
    On one device the batch is skipped. On several the run ends, mostly late: at the first loss that
    is not finite.

    Use instead
    -----------
        return loss * 0.0  # keeps every rank in step

    References
    ----------
    Lightning-AI/pytorch-lightning issues 5243 and 12190.
    """,
)

STATISTIC_OF_ONE_RANK = Mistake(
    "LTN508",
    "statistic-of-one-process",
    ("DDP08",),
    """A buffer or a frozen parameter is updated from each rank's own samples.

    What it does
    ------------
    Compares the buffers of the module's own classes, and its parameters, on all ranks after some
    steps. The running statistics of torch's batch norm are left alone.

    Why is this bad
    ---------------
    DDP sends rank zero's buffers to all ranks before each step: what the others added is lost, and
    the checkpoint holds what one rank saw. A sample counter said 14 on one rank and 22 on the other
    where 28 was true.

    Example
    -------
        self.seen += len(x)

    Use instead
    -----------
        self.seen += self.all_gather(torch.tensor(len(x))).sum()
    """,
)

TOUCHED_BY_ALL = Mistake(
    "LTN511",
    "done-by-every-rank",
    ("DDP11",),
    """Every rank writes the same file, or prints the same line.

    What it does
    ------------
    Notes which files each rank opens for writing in a fit, to which folders it adds points for
    TensorBoard without a logger, and the lines that it prints. The same file or folder on two ranks
    is a failure, a print a note; files that bear the rank in their name are fine.

    Why is this bad
    ---------------
    The copies overwrite each other, or each line of a table appears once for every rank.

    Use instead
    -----------
        if self.trainer.is_global_zero:
            table.to_csv(path)

    `self.print` and functions decorated with `rank_zero_only` do it by themselves.
    """,
)

LOGGER_OFF_RANK_ZERO = Mistake(
    "LTN512",
    "experiment-off-rank-zero",
    ("DDP12",),
    """`logger.experiment` is used on other ranks as only rank zero's can be.

    What it does
    ------------
    Answers on rank 1 as Lightning does: there every attribute of the experiment is a function that
    does nothing.

    Why is this bad
    ---------------
    `experiment.add_scalar(...)` does nothing on rank 1, as it should.
    `experiment.config.update(...)` raises AttributeError, since a function has no `update`.

    Use instead
    -----------
        if self.trainer.is_global_zero:
            self.logger.experiment.config.update(settings)

    References
    ----------
    Lightning-AI/pytorch-lightning issue 13166.
    """,
)

TRUNCATED_MEAN = Mistake(
    "LTN514",
    "mean-over-ranks-cut-off",
    ("DDP14",),
    """Lightning's own: with unequal ranks the mean of sync_dist is wrong.

    What it does
    ------------
    A note, and never the module's fault. It recognises a value that is wrong by this formula only.

    Why is this bad
    ---------------
    Lightning adds up the batch sizes of an epoch in an int64 tensor. On gloo its mean over ranks is
    taken in place, and cut off: with 2 and 1 samples on two ranks 1.5 was logged where every value
    was 1.0. NCCL divides otherwise, and was not measured.

    Use instead
    -----------
        self.val_loss.update(loss, weight=tokens)  # a torchmetrics MeanMetric
        self.log("val_loss", self.val_loss)
    """,
    status=Status.SUSPECTED,
)
