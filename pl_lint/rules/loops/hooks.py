"""Hooks: which methods Lightning calls, and with what."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MethodSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import AddParameters, Applicability, DropParameters, Fix, Rename
from pl_lint.rules.judging import CLI, GUESSED, defines, target_version
from pl_lint.rules.loops.loaders import RUNS, only_loaders
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


@rule("LTN701", "removed-epoch-end", rows=("LOOP01",))
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
    Lightning refuses to start, or stops with a TypeError when the first epoch is over.

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
        for method in owner.own_methods if _surely_lightning(owner) else ():
            problem = _refused(owner, method)
            if problem is None and not _called_otherwise(method):
                problem = _called_without(owner, method)
            if problem is not None:
                yield _said(self, owner, method, problem, _without_outputs(facts, owner, method))


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


def _surely_lightning(owner: ClassFacts) -> bool:
    return any(lightning.kind_of(base) == FAMILIES[owner.kind] for base in owner.ancestors)


def _refused(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A method that makes Lightning refuse the class."""
    removed = lightning.removed_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    if removed is None or not removed.raises:
        return None
    version = ".".join(map(str, removed.version))
    message = f"Lightning {version} removed {method.name} and refuses to run a class that has it"
    return message, f"collect what the step returns in a list and use {removed.replacement}"


def _called_without(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A hook that asks for arguments which Lightning does not pass."""
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    if hook is None or not method.name.endswith("_epoch_end"):
        return None
    if hook.most_positional is None or len(method.required) <= hook.most_positional:
        return None
    extra = ", ".join(method.required[hook.most_positional :])
    message = f"Lightning calls {method.name} without {extra}: a TypeError when the epoch is over"
    return message, f"drop {extra}, and collect what the step returns in a list"


@rule("LTN702", "hook-never-called", rows=("LOOP02",), observers="both")
def hook_never_called(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A method looks like a hook, but Lightning never calls it.

    What it does
    ------------
    Finds methods that carry the name of a hook that Lightning has removed, or that another kind of
    class has (`on_exception` is one of callbacks), a hook's name with a spelling mistake, or the
    shape of one (`on_epoch_begin`). A method that the project calls itself is no hook; neither is
    one of a class with a base that was not read.

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
            if _called_otherwise(method):
                continue
            problem = _dead(owner, method)
            if problem is not None:
                yield _said(self, owner, method, problem, _renamed(owner, method))


def _said(
    rule: Rule, owner: ClassFacts, method: MethodSite, problem: tuple[str, str], fix: Fix | None
) -> Finding:
    message, remedy = problem
    at, subject = method.location, owner.short_name
    return rule.finding(at, message, remedy=remedy, subject=subject, fix=fix)


def _renamed(owner: ClassFacts, method: MethodSite) -> Fix | None:
    """The name that was meant, where the class has no such hook already."""
    near = lightning.nearest_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    if near is None or any(one.name == near for one in owner.own_methods):
        return None
    return Fix(f"rename it to {near}", (Rename(method.location, near),))


def _called_otherwise(method: MethodSite) -> bool:
    """Whether the project itself uses the method, or it is nothing that Lightning could call."""
    if method.called:
        return True
    return not PLAIN_DECORATORS.issuperset(name.rpartition(".")[2] for name in method.decorators)


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


# --- with what ------------------------------------------------------------------------------------

BY_KEYWORD = {"setup": "stage", "teardown": "stage"}
"""Hooks whose argument Lightning passes by name since 1.3 (``trainer/call.py``)."""
MOST_OF_STEPS = {"training_step": 2, "validation_step": 3, "test_step": 3, "predict_step": 3}
"""The most that a step is given: batch, batch_idx, dataloader_idx."""


@rule("LTN731", "hook-with-wrong-signature", rows=("LOOP31", "LOOP02"), calls=(*RUNS, CLI))
def wrong_signature(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook cannot be called with the arguments that Lightning passes.

    What it does
    ------------
    Compares the parameters of every hook of a LightningModule, DataModule or callback with those of
    the Lightning version that the project admits. The ends of epochs with outputs of 1.x have a
    code of their own, LTN701. Data modules that a project runs by itself (`data.setup()`) are left
    alone where every Trainer is handed loaders.

    Why is this bad
    ---------------
    The call raises a TypeError, and for hooks at the end of an epoch or of a run it does so late.

    Example
    -------
        class Data(LightningDataModule):
            def setup(self):
                self.train_set = load()

    Use instead
    -----------
        class Data(LightningDataModule):
            def setup(self, stage):
                self.train_set = load()

    When to ignore
    --------------
    Where a base class that calls its hooks in its own way stands in between.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    by_hand = only_loaders(facts)
    for owner in facts.classes:
        judged = _surely_lightning(owner) and not owner.open and target_version(owner) != GUESSED
        for method in owner.own_methods if judged else ():
            own = by_hand and owner.kind == "datamodule" and method.called
            problem = _does_not_fit(owner, method) if _is_plain(method) and not own else None
            if problem is not None:
                yield _said(self, owner, method, problem, _completed(owner, method))


def _completed(owner: ClassFacts, method: MethodSite) -> Fix | None:
    """The parameters that are missing, where those that there are have the usual names; without
    those that are not passed, where none of them is used."""
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    passed = tuple(one.name for one in hook.parameters if one.required) if hook is not None else ()
    if method.name in MOST_OF_STEPS:
        passed = ("batch", "batch_idx")
    if len(method.required) > len(passed) and method.name not in MOST_OF_STEPS:
        extra = method.parameters[len(passed) :]
        unused = set(extra) <= set(method.unused) and not method.called
        drop = DropParameters(method.location, len(passed) + 1)
        return Fix(f"drop {', '.join(extra)}", (drop,), Applicability.SAFE) if unused else None
    missing = passed[len(method.parameters) :]
    usual = method.parameters == passed[: len(method.parameters)]
    if method.called or not missing or not usual:
        return None
    change = AddParameters(method.location, missing)
    return Fix(f"add {', '.join(missing)}", (change,), Applicability.SAFE)


def _is_plain(method: MethodSite) -> bool:
    plain = PLAIN_DECORATORS.issuperset(name.rpartition(".")[2] for name in method.decorators)
    return plain and not method.star_arguments


def _does_not_fit(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """What is wrong with the parameters of a hook, and what to write."""
    if method.name in MOST_OF_STEPS and owner.kind == "module":
        return _step_does_not_fit(owner, method)
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    if hook is None or hook.most_positional is None or _has_its_own_rule(method, hook):
        return None
    needed = [one.name for one in hook.parameters if one.required]
    given = [one.name for one in hook.parameters if one.kind == "positional"]
    wanted = f"def {method.name}({', '.join(('self', *given))})"
    if len(method.required) > len(given) and not method.called:  # by hand, with more arguments
        missing = ", ".join(method.required[len(given) :])
        return f"Lightning calls {method.name} without {missing}: a TypeError", f"write {wanted}"
    keyword = BY_KEYWORD.get(method.name) if target_version(owner) >= (1, 3) else None
    if keyword is not None and keyword not in method.parameters and not method.keywords:
        return f"Lightning calls {method.name} with {keyword}=: a TypeError", f"write {wanted}"
    if len(method.parameters) < len(needed) and not (keyword and method.keywords):
        return (
            f"Lightning calls {method.name} with {', '.join(needed)}: a TypeError",
            f"write {wanted}",
        )
    return None


def _has_its_own_rule(method: MethodSite, hook: lightning.Hook) -> bool:
    """LTN701 speaks of outputs that are no longer passed."""
    more = len(method.required) > (hook.most_positional or 0)
    return method.name.endswith("_epoch_end") and more


def _step_does_not_fit(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """Steps may leave out batch_idx and dataloader_idx."""
    most = MOST_OF_STEPS[method.name]
    wanted = f"def {method.name}(self, batch, batch_idx)"
    if not method.parameters and not method.keywords:
        if method.words <= {"self"}:  # ``pass``: nobody means to run it
            return None
        return f"Lightning calls {method.name} with the batch: a TypeError", f"write {wanted}"
    if target_version(owner) < (2, 0) or len(method.required) <= most:
        return None
    missing = ", ".join(method.required[most:])
    if "optimizer_idx" in method.required:
        return None  # LTN704 speaks of that
    return f"Lightning calls {method.name} without {missing}: a TypeError", f"write {wanted}"


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
