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

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.hardest = max(self.hardest, self.loss(batch))
            self.log("val_hardest", self.hardest)  # averaged over the batches

    Use instead
    -----------
    Accumulate sums and counts over the epoch and divide once, or log a torchmetrics object.

    When to ignore
    --------------
    A quantity that is meant to compare the samples of a batch, such as a contrastive loss. Say so:

        @pl_lint.case(batch_dependent={"val_loss": "InfoNCE compares the samples of a batch"})
        def clip():
            return LitCLIP(), CaptionData()

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
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

    Example
    -------
        loss = F.cross_entropy(logits, batch["labels"], ignore_index=-100)
        self.log("val_loss", loss)

    Use instead
    -----------
        mask = batch["labels"] != -100
        self.log("val_loss", loss, batch_size=int(mask.sum()))

    When to ignore
    --------------
    Where the batches have about equally many tokens, or what was trained by is what is to be seen.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """,
    status=Status.SUSPECTED,
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

    When to ignore
    --------------
    Where NaN stands for "no value" on purpose. Better log such a key only where there is one.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html
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

    Example
    -------
        trainer = Trainer(accumulate_grad_batches=4)

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss)
            return loss

    Use instead
    -----------
        self.log("train_loss", loss, on_step=False, on_epoch=True)

    When to ignore
    --------------
    Where a rough curve will do.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """,
    status=Status.SUSPECTED,
)
