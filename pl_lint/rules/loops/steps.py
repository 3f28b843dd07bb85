"""What steps return, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import ListOfSteps, parts
from pl_lint.facts.sites import CallSite, ClassFacts, ListSite, ProjectFacts, ReadSite, ReturnSite
from pl_lint.facts.values import Known, Several, Table, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import defines, is_validated_once, is_whole, target_version
from pl_lint.rules.logging.averages import mean_of_list
from pl_lint.rules.loops.stepping import MANUAL, is_reached, refused
from pl_lint.rules.registry import Rule, rule

STEP = ".training_step"
QUEUE = "collections.deque"
ANY = ""
"""What is emptied where nobody knows the name of it."""
BY_HAND = frozenset({"__dict__", "__setattr__", "__delattr__"})
DETACHING = frozenset({"item", "detach", "numpy", "tolist", "data"})


@rule("LTN717", "loss-that-cannot-train", rows=("LOOP17",), calls=(STEP, MANUAL))
def loss_cannot_train(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step returns something that Lightning cannot train with.

    What it does
    ------------
    Finds a `training_step` under automatic optimization that returns a detached tensor, alone or
    under the key `"loss"`, a tuple, a dict without that key, or a new tensor without
    `requires_grad=True` as it was made (`torch.tensor(0.0)`), also in a branch or where an error is
    caught. A name that has such a tensor until a loop or one of several branches fills it is left
    alone.

    Why is this bad
    ---------------
    Lightning stops in the first batch, or in the first one that takes this way: "element 0 of
    tensors does not require grad". To skip a batch, a step returns None.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            return {"train_loss": loss}

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            return {"loss": loss}

    When to ignore
    --------------
    Where a base class that was not read makes a loss of it. Nothing is said where the project
    calls `model.training_step(...)` in a loop of its own, nor below a `manual_backward`, which
    Lightning refuses there (LTN706).

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#training-step
    """
    if any(not call.owner and not facts.in_tests(call.location) for call in facts.calls_of(STEP)):
        return
    for owner in facts.modules():
        if owner.optimization != "automatic" or not is_whole(owner) or not _configures(owner):
            continue
        if target_version(owner) < (2, 0) and defines(facts, owner, "training_step_end"):
            continue  # it makes the loss
        refusals = refused(facts, owner)
        for site in owner.returns:
            wrong = _cannot_train(site) if site.hook == "training_step" else None
            if wrong is not None and is_reached(site, refusals):
                yield self.finding(
                    site.location,
                    f"training_step returns {wrong}: Lightning cannot train with it",
                    remedy='return the loss, or a dict with the key "loss"',
                    subject=owner.short_name,
                )
        if not defines(facts, owner, "backward"):
            yield from _without_graph(self, owner, refusals)


def _without_graph(self: Rule, owner: ClassFacts, refusals: list[CallSite]) -> Iterator[Finding]:
    """The tensors that nothing learns from, where they are made."""
    steps = (one for one in owner.returns if one.hook == "training_step")
    reached = (one for one in steps if is_reached(one, refusals))
    for place in dict.fromkeys(place for one in reached for place in one.without_graph):
        yield self.finding(
            place,
            "training_step returns this tensor as its loss, which has no gradients: backward fails",
            remedy="return None to skip a batch, or the loss",
            subject=owner.short_name,
        )


def _cannot_train(site: ReturnSite) -> str | None:
    match site.value:
        case Table() if site.value.get("loss") is None:
            return "a dict without the key 'loss'"
        case Several() | Known(tuple()):
            return "several values"
    last = site.methods[-1] if site.methods else ""
    return "a loss without gradients" if last in DETACHING else None


@rule(
    "LTN718",
    "no-loss-returned",
    rows=("LOOP18",),
    observers="both",
    calls=(".optimizers",),
)
def no_loss_returned(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step returns nothing, and nothing is trained.

    What it does
    ------------
    Finds a `training_step` under automatic optimization that logs, or makes a `loss`, and ends
    without any `return`, or returns what a method of the class returns that ends without one. A run
    looks at what training_step returned for every batch of a fit under automatic optimization.

    Why is this bad
    ---------------
    Lightning takes None for "skip this batch". It warns, and goes on to the last epoch.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss)

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss)
            return loss

    When to ignore
    --------------
    Where nothing is to be trained.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#training-step
    """
    for owner in facts.modules():
        found = [site for site in owner.returns if site.hook == "training_step"]
        logs = any(log.hook == "training_step" for log in owner.logs) or _makes_a_loss(owner)
        if owner.optimization != "automatic" or not is_whole(owner) or not found or not logs:
            continue
        nothing = all(must_be(site.value, None) for site in found)
        forgotten = all(not site.written or _is_own(facts, owner, site) for site in found)
        by_hand = facts.calls_in(owner, ".optimizers")
        if nothing and forgotten and not by_hand and _configures(owner):
            yield self.finding(
                found[0].location,
                "training_step returns no loss: Lightning skips every batch, and nothing is "
                "trained",
                remedy="return the loss",
                subject=owner.short_name,
            )


def _is_own(facts: ProjectFacts, owner: ClassFacts, site: ReturnSite) -> bool:
    """Whether what a method gives is returned that no other class is to fill in: a template is
    judged by what inherits from it."""
    abstract = {one.name for one in owner.own_methods if "abstractmethod" in str(one.decorators)}
    inherited = any(owner.name in one.ancestors for one in facts.all_modules())
    return bool(site.methods) and abstract.isdisjoint(site.methods) and not inherited


STEPPING = frozenset({"update", "step", "backward", "optimize", "learn", "fit", "train_on_batch"})
"""Methods of an agent or an optimizer that go a step by themselves."""


def _makes_a_loss(owner: ClassFacts) -> bool:
    """Whether ``training_step`` has something that it calls a loss, and nothing that may train with
    it at once."""
    steps = (one for one in owner.own_methods if one.name == "training_step")
    return any("loss" in one.words and STEPPING.isdisjoint(one.words) for one in steps)


def _configures(owner: ClassFacts) -> bool:
    """Whether the class has an optimizer to train with."""
    return any(
        site.hook == "configure_optimizers" and not must_be(site.value, None)
        for site in owner.returns
    )


@rule(
    "LTN719",
    "outputs-never-cleared",
    rows=("LOOP19",),
    observers="both",
    status=Status.SUSPECTED,
    condition="unless the list is meant to hold a history",
    calls=(".clear", ".pop", ".popleft", ".popitem", QUEUE),
)
def never_cleared(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A list of tensors grows from epoch to epoch.

    What it does
    ------------
    Finds lists that a step appends to, that another hook uses and that nothing empties: no
    `clear()`, no new list in a hook, no `del`, nothing that goes by names (`setattr(self, name,
    [])`) which may be theirs. Lists of plain numbers (`.item()`) are taken for a
    history unless their mean is logged when an epoch ends, or anything of one number for each
    sample (`.tolist()`); so are those of a callback that no end of an epoch uses. What is added
    only as long as a list is short enough is left alone; so are modules that scripts are seen to
    validate once and never to train. A run compares what the lists and dicts of a module hold after
    the first and after the second epoch; there, too, plain numbers and one value for each epoch are
    a history, and a list from which something takes values out, or puts others in their place (a
    queue, a pool of images), is suspected only.

    Why is this bad
    ---------------
    Memory grows for as long as training goes on, and what is computed from the list at the end of
    an epoch is about all epochs so far.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.hits = []

        def validation_step(self, batch, batch_idx):
            self.hits.append(self.hit(batch))

        def on_validation_epoch_end(self):
            self.log("val_acc", torch.cat(self.hits).mean(), sync_dist=True)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.hits = []

        def validation_step(self, batch, batch_idx):
            self.hits.append(self.hit(batch))

        def on_validation_epoch_end(self):
            self.log("val_acc", torch.cat(self.hits).mean(), sync_dist=True)
            self.hits.clear()

    When to ignore
    --------------
    Where the list is a history on purpose, or holds what one test run predicted.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/pull/16520
    """
    for owner in facts.logging_classes():
        if not owner.lists or is_validated_once(facts, owner):
            continue
        emptied = _emptied(facts, owner) | _emptied_by_others(facts, owner)
        averaged, told = _averaged(owner), _told(owner)
        growing = (
            site
            for site in reversed(owner.lists)
            if _grows(site) and (site.attribute in averaged or not _is_history(site, told))
        )
        grown = {site.attribute: site for site in growing if not _is_bounded(owner, site)}
        for attribute, site in grown.items():
            used = any(_is_use(owner, read, attribute) for read in owner.reads)
            if used and emptied.isdisjoint((attribute, ANY)) and not owner.open:
                yield self.finding(
                    site.location,
                    f"self.{attribute} grows with every batch and is never emptied: what is made "
                    "of it is about all epochs so far",
                    remedy=f"call self.{attribute}.clear() when the epoch is over",
                    subject=owner.short_name,
                )


def _averaged(owner: ClassFacts) -> set[str]:
    """The lists whose mean is logged as a value of the epoch."""
    ends = (mean_of_list(log.origin) for log in owner.logs if log.hook.endswith("_epoch_end"))
    return {one.attribute for one in ends if one is not None}


def _grows(site: ListSite) -> bool:
    in_loop = site.hook.endswith(("_step", "_batch_end")) and site.stage in ("train", "validate")
    return site.action == "append" and in_loop


def _told(owner: ClassFacts) -> set[str]:
    """The lists of which something is logged as a value of the epoch."""
    ends = (log.origin for log in owner.logs if log.hook.endswith("_epoch_end"))
    held = (part for origin in ends for part in parts(origin))
    return {one.attribute for one in held if isinstance(one, ListOfSteps)}


def _is_history(site: ListSite, told: set[str]) -> bool:
    """Whether numbers are added that are of no tensor any more. One for each sample (``tolist``)
    are no history of the epochs where something of them is logged."""
    last = site.methods[-1] if site.methods else ""
    return last == "item" or (last == "tolist" and site.attribute not in told)


def _is_bounded(owner: ClassFacts, site: ListSite) -> bool:
    """Whether something is added only as long as a list of the class is short enough: a metric for
    each loader, the first pictures; lists that are filled side by side ask for one of them."""
    lists = {one.attribute for one in owner.lists}
    return "len" in site.guards and not lists.isdisjoint(site.guards)


def _is_use(owner: ClassFacts, read: ReadSite, attribute: str) -> bool:
    """Whether something is made of the list outside of the steps that fill it. Many a callback is
    there to keep a history: what it makes when all is over is about all epochs."""
    of_epochs = owner.kind == "module" or read.hook.endswith("_epoch_end")
    inside = read.hook.endswith(("_step", "_batch_end"))
    added = any(_holds(one, read) for one in owner.lists if one.attribute == attribute)
    return read.attribute == attribute and of_epochs and not inside and not added


def _holds(site: ListSite, read: ReadSite) -> bool:
    """Whether a list is read for nothing but to add to it."""
    same = site.location.path == read.location.path and site.action == "append"
    return same and site.location.line <= read.location.line <= site.location.end_line


def _emptied(facts: ProjectFacts, owner: ClassFacts) -> set[str]:
    """The attributes that something empties or replaces, and those of a bounded length. Who goes
    by the dict of the object may empty any."""
    methods = [one for one in owner.own_methods if one.name != "__init__"]
    by_hand = {ANY for one in methods if not BY_HAND.isdisjoint(one.words)}
    cleared = {site.attribute for site in owner.lists if site.action == "clear"}
    replaced = {site.attribute for site in owner.assignments if site.function != "__init__"}
    bounded = {
        site.assigned.rpartition(".")[2]
        for site in facts.calls_in(owner, QUEUE)
        if site.gives("maxlen", 1)
    }
    taken = facts.calls_in(owner, ".pop", ".popleft", ".popitem", ".clear")
    cleared |= by_hand | replaced | bounded
    return cleared | {site.receiver.rpartition(".")[2] for site in taken if site.receiver}


def _emptied_by_others(facts: ProjectFacts, owner: ClassFacts) -> set[str]:
    """The names of the lists that code beside the class empties (``model.hits.clear()``). What
    another class empties of its own (``self.hits.clear()``) is another list, but where it inherits
    from this one."""
    strangers = {one.name for one in facts.classes if owner.name not in one.ancestors}
    emptied = {
        site.receiver.rpartition(".")[2]
        for site in facts.calls_of(".clear")
        if site.receiver
        and (site.owner not in strangers or site.receiver.rpartition(".")[0] != "self")
    }
    return emptied | {reach.attribute for reach in facts.reaches}
