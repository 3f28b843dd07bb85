"""The x-axis of what is logged past Lightning."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts, made_of
from pl_lint.facts.values import (
    BATCH_TIMES_EPOCH,
    Known,
    Made,
    Named,
    Table,
    Unknown,
    Value,
    must_be,
)
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.fixes import DropArgument, Fix, SetArgument
from pl_lint.rules.distributed.evidence import for_one_rank
from pl_lint.rules.loggers import choice
from pl_lint.rules.registry import Rule, rule

WRITES = tuple(f".add_{what}" for what in ("scalar", "scalars", "histogram", "image", "figure"))
AT_ONCE = (".log_metrics", "wandb.log", ".log")
"""Write several values, by their names; ``.log`` that of a run of W&B."""
POINTS = (".add_scalar", ".add_scalars", *AT_ONCE)
BEFORE = ("__init__", "setup", "configure_model", "on_fit_start", "on_train_start")
"""Hooks in which WandbLogger has logged nothing yet: no step of the user's own is behind it."""
EPOCHS = ("self.current_epoch", "self.trainer.current_epoch")
PICTURES = ("wandb.", "plotly.", "matplotlib.figure.", "matplotlib.pyplot.", "seaborn.")
"""Where the classes stand that W&B shows as a picture or a table, and not as a point of a curve."""
SHORT = frozenset({"epoch", "batch", "idx", "index"})
"""What is counted slower than steps, or anew in each epoch."""


@rule(
    "LTN905",
    "own-step-for-wandb",
    rows=("LGR05",),
    status=Status.SUSPECTED,
    observers="both",
    calls=("wandb.log", ".log", "wandb.define_metric", ".define_metric", choice.WANDB),
    condition="if WandbLogger logs in the same run",
    fixable=True,
)
def own_step_for_wandb(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """W&B gets a step of the user's own beside WandbLogger's, or none in every batch.

    What it does
    ------------
    Finds `wandb.log(..., step=...)` and `experiment.log(..., step=...)` in the Lightning classes
    of a project that uses WandbLogger. A step that is the number of optimizer steps, or a local
    name that does not say what it counts, is found only where a Trainer has `log_every_n_steps=1`:
    otherwise W&B's count stays behind it. Finds as well
    calls without a step that every batch of training makes, unless they bring
    `"trainer/global_step"`, a picture (also a figure of matplotlib, seaborn or plotly, whoever
    draws it) or a table, the project defines axes of its own, or every
    step is logged anyway.
    Running reads W&B's log back.

    Why is this bad
    ---------------
    WandbLogger gives no step to W&B, which counts its own with each call. A step that is smaller
    than that count, as an epoch soon is, is dropped with a warning in the console. What comes
    without `"trainer/global_step"` is drawn at the last one that WandbLogger wrote: with
    `log_every_n_steps=5`, five points of training stood at each fifth step.

    Example
    -------
        logger = WandbLogger()

        class Model(LightningModule):
            def on_train_epoch_end(self):
                wandb.log({"samples": self.table}, step=self.current_epoch)

    Use instead
    -----------
        logger = WandbLogger()

        class Model(LightningModule):
            def on_train_epoch_end(self):
                step = self.global_step
                self.logger.experiment.log({"samples": self.table, "trainer/global_step": step})

    When to ignore
    --------------
    Where nothing else is logged in that run.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/13382
    - https://docs.wandb.ai/guides/track/log/
    """
    if not facts.calls_of(choice.WANDB):
        return
    own_axes = facts.calls_of(".define_metric")
    often = any(must_be(one.argument("log_every_n_steps"), 1) for one in facts.trainers)
    for owner in facts.classes:
        for call in facts.calls_in(owner, ".log"):
            if call.name != "wandb.log" and not call.receiver.endswith("logger.experiment"):
                continue
            given = call.gives("step") and not must_be(call.argument("step"), None)
            if not call.gives("step", 1) and not often and not own_axes and _per_batch_alone(call):
                yield self.finding(
                    call.location,
                    f"what every {call.hook} logs here is drawn at the last step that WandbLogger "
                    "wrote: many points at one place",
                    remedy='self.log, or "trainer/global_step" beside the value',
                    subject=owner.short_name,
                )
            elif given and call.hook not in BEFORE and (often or not _counts_steps(call)):
                yield self.finding(
                    call.location,
                    "W&B drops what comes with a smaller step than its own count, which "
                    "WandbLogger moves on with each call",
                    remedy='leave step out, and log "trainer/global_step" beside the value',
                    subject=owner.short_name,
                    fix=Fix("leave step out", (DropArgument(call.location, "step"),)),
                )


def _per_batch_alone(call: CallSite) -> bool:
    """Whether all batches of training, which counts its steps on meanwhile, surely log what is seen
    whole, is drawn as a curve (no picture, no table) and has no axis of its own."""
    data = call.argument("data", 0)
    whole = isinstance(data, Table) and data.get("trainer/global_step") is None
    known = whole and not any(map(_is_picture, _parts(data)))
    in_training = call.stage == "train" and _per_batch(call)
    return known and in_training and all(map(_asks_for_a_process, call.guards))


def _parts(data: Value) -> Iterator[Value]:
    """What is logged, and what that is made of."""
    yield from made_of(data)
    yield from (value for _, value in data.items) if isinstance(data, Table) else ()


def _is_picture(value: Value) -> bool:
    """Whether it is a picture, a table or the like, or what draws the current one."""
    return isinstance(value, (Made, Named)) and f"{value.name}.".startswith(PICTURES)


def _asks_for_a_process(guard: str) -> bool:
    return guard in ("self", "trainer") or for_one_rank((guard,))


def _counts_steps(call: CallSite) -> bool:
    """Whether a step is the number of optimizer steps, or may be: a local name that says of
    nothing else what it counts may as well be kept ahead of W&B's count."""
    written = dict(call.written).get("step", "")
    unsaid = written.isidentifier() and not SHORT.intersection(words_of(written))
    unknown = unsaid and isinstance(call.argument("step"), Unknown)
    return unknown or written.endswith("global_step")


@rule(
    "LTN908",
    "curve-goes-backwards",
    rows=("LGR08",),
    observers="both",
    calls=(*WRITES, *AT_ONCE, choice.WANDB),
    fixable=True,
)
def curve_goes_backwards(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A curve's x-axis does not go forward.

    What it does
    ------------
    Reading finds `experiment.add_scalar(tag, value, batch_idx)` and its sisters in the hooks of
    batches, a step that is `batch_idx` times the epoch, and points that every batch writes at the
    number of the epoch; also of `logger.log_metrics(..., step=...)` and, where there is no
    WandbLogger (which LTN905 is about), of `wandb.log(..., step=...)`. It is silent about the
    number of the batch under a condition on the epoch, and where each Trainer is written with
    `max_epochs=1`. Running reads the event file back and compares the steps of consecutive points
    of each tag, and of consecutive images, histograms and texts; those of the sanity check must not
    stand where later ones do.

    Why is this bad
    ---------------
    `batch_idx` begins again in each epoch: the epochs are drawn over each other, and cannot be laid
    beside curves that Lightning draws over global_step. `self.current_epoch * batch_idx` is 0 in
    all of the first epoch. W&B drops what comes with a smaller step than the last one.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.logger.experiment.add_scalar("loss", loss, batch_idx)
                return loss

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.logger.experiment.add_scalar("loss", loss, self.global_step)
                return loss

    When to ignore
    --------------
    Where the tag names the epoch, which this rule leaves alone.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/17671
    """
    for owner in () if _has_one_epoch(facts) else facts.classes:
        for call in facts.calls_in(owner, *WRITES, *AT_ONCE):
            if not _per_batch(call) or not _names_its_curves(facts, call) or _is_of_one(call):
                continue
            steps = COUNTED if call.stage == "validate" else "use self.global_step"
            anew = [said for step, said in ANEW if step == _step(call)]
            if anew and call.stage not in ("test", "predict"):
                yield self.finding(
                    call.location,
                    f"the step is {anew[0]}, which begins again in each epoch",
                    remedy=steps,
                    subject=owner.short_name,
                    fix=_by_steps(owner, call),
                )
            elif _is_epoch(_step(call)) and call.name in POINTS and not call.guards:
                yield self.finding(
                    call.location,
                    "all batches of an epoch are drawn at one point: the step is the epoch",
                    remedy=f"{steps}, or log once per epoch",
                    subject=owner.short_name,
                    fix=_by_steps(owner, call),
                )


ANEW = (
    (Named("batch_idx"), "the number of the batch"),
    (BATCH_TIMES_EPOCH, "the number of the batch times the epoch"),
)
"""Steps that are 0 with each first batch."""
COUNTED = "count the steps in an attribute of your own, or use self.log"
"""What draws the batches of a validation: no step is made between them."""


def _is_of_one(call: CallSite) -> bool:
    """Whether it may be of one epoch, whose batches are counted; a product begins with 0 in all."""
    of_some = any("epoch" in words_of(guard) for guard in call.guards)
    return of_some and _step(call) != BATCH_TIMES_EPOCH


def _has_one_epoch(facts: ProjectFacts) -> bool:
    """Whether each Trainer is written to train for one epoch."""
    built = [one for one in facts.trainers if not facts.in_tests(one.location)]
    return bool(built) and all(must_be(one.argument("max_epochs"), 1) for one in built)


def _names_its_curves(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether the names are seen under which a call writes, by one logger or the other: else they
    may tell the epochs apart."""
    if not _at_once(call):
        return isinstance(call.argument("tag", 0), Known)
    of_metrics = call.name.endswith(".log_metrics")
    given = call.argument("metrics" if of_metrics else "data", 0)
    seen = isinstance(given, Table) and all(isinstance(key, Known) for key, _ in given.items)
    of_logger = of_metrics and f".{call.receiver}".endswith(".logger")
    by_itself = call.name == "wandb.log" or f".{call.receiver}".endswith(".logger.experiment")
    return seen and (of_logger or (by_itself and not facts.calls_of(choice.WANDB)))


def _at_once(call: CallSite) -> bool:
    return call.name.endswith((".log_metrics", ".log"))


def _axis(call: CallSite) -> tuple[str, int]:
    """The parameter that is the step."""
    return ("step", 1) if _at_once(call) else ("global_step", 2)


def _step(call: CallSite) -> Value:
    return call.argument(*_axis(call))


def _by_steps(owner: ClassFacts, call: CallSite) -> Fix | None:
    """The step that a LightningModule counts, while it trains."""
    name, position = _axis(call)
    change = SetArgument(call.location, name, "self.global_step", position)
    counts = owner.kind == "module" and call.stage != "validate"
    return Fix("use self.global_step", (change,)) if counts else None


def _per_batch(call: CallSite) -> bool:
    return call.hook.endswith(("_step", "_batch_end", "_batch_start"))


def _is_epoch(step: Value) -> bool:
    return isinstance(step, Named) and step.name in EPOCHS
