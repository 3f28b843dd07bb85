"""Training and evaluation mode, and gradients that are switched off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, NO, YES, CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import defines, is_whole, target_version
from pl_lint.rules.loops.stepping import returns_a_loss
from pl_lint.rules.registry import Rule, rule

MODES = (".eval", ".train")
GRADIENTS = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch.enable_grad")
FREEZING = (".requires_grad_", ".freeze", ".parameters", ".named_parameters")
EVALUATION = ("validate", "test")
WITHOUT_GRADIENTS_IN = (*EVALUATION, "predict")


@rule(
    "LTN714",
    "trained-in-evaluation-mode",
    rows=("LOOP14",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the submodule is to be trained",
    default=False,
    calls=(*MODES, *FREEZING),
)
def evaluation_mode(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A submodule is trained in evaluation mode from the start.

    What it does
    ------------
    Finds submodules that `__init__` calls `.eval()` of, and that nothing puts into training mode or
    freezes; what `from_pretrained()` returns in that mode is LTN736. A run looks at the mode of
    every call in training. Frozen submodules, single batch norms, what the code's own `train`
    method decides and classes without a `training_step` are left alone.

    Why is this bad
    ---------------
    Its dropout does nothing and its batch norm does not learn. Lightning 2.2 and later leave
    submodules in the mode they find.

    Example
    -------
        class Model(LightningModule):
            def __init__(self, backbone):
                super().__init__()
                self.backbone = backbone
                self.backbone.eval()

            def training_step(self, batch, batch_idx):
                return self.loss(self.backbone(batch))

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self, backbone):
                super().__init__()
                self.backbone = backbone

            def training_step(self, batch, batch_idx):
                return self.loss(self.backbone(batch))

    When to ignore
    --------------
    Where the submodule is frozen on purpose.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20105
    """
    for owner in facts.modules():
        if (
            target_version(owner) < (2, 2)
            or _sets_modes(facts, owner)
            or _never_trains(facts, owner)
        ):
            continue
        handled = {
            site.receiver or site.assigned  # self.net = resnet18().requires_grad_(False)
            for site in facts.calls_in(owner, ".train", *FREEZING)
            if site.hook != "configure_optimizers"  # there they are handed to the optimizer
        }
        for text, site in _evaluating(facts, owner):
            frozen = any(word in "".join(site.guards).lower() for word in ("freez", "frozen"))
            if text not in handled and "self" not in handled and not frozen:
                yield self.finding(
                    site.location,
                    f"{text} is put into evaluation mode, and Lightning leaves it in evaluation "
                    "mode in training",
                    remedy=f"call {text}.train(), or freeze it",
                    subject=owner.short_name,
                )


def _never_trains(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether neither the class nor one that inherits from it has a step to train with."""
    heirs = (one for one in facts.all_modules() if owner.name in one.ancestors)
    return not any(
        not is_whole(one) or defines(facts, one, "training_step") for one in (owner, *heirs)
    )


def _sets_modes(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether the class has a ``train`` of its own, or sets modes of everything."""
    own = any(method.name == "train" for method in owner.own_methods)
    return own or any(site.receiver == "self" for site in facts.calls_in(owner, ".train"))


def _evaluating(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, CallSite]]:
    for site in facts.calls_in(owner, ".eval"):
        text = site.receiver or site.assigned  # self.net = resnet18().eval()
        frozen = "requires_grad_" in site.then
        if site.hook == "__init__" and text.startswith("self.") and not frozen:
            yield text, site


@rule(
    "LTN715",
    "mode-left-behind",
    rows=("LOOP15",),
    observers="both",
    status=Status.SUSPECTED,
    condition="unless the mode is meant, as for Monte Carlo dropout",
    default=False,
    calls=(*MODES, *FREEZING, *GRADIENTS),
)
def mode_left_behind(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook leaves layers in the wrong mode: evaluation in training, or training in evaluation.

    What it does
    ------------
    Finds `self.eval()` in hooks of training, `pl_module.eval()` in those of a callback,
    `self.net.eval()` at the end of a batch or epoch of training where nothing freezes that part or
    sets it back, and `.train()` in steps of validation and test, where the same function does not
    take it back (`mode = net.training`, `net.eval()`, `net.train(mode)`) and the step of the stage
    does not begin by setting it.
    Predictions with dropout are left alone, and steps that switch gradients on: they adapt the
    network. A run looks at the layers during validation and test, where a logged value changes with
    the batches, and at the mode of every submodule before and after each hook of the module.

    Why is this bad
    ---------------
    Dropout and batch norm in training mode make a logged value depend on chance and on the other
    samples of the batch, and their statistics learn from validation data. In evaluation mode they
    do nothing: self.eval() at the end of an epoch makes all later epochs train without dropout.

    Example
    -------
        def on_train_epoch_end(self):
            self.eval()
            self.plot(self(self.example))

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.plot(self(self.example))

    When to ignore
    --------------
    Where other code sets the mode again. Lightning sets and restores it around validation.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18930
    """
    for owner in (*facts.modules(), *(one for one in facts.classes if one.kind == "callback")):
        sites = facts.calls_in(owner, *MODES)
        adapting = set(_adapting(facts, owner))
        steps = any(site.hook == "training_step" for site in owner.returns)
        trains = owner.optimization == "manual" or returns_a_loss(owner) or not steps
        trains = trains or owner.kind == "callback"
        for site in sites:
            wrong = _wrong_mode(site, trains and not any(map(_trains_again, sites)))
            if wrong is None and trains and _leaves_a_part(facts, owner, site):
                wrong = f"{site.receiver} is trained in evaluation mode from here on"
            taken_back = _taken_back(site, sites) or _set_by_each_step(site, sites)
            if wrong is not None and not taken_back and site.hook not in adapting:
                yield self.finding(
                    site.location,
                    wrong,
                    remedy="leave the mode to Lightning, or set it back in the same function",
                    subject=owner.short_name,
                )


def _wrong_mode(site: CallSite, trains: bool) -> str | None:
    """What is wrong with setting this mode here."""
    if "dropout" in site.function.lower():  # Monte Carlo dropout: on purpose
        return None
    evaluates = _evaluates(site)
    in_training = site.hook.startswith(("training_step", "on_train_"))
    if (
        trains
        and evaluates
        and in_training
        and site.hook != "on_train_end"
        and site.receiver in ("self", "pl_module")
    ):
        return "the module is trained in evaluation mode from here on"
    own = _is_own(site)
    sure = must_be(site.argument("mode", 0), None) or must_be(site.argument("mode", 0), True)
    if not evaluates and own and sure and site.stage in EVALUATION and _before_the_end(site.hook):
        return "layers are evaluated in training mode: dropout is on, and batch norm learns"
    return None


ENDING = ("on_train_batch_end", "on_train_epoch_end", "training_epoch_end")
KEPT_SO = re.compile("teacher|ema|target|froz|freez|momentum|pretrain|fixed|reference|clip|vgg")
"""What a part is called that is meant to stay in evaluation mode, or a condition on that."""


def _leaves_a_part(facts: ProjectFacts, owner: ClassFacts, site: CallSite) -> bool:
    """Whether the end of a batch or epoch of training leaves a part in evaluation mode. At the
    beginning that is how people freeze one."""
    part = site.receiver
    own = part.startswith("self.") and owner.kind == "module" and _is_trained(owner, part)
    ends = site.hook in ENDING and _evaluates(site)
    if not own or not ends or KEPT_SO.search("".join((part, *site.guards)).lower()):
        return False
    others = (one for one in facts.calls_in(owner, *MODES, *FREEZING) if _concerns(one, part))
    return all(one.name.endswith((".eval", ".train")) and _evaluates(one) for one in others)


def _is_trained(owner: ClassFacts, part: str) -> bool:
    """Whether training passes through a part, as far as the methods of a class name it."""
    attribute = part.split(".")[1]
    return any(
        attribute in method.words
        for method in owner.own_methods
        if method.name == "forward" or "step" in method.name
    )


def _concerns(site: CallSite, part: str) -> bool:
    """Whether a call is about a part, or about something that it stands in; the optimizer gets the
    parameters of what is trained."""
    return site.hook != "configure_optimizers" and f"{part}.".startswith(f"{site.receiver}.")


def _adapting(facts: ProjectFacts, owner: ClassFacts) -> Iterator[str]:
    """The steps of evaluation that take gradients, as meta-learning does; cuDNN gives those of
    recurrent layers in training mode only."""
    for site in facts.calls_in(owner, *GRADIENTS):
        if site.stage in EVALUATION and not must_be(site.argument("mode", 0), False):
            yield site.hook


BEGINNING = ("training_step", "on_train_batch_start", "on_train_epoch_start")


def _trains_again(site: CallSite) -> bool:
    """Whether each batch or epoch of training begins in training mode by the class's own doing."""
    return site.receiver == "self" and site.hook in BEGINNING and not _evaluates(site)


def _evaluates(site: CallSite) -> bool:
    return site.name.endswith(".eval") or must_be(site.argument("mode", 0), False)


def _is_own(site: CallSite) -> bool:
    return site.receiver == "self" or site.receiver.startswith("self.")


def _before_the_end(hook: str) -> bool:
    """Whether batches of the stage follow."""
    return hook.endswith(("_step", "_start")) or "_batch_" in hook


def _taken_back(site: CallSite, sites: tuple[CallSite, ...]) -> bool:
    """Whether the same function sets another mode later on, or the one that it found."""
    others = [
        other for other in sites if other.function == site.function and _mode(other) != _mode(site)
    ]
    return any(
        other.location.order > site.location.order or _closes(site, other) for other in others
    )


def _mode(site: CallSite) -> Value:
    """The mode that is set: that of training, of evaluation, or one that reading does not know."""
    mode = site.argument("mode", 0)
    if site.name.endswith(".eval"):
        return NO
    return YES if mode == ABSENT else mode


def _set_by_each_step(site: CallSite, sites: tuple[CallSite, ...]) -> bool:
    """Whether each step of the stage begins in the other mode by the class's own doing."""
    return any(
        other.first
        and other.function == other.hook
        and other.stage == site.stage
        and other.hook.endswith("_step")
        and {_mode(site), _mode(other)} == {YES, NO}
        and f"{site.receiver}.".startswith(f"{other.receiver}.")
        for other in sites
    )


def _closes(site: CallSite, other: CallSite) -> bool:
    """``eval()``, work, ``train()``: the second sets the same layers back. Under another context
    manager, as in ``with no_grad(): net.eval(); ...``, work may follow it."""
    pair = (other.receiver, other.within) == (site.receiver, site.within)
    return pair and site.name.endswith(".train") and other.location.path == site.location.path


SETTING = GRADIENTS[:2]
ASKING = ("torch.autograd.grad", ".backward", ".manual_backward")
SWITCHING = frozenset({"enable_grad", "set_grad_enabled", "inference_mode"})
WITHOUT_GRADIENTS = frozenset({"no_grad", "inference_mode"})


@rule("LTN716", "gradients-switched-off", rows=("LOOP16",), calls=(*SETTING, *ASKING))
def gradients_off(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Gradients are switched off where they are needed.

    What it does
    ------------
    Finds `training_step` under `torch.no_grad`, `torch.set_grad_enabled(False)` as a statement that
    nothing takes back, and gradients that a validation or test step asks for without
    `torch.enable_grad()`.

    Why is this bad
    ---------------
    "element 0 of tensors does not require grad": the step fails, in training or as soon as
    validation begins, where Lightning switches gradients off.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            energy = self(batch).sum()
            forces = torch.autograd.grad(energy, batch)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            with torch.inference_mode(False), torch.enable_grad():
                batch = batch.clone().requires_grad_()
                energy = self(batch).sum()
                forces = torch.autograd.grad(energy, batch)

    When to ignore
    --------------
    Where code that was not read switches them on. `torch.enable_grad()` alone does nothing in
    inference mode, in which Lightning validates by default; with `Trainer(inference_mode=False)` it
    is enough.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#inference-mode
    """
    for owner in facts.modules():
        for method in owner.own_methods:
            decorators = {name.rpartition(".")[2] for name in method.decorators}
            refused = method.name == "training_step" and decorators & WITHOUT_GRADIENTS
            if refused and owner.optimization == "automatic" and returns_a_loss(owner):
                yield self.finding(
                    method.location,
                    "training_step runs without gradients: Lightning cannot train with its loss",
                    remedy="drop the decorator",
                    subject=owner.short_name,
                )
        switches = facts.calls_in(owner, *SETTING)
        for site, message, remedy in (
            *_left_off(switches),
            *_asked_in_evaluation(facts, owner, switches),
        ):
            yield self.finding(site.location, message, remedy=remedy, subject=owner.short_name)


Problem = tuple[CallSite, str, str]


def _left_off(switches: tuple[CallSite, ...]) -> Iterator[Problem]:
    """``set_grad_enabled(False)`` that is no ``with`` block and that nothing undoes, in the same
    function or, as people pair hooks, in another one."""
    undone = any(not must_be(other.argument("mode", 0), False) for other in switches)
    for site in switches:
        off = must_be(site.argument("mode", 0), False) and "__enter__" not in site.then
        if off and not undone and site.hook and not site.assigned:
            text = "gradients stay switched off for everything that follows"
            yield site, text, "write with torch.no_grad(): around what needs none"


def _switches_on(name: str) -> bool:
    """Whether a context manager or decorator may switch gradients on; a project may have one of its
    own (``dynamic_gradients_context``)."""
    own = "grad" in name.lower() and name not in WITHOUT_GRADIENTS
    return name in SWITCHING or own


HOOKS_OF = {"validate": "on_validation_", "test": "on_test_", "predict": "on_predict_"}
"""How the hooks begin that may switch gradients on for the steps of a stage."""


def _asked_in_evaluation(
    facts: ProjectFacts, owner: ClassFacts, switches: tuple[CallSite, ...]
) -> Iterator[Problem]:
    """Gradients that are asked for while Lightning has switched them off."""
    on = {site.hook for site in switches if not must_be(site.argument("mode", 0), False)}
    by_hooks = {stage for stage, name in HOOKS_OF.items() for hook in on if hook.startswith(name)}
    for site in facts.calls_in(owner, *ASKING):
        around = any(map(_switches_on, (*site.within, *site.guards)))
        in_training = {"training", "requires_grad", "is_grad_enabled"}.intersection(site.guards)
        in_step = site.stage in WITHOUT_GRADIENTS_IN and site.hook.endswith("_step")
        switched = site.hook in on or site.stage in by_hooks
        if site.name.endswith(".backward") and site.assigned:
            continue  # that of a tensor gives nothing
        if in_step and not around and not in_training and not switched:
            text = f"Lightning switches gradients off before {site.hook}: this fails"
            manager = "with torch.inference_mode(False), torch.enable_grad():"
            yield site, text, f"put it and what it needs, cloned, into {manager}"
