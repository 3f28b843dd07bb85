"""Pretrained networks that are trained as they come: in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.checkpoints.hyperparameters import parameters_of
from pl_lint.rules.judging import CLI, LOADING, building, is_only_loaded, target_version, uses_cli
from pl_lint.rules.loops.brought import (
    BUILDING,
    FREEZING,
    PRETRAINED,
    freezes,
    handed_in,
    in_networks,
    is_rebound,
)
from pl_lint.rules.loops.dropouts import has_dropout, may_be_any, settings, told_by
from pl_lint.rules.loops.reaching import (
    TRAINING,
    Methods,
    is_beside,
    methods_of,
    reached_from,
    stops_gradients,
    words_of,
)
from pl_lint.rules.registry import Rule, rule

TRAIN = ".train"
EVAL = ".eval"
OPTIMIZED = (".parameters", ".named_parameters")
DROPPING = (".update", PRETRAINED)


@rule(
    "LTN736",
    "pretrained-in-evaluation-mode",
    rows=("LOOP14",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the network has dropout or batch norm, and is to be trained",
    calls=(*DROPPING, TRAIN, EVAL, *FREEZING, LOADING, lightning.MODULE, CLI),
)
def pretrained_mode(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A pretrained network is trained in evaluation mode, as `from_pretrained()` returns it.

    What it does
    ------------
    Finds networks that a LightningModule takes from transformers' `from_pretrained()` when it is
    built, and that `training_step` uses; so those in a network of the project that it builds or is
    built with, and those that a script loads and builds it with. Nothing is said where anything
    freezes parameters, sets modes or adds adapters, where no optimizer has the network, where the
    dropouts are set to zero, and of architectures that have none (ViT, CLIP, Llama, Whisper and the
    like). A checkpoint that a parameter names is the one which the class is built with, or the
    default. A run looks at the mode of every call in training.

    Why is this bad
    ---------------
    transformers calls `eval()` before it returns the network. Lightning before 2.2 put everything
    into training mode when a fit began; 2.2 and later leave submodules in the mode they find. So
    the network is trained without its dropout, its batch norm does not learn, and gradient
    checkpointing is off. The loss falls faster, and nothing looks wrong.

    Example
    -------
        class Model(LightningModule):
            def __init__(self, name):
                super().__init__()
                self.backbone = transformers.AutoModelForMaskedLM.from_pretrained(name)

            def training_step(self, batch, batch_idx):
                return self.backbone(**batch, labels=batch["input_ids"]).loss

            def configure_optimizers(self):
                return torch.optim.AdamW(self.parameters(), lr=2e-5)

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self, name):
                super().__init__()
                self.backbone = transformers.AutoModelForMaskedLM.from_pretrained(name)
                self.backbone.train()

            def training_step(self, batch, batch_idx):
                return self.backbone(**batch, labels=batch["input_ids"]).loss

            def configure_optimizers(self):
                return torch.optim.AdamW(self.parameters(), lr=2e-5)

    When to ignore
    --------------
    Where the checkpoint's own settings have no dropout, or fine-tuning without it is meant.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20105
    - https://huggingface.co/docs/transformers/main_classes/model#transformers.PreTrainedModel.from_pretrained
    """
    for owner in facts.modules():
        if facts.in_tests(owner.location) or is_only_loaded(facts, owner):
            continue
        methods = methods_of(facts, owner)
        if not _keeps_modes(facts, owner, methods) or _drops_nothing(facts, owner):
            continue
        for site, part in _brought(facts, owner, methods):
            if _is_trained(facts, owner, methods, part):
                yield self.finding(
                    site.location,
                    f"{part} comes in evaluation mode, and Lightning trains it in that mode: its "
                    "dropout is off",
                    remedy=f"call {part}.train() after it, or freeze it",
                    subject=owner.short_name,
                )


def _brought(
    facts: ProjectFacts, owner: ClassFacts, methods: Methods
) -> Iterator[tuple[CallSite, str]]:
    """The networks with dropout that come to a class in evaluation mode, and where it has them."""
    yield from _made_here(facts, owner, methods)
    yield from in_networks(facts, owner, methods)
    yield from handed_in(facts, owner, methods)


def _made_here(
    facts: ProjectFacts, owner: ClassFacts, methods: Methods
) -> Iterator[tuple[CallSite, str]]:
    built = building(facts, owner)
    given = built[0].arguments if built else ()
    alike = all(one.arguments == given for one in built) and not uses_cli(facts)
    for site in facts.calls_in(owner, PRETRAINED):
        part = f"self.{site.kept}" if site.kept else site.assigned
        told = told_by(site, parameters_of(owner), given) if alike else site
        drops = has_dropout(told) and not may_be_any(told, methods)
        kept = site.hook in BUILDING and part.startswith("self.")
        if drops and kept and not is_rebound(owner, part, site):
            yield site, part


NOT_SO = frozenset({"train", "training_epoch_end", "validation_epoch_end", "test_epoch_end"})
"""What a class sets modes by itself with, and what Lightning 2 refuses to train."""


def _keeps_modes(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> bool:
    """Whether a class is trained by a Lightning that leaves modes alone, and nothing in sight sets
    them or freezes anything."""
    trained = {"training_step", "configure_optimizers"} <= methods.keys() and not owner.open
    if target_version(owner) < (2, 2) or not trained or NOT_SO.intersection(methods):
        return False
    said = words_of(methods, methods.keys() - {"configure_optimizers"})
    return not freezes(said) and not any(_sets_modes(facts, owner))


def _sets_modes(facts: ProjectFacts, owner: ClassFacts) -> Iterator[bool]:
    """Whether the class, a callback, or a script that fits it or what it is not seen to, calls
    ``train`` or sets ``training``."""
    unknown = (call for call in facts.trainer_calls if "" in call.models)
    scripts = {call.location.path for call in (*facts.programs.calls_with(owner), *unknown)}
    callbacks = {one.name for one in facts.classes if one.kind == "callback"}
    yield any(facts.calls_in(owner, TRAIN))
    yield any(
        one.attribute == "training"
        for one in facts.reaches
        if one.owner in {owner.name, *callbacks}
    )
    for site in facts.calls_of(TRAIN):
        by_script = not site.owner and not site.home and site.location.path in scripts
        yield by_script or site.owner in callbacks


def _drops_nothing(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class sets a dropout of a configuration to zero."""
    given = (pair for site in facts.calls_in(owner, *DROPPING) for pair in settings(site))
    set_to = ((one.attribute, one.value) for one in facts.reaches if one.owner == owner.name)
    return any("drop" in name and must_be(value, 0) for name, value in (*given, *set_to))


def _is_trained(facts: ProjectFacts, owner: ClassFacts, methods: Methods, part: str) -> bool:
    """Whether training passes through a part with gradients, and an optimizer may have it."""
    attribute = part.split(".")[1]
    reached = reached_from(methods, TRAINING)
    using = [methods[name] for name in reached if attribute in methods[name].words]
    still = all(map(stops_gradients, using))  # others may measure under no_grad
    given = [
        site.receiver
        for site in facts.calls_in(owner, *OPTIMIZED)
        if site.hook == "configure_optimizers"
    ]
    had = not given or any(_covers(receiver, part) for receiver in given)
    chosen = any(site.receiver == part for site in facts.calls_in(owner, EVAL))  # LTN714
    return bool(using) and had and not (still or is_beside(attribute) or chosen)


def _covers(receiver: str, part: str) -> bool:
    """Whether what has parameters is a part, or something that the part may stand in."""
    return not receiver.startswith("self.") or f"{part}.".startswith(f"{receiver}.")
