"""What ``__init__`` asks before there is an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from pl_lint.facts.sites import AssignmentSite, CallSite, ClassFacts, ProjectFacts, made_of
from pl_lint.facts.values import Known, Named
from pl_lint.findings import Finding
from pl_lint.places import Location
from pl_lint.rules.devices.made import FACTORIES, MOVING, worked_out
from pl_lint.rules.registry import Rule, rule

DEVICE, INIT = "self.device", "__init__"
LISTED = frozenset({"item", "tolist", "numpy", "numel", "size"})
"""Attributes of a tensor that give plain numbers, which are good on any device."""


@rule(
    "LTN653",
    "trainer-asked-too-early",
    rows=("DEV03",),
    calls=(*FACTORIES, "torch.tensor", "torch.arange", *MOVING),
)
def asked_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`__init__` of a LightningModule asks for the Trainer, the logger or the device.

    What it does
    ------------
    Finds `self.trainer` and `self.logger` in `__init__` and in what it calls, and attributes that
    are tensors made with `device=self.device` or `.to(self.device)` there, or worked out from such
    tensors, and used later, where nothing moves them; and objects of classes of the project that
    are built with `self.device` there, keep it and work on it later (`NTXent(0.1, self.device)`).

    Why is this bad
    ---------------
    There is no Trainer yet: `self.trainer` raises a RuntimeError, and `self.logger` is None. The
    device is the CPU still, and the tensor stays there when Lightning moves the module.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.epochs = self.trainer.max_epochs

    Use instead
    -----------
        class Model(LightningModule):
            def setup(self, stage):
                self.epochs = self.trainer.max_epochs

    When to ignore
    --------------
    Never, unless the code is only reached later.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#trainer
    """
    for owner in facts.modules():
        told: set[str] = set()
        for read in owner.reads:
            asked = read.hook == INIT and read.attribute in ("trainer", "logger")
            safe = {"_trainer", "trainer", *told}  # `if self.logger:` told for what is in it
            if asked and not owner.open and not read.caught and safe.isdisjoint(read.guards):
                told.add(read.attribute)
                yield self.finding(
                    read.location,
                    f"there is no self.{read.attribute} yet when the module is built",
                    remedy="move it to setup(self, stage) or configure_model(self)",
                    subject=owner.short_name,
                )
        yield from _made_too_early(self, facts, owner)


def _made_too_early(self: Rule, facts: ProjectFacts, owner: ClassFacts) -> Iterator[Finding]:
    """Tensors on the device that a module has before Lightning moves it, which nothing moves."""
    methods = [one for one in owner.own_methods if one.name != INIT]
    later = {word for one in methods for word in one.words}
    whole = {word for one in methods for word in one.words - one.picked}
    later -= {one.attribute for one in owner.assignments if one.hook != INIT}
    moved = {site.receiver for site in facts.calls_in(owner, *MOVING)}
    told: set[str] = set()
    there = {
        site.location.line
        for site in facts.calls_in(owner, ".to")
        if site.argument("device", 0) == Named(DEVICE)
    }
    for site in facts.calls_in(owner, *FACTORIES, "torch.tensor", "torch.arange"):
        name = site.assigned.removeprefix("self.")
        kept = site.hook == INIT and site.assigned.startswith("self.") and name in later
        kept = kept and (name in whole or not _is_flat(site))
        handed = LISTED.isdisjoint(site.then) and site.location.line in there and "to" in site.then
        early = handed or (dict(site.written).get("device") == DEVICE and not site.then)
        if kept and early and site.assigned not in moved:
            told.add(name)
            yield _stays_there(self, owner, site.location, name)
    for one in worked_out(owner, DEVICE):
        if one.attribute in whole - told and f"self.{one.attribute}" not in moved:
            yield _stays_there(self, owner, one.location, one.attribute)
    for one in _bound_early(facts, owner):
        yield self.finding(
            one.location,
            f"{DEVICE} is the CPU in __init__, and what self.{one.attribute} is built with there "
            "stays on it",
            remedy="let it ask the tensors that it is given for their device",
            subject=owner.short_name,
        )


def _bound_early(facts: ProjectFacts, owner: ClassFacts) -> Iterator[AssignmentSite]:
    """Objects that ``__init__`` makes with the device of then, and that work on it ever after."""
    given = Counter(one.attribute for one in owner.assignments)
    told_later = {(one.receiver, one.attribute) for one in facts.reaches}
    for one in owner.assignments:
        if one.hook != INIT or given[one.attribute] > 1:
            continue
        for made, kind in product(made_of(one.value), facts.bound):
            device = made.argument(kind.parameter, kind.place)
            late = (f"self.{one.attribute}", kind.attribute) in told_later
            if made.name == kind.name and device == Named(DEVICE) and not late:
                yield one
                break


def _stays_there(self: Rule, owner: ClassFacts, place: Location, name: str) -> Finding:
    return self.finding(
        place,
        f"{DEVICE} is the CPU in __init__, and self.{name} stays there",
        remedy=f'write self.register_buffer("{name}", ...)',
        subject=owner.short_name,
    )


def _is_flat(site: CallSite) -> bool:
    """Whether a tensor surely has one dimension: its items are numbers, good on any device."""
    first = site.argument("data" if site.name == "torch.tensor" else "size", 0)
    if site.name == "torch.arange":
        return True
    if site.name == "torch.tensor":
        known = isinstance(first, Known) and isinstance(first.value, tuple)
        return known and not any(isinstance(one, tuple) for one in first.value)
    return isinstance(first, Known) and isinstance(first.value, int) and not site.gives("", 1)
