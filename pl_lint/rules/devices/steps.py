"""Tensors that a step makes."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix, SetArgument
from pl_lint.rules.devices.made import FACTORIES, INDICES, MOVED, MOVING
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN652",
    "tensor-made-on-the-cpu",
    rows=("DEV02",),
    status=Status.SUSPECTED,
    condition="on a GPU, if the tensor meets one of the batch",
    default=False,
    observers="both",
    calls=(*FACTORIES, *INDICES, *MOVING),
    fixable=True,
)
def made_on_cpu(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A step makes a tensor without saying on which device.

    What it does
    ------------
    Finds `torch.zeros`, `torch.randn` and the like without `device=` in the steps and the `forward`
    of a LightningModule, where nothing moves the result. Indices (`torch.randint`, `torch.arange`)
    only where an embedding, or `forward`, is given them: they may pick from anywhere.

    Why is this bad
    ---------------
    The tensor is on the CPU and the batch on the GPU: "expected all tensors to be on the same
    device", on the first machine that has one.

    Example
    -------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape)
            return self.loss(batch + noise)

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape, device=self.device)
            return self.loss(batch + noise)

    When to ignore
    --------------
    Where the tensor is used as a Python number, or as an index.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.modules():
        moved = {(site.function, site.receiver) for site in facts.calls_in(owner, *MOVING)}
        fed = [site for site in facts.calls_in(owner, *INDICES) if site.fed]
        for site in (*facts.calls_in(owner, *FACTORIES), *fed):
            in_step = site.hook.endswith("_step") or site.function == "forward"
            placed = site.gives("device") or not site.complete or MOVED.intersection(site.then)
            if in_step and not placed and (site.function, site.assigned) not in moved:
                yield self.finding(
                    site.location,
                    f"{site.name} makes a tensor on the CPU, wherever the batch is",
                    remedy="add device=self.device",
                    subject=owner.short_name,
                    fix=Fix("add device=self.device", (_here(site),)),
                )


def _here(site: CallSite) -> SetArgument:
    return SetArgument(site.location, "device", "self.device")
