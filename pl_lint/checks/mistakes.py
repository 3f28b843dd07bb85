"""The mistakes that only a run can see: a page each, beside those of the rules.

A check names a mistake when its formula reproduces what was logged. Most of them are rules too, and
their pages stand there; these are the others.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from pl_lint.findings import Status


@dataclass(frozen=True)
class Mistake:
    """A code that a run gives: its name, its rows in the catalogue, its page."""

    code: str
    name: str
    rows: tuple[str, ...]
    text: str
    status: Status = Status.PROVED
    default: bool = True
    observers: str = "running"

    @property
    def documentation(self) -> str:
        return inspect.cleandoc(self.text)

    @property
    def summary(self) -> str:
        return self.documentation.partition("\n")[0]


def all_mistakes() -> tuple[Mistake, ...]:
    return (
        _UNEXPLAINED,
        _WRONG_WEIGHT,
        _RATIO_IN_BATCH,
        _SYNCED_AVERAGE,
        _SHARED_BY_LOADERS,
        _REDUCED_MEANS,
        _SANITY_CHECK,
        _HALF_STATE,
        _UNWEIGHTED_MEANS,
        _REFUSED_HPARAMS,
        _LOST_STATE,
        _SMALL_EPSILON,
        _HALF_OVERFLOW,
        _TRAINING_MODE,
        _WRONG_AXIS,
    )


_UNEXPLAINED = Mistake(
    "LTN100",
    "value-depends-on-batches",
    (),
    """A logged epoch value changes with the way the samples are cut into batches.

    What it does
    ------------
    The same weights and the same samples, cut into other batches, gave another number, and none of
    the mistakes that pl-lint knows reproduces it.

    Why is this bad
    ---------------
    The number is a property of the batch size, not of the model and its data. Two runs with other
    batch sizes cannot be compared by it, and the best checkpoint may be the best by accident.

    Use instead
    -----------
    Accumulate sums and counts over the epoch and divide once, or log a torchmetrics object.

    When to ignore
    --------------
    A quantity that is meant to compare the samples of a batch, such as a contrastive loss. Say so:

        @pl_lint.case(batch_dependent={"val_loss": "InfoNCE compares the samples of a batch"})
        def clip():
            return LitCLIP(), CaptionData()
    """,
)

_WRONG_WEIGHT = Mistake(
    "LTN104",
    "wrong-batch-size",
    ("LOG04",),
    """Lightning weights the batches of an epoch mean by a wrong batch size.

    What it does
    ------------
    Compares the weight that Lightning gave each logged value with the number of samples that were
    in the batch, counted by pl-lint's own loader, where the right weights give the true mean and
    Lightning's give the logged one.

    Why is this bad
    ---------------
    Lightning takes the first dimension of the first tensor it finds: the time steps of a time-major
    batch, the nodes of a graph batch, 1 for a dict that starts with a scalar. With a short last
    batch the epoch mean is wrong, mostly without a word: 21.0 was logged where 16.0 was true.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch["tokens"])  # (time, batch)
            self.log("val_loss", loss)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch["tokens"])
            self.log("val_loss", loss, batch_size=batch["tokens"].shape[1])

    References
    ----------
    Lightning-AI/pytorch-lightning issues 10349, 2924 and 10541.
    """,
)

_RATIO_IN_BATCH = Mistake(
    "LTN105",
    "ratio-inside-batch",
    ("LOG05",),
    """A loss is divided inside the batch by something else than the number of samples.

    What it does
    ------------
    A note, not a failure. A mean over tokens, a loss with `ignore_index` or class weights is a
    ratio inside each batch. Lightning averages these ratios by the number of samples, so the epoch
    value moves a little when batches change. pl-lint found the place that divides: weighted by what
    it divides by, the values give the exact number.

    Why is this bad
    ---------------
    Mostly it is not. With very different lengths it is: 6.69 was logged where 8.74 was true.

    Use instead
    -----------
        mask = batch["labels"] != -100
        self.log("val_loss", loss, batch_size=int(mask.sum()))
    """,
    status=Status.SUSPECTED,
)

_SYNCED_AVERAGE = Mistake(
    "LTN109",
    "ranks-averaged",
    ("LOG09",),
    """sync_dist takes the mean over ranks of a value that cannot be averaged.

    What it does
    ------------
    On two ranks the logged value is the mean of each rank's own value, and not the value of all
    samples.

    Why is this bad
    ---------------
    The mean of two F1 scores is not the F1 of both halves: .5924 and .7381 were logged where .6207
    was true.

    Use instead
    -----------
    Log the metric object and leave sync_dist out: torchmetrics gathers the states of all ranks.

        self.val_f1.update(prediction, target)
        self.log("val_f1", self.val_f1)
    """,
)

_SHARED_BY_LOADERS = Mistake(
    "LTN116",
    "metric-shared-by-dataloaders",
    ("LOG16",),
    """One metric object counts several validation dataloaders together.

    What it does
    ------------
    The value logged for a dataloader is the metric with the batches of another one still in it.

    Why is this bad
    ---------------
    Lightning resets the metric at the end of the epoch only: 0.5 was logged for the second
    dataloader where 1.0 was true.

    Use instead
    -----------
        self.val_acc = nn.ModuleList([Accuracy(...) for _ in range(2)])

        def validation_step(self, batch, batch_idx, dataloader_idx=0):
            metric = self.val_acc[dataloader_idx]
            metric.update(prediction, target)
            self.log("val_acc", metric)
    """,
)

_REDUCED_MEANS = Mistake(
    "LTN121",
    "means-summed",
    ("LOG21",),
    """A sum, minimum or maximum of batch means is logged as an epoch value.

    What it does
    ------------
    The value was logged with another reduce_fx than the mean, and it changes with the batch size.

    Why is this bad
    ---------------
    The sum of means is no total and the largest mean no maximum: both depend on how many batches
    there are. Lightning ignores batch_size for them.

    Use instead
    -----------
    Log sums with reduce_fx="sum", or means with the default and the right batch_size.
    """,
)

_SANITY_CHECK = Mistake(
    "LTN204",
    "sanity-check-counted",
    ("MET04",),
    """What the sanity check validated is still in a logged value.

    What it does
    ------------
    Runs the same fit with and without Lightning's two validation batches before training, and
    compares what is logged.

    Why is this bad
    ---------------
    These batches see the untrained module. A best-so-far tracker that caught a lucky batch keeps it
    for the whole run: 1.0 was logged as best accuracy where .2 was true.

    Use instead
    -----------
        def on_train_start(self):
            self.val_acc_best.reset()

    References
    ----------
    ashleve/lightning-hydra-template issues 287 and 533.
    """,
)

_HALF_STATE = Mistake(
    "LTN209",
    "metric-in-half-precision",
    ("MET09",),
    """A metric adds up in half precision.

    What it does
    ------------
    Looks at the states of every metric after each batch under mixed precision.

    Why is this bad
    ---------------
    A bf16 sum stops growing after a few hundred additions, an fp16 sum is infinite beyond 65504. A
    MeanMetric said 1.1484 where 1.1 was true.

    Use instead
    -----------
        self.val_mse.update(prediction.float(), target.float())
    """,
)

_UNWEIGHTED_MEANS = Mistake(
    "LTN218",
    "batch-means-without-weight",
    (),
    """Batch means are averaged without their weights: a short last batch counts as a full one.

    What it does
    ------------
    The value is the plain mean of the batches' means, kept in a MeanMetric or in a list, and
    batches of equal size give another number.

    Why is this bad
    ---------------
    With 47 samples in batches of 16, 16 and 15 the error is small; with a last batch of one sample
    this one weighs as much as sixteen others.

    Example
    -------
        self.val_loss(loss)
        self.log("val_loss", self.val_loss)

    Use instead
    -----------
        self.val_loss.update(loss, weight=len(x))
        self.log("val_loss", self.val_loss)
    """,
)

_REFUSED_HPARAMS = Mistake(
    "LTN309",
    "checkpoint-not-loadable",
    ("CKP09",),
    """The module's own checkpoint cannot be loaded, because of what it saved in it.

    What it does
    ------------
    Loads the checkpoint as Lightning and torch do by default, with `weights_only=True`.

    Why is this bad
    ---------------
    A pathlib.Path, an Enum, a numpy scalar or a configuration object among the hyper-parameters is
    refused: at resume, or when the model is to be used at last.

    Use instead
    -----------
        def __init__(self, root: Path, mode: Mode) -> None:
            super().__init__()
            self.save_hyperparameters({"root": str(root), "mode": mode.value})

    References
    ----------
    Lightning-AI/pytorch-lightning issue 21757.
    """,
)

_LOST_STATE = Mistake(
    "LTN310",
    "state-not-in-checkpoint",
    ("CKP10",),
    """State that changes in training is not in the checkpoint.

    What it does
    ------------
    Resumes a fit from the checkpoint of its first epoch, with all random generators restored, and
    compares it with the fit that was never interrupted, bit by bit. Plain attributes that had
    another value are named.

    Why is this bad
    ---------------
    Counters, moving averages, queues and thresholds in plain attributes start anew: a resumed run
    trains another model, and nothing says so.

    Example
    -------
        self.ema = torch.zeros(8)

    Use instead
    -----------
        self.register_buffer("ema", torch.zeros(8))

        def on_save_checkpoint(self, checkpoint):
            checkpoint["steps_seen"] = self.steps_seen

        def on_load_checkpoint(self, checkpoint):
            self.steps_seen = checkpoint["steps_seen"]
    """,
)

_SMALL_EPSILON = Mistake(
    "LTN604",
    "division-by-zero-in-half-precision",
    ("PRE04",),
    """A division or logarithm meets a zero that only half precision has.

    What it does
    ------------
    Names the first operation that made NaN or Inf out of finite numbers under fp16 or bf16, where
    it divides.

    Why is this bad
    ---------------
    The smallest number of fp16 is 6e-8: an epsilon of 1e-8 is zero, and 0 / 0 is NaN. Training goes
    on with NaN weights and says nothing.

    Use instead
    -----------
        x = x.float()
        x / (x.norm(dim=1, keepdim=True) + 1e-8)
    """,
)

_HALF_OVERFLOW = Mistake(
    "LTN606",
    "half-precision-differs",
    ("PRE06",),
    """Under half precision a logged value overflows, or is far from that of fp32.

    What it does
    ------------
    Compares evaluation values under mixed precision with those of fp32, with the same weights and
    samples, and names the first operation that made a number that is not finite. Operations that
    CUDA runs in fp32 are left undecided on a CPU.

    Why is this bad
    ---------------
    300 * 300 is infinite in fp16. The scaler skips the step, or the weights become NaN.

    Use instead
    -----------
        energy = x.float() * x.float()
    """,
)

_TRAINING_MODE = Mistake(
    "LTN715",
    "training-mode-while-evaluating",
    ("LOOP15",),
    """Dropout or batch norm is in training mode while evaluating.

    What it does
    ------------
    Looks at the layers during validation and test, where a logged value changes with the batches.

    Why is this bad
    ---------------
    The value depends on chance and on the other samples of the batch, and the running statistics of
    batch norm learn from validation data.

    Use instead
    -----------
    Do not call self.train() or self.eval() in hooks. Lightning sets the mode, and restores it.
    """,
)

_WRONG_AXIS = Mistake(
    "LTN908",
    "curve-goes-backwards",
    ("LGR08",),
    """A curve's x-axis does not go forward.

    What it does
    ------------
    Reads the event file back and compares the steps of consecutive points of each tag.

    Why is this bad
    ---------------
    `batch_idx` begins again in each epoch: the epochs are drawn over each other, and cannot be laid
    beside curves that Lightning draws over global_step.

    Use instead
    -----------
        self.logger.experiment.add_scalar("grad_norm", norm, self.global_step)
    """,
)
