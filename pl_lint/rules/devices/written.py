"""Devices that the code names."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, DeviceSite, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.fixes import Callee, Change, Fix, Receiver, Replace, SetArgument
from pl_lint.rules.registry import Rule, rule

ASKED = frozenset({"is_available", "on_gpu", "'cuda'", "'gpu'", "use_cuda", "use_gpu"})
"""Words of a condition that asks for the device before it is used."""


@rule(
    "LTN651",
    "device-written-into-module",
    rows=("DEV01",),
    default=False,
    observers="both",
    fixable=True,
)
def device_in_module(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Lightning class moves tensors to a device that is written into the code.

    What it does
    ------------
    Finds `.cuda()`, `.to("cuda")`, `.type(torch.cuda.FloatTensor)` and `device="cuda"` in
    LightningModules, DataModules and callbacks, but for those under a condition that asks for the
    device. Of a device that is chosen (`"cuda:0" if torch.cuda.is_available() else "cpu"`) only the
    number counts: `cuda` alone is the device of the process.

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
            if ASKED.intersection(site.guards):
                continue
            yield self.finding(
                site.location,
                f"{site.text} ties {owner.short_name} to one kind of device",
                remedy="use self.device, or register the tensor with self.register_buffer",
                subject=owner.short_name,
                fix=_on_own_device(owner, site),
            )


def _on_own_device(owner: ClassFacts, site: DeviceSite) -> Fix | None:
    """The module's device, which is known once it has been moved. A type of tensors says more than
    the device."""
    if owner.kind != "module" or site.hook in ("", "__init__") or site.text.endswith("Tensor"):
        return None
    call = site.location
    changes: tuple[Change, ...] = (SetArgument(call, "device", "self.device", 0),)
    if site.text == ".cuda()":
        changes = (Replace(Callee(call), (Receiver(call), ".to")), *changes)
    return Fix("use self.device", changes)
