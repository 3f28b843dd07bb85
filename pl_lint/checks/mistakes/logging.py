"""Mistakes about logged values that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake
from pl_lint.findings import Status

UNEXPLAINED = Mistake(
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

WRONG_WEIGHT = Mistake(
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

RATIO_IN_BATCH = Mistake(
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

SYNCED_AVERAGE = Mistake(
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

LOGGED_TWICE = Mistake(
    "LTN114",
    "key-logged-twice",
    ("LOG14",),
    """Two lines of one step log different values under one key.

    What it does
    ------------
    Finds two calls at different lines of a hook that log another number for the same batch. One
    line that is reached several times, as in a loop over optimizer steps, means their mean and is
    left alone.

    Why is this bad
    ---------------
    Lightning averages both over the epoch, or keeps the second: 1.0 and 3.0 were logged, and 2.0
    was written. It raises only where the two calls have different arguments.

    Use instead
    -----------
        self.log("val_loss/class", class_loss)
        self.log("val_loss/box", box_loss)
    """,
)

SHARED_BY_LOADERS = Mistake(
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

NEVER_GIVEN = Mistake(
    "LTN133",
    "metric-never-updated",
    ("LOG33",),
    """A metric object is logged and never given a batch.

    What it does
    ------------
    Finds a logged metric that neither `update` nor a call has given anything in the whole run.

    Why is this bad
    ---------------
    `self.log` does not update a metric. What is logged is the metric of nothing, mostly 0.0, with a
    warning of torchmetrics that comes once.

    Use instead
    -----------
        self.val_f1.update(prediction, target)
        self.log("val_f1", self.val_f1)
    """,
)

RESET_TOO_EARLY = Mistake(
    "LTN134",
    "metric-reset-too-early",
    ("LOG34",),
    """A metric is reset before its value is read: a part of its batches is missing.

    What it does
    ------------
    Compares the value logged with the metric of all batches of its epoch, and names the reset where
    the metric of those that were left gives the logged number.

    Why is this bad
    ---------------
    Lightning computes the objects logged in training after `on_train_epoch_end`. A reset in that
    hook empties them before: 0.0 was logged where .6667 was true. A reset in a step leaves the last
    batch only.

    Example
    -------
        def training_step(self, batch, batch_idx):
            self.train_acc(self(batch[0]), batch[1])
            self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)

        def on_train_epoch_end(self):
            self.train_acc.reset()

    Use instead
    -----------
    Leave the reset out: Lightning resets the objects that it logs. Where compute() is called by
    hand, reset right after it.

    References
    ----------
    Lightning-AI/torchmetrics issue 811.
    """,
)

COUNTED_TWICE = Mistake(
    "LTN135",
    "batch-counted-twice",
    ("LOG35",),
    """A metric is called and updated with the same batch.

    What it does
    ------------
    Finds a second `update` of a metric with the very tensors that it was given in the same batch,
    where the value without it is another one.

    Why is this bad
    ---------------
    Calling a metric updates it already. Sums and confusion counts are twice as large: 56 was logged
    where 28 was true.

    Use instead
    -----------
        self.confusion.update(prediction, target)
        self.log("hits", self.confusion)
    """,
)

REDUCED_MEANS = Mistake(
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

NOT_FINITE = Mistake(
    "LTN728",
    "not-finite-logged",
    ("LOOP28",),
    """NaN or Inf is logged.

    What it does
    ------------
    Finds the first value of each key that is not finite, in a fit and in evaluations, and runs once
    more to name the operation that made it out of finite numbers, or the parameter that was broken
    before. A metric that is undefined on its finite inputs is a note, and so is an infinity that no
    operation made, such as the best value before there is one.

    Why is this bad
    ---------------
    Lightning goes on: the epoch's mean is NaN because of one batch, no checkpoint is better than
    NaN, and a module whose weights are NaN trains to the end without a word.

    Example
    -------
        self.log("val_loss", losses[mask].mean())  # NaN where the mask is empty

    Use instead
    -----------
        if mask.any():
            self.log("val_loss", losses[mask].mean(), batch_size=int(mask.sum()))
    """,
)

ACCUMULATED_STEPS = Mistake(
    "LTN128",
    "steps-of-accumulated-batches",
    ("LOG28",),
    """Where batches are accumulated, a curve of step values holds a part of them only.

    What it does
    ------------
    A note, not a failure. Compares the mean of the points that Lightning hands to its loggers with
    the mean of the values that were logged.

    Why is this bad
    ---------------
    With accumulate_grad_batches=4 Lightning writes the value of every fourth batch: the curve is
    noisier than the training, and its values are not those of the optimizer's steps.

    Use instead
    -----------
        self.log("train_loss", loss, on_step=False, on_epoch=True)
    """,
    status=Status.SUSPECTED,
)
