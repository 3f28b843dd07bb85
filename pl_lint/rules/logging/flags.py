"""Ways to log that are allowed and seldom what is wanted: off unless asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, LogSite, ProjectFacts
from pl_lint.facts.values import Known, Made, may_be, must_be
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix
from pl_lint.rules.judging import averaged, in_batches_of_one
from pl_lint.rules.logging.mending import always, drop_flags
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, shown

EVALUATION = ("validate", "test")
MANY = 6
"""As many values as a terminal of usual width shows beside a progress bar."""


@rule("LTN117", "key-in-two-parts", rows=("LOG17",), default=False)
def key_in_two_parts(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A value is logged for each step and for the epoch: the logger never sees its key.

    What it does
    ------------
    Finds `on_step=True` together with `on_epoch=True`, in callbacks (`pl_module.log`) as well.

    Why is this bad
    ---------------
    It is documented, and surprises nevertheless: loggers get `loss_step` and `loss_epoch`, and no
    `loss`. A dashboard that asks for `loss` stays empty, while a monitor of `loss` works.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

    When to ignore
    --------------
    Where both curves are wanted.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            if log.per_batch and must_be(log.on_step, True) and must_be(log.on_epoch, True):
                yield self.finding(
                    log.location,
                    f"loggers get {key_text(log)} with _step and with _epoch at its end only",
                    remedy="choose one of on_step and on_epoch",
                    subject=owner.short_name,
                )


@rule("LTN118", "step-values-of-an-evaluation", rows=("LOG18",), default=False, fixable=True)
def step_values_of_evaluation(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Validation or test logs a value for every batch.

    What it does
    ------------
    Finds `on_step=True` in `validation_step` and `test_step`, and in the hooks around their
    batches, of callbacks as well.

    Why is this bad
    ---------------
    The x-axis of such a curve is a count of validation batches that Lightning keeps to itself, not
    the global step: it cannot be laid beside the curves of training.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch), on_step=True, on_epoch=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch))

    When to ignore
    --------------
    Where single batches are to be looked at.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4488
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            if log.per_batch and log.stage in EVALUATION and must_be(log.on_step, True):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is drawn over a count of evaluation batches",
                    remedy="leave on_step=True out",
                    subject=owner.short_name,
                    fix=_of_the_epoch(facts, log),
                )


def _of_the_epoch(facts: ProjectFacts, log: LogSite) -> Fix | None:
    """Without ``on_step``, where the call logs for evaluations alone."""
    if not always(facts, log, lambda other: other.stage in EVALUATION):
        return None
    return Fix("leave on_step=True out", drop_flags(log, "on_step"))


@rule(
    "LTN119",
    "step-logged-as-key",
    rows=("LOG19",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="unless the x-axis is meant to be another one",
)
def key_that_is_an_axis(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A value is logged as 'step' or 'epoch', which Lightning takes for the x-axis.

    What it does
    ------------
    Reading finds these two keys in `self.log` and `self.log_dict`. Running reads the event file
    back: where the module logs a key `step`, the points of all that is logged with it must come at
    rising steps.

    Why is this bad
    ---------------
    Lightning takes 'step' out of the values and draws all others over it; 'epoch' replaces the
    column of that name, and the `{epoch}` in the names of checkpoints. A batch index begins again
    in every epoch; an epoch logged in each training step puts all batches on one point.

    Example
    -------
        def training_step(self, batch, batch_idx):
            self.log("step", float(batch_idx))
            return self.loss(batch)

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            self.log("batch", float(batch_idx))
            return self.loss(batch)

    When to ignore
    --------------
    Where an axis of epochs is what you want, as Lightning's documentation does it.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/17671
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            if log.key in (Known("step"), Known("epoch")):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} moves the x-axis of everything that is logged with it",
                    remedy="choose another key",
                    subject=owner.short_name,
                )


REDUCING = ("reduction=", "size_average=")
"""The arguments by which a loss adds up its values instead of averaging them."""


@rule(
    "LTN121",
    "means-summed",
    rows=("LOG21",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="if the value of a batch is a mean, or meant as one",
    fixable=True,
    calls=REDUCING,
)
def means_summed(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A sum, minimum or maximum of batch means is logged as an epoch value.

    What it does
    ------------
    Reading finds a loss that is logged with `reduce_fx="sum"`, `"min"` or `"max"`. It says nothing
    where the loss is made with `reduction="sum"`, or may be. It finds the converse, too: all
    errors of a batch are added up (`((p - y) ** 2).sum()`) under a key that says nothing of a sum
    or a loss, and Lightning takes the mean of that over the batches. Running finds
    values that are logged with another reduce_fx than the mean and change with the batch size; in
    training, those that were divided by the samples of their batch.

    Why is this bad
    ---------------
    The sum of means is no total and the largest mean no maximum: both depend on how many batches
    there are. Lightning ignores batch_size for them.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), reduce_fx="sum")

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

    When to ignore
    --------------
    Where the value of a batch is a sum or a count.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            over_epoch = log.per_batch and must_be(log.on_epoch, True)
            loss = "loss" in shown(log.key).lower() and not _may_be_sum(facts, owner, log)
            if over_epoch and loss and _reduction(log):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the {_reduction(log)} of the values of the batches",
                    remedy="leave reduce_fx out, or log sums",
                    subject=owner.short_name,
                    fix=Fix("leave reduce_fx out", drop_flags(log, "reduce_fx")),
                )
            if _is_mean_of_sums(log) and not in_batches_of_one(facts, owner, log.stage):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is a sum over the batch, of which Lightning takes the mean: "
                    "it goes with the batch size",
                    remedy="log the mean over the batch",
                    subject=owner.short_name,
                )


A_SUM = frozenset("sum summed total count num n loss elbo sse tss rss".split())
"""Words of what is meant as a sum, and of what is trained with."""


def _is_mean_of_sums(log: LogSite) -> bool:
    meant = not A_SUM.isdisjoint(words_of(shown(log.key)))
    return averaged(log) and log.summed and not meant


def _may_be_sum(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> bool:
    """Whether the value of a batch is no mean, or may be that of a loss that takes none."""
    return log.extent == "other" or (not log.extent and any(map(_adds_up, _losses(facts, owner))))


def _losses(facts: ProjectFacts, owner: ClassFacts) -> Iterator[CallSite]:
    """The losses that say how they reduce: of a class, and of the classes that it has objects
    of."""
    made = (site.value for site in owner.assignments if isinstance(site.value, Made))
    homes = {one.name.rpartition(".")[2] for one in made}
    for call in facts.calls_of(*REDUCING):
        if call.owner == owner.name or (call.home in homes and not call.owner):
            yield call


def _adds_up(loss: CallSite) -> bool:
    """Whether a loss adds its values up, or may."""
    by_name = may_be(loss.argument("reduction"), "sum")
    return by_name or may_be(loss.argument("size_average"), False)


def _reduction(log: LogSite) -> str:
    word = getattr(log.reduce_fx, "value", None) or getattr(log.reduce_fx, "name", "")
    last = str(word).rpartition(".")[2]
    return last if last in ("sum", "min", "max") else ""


@rule(
    "LTN126",
    "logged-in-forward",
    rows=("LOG26",),
    status=Status.SUSPECTED,
    default=False,
    condition="if the module is also used without a Trainer",
)
def logged_in_forward(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """forward logs, though it is also what other code calls.

    What it does
    ------------
    Finds `self.log` in `forward`.

    Why is this bad
    ---------------
    Without a Trainer Lightning warns and the value is lost; in `predict` it raises; and forward
    does not know which stage it is called for, so that the key is one for all.

    Example
    -------
        def forward(self, x):
            out = self.net(x)
            self.log("norm", out.norm())
            return out

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            out = self(batch[0])
            self.log("train/norm", out.norm())
            return self.loss(out, batch[1])

    When to ignore
    --------------
    Where forward is only called by the steps.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.modules():
        for log in owner.logs:
            if log.function == "forward":
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is logged in forward",
                    remedy="log in the steps",
                    subject=owner.short_name,
                )


@rule("LTN131", "progress-bar-of-everything", rows=("LOG31",), default=False)
def progress_bar_of_everything(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The progress bar shows more than it can, or a value under its own name.

    What it does
    ------------
    Finds hooks that give the bar six values or more, and the key `v_num`, which is the version of
    the logger there.

    Why is this bad
    ---------------
    The line is longer than a terminal and is cut, or the values replace each other.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("v_num", self.loss(batch), prog_bar=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), prog_bar=True)

    When to ignore
    --------------
    Where the terminal is wide.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/progress_bar.html
    """
    for owner in facts.logging_classes():
        shown_by: dict[str, list[LogSite]] = {}
        for log in owner.logs:
            if must_be(log.prog_bar, True) and log.hook:
                shown_by.setdefault(log.hook, []).append(log)
        for logs in shown_by.values():
            crowded = logs[-1:] if len({log.key for log in logs}) >= MANY else []
            for log in crowded + [log for log in logs if must_be(log.key, "v_num")]:
                yield self.finding(
                    log.location,
                    f"the progress bar has no room for {key_text(log)}",
                    remedy="prog_bar=True for one or two values",
                    subject=owner.short_name,
                )
