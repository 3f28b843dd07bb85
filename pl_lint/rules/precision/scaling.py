"""Gradients that are scaled: who scales, clips and measures them."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Named, OneOf, Value, may_be, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.precision.evidence import SCALED, offered, precisions, set_by_default, surely
from pl_lint.rules.registry import Rule, rule

BACKWARD = "torch.autograd.backward"
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
    `scaler.unscale_` by hand does not help: Lightning calls it again in `optimizer.step()`, which
    torch refuses (`plugins/precision/amp.py`, 2.6.6).

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
                optimizer.step()

            def on_before_optimizer_step(self, optimizer):
                self.clip_gradients(optimizer, gradient_clip_val=1.0)

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
        scaled = by_hand and (offered(facts, owner, SCALED) or set_by_default(facts, owner, SCALED))
        for site in facts.calls_in(owner, *CLIPPING) if scaled else ():
            if site.hook.startswith(("training_step", "on_train")):
                yield self.finding(
                    site.location,
                    "with precision 16 the gradients are still multiplied by the scale here: "
                    "clipping leaves next to nothing of them",
                    remedy="clip in on_before_optimizer_step(self, optimizer): there Lightning has "
                    "unscaled the gradients",
                    subject=owner.short_name,
                )


@rule(
    "LTN602",
    "backward-without-lightning",
    rows=("PRE02",),
    observers="both",
    status=Status.SUSPECTED,
    condition="on several devices, or with precision 16-mixed",
    calls=(".backward", ".scale", BACKWARD),
)
def backward_without_lightning(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Manual optimization calls loss.backward() instead of self.manual_backward(loss).

    What it does
    ------------
    Finds `.backward()` and `torch.autograd.backward(...)` in modules with
    `automatic_optimization = False`, but for what `.scale(loss)` of a scaler gave, and for branches
    that ask for a Trainer. A run compares the parameters of several ranks after the first step and
    at the end, and steps in half precision.

    Why is this bad
    ---------------
    The strategy is passed over, and the loss is not scaled. With DDP nobody averages the gradients:
    each rank trains a network of its own, and nothing says so (two ranks' weights were .26 apart
    after two epochs, and the same with `manual_backward`). With precision 16 the optimizer's step
    fails with "Attempted unscale_ but _scale is None". On one device in fp32 all is well.

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
        by_hand = owner.manual_optimization
        for site in facts.calls_in(owner, ".backward", BACKWARD) if by_hand else ():
            if site.hook == "training_step" and not _is_own_backward(facts, owner, site):
                yield self.finding(
                    site.location,
                    "Lightning does not see this backward: DDP averages no gradients, and with "
                    "precision 16 the step fails",
                    remedy="write self.manual_backward(loss)",
                    subject=owner.short_name,
                )


def _is_own_backward(facts: ProjectFacts, owner: ClassFacts, site: CallSite) -> bool:
    """Whether the module scales what it goes back from, or asks first whether there is a Trainer:
    without one there is no ``manual_backward``. That of a tensor gives nothing that could be kept.
    """
    by_lightning = site.receiver in ("super()", "self") or site.receiver.startswith("self.trainer.")
    if "scale" in site.receiver or by_lightning or site.assigned:
        return True
    scaling = {call.function for call in facts.calls_in(owner, ".scale")}
    scaled = not site.receiver and site.function in scaling  # scaler.scale(loss).backward()
    return scaled or any("trainer" in guard for guard in site.guards)


OWN_AUTOCASTS = ("torch.autocast", "torch.cuda.amp.autocast", "torch.amp.autocast")
UNTRAINED = ("torch.no_grad", "torch.inference_mode")
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
    calls=(*OWN_SCALERS, *OWN_AUTOCASTS, *UNTRAINED, ".scale"),
    status=Status.SUSPECTED,
    condition="if the loss is what is scaled or cast",
)
def own_scaler(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module has a GradScaler, or an autocast to float16, of its own.

    What it does
    ------------
    Finds `GradScaler(...)` in a LightningModule that scales something with `scale(...)`, and that
    leaves optimization to Lightning or is trained with precision 16 anyway; and a `training_step`
    under automatic optimization with an autocast to float16 of its own, where no Trainer has half
    precision and nothing in the autocast switches gradients off. A switch (`enabled=self.amp`) is
    passed over where `dtype=torch.float16` is written: whenever it is on, nothing scales the loss.

    Why is this bad
    ---------------
    Lightning scales and unscales by itself under `precision="16-mixed"`. A second scaler either
    does nothing, or scales twice and never takes it back. Autocast without the Trainer's precision
    has no scaler at all: small gradients are zero in float16.

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
        automatic = owner.optimization == "automatic"
        doubly = automatic or (owner.manual_optimization and offered(facts, owner, SCALED))
        scales = doubly and facts.calls_in(owner, ".scale")
        frozen = any("autocast" in one.within for one in facts.calls_in(owner, *UNTRAINED))
        for site in facts.calls_in(owner, *OWN_AUTOCASTS) if automatic and not frozen else ():
            if _casts_to_half(site) and _in_full_precision(facts, owner):
                yield self.finding(
                    site.location,
                    "nothing scales the loss of this autocast: small gradients are zero in float16",
                    remedy='drop it, and give the Trainer precision="16-mixed"',
                    subject=owner.short_name,
                )
        for site in facts.calls_in(owner, *OWN_SCALERS) if scales else ():
            if not must_be(site.argument("enabled"), False):
                yield self.finding(
                    site.location,
                    "Lightning has a GradScaler of its own: this one does nothing, or scales twice",
                    remedy='drop it, and give the Trainer precision="16-mixed"',
                    subject=owner.short_name,
                )


def _casts_to_half(site: CallSite) -> bool:
    """Whether it is ``with torch.autocast("cuda"):`` around what training computes: float16 unless
    another type is said. A switch (``enabled=self.amp``) is passed over where float16 is said:
    whenever that is on, nothing scales the loss."""
    said = site.argument("dtype") in HALF
    on_cuda = ".cuda." in site.name or must_be(site.argument("device_type", 0), "cuda")
    half = (on_cuda and site.argument("dtype") == ABSENT) or (said and not _on_a_cpu(site))
    switched = site.gives("enabled") and not must_be(site.argument("enabled"), True)
    on = site.complete and not (switched and (not said or _is_off(site.argument("enabled"))))
    around = site.hook == "training_step" and site.then == ("__enter__",)
    return half and on and around and not site.within


HALF = (Named("torch.float16"), Named("torch.half"))


def _on_a_cpu(site: CallSite) -> bool:
    return _is_written(site.argument("device_type", 0), "cpu")


def _is_off(value: Value) -> bool:
    """Whether a switch may be off by what is written."""
    return _is_written(value, False)


def _is_written(value: Value, constant: object) -> bool:
    return isinstance(value, (Known, OneOf)) and may_be(value, constant)


def _in_full_precision(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether all Trainers that may train a class are seen to leave precision at 32."""
    given = precisions(facts, owner)
    return bool(given) and all(value in (ABSENT, *FULL) for value in given)


FULL = tuple(map(Known, (32, "32", "32-true")))


MEASURING = (".norm", ".clamp_", ".clip_")
"""Methods that ask how large a gradient is: ``p.grad.norm()``, ``p.grad.clamp_(-1, 1)``."""
MULTIPLYING = (".mul_", ".div_")
"""Methods that change a gradient in proportion, which a scale takes no harm from."""
NORMS = (*CLIPPING, *(f"{package}.utilities.grad_norm" for package in PACKAGES))


@rule(
    "LTN608",
    "gradients-looked-at-too-early",
    rows=("PRE08",),
    status=Status.SUSPECTED,
    condition="with precision 16-mixed, or where batches are accumulated",
    calls=(*NORMS, *MEASURING, *MULTIPLYING),
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
        added = _accumulates(facts)
        early = added or surely(facts, owner, SCALED)
        asked = (*NORMS, *MEASURING, *(MULTIPLYING if added else ()))
        for site in facts.calls_in(owner, *asked) if early else ():
            of_gradients = site.name in NORMS or site.receiver.endswith((".grad", ".grad.data"))
            if site.hook == "on_after_backward" and of_gradients:
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
