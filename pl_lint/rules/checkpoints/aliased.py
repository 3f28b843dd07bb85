"""Weights that are kept in memory, and stay the module's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.branches import apart
from pl_lint.facts.sites import AssignmentSite, CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import ABSENT, Known, Made, OneOf, Table, Value
from pl_lint.findings import Finding, Location
from pl_lint.fixes import Assigned, Fix, Replace
from pl_lint.rules.distributed.evidence import NAMING
from pl_lint.rules.registry import Rule, rule

MODULE = re.compile(
    r"(?:^|_)(?:module|model|net|network|backbone|encoder|decoder|classifier|generator|"
    r"discriminator|student|teacher|policy)$"
)
"""What modules are called. Schedulers and loaders have a ``state_dict`` too, which is a copy."""
SHARDING = re.compile(r"fsdp|deepspeed|model_?parallel|fairscale|sharded", re.IGNORECASE)
"""What strategies are called of which no process holds all the weights."""
EMPTY = (ABSENT, Known(()), Table(()))


@rule(
    "LTN329",
    "kept-weights-are-live",
    rows=(),
    calls=(".load_state_dict",),
    fixable=True,
)
def kept_without_a_copy(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Weights are kept without a copy, go on training, and are loaded back later.

    What it does
    ------------
    Finds `self.best = pl_module.state_dict()`, also with `.copy()` or `dict(...)` around it or its
    items put into another dict, in a hook of training or validation, where the same class loads
    `self.best` back into the same module in another hook or in another branch. Silent where
    anything else is kept under that name or in that dict, and where a module of the project has a
    `state_dict` of its own or a Trainer shards the weights (FSDP, DeepSpeed).

    Why is this bad
    ---------------
    `state_dict()` copies no tensor: the dict holds the very weights that the optimizer changes in
    place. Loading it copies each tensor onto itself. So the best weights are those of the last
    step, a rollback keeps what it should take back, and weights that were put in for validation
    stay: no error, no warning, and a score that is not that of the weights. `.copy()` and `dict()`
    make another dict of the same tensors.

    Example
    -------
        class KeepBest(pl.Callback):
            best, score = None, float("inf")

            def on_validation_end(self, trainer, pl_module):
                loss = trainer.callback_metrics["val_loss"].item()
                if not trainer.sanity_checking and loss < self.score:
                    self.score = loss
                    self.best = pl_module.state_dict()

            def on_train_end(self, trainer, pl_module):
                pl_module.load_state_dict(self.best)

    Use instead
    -----------
        class KeepBest(pl.Callback):
            best, score = None, float("inf")

            def on_validation_end(self, trainer, pl_module):
                loss = trainer.callback_metrics["val_loss"].item()
                if not trainer.sanity_checking and loss < self.score:
                    self.score = loss
                    self.best = copy.deepcopy(pl_module.state_dict())

            def on_train_end(self, trainer, pl_module):
                pl_module.load_state_dict(self.best)

    When to ignore
    --------------
    Where something else gives the module new tensors in between.

    References
    ----------
    - https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
    """
    if _gives_copies(facts):
        return
    told: set[Location] = set()
    for owner in facts.classes:
        for keep in _kept(owner):
            load = _loaded(facts, owner, keep)
            if load is not None and keep.location not in told:
                told.add(keep.location)
                yield self.finding(
                    keep.location,
                    f"self.{keep.attribute} holds the weights themselves, which training changes: "
                    f"load_state_dict in line {load.location.line} copies them onto themselves",
                    remedy="keep {name: weight.clone() for name, weight in ....items()}",
                    subject=owner.short_name,
                    fix=_copied(keep.location),
                )


def _gives_copies(facts: ProjectFacts) -> bool:
    """Whether what ``state_dict`` gives may be other tensors: a module of the project has its own,
    or a strategy gathers what it has dealt out."""
    own = any(one.name == "state_dict" for known in facts.modules() for one in known.own_methods)
    named = (one.argument(name) for one in facts.trainers for name in NAMING)
    return own or any(SHARDING.search(text) for value in named for text in _texts(value))


def _texts(value: Value) -> Iterator[str]:
    match value:
        case Known(str(text)) | Made(text):
            yield text
        case OneOf(options):
            yield from (one for one in options if isinstance(one, str))


def _copied(place: Location) -> Fix:
    value = Assigned(place)
    copies = ("{name: weight.clone() for name, weight in ", value, ".items()}")
    return Fix("keep copies of the tensors", (Replace(value, copies),))


def _kept(owner: ClassFacts) -> Iterator[AssignmentSite]:
    """Where a class keeps the weights of a module in an attribute that holds nothing else."""
    for one in owner.assignments:
        same = [other for other in owner.assignments if other.attribute == one.attribute]
        alone = all(other.weights_of or other.value in EMPTY for other in same)
        changed = any(other.attribute == one.attribute for other in owner.items)
        during = one.stage in ("train", "validate")
        if during and alone and not changed and _is_of_a_module(owner, one.weights_of):
            yield one


def _is_of_a_module(owner: ClassFacts, receiver: str) -> bool:
    """Whether it is a module whose weights these are, one that stays where it is."""
    head, _, rest = receiver.partition(".")
    itself = owner.kind == "module" and receiver == "self"
    named = MODULE.search(receiver.rpartition(".")[2].lower()) is not None
    renewed = head == "self" and any(
        one.attribute == rest.partition(".")[0] and one.hook != "__init__"
        for one in owner.assignments
    )
    return itself or (named and not renewed)


def _loaded(facts: ProjectFacts, owner: ClassFacts, keep: AssignmentSite) -> CallSite | None:
    """Where the dict is loaded back, at another time, into what it was taken from."""
    name = f"self.{keep.attribute}"
    return next(
        (
            one
            for one in facts.calls_in(owner, ".load_state_dict")
            if one.receiver == keep.weights_of
            and name in (dict(one.written).get(position) for position in ("0", "state_dict"))
            and (one.hook != keep.hook or apart(one.arms, keep.arms))
        ),
        None,
    )
