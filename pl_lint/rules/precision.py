"""Half precision: what is scaled, what is too small for it, who casts."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Value, may_be, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import version_at
from pl_lint.rules.registry import Rule, rule

SCALED = (16, "16", "16-mixed")
"""Precisions under which Lightning multiplies the loss by a scale."""
HALF = (*SCALED, "16-true", "bf16", "bf16-mixed", "bf16-true")
AUTOCAST = (*SCALED, "bf16", "bf16-mixed")
SMALLEST = 6e-8
"""The smallest positive number of fp16 is 2**-24, 5.96e-8."""


def precisions(facts: ProjectFacts, owner: ClassFacts) -> list[Value]:
    """The precision of the Trainers that may train a class: those of its own file, if it has any,
    else all."""
    beside = [one for one in facts.trainers if one.location.path == owner.location.path]
    return [trainer.argument("precision") for trainer in beside or facts.trainers]


def surely(facts: ProjectFacts, owner: ClassFacts, choices: tuple[object, ...]) -> bool:
    """Whether some Trainer that may train a class surely uses one of some precisions, and none
    surely another one."""
    given = precisions(facts, owner)
    some = any(must_be(value, one) for value in given for one in choices)
    return some and all(any(may_be(value, one) for one in choices) for value in given)


# --- manual optimization --------------------------------------------------------------------------

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
CLIPPING = (
    "self.clip_gradients",
    "torch.nn.utils.clip_grad_norm_",
    "torch.nn.utils.clip_grad_value_",
    "torch.nn.utils.clip_grad.clip_grad_norm_",
)


@rule(
    "LTN601",
    "clipped-while-scaled",
    rows=("PRE01",),
    status=Status.SUSPECTED,
    condition="with precision 16-mixed",
    calls=(*CLIPPING, ".unscale_"),
)
def clipped_while_scaled(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Gradients are clipped by hand while they are still scaled.

    What it does
    ------------
    Finds modules with manual optimization that clip gradients and do not call `unscale_`, in
    projects with a Trainer of precision 16.

    Why is this bad
    ---------------
    Under `16-mixed` the gradients are multiplied by 65536 until the optimizer steps. Clipped to a
    norm of 1 before that, the update was -1.55e-6 instead of -0.05: next to nothing is learned.

    Example
    -------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(self.loss(batch))
                self.clip_gradients(optimizer, gradient_clip_val=1.0)
                optimizer.step()

        Trainer(precision="16-mixed")

    Use instead
    -----------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(self.loss(batch))
                self.trainer.precision_plugin.scaler.unscale_(optimizer.optimizer)
                self.clip_gradients(optimizer, gradient_clip_val=1.0)
                optimizer.step()

        Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where this module is never trained with precision 16.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18089
    """
    for owner in facts.modules():
        by_hand = owner.manual_optimization and not facts.calls_in(owner, ".unscale_")
        if not by_hand or not surely(facts, owner, SCALED):
            continue
        for site in facts.calls_in(owner, *CLIPPING):
            if site.hook.startswith(("training_step", "on_train")):
                yield self.finding(
                    site.location,
                    "with precision 16 the gradients are still multiplied by the scale here: "
                    "clipping leaves next to nothing of them",
                    remedy="call scaler.unscale_(optimizer) before, or train with bf16-mixed",
                    subject=owner.short_name,
                )


@rule(
    "LTN602",
    "backward-without-lightning",
    rows=("PRE02",),
    status=Status.SUSPECTED,
    condition="with precision 16-mixed, or a strategy that has a backward of its own",
    calls=(".backward",),
)
def backward_without_lightning(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Manual optimization calls loss.backward() instead of self.manual_backward(loss).

    What it does
    ------------
    Finds `.backward()` in modules with `automatic_optimization = False`.

    Why is this bad
    ---------------
    The loss is not scaled and strategies are passed over. With precision 16 the optimizer's step
    fails with "Attempted unscale_ but _scale is None"; in fp32 all is well.

    Example
    -------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                self.loss(batch).backward()

    Use instead
    -----------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                self.manual_backward(self.loss(batch))

    When to ignore
    --------------
    Where the module scales the loss itself.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    for owner in facts.modules():
        for site in facts.calls_in(owner, ".backward") if owner.manual_optimization else ():
            own = "scale" in site.receiver or site.receiver in ("super()", "self")
            if site.hook == "training_step" and not own and site.name == ".backward":
                yield self.finding(
                    site.location,
                    "Lightning does not see this backward: with precision 16 the step fails",
                    remedy="write self.manual_backward(loss)",
                    subject=owner.short_name,
                )


# --- what half precision does not hold ------------------------------------------------------------

BCE = (
    "torch.nn.BCELoss",
    "torch.nn.functional.binary_cross_entropy",
)


@rule(
    "LTN603",
    "bce-under-autocast",
    rows=("PRE03",),
    status=Status.SUSPECTED,
    condition="on a GPU",
    calls=BCE,
)
def bce_under_autocast(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """BCELoss is used in a project that trains with half precision.

    What it does
    ------------
    Finds `BCELoss` and `binary_cross_entropy` in LightningModules, in projects with a Trainer of
    precision 16-mixed or bf16-mixed.

    Why is this bad
    ---------------
    CUDA's autocast refuses them: "unsafe to autocast". A CPU does not, so that the first step on a
    GPU is the first to fail.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                x, y = batch
                return torch.nn.functional.binary_cross_entropy(torch.sigmoid(self.net(x)), y)

        Trainer(precision="16-mixed")

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                x, y = batch
                return torch.nn.functional.binary_cross_entropy_with_logits(self.net(x), y)

        Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where the loss is computed in a block without autocast.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/13871
    """
    for owner in facts.modules():
        for site in facts.calls_in(owner, *BCE) if surely(facts, owner, AUTOCAST) else ():
            if "autocast" not in site.within:
                yield self.finding(
                    site.location,
                    f"autocast on a GPU refuses {site.name.rpartition('.')[2]}",
                    remedy="use the form with logits, without the sigmoid before it",
                    subject=owner.short_name,
                )


CLAMPS = ("torch.clamp", "torch.clamp_min", ".clamp", ".clamp_min", ".clamp_", ".clip")


@rule(
    "LTN604",
    "division-by-zero-in-half-precision",
    rows=("PRE04",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the tensor is of fp16 there",
    default=False,
    calls=CLAMPS,
)
def small_epsilon(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A division or logarithm meets a zero that only half precision has.

    What it does
    ------------
    Finds `clamp` with a lower bound that fp16 cannot hold, in LightningModules of projects with a
    Trainer of precision 16. A run names the first operation that made NaN or Inf out of finite
    numbers under fp16 or bf16, where it divides.

    Why is this bad
    ---------------
    The smallest number of fp16 is 6e-8: an epsilon of 1e-8 is zero, and 0 / 0 is NaN. Training goes
    on with NaN weights and says nothing.

    Example
    -------
        class Model(LightningModule):
            def forward(self, x):
                return x / x.abs().clamp(min=1e-8)

        Trainer(precision="16-mixed")

    Use instead
    -----------
        class Model(LightningModule):
            def forward(self, x):
                return x / x.abs().clamp(min=1e-6)

        Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where the tensor is cast to fp32 before.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20619
    """
    for owner in facts.modules():
        scaled = surely(facts, owner, (*SCALED, "16-true"))
        for site in facts.calls_in(owner, *CLAMPS) if scaled else ():
            bound = _lower_bound(site)
            least = bound.value if isinstance(bound, Known) else None
            if isinstance(least, float) and 0 < least < SMALLEST:
                yield self.finding(
                    site.location,
                    f"{least} is zero in fp16: what it keeps from zero becomes zero",
                    remedy="take 1e-6, or cast the tensor with .float() before",
                    subject=owner.short_name,
                )


def _lower_bound(site: CallSite) -> Value:
    """What a clamp is given as its least value."""
    position = 1 if site.name.startswith("torch.") else 0
    return site.argument("min", position)


@rule("LTN605", "legacy-precision", rows=("PRE05",), default=False)
def legacy_precision(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer gets a precision in the spelling of Lightning 1.x.

    What it does
    ------------
    Finds `precision=16`, `"16"`, `"bf16"` and `8` where the project admits Lightning 2.

    Why is this bad
    ---------------
    16 and bf16 mean `16-mixed` and `bf16-mixed`, with a warning; on a CPU 16 silently becomes
    bf16-mixed. 8 never worked.

    Example
    -------
        trainer = Trainer(precision=16)

    Use instead
    -----------
        trainer = Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where the same script has to run with Lightning 1.x.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#precision
    """
    for trainer in facts.trainers:
        value = trainer.argument("precision")
        known = value.value if isinstance(value, Known) else None
        modern = LEGACY.get(known) if isinstance(known, (int, str)) else None
        if modern is not None and version_at(facts, trainer.location) >= (2, 0):
            yield self.finding(
                trainer.location,
                f"precision={known!r} is no spelling of Lightning 2",
                remedy=f'write precision="{modern}"',
            )


LEGACY: dict[int | str, str] = {
    16: "16-mixed",
    "16": "16-mixed",
    "bf16": "bf16-mixed",
    8: "transformer-engine",
    "8": "transformer-engine",
}


# --- by hand --------------------------------------------------------------------------------------

OWN_SCALERS = (
    "torch.cuda.amp.GradScaler",
    "torch.amp.GradScaler",
    "torch.cuda.amp.grad_scaler.GradScaler",
    "torch.amp.grad_scaler.GradScaler",
)


@rule(
    "LTN607",
    "own-scaler",
    rows=("PRE07",),
    calls=OWN_SCALERS,
    status=Status.SUSPECTED,
    condition="if the scaler scales the loss",
)
def own_scaler(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module under automatic optimization has a GradScaler of its own.

    What it does
    ------------
    Finds `GradScaler(...)` in a LightningModule that leaves optimization to Lightning.

    Why is this bad
    ---------------
    Lightning scales and unscales by itself under `precision="16-mixed"`. A second scaler either
    does nothing, or scales twice and never takes it back.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.scaler = torch.cuda.amp.GradScaler()

            def training_step(self, batch, batch_idx):
                return self.scaler.scale(self.loss(batch))

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                return self.loss(batch)

        Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where the scaler is for a loop of your own inside the module.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/precision_intermediate.html
    """
    for owner in facts.modules():
        for site in (
            facts.calls_in(owner, *OWN_SCALERS) if owner.optimization == "automatic" else ()
        ):
            if not must_be(site.argument("enabled"), False):
                yield self.finding(
                    site.location,
                    "Lightning has a GradScaler of its own: this one does nothing, or scales twice",
                    remedy='drop it, and give the Trainer precision="16-mixed"',
                    subject=owner.short_name,
                )


NORMS = (*CLIPPING, *(f"{package}.utilities.grad_norm" for package in PACKAGES))


@rule(
    "LTN608",
    "gradients-looked-at-too-early",
    rows=("PRE08",),
    status=Status.SUSPECTED,
    condition="with precision 16-mixed, or where batches are accumulated",
    calls=NORMS,
)
def looked_at_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Gradients are measured or clipped in on_after_backward.

    What it does
    ------------
    Finds gradient norms and clipping in `on_after_backward` of a module or callback, in projects
    with a Trainer of precision 16 or one that accumulates batches.

    Why is this bad
    ---------------
    The hook runs after each backward: before the gradients are unscaled, and for every accumulated
    batch. Norms are 65536 times too large, and a part of the sum is clipped again and again.

    Example
    -------
        class Model(LightningModule):
            def on_after_backward(self):
                torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)

        Trainer(precision="16-mixed")

    Use instead
    -----------
        class Model(LightningModule):
            def on_before_optimizer_step(self, optimizer):
                torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)

        Trainer(precision="16-mixed")

    When to ignore
    --------------
    Where this module is trained in fp32 without accumulation.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/9694
    """
    for owner in facts.classes:
        early = surely(facts, owner, SCALED) or _accumulates(facts)
        for site in facts.calls_in(owner, *NORMS) if early else ():
            if site.hook == "on_after_backward":
                yield self.finding(
                    site.location,
                    "gradients are not unscaled yet here, and not all of them are added up",
                    remedy="move it to on_before_optimizer_step",
                    subject=owner.short_name,
                )


def _accumulates(facts: ProjectFacts) -> bool:
    given = [trainer.argument("accumulate_grad_batches") for trainer in facts.trainers]
    known = [value.value for value in given if isinstance(value, Known)]
    return any(isinstance(number, int) and number > 1 for number in known)


@rule(
    "LTN609", "cast-to-half-by-hand", rows=("PRE09",), default=False, calls=(".half", ".bfloat16")
)
def cast_by_hand(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A step casts tensors to half precision by hand.

    What it does
    ------------
    Finds `.half()` and `.bfloat16()` in the steps and the `forward` of a LightningModule.

    Why is this bad
    ---------------
    The code runs with one setting of `precision` only; with another it stops with a dtype error.

    Example
    -------
        def training_step(self, batch, batch_idx):
            return self.loss(batch.half())

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

    When to ignore
    --------------
    Where the value is only stored.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/precision_intermediate.html
    """
    for owner in facts.modules():
        for site in facts.calls_in(owner, ".half", ".bfloat16"):
            if site.hook.endswith("_step"):
                yield self.finding(
                    site.location,
                    f"{site.name.rpartition('.')[2]}() decides the precision that the Trainer "
                    "decides",
                    remedy="leave it to precision= of the Trainer",
                    subject=owner.short_name,
                )
