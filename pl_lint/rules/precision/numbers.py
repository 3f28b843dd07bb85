"""What half precision cannot hold, and how it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, CallSite, ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, OneOf, Value
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, Fix, SetArgument
from pl_lint.rules.judging import version_at
from pl_lint.rules.precision.evidence import AUTOCAST, SCALED, SMALLEST, surely
from pl_lint.rules.registry import Rule, rule

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
    calls=(*BCE, *(f"{name}()" for name in BCE)),
)
def bce_under_autocast(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """BCELoss is used in a project that trains with half precision.

    What it does
    ------------
    Finds `BCELoss` and `binary_cross_entropy` in LightningModules, in projects with a Trainer of
    precision 16-mixed or bf16-mixed. What is only called in a block, or a function, that may
    switch autocast off is left alone.

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
            used = facts.calls_in(owner, f"{site.name}()") or (site,)
            if not all(map(_without_autocast, used)):
                yield self.finding(
                    site.location,
                    f"autocast on a GPU refuses {site.name.rpartition('.')[2]}",
                    remedy="use the form with logits, without the sigmoid before it",
                    subject=owner.short_name,
                )


def _without_autocast(site: CallSite) -> bool:
    """Whether a call stands where autocast may have been switched off."""
    around = "autocast" in site.within and "enabled=" in site.within
    return around or any("autocast" in word for word in site.guards)


ADAMS = tuple(f"torch.optim.{name}" for name in ("Adam", "AdamW", "NAdam", "RAdam"))
CLAMPS = ("torch.clamp", "torch.clamp_min", ".clamp", ".clamp_min", ".clamp_", ".clip")


LOGARITHMS = ("torch.log", ".log")


@rule(
    "LTN604",
    "division-by-zero-in-half-precision",
    rows=("PRE04",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the tensor is of fp16 there",
    default=False,
    calls=(*CLAMPS, *ADAMS, *LOGARITHMS),
)
def small_epsilon(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A division or logarithm meets a zero that only half precision has.

    What it does
    ------------
    Finds `clamp` with a lower bound that fp16 cannot hold, and the logarithm of a sigmoid with such
    a number added, in LightningModules of projects with a Trainer of precision 16, and Adam with an
    `eps` that it cannot hold, its default of 1e-8 too, where the weights are in fp16 (`16-true`). A
    run names the first operation that made NaN or Inf out of finite numbers under fp16 or bf16,
    where it divides.

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
        for site in facts.calls_in(owner, *CLAMPS, *LOGARITHMS) if scaled else ():
            bound = site.added if site.name in LOGARITHMS else _lower_bound(site)
            least = bound.value if isinstance(bound, Known) else None
            if isinstance(least, float) and 0 < least < SMALLEST:
                yield self.finding(
                    site.location,
                    f"{least} is zero in fp16: what it keeps from zero becomes zero",
                    remedy="take 1e-6, or cast the tensor with .float() before",
                    subject=owner.short_name,
                )

        for site in facts.calls_in(owner, *ADAMS) if surely(facts, owner, TRULY_HALF) else ():
            if _is_lost(site):
                yield self.finding(
                    site.location,
                    "eps of 1e-8 or less is zero in fp16: where squared gradients are zero as well "
                    "the weights become NaN",
                    remedy="give it eps=1e-4, or train with 16-mixed",
                    subject=owner.short_name,
                )


TRULY_HALF = ("16-true",)


def _is_lost(site: CallSite) -> bool:
    """Whether an optimizer's ``eps`` is zero in fp16."""
    given = site.argument("eps", 3)
    small = isinstance(given, Known) and isinstance(given.value, float) and given.value < SMALLEST
    return small or given == ABSENT


def _lower_bound(site: CallSite) -> Value:
    """What a clamp is given as its least value."""
    position = 1 if site.name.startswith("torch.") else 0
    return site.argument("min", position)


@rule("LTN605", "legacy-precision", rows=("PRE05",), default=False, migration=True, fixable=True)
def legacy_precision(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer gets a precision in the spelling of Lightning 1.x.

    What it does
    ------------
    Finds `precision=16`, `"16"`, `"bf16"` and `8` where the project admits Lightning 2, also as one
    of two (`16 if args.amp else 32`).

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
        chosen = value.values if isinstance(value, OneOf) else ()
        known = [value.value] if isinstance(value, Known) else list(chosen)
        old = [one for one in known if isinstance(one, (int, str)) and one in LEGACY]
        if old and version_at(facts, trainer.location) >= (2, 0):
            modern = LEGACY[old[0]]
            yield self.finding(
                trainer.at("precision"),
                f"precision={old[0]!r} is no spelling of Lightning 2",
                remedy=f'write precision="{modern}"',
                fix=_respelled(trainer, modern) if not chosen else None,
            )


def _respelled(trainer: TrainerSite, modern: str) -> Fix:
    """The same precision: Lightning 2 translates the old spelling, and warns (fabric/connector)."""
    change = SetArgument(trainer.location, "precision", f'"{modern}"')
    return Fix(f'write precision="{modern}"', (change,), Applicability.SAFE)


LEGACY: dict[int | str, str] = {
    16: "16-mixed",
    "16": "16-mixed",
    "bf16": "bf16-mixed",
    8: "transformer-engine",
    "8": "transformer-engine",
}


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
