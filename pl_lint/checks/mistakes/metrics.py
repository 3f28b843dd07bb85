"""Mistakes about metric objects that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

SANITY_CHECK = Mistake(
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

HALF_STATE = Mistake(
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

UNWEIGHTED_MEANS = Mistake(
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

SHARED_MEMBERS = Mistake(
    "LTN212",
    "members-shared-by-collections",
    ("MET12",),
    """Two collections hold the same metric object, and each one's batches are in both.

    What it does
    ------------
    Records through which collection each batch came to a metric, and compares the value logged
    through a collection with the metric of that collection's own batches.

    Why is this bad
    ---------------
    A MetricCollection keeps references, not copies. Two collections built from one dict of metrics
    add to the same states, and resetting one empties the other.

    Example
    -------
        scores = {"f1": F1Score(task="binary")}
        self.first_head = MetricCollection(scores, prefix="first/")
        self.second_head = MetricCollection(scores, prefix="second/")

    Use instead
    -----------
        scores = MetricCollection({"f1": F1Score(task="binary")})
        self.first_head = scores.clone(prefix="first/")
        self.second_head = scores.clone(prefix="second/")
    """,
)

MIXED_SCORES = Mistake(
    "LTN205",
    "logits-taken-for-probabilities",
    ("MET05",),
    """A metric takes the logits of some batches for probabilities.

    What it does
    ------------
    Looks at what a binary or multilabel metric was given where its value depends on the batches:
    some batches hold numbers between 0 and 1 only, others do not. It fails if there are such
    batches among the user's own. If only smaller ones are like that (of a single sample it is
    likely, of sixteen it is rare), it is a note with that condition.

    Why is this bad
    ---------------
    torchmetrics applies the sigmoid to a batch only if one of its scores is outside of [0, 1]. On
    the same data an AUROC was .6708 with batches of one, .7509 with batches of four, where .7654
    was true.

    Use instead
    -----------
        self.val_auroc.update(torch.sigmoid(logits), target)

    References
    ----------
    Lightning-AI/torchmetrics issues 1604, 2195 and 3269.
    """,
)

HALF_SUM = Mistake(
    "LTN210",
    "sum-in-half-precision",
    ("MET10",),
    """A module adds up in half precision, or counts in a few bits.

    What it does
    ------------
    Looks at the module's own numbers and buffers after each batch. Where the logged value moves
    with the batches, a sum in bf16 or fp16 is named if its rounding explains by how much; a counter
    of 8 or 16 bits is, where it begins again.

    Why is this bad
    ---------------
    A count in bf16 stops at 256, one in int8 goes from 127 to -128. Sums lose what is added.

    Use instead
    -----------
        self.total += loss.detach().float() * len(x)
    """,
)
