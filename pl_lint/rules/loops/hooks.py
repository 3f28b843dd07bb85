"""Hooks: which methods Lightning calls, and with what."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MethodSite, ProjectFacts
from pl_lint.facts.values import Known, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, DropParameters, Fix, Rename
from pl_lint.rules.judging import defines, is_guessed, target_version
from pl_lint.rules.registry import Rule, rule

FAMILIES = {
    "module": "LightningModule",
    "datamodule": "LightningDataModule",
    "callback": "Callback",
}
PLAIN_DECORATORS = frozenset(
    {
        *("override", "overrides", "abstractmethod", "final"),
        *("no_grad", "enable_grad", "inference_mode", "rank_zero_only"),
    }
)
"""Decorators that leave a method what it is; others may register it somewhere."""


@rule("LTN701", "removed-epoch-end", rows=("LOOP01",), fixable=True)
def removed_epoch_end(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook for the end of an epoch has a form that Lightning 2.0 removed.

    What it does
    ------------
    Finds `training_epoch_end`, `validation_epoch_end` and `test_epoch_end`, and hooks such as
    `on_validation_epoch_end(self, outputs)` with arguments that are no longer passed. Projects
    that are pinned to a version that still calls them, or are evidently written for one, are left
    alone.

    Why is this bad
    ---------------
    `trainer.fit` refuses a class that has one of the first two, `trainer.validate` one with the
    second and `trainer.test` one with the third. A hook with other arguments is a TypeError when
    the first epoch is over.

    Example
    -------
        def validation_epoch_end(self, outputs):
            self.log("val_loss", torch.stack(outputs).mean())

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss)
            return loss

        def on_validation_epoch_end(self):
            self.log("val_loss", torch.stack(self.losses).mean(), sync_dist=True)
            self.losses.clear()

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with
    `lightning-version = "1.9"` in the configuration or with a pin in the requirements.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/pull/16520
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for owner in facts.classes:
        for method in owner.own_methods if surely_lightning(owner) else ():
            problem = _refused(owner, method)
            otherwise = _called_otherwise(method) or _is_asked_of_heirs(facts, owner, method)
            if problem is None and not otherwise:
                problem = _called_without(owner, method)
            if problem is not None:
                yield said(self, owner, method, problem, _without_outputs(facts, owner, method))


def _without_outputs(facts: ProjectFacts, owner: ClassFacts, method: MethodSite) -> Fix | None:
    """The hook of today, for a method that does not use what it is no longer given; none where a
    class that inherits from this one may call it by ``super()``."""
    removed = lightning.removed_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    name = removed.replacement if removed is not None else method.name
    taken = name != method.name and defines(facts, owner, name)
    extended = any(
        owner.name in one.ancestors and any(it.name == method.name for it in one.own_methods)
        for one in facts.classes
    )
    used = method.star_arguments or method.keywords or method.unused != method.parameters
    if taken or extended or used or method.called or not name:
        return None
    changes = (DropParameters(method.location), Rename(method.location, name))
    kind = Applicability.UNSAFE if owner.open else Applicability.SAFE
    return Fix(f"write def {name}(self)", changes, kind)


def _is_asked_of_heirs(facts: ProjectFacts, owner: ClassFacts, method: MethodSite) -> bool:
    """Whether a hook only raises, and all classes that inherit it have another one, which does not
    call it."""
    heirs = [one for one in facts.classes if owner.name in one.ancestors]
    heirs = [one for one in heirs if not facts.in_tests(one.location)]
    written = {
        heir.name
        for heir in heirs
        for one in heir.own_methods
        if one.name == method.name and "super" not in one.words
    }
    return method.refuses and bool(heirs) and all(_inherits(one, written) for one in heirs)


def _inherits(heir: ClassFacts, classes: Set[str]) -> bool:
    return not classes.isdisjoint((heir.name, *heir.ancestors))


def surely_lightning(owner: ClassFacts) -> bool:
    return any(lightning.kind_of(base) == FAMILIES[owner.kind] for base in owner.ancestors)


REFUSED_BY = {
    "training_epoch_end": "trainer.fit",
    "validation_epoch_end": "trainer.fit and trainer.validate",
    "test_epoch_end": "trainer.test",
}
"""The calls that ask for a hook before they begin (``configuration_validator.py``)."""


def _refused(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A method that makes Lightning refuse the class."""
    removed = lightning.removed_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    if removed is None or not removed.raises:
        return None
    version = ".".join(map(str, removed.version))
    by = REFUSED_BY.get(method.name, "the Trainer")
    message = f"Lightning {version} removed {method.name}: a class that has it is refused by {by}"
    return message, f"collect what the step returns in a list and use {removed.replacement}"


def _called_without(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A hook that asks for arguments which Lightning does not pass."""
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    if hook is None or not method.name.endswith("_epoch_end"):
        return None
    if hook.most_positional is None or len(method.required) <= hook.most_positional:
        return None
    extra = ", ".join(method.required[hook.most_positional :])
    took = lightning.most_ever(FAMILIES[owner.kind], method.name) or 0
    if is_guessed(target_version(owner)) and took >= len(method.required):
        return None  # what 1.0 to 1.4 passed
    since = f" since {'.'.join(map(str, hook.since))}" if took > hook.most_positional else ""
    message = (
        f"Lightning calls {method.name} without {extra}{since}: a TypeError when the epoch is over"
    )
    return message, f"drop {extra}, and collect what the step returns in a list"


BY_ANOTHER_WORD = {
    **dict.fromkeys(("val_step", "valid_step", "validate_step"), "validation_step"),
    **dict.fromkeys(("valid_dataloader", "validation_dataloader"), "val_dataloader"),
    **dict.fromkeys(("pred_step", "prediction_step"), "predict_step"),
    **dict.fromkeys(("pred_dataloader", "prediction_dataloader"), "predict_dataloader"),
}
"""Names that are people's own as often as not: hooks only where nothing else can be meant."""
TRAINS = {"module": "training_step", "datamodule": "train_dataloader"}
GETATTR = "builtins.getattr"


@rule(
    "LTN702",
    "hook-never-called",
    rows=("LOOP02",),
    observers="both",
    calls=(GETATTR,),
    fixable=True,
)
def hook_never_called(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A method looks like a hook, but Lightning never calls it.

    What it does
    ------------
    Finds methods that carry the name of a hook that Lightning has removed, or that another kind of
    class has (`on_exception` is one of callbacks), a hook's name with a spelling mistake, or the
    shape of one (`on_epoch_begin`); also `valid_step`, `pred_step`, `validation_dataloader` and the
    like, where the class has not the hook itself. A method that the project calls itself is no
    hook; neither is one of a class with a base that was not read. Nothing is lost with one that
    does nothing.

    Why is this bad
    ---------------
    Nothing says that the method is dead: metrics are not reset, values not logged, weights not
    averaged.

    Example
    -------
        def on_epoch_end(self):
            self.val_acc.reset()

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.val_acc.reset()

    When to ignore
    --------------
    Where other code calls the method in a way that cannot be seen.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_7.html
    """
    for owner in facts.classes:
        for method in owner.own_methods if not owner.open else ():
            if _called_otherwise(method) or _does_nothing(method):
                continue
            problem = _dead(owner, method) or _by_another_word(facts, owner, method)
            if problem is not None:
                yield said(self, owner, method, problem, _renamed(owner, method))


def _by_another_word(
    facts: ProjectFacts, owner: ClassFacts, method: MethodSite
) -> tuple[str, str] | None:
    """A class that trains, lacks a hook, and has a method that says by another word that it has."""
    meant, trains = BY_ANOTHER_WORD.get(method.name), TRAINS.get(owner.kind)
    if meant is None or trains is None or not surely_lightning(owner):
        return None
    family = [one for one in facts.classes if owner.name in (one.name, *one.ancestors)]
    has_it = any(defines(facts, one, meant) for one in family)
    asking = (call for one in family for call in facts.calls_in(one, GETATTR))
    asked = any(not isinstance(call.argument("name", 1), Known) for call in asking)
    known = lightning.hook_exists(FAMILIES[owner.kind], meant, target_version(owner))
    if has_it or asked or not known or not defines(facts, owner, trains):
        return None
    return f"Lightning has no hook {method.name}: it is never called", f"did you mean {meant}?"


def said(
    rule: Rule, owner: ClassFacts, method: MethodSite, problem: tuple[str, str], fix: Fix | None
) -> Finding:
    message, remedy = problem
    at, subject = method.location, owner.short_name
    return rule.finding(at, message, remedy=remedy, subject=subject, fix=fix)


def _renamed(owner: ClassFacts, method: MethodSite) -> Fix | None:
    """The name that was meant, where the class has no such hook already, and the method does not
    call another one of its own name."""
    near = lightning.nearest_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    near = near or BY_ANOTHER_WORD.get(method.name)
    taken = any(one.name == near for one in owner.own_methods)
    if near is None or taken or method.name in method.words:
        return None
    return Fix(f"rename it to {near}", (Rename(method.location, near),))


def _called_otherwise(method: MethodSite) -> bool:
    """Whether the project itself uses the method, or it is nothing that Lightning could call."""
    if method.called:
        return True
    return not PLAIN_DECORATORS.issuperset(name.rpartition(".")[2] for name in method.decorators)


def _does_nothing(method: MethodSite) -> bool:
    """``pass``, or what it overrides: nothing is lost if nobody calls it."""
    return method.hands_up or method.words <= {"self", *method.parameters}


def _hook_of_another(family: str, name: str, version: lightning.Version) -> str | None:
    """The kind of class that Lightning calls such a method of, where this one is none."""
    if not name.startswith("on_") or lightning.hook_exists(family, name, version):
        return None
    kinds = (kind for kind in lightning.HOOKED_KINDS if kind != family)
    return next((kind for kind in kinds if lightning.hook_exists(kind, name, version)), None)


def _shaped(family: str, name: str) -> bool:
    """Whether a method that is no hook of any version has the shape of one."""
    known = lightning.hook_exists(family, name) or lightning.removed_hook(family, name) is not None
    return name.startswith("on_") and not known and not lightning.is_member(family, name)


def _dead(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    family, version = FAMILIES[owner.kind], target_version(owner)
    removed = lightning.removed_hook(family, method.name, version)
    if removed is not None and not removed.raises:
        since = ".".join(map(str, removed.version))
        instead = f"use {removed.replacement}" if removed.replacement else "move its code to a hook"
        return f"Lightning {since} removed {method.name}: it is never called", instead
    other = _hook_of_another(family, method.name, version)
    if other is not None:
        text = f"{method.name} is a hook of a {other}: of a {family} it is never called"
        return text, f"move it to a {other}"
    near = lightning.nearest_hook(family, method.name, version)
    if near is None and _shaped(family, method.name):
        return f"Lightning has no hook {method.name}: it is never called", "move it to a hook"
    if near is None:
        return None
    return f"Lightning has no hook {method.name}: it is never called", f"did you mean {near}?"


@rule(
    "LTN722",
    "minus-one-skips-an-epoch",
    rows=("LOOP22",),
    status=Status.SUSPECTED,
    condition="if training is meant to stop",
    default=False,
)
def minus_one_skips_epoch(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """on_train_batch_start returns -1, which skips the rest of this epoch only.

    What it does
    ------------
    Finds `return -1` in `on_train_batch_start`.

    Why is this bad
    ---------------
    Lightning skips what is left of this epoch, validates, and begins the next one. Where training
    was meant to stop, it goes on with a part of the data in each epoch.

    Example
    -------
        def on_train_batch_start(self, batch, batch_idx):
            if self.converged:
                return -1

    Use instead
    -----------
        def on_train_batch_start(self, batch, batch_idx):
            if self.converged:
                self.trainer.should_stop = True

    When to ignore
    --------------
    Where each epoch is meant to be cut short.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#on-train-batch-start
    """
    for owner in facts.modules():
        for site in owner.returns:
            if site.hook == "on_train_batch_start" and must_be(site.value, -1):
                yield self.finding(
                    site.location,
                    "-1 skips the rest of this epoch only: validation and the next epoch follow",
                    remedy="set self.trainer.should_stop = True to stop training",
                    subject=owner.short_name,
                )
