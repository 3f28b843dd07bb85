"""Signatures: with what Lightning calls the methods that it calls."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MethodSite, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.fixes import AddParameters, Applicability, DropParameters, Fix
from pl_lint.rules.judging import CLI, is_guessed, target_version
from pl_lint.rules.loops.hooks import FAMILIES, PLAIN_DECORATORS, said, surely_lightning
from pl_lint.rules.loops.loaders import RUNS, only_loaders
from pl_lint.rules.registry import Rule, rule

BY_KEYWORD = {"setup": "stage", "teardown": "stage"}
"""Hooks whose argument Lightning passes by name since 1.3 (``trainer/call.py``)."""
CLOSING = "optimizer_step"
"""The hook that Lightning 2 always gives all that it has parameters for, its closure too
(``loops/optimization/automatic.py``)."""
ASKED_FOR = {("callback", "on_save_checkpoint"): (1, 5)}
"""Hooks that Lightning gave an argument more some day, and asked until this version whether they
take it (``trainer/callback_hook.py`` of 1.4)."""
SET_UP_ONCE = (1, 6)
"""Until then a data module that was set up by hand was set up for all stages, and no Trainer did it
again (``track_data_hook_calls`` in ``core/datamodule.py``)."""
MOST_OF_STEPS = {"training_step": 2, "validation_step": 3, "test_step": 3, "predict_step": 3}
"""The most that a step is given: batch, batch_idx, dataloader_idx."""


@rule(
    "LTN731",
    "hook-with-wrong-signature",
    rows=("LOOP31", "LOOP02"),
    calls=(*RUNS, CLI),
    fixable=True,
)
def wrong_signature(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook cannot be called with the arguments that Lightning passes.

    What it does
    ------------
    Compares the parameters of every hook of a LightningModule, DataModule or callback with those of
    the Lightning version that the project admits, and of old code that names none with what any
    version since 1.0 passes. Also finds an `optimizer_step` that does nothing with the closure that
    it is given. The ends of epochs with outputs of 1.x have a code of their own, LTN701. Data
    modules that a project runs by itself (`data.setup()`) are left alone where every Trainer is
    handed loaders, and before Lightning 1.6, which set up no data module a second time.

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
        judged = surely_lightning(owner) and not owner.open
        for method in owner.own_methods if judged else ():
            own = owner.kind == "datamodule" and method.called
            own = own and (by_hand or _is_set_up_once(owner, method))
            told = _is_plain(method) and not own and _is_dated(owner, method)
            problem = _does_not_fit(owner, method) if told else None
            if problem is not None:
                yield said(self, owner, method, problem, _completed(owner, method))


def _is_set_up_once(owner: ClassFacts, method: MethodSite) -> bool:
    """Whether who sets it up by hand keeps Lightning from doing so."""
    return method.name == "setup" and target_version(owner) < SET_UP_ONCE


def _is_dated(owner: ClassFacts, method: MethodSite) -> bool:
    """Whether it is known what the hook is given: the version is, or no version gave it as much."""
    if not is_guessed(target_version(owner)):
        return True
    most = lightning.most_ever(FAMILIES[owner.kind], method.name)
    return most is not None and len(method.required) > most


def _completed(owner: ClassFacts, method: MethodSite) -> Fix | None:
    """The parameters that are missing, where those that there are have the usual names; without
    those that are not passed, where none of them is used."""
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    passed = _passed(owner, hook) if hook is not None else ()
    if method.name in MOST_OF_STEPS:
        passed = ("batch", "batch_idx")
    if len(method.required) > len(passed) and method.name not in MOST_OF_STEPS:
        extra = method.parameters[len(passed) :]
        unused = set(extra) <= set(method.unused) and not method.called
        drop = DropParameters(method.location, len(passed) + 1)
        return Fix(f"drop {', '.join(extra)}", (drop,), Applicability.SAFE) if unused else None
    missing = passed[len(method.parameters) :]
    usual = method.parameters == passed[: len(method.parameters)]
    if method.called or not missing or not usual or method.name == CLOSING:  # used, too
        return None
    change = AddParameters(method.location, missing)
    return Fix(f"add {', '.join(missing)}", (change,), Applicability.SAFE)


def _passed(owner: ClassFacts, hook: lightning.Hook) -> tuple[str, ...]:
    """The arguments that a hook is given in any case."""
    everything = hook.name == CLOSING and target_version(owner) >= (2, 0)
    return tuple(one.name for one in hook.parameters if one.required or everything)


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
    given = [one.name for one in hook.parameters if one.kind == "positional"]
    needed = _passed(owner, hook)
    wanted = f"def {method.name}({', '.join(('self', *given))})"
    if len(method.required) > len(given) and not method.called:  # by hand, with more arguments
        missing = ", ".join(method.required[len(given) :])
        return f"Lightning calls {method.name} without {missing}: a TypeError", f"write {wanted}"
    keyword = BY_KEYWORD.get(method.name) if target_version(owner) >= (1, 3) else None
    if keyword is not None and keyword not in method.parameters and not method.keywords:
        return f"Lightning calls {method.name} with {keyword}=: a TypeError", f"write {wanted}"
    lenient = target_version(owner) < ASKED_FOR.get((owner.kind, method.name), (0, 0))
    if len(method.parameters) < len(needed) and not lenient and not (keyword and method.keywords):
        return (
            f"Lightning calls {method.name} with {', '.join(needed)}: a TypeError",
            f"write {wanted}",
        )
    return _leaves_closure(owner, method) if method.name == CLOSING else None


def _leaves_closure(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """An ``optimizer_step`` that never looks at its closure, which holds training_step and
    backward: Lightning asks afterwards what it gave (``Closure.consume_result``)."""
    if target_version(owner) < (2, 0) or owner.optimization != "automatic":
        return None
    closure = method.parameters[-1]
    elsewhere = not method.words.isdisjoint(("super", "NotImplementedError"))
    if closure not in method.unused or elsewhere:
        return None
    message = f"{method.name} leaves its closure, in which the training step is: Lightning raises"
    return message, f"write optimizer.step(closure={closure})"


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
