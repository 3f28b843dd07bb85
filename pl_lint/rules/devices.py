"""Where tensors are, and who decides it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN651", "device-written-into-module", rows=("DEV01",), default=False)
def device_in_module(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Lightning class moves tensors to a device that is written into the code.

    What it does
    ------------
    Finds `.cuda()`, `.to("cuda")` and `device="cuda"` in LightningModules, DataModules and
    callbacks.

    Why is this bad
    ---------------
    The code fails on a machine without that device, and with several devices everything lands on
    the first one.

    Example
    -------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape).cuda()

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape, device=self.device)

    When to ignore
    --------------
    Where the code is for one machine with one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.classes:
        for site in owner.devices:
            yield self.finding(
                site.location,
                f"{site.text} ties {owner.short_name} to one kind of device",
                remedy="use self.device, or register the tensor with self.register_buffer",
                subject=owner.short_name,
            )
