"""Parameters that no loss reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import YES, AssignmentSite, ClassFacts, ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, Made
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import defines
from pl_lint.rules.registry import Rule, rule

LAYERS = re.compile(
    r"torch\.nn\.(?:Linear|Bilinear|Conv\w+|BatchNorm\w+|LayerNorm|GroupNorm|RMSNorm|Embedding\w*|"
    r"LSTM\w*|GRU\w*|RNN\w*|MultiheadAttention|Transformer\w*|PReLU|Parameter)"
)
"""What torch makes that has parameters of its own."""

COMPUTING = ("training_step", "forward")
"""A module without either is not finished, or trains nothing."""


@rule(
    "LTN504",
    "unused-parameters",
    rows=("DDP04",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="on several devices, by DDP without find_unused_parameters",
)
def unused_parameters(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Trainable parameters never get a gradient, which stops DDP at its second step.

    What it does
    ------------
    Reading finds layers of torch.nn that `__init__` makes and nothing in the project mentions
    again, unless every Trainer in sight looks for unused parameters. Running watches the gradients
    of a fit on two ranks, with `find_unused_parameters=True`, and names the parameters of its
    optimizers that none reached in any step. Those in no optimizer are a note. Where neither the
    case's own Trainer arguments nor a script of the project that fits this module name DDP or
    several devices, it is suspected only: one process trains such a module well.

    Why is this bad
    ---------------
    Since Lightning 2.0 plain `ddp` looks for no unused parameters: the second step raises
    RuntimeError. `fast_dev_run` has one step only. And what gets no gradient learns nothing.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Linear(8, 8)
            self.norm = torch.nn.LayerNorm(8)

        def forward(self, x):
            return self.encoder(x)

    Use instead
    -----------
    Remove the layers, use them, or freeze them with `requires_grad_(False)`; or, where some steps
    do not need them, `Trainer(strategy="ddp_find_unused_parameters_true")`.

        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Linear(8, 8)
            self.norm = torch.nn.LayerNorm(8)

        def forward(self, x):
            return self.norm(self.encoder(x))

    When to ignore
    --------------
    Where one process trains, and the layer is kept for checkpoints that have it.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/16611
    """
    for owner in facts.modules():
        whole = not owner.open and any(defines(facts, owner, one) for one in COMPUTING)
        trainers = facts.programs.trainers_of(owner)
        if trainers and all(map(_finds_unused, trainers)):
            continue
        for site in owner.assignments if whole else ():
            if _is_layer(facts, site) and not _used_below(facts, owner, site.attribute):
                yield self.finding(
                    site.location,
                    f"nothing mentions self.{site.attribute} again: no loss reaches its "
                    "parameters, and DDP raises in its second step",
                    remedy="use it, remove it, or freeze it with requires_grad_(False)",
                    subject=owner.short_name,
                )


def _finds_unused(trainer: TrainerSite) -> bool:
    """Whether DDP is told to look for what no loss reaches."""
    strategy = trainer.argument("strategy")
    if isinstance(strategy, Made):
        return strategy.argument("find_unused_parameters") == YES
    return isinstance(strategy, Known) and str(strategy.value).endswith("_parameters_true")


def _is_layer(facts: ProjectFacts, site: AssignmentSite) -> bool:
    made = site.unread and isinstance(site.value, Made) and LAYERS.fullmatch(site.value.name)
    return bool(made) and not facts.in_tests(site.location)


def _used_below(facts: ProjectFacts, owner: ClassFacts, attribute: str) -> bool:
    """Whether a class that inherits from the owner mentions the attribute."""
    heirs = (one for one in facts.classes if owner.name in one.ancestors)
    return any(attribute in method.words for one in heirs for method in one.own_methods)
