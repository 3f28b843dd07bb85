"""What logging and keeping values costs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, parts
from pl_lint.facts.sites import (
    ADDED,
    ClassFacts,
    HeldSite,
    ListSite,
    LogSite,
    MethodSite,
    ProjectFacts,
)
from pl_lint.facts.values import Made, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text

LOSS = re.compile(r"(self\.)?(\w*_)?loss(_\w+)?", re.IGNORECASE)
FREED = re.compile(r"detach|item|float", re.IGNORECASE)
"""Names that say that the graph is gone: ``detached_loss``."""
INLINE = re.compile(
    r"(?P<whole>(?P<of>self|(torch\.nn\.|nn\.)?functional|F)\.(?P<name>\w+))\(", re.DOTALL
)
"""A call of an attribute, or of a function of torch's; of these only the ones below."""
OF_TORCH = re.compile(r"\w+_loss|(binary_)?cross_entropy(_with_logits)?|kl_div")
DRAWN_HERE = (
    *(f"torch.{name}" for name in ("rand", "randn", "randint", "normal", "randperm")),
    *(f"torch.distributions.{name}" for name in ("Beta", "Uniform", "Normal", "Categorical")),
)
"""What draws numbers on the CPU, unless it is told another device."""
ELSEWHERE = frozenset({"to", "cuda", "type_as"})
FORWARD = re.compile(r"self(\.forward)?\([^()]*\)")


@rule(
    "LTN129",
    "graph-kept",
    rows=("LOG29",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the value still has its graph",
)
def graph_kept_alive(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A loss is kept with the graph that computed it.

    What it does
    ------------
    Reading finds `self.losses.append(loss)` in `training_step` without `detach()` or `item()`, in a
    dict or a tuple as well and by any name if the step returns it, `self.made.append(self(x))` and
    the same with one of torch's losses, `self.total += loss` where no step uses the total or begins
    it anew, and `enable_graph=True` of `self.log`, where training logs what may have a graph.
    Running counts tensors with a graph in the attributes of a module after two and after five
    batches, and the operations behind them. A list that the end of the epoch empties is suspected
    only: Lightning's guide to 2.0 collects the losses of an epoch like that, and it is as long as
    an epoch.

    Why is this bad
    ---------------
    Every tensor of the graph stays in memory as long as the loss does: memory grows with each
    batch, and the run ends late in the epoch without any.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.losses = []

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss)
            return loss

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.losses = []

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss.detach())
            return loss

    When to ignore
    --------------
    Where the value was detached before, or the list is emptied in each step.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15514
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4556
    """
    for owner in facts.modules():
        for log in owner.logs:
            if must_be(log.enable_graph, True) and _may_have_a_graph(owner, log):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} keeps the graph of every batch until the epoch ends",
                    remedy="leave enable_graph=True out",
                    subject=owner.short_name,
                )
        emptied = set(_emptied_by_steps(owner))
        for site in owner.lists:
            kept = _with_graph(owner, site)
            if kept and emptied.isdisjoint((site.attribute, "")):
                yield self.finding(
                    site.location,
                    f"self.{site.attribute} keeps the graph of {kept}",
                    remedy="append numbers without a graph: .detach() or .item()",
                    subject=owner.short_name,
                )
        for total in owner.held:
            if _adds_up_graphs(owner, total):
                yield self.finding(
                    total.location,
                    f"self.{total.attribute} keeps the graph of every {total.kept}",
                    remedy=f"add {total.kept}.detach()",
                    subject=owner.short_name,
                )


WITH_GRADIENTS = frozenset({"enable_grad", "set_grad_enabled"})
"""What asks for gradients where Lightning computes none: in all but training."""


def _may_have_a_graph(owner: ClassFacts, log: LogSite) -> bool:
    words = frozenset[str]().union(*(one.words for one in owner.own_methods))
    recorded = log.stage in (None, "train") or not WITH_GRADIENTS.isdisjoint(words)
    return recorded and not log.freed


def _emptied_by_steps(owner: ClassFacts) -> Iterator[str]:
    """The attributes that a training step, or a hook around it, clears or gives another object."""
    for one in owner.lists:
        if one.action == "clear" and _in_training(one.hook):
            yield one.attribute
    for given in owner.assignments:
        if _in_training(given.hook) and not (given.augmented or given.carried):
            yield given.attribute


def _with_graph(owner: ClassFacts, site: ListSite) -> str:
    """What a training step appends, or puts into the dict or tuple that it appends, and that has
    its graph."""
    in_step = site.action == "append" and site.hook == "training_step"
    forward = in_step and not any(map(_cuts_off, owner.own_methods))
    found = (
        one
        for one in site.kept
        if _is_loss(one)
        or (forward and FORWARD.fullmatch(one))
        or _computes_loss(owner, site, one)
        or _is_returned(owner, site, one)
    )
    return next(found, "") if in_step else ""


def _is_returned(owner: ClassFacts, site: ListSite, text: str) -> bool:
    """Whether a local name, whatever it is called, is the loss that the step goes on to return, as
    it was made before: Lightning calls backward on it, so it has its graph."""
    return owner.optimization == "automatic" and any(
        one.hook == site.hook
        and one.loss == text
        and one.location.path == site.location.path
        and 0 < one.made_on < site.location.line < one.location.line
        for one in owner.returns
    )


def _computes_loss(owner: ClassFacts, site: ListSite, text: str) -> bool:
    """Whether one of torch's losses is called right there, and nothing is done to its value."""
    called = INLINE.match(text)
    if called is None or FREED.search(text) or site.methods != (called["name"],):
        return False
    given = [one.value for one in owner.assignments if f"self.{one.attribute}" == called["whole"]]
    of_torch = called["of"] != "self" and OF_TORCH.fullmatch(called["name"]) is not None
    return of_torch or (bool(given) and all(map(_is_of_torch, given)))


def _is_of_torch(value: Value) -> bool:
    return isinstance(value, Made) and value.name.startswith("torch.nn.") and "Loss" in value.name


def _is_loss(text: str) -> bool:
    return LOSS.fullmatch(text) is not None and FREED.search(text) is None


def _cuts_off(method: MethodSite) -> bool:
    """Whether ``forward`` computes without a graph."""
    return method.name == "forward" and bool(method.decorators)


def _adds_up_graphs(owner: ClassFacts, site: HeldSite) -> bool:
    """Whether a training step adds a loss to a total that no training step starts again, or uses:
    one that it steps back through once in a while is there for its graph."""
    added = site.key == ADDED and site.hook == "training_step" and not site.looped
    if not added or not _is_loss(site.kept):
        return False
    here = {one.location.line for one in owner.held if one.attribute == site.attribute}
    lines = (*owner.reads, *(one for one in owner.assignments if not one.augmented))
    return not any(
        one.attribute == site.attribute and _in_training(one.hook) and one.location.line not in here
        for one in lines
    )


def _in_training(hook: str) -> bool:
    return hook == "training_step" or "_batch_" in hook or "backward" in hook or "zero_grad" in hook


@rule(
    "LTN130",
    "device-asked-each-step",
    rows=("LOG30",),
    default=False,
    calls=(".item", "builtins.print", *DRAWN_HERE),
)
def device_asked_each_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Every training step waits for the device, or prints.

    What it does
    ------------
    Finds `.item()` and `print` in `training_step` under no condition. A number that the step draws
    on the CPU (`torch.rand(()).item()`) is there already.

    Why is this bad
    ---------------
    `.item()` waits until the GPU has done all that it was given, which it would otherwise do
    beside the next step. `self.log` takes the tensor as it is. A print comes from every process.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss.item())
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss)
            return loss

    When to ignore
    --------------
    Where the number decides what the step does next.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15514
    - https://lightning.ai/docs/pytorch/stable/advanced/speed.html
    """
    for owner in facts.modules():
        drawn = set(_drawn_on_the_cpu(facts, owner))
        for call in facts.calls_in(owner, ".item", "builtins.print"):
            here = drawn & {call.location.line, (call.function, call.receiver)}
            if call.hook == "training_step" and not call.guards and not here:
                waits = call.name.endswith(".item")
                yield self.finding(
                    call.location,
                    "each step waits for the device here" if waits else "each step prints",
                    remedy="give self.log the tensor" if waits else "self.log, or self.print",
                    subject=owner.short_name,
                )


def _drawn_on_the_cpu(facts: ProjectFacts, owner: ClassFacts) -> Iterator[int | tuple[str, str]]:
    """The lines where a number is drawn on the CPU and asked for at once, and the names it has."""
    for site in facts.calls_in(owner, *DRAWN_HERE):
        made_of = [part for _, origin in site.origins for part in parts(origin)]
        of_the_batch = any(isinstance(part, BatchValue) for part in made_of)
        if site.gives("device") or of_the_batch or not ELSEWHERE.isdisjoint(site.then):
            continue
        if "item" in site.then:
            yield site.location.line
        if site.assigned:
            yield site.function, site.assigned
