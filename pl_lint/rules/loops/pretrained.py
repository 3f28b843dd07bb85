"""Pretrained networks that are trained as they come: in evaluation mode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.branches import apart
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Table, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import LOADING, is_only_loaded, target_version
from pl_lint.rules.loops.reaching import (
    TRAINING,
    Methods,
    is_beside,
    methods_of,
    reached_from,
    stops_gradients,
)
from pl_lint.rules.registry import Rule, rule

BUILDING = ("__init__", "setup", "configure_model")
PRETRAINED = ".from_pretrained"
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
    calls=(*DROPPING, TRAIN, EVAL, *OPTIMIZED, LOADING),
)
def pretrained_mode(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A pretrained network is trained in evaluation mode, as `from_pretrained()` returns it.

    What it does
    ------------
    Finds networks that a LightningModule takes from transformers' `from_pretrained()` when it is
    built, and that `training_step` uses. Nothing is said where anything freezes parameters, sets
    modes or adds adapters, where no optimizer has the network, where the dropouts are set to zero,
    and of architectures that have none (ViT, CLIP, Llama, Whisper and the like). A run looks at the
    mode of every call in training.

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
        for site in facts.calls_in(owner, PRETRAINED):
            part = f"self.{site.kept}" if site.kept else site.assigned
            kept = site.hook in BUILDING and part.startswith("self.")
            drops = _has_dropout(site) and not _may_be_any(site, methods)
            stays = not _is_rebound(owner, part, site)
            if kept and drops and stays and _is_trained(facts, owner, methods, part):
                yield self.finding(
                    site.location,
                    f"{part} comes in evaluation mode, and Lightning trains it in that mode: its "
                    "dropout is off",
                    remedy=f"call {part}.train() after it, or freeze it",
                    subject=owner.short_name,
                )


ADAPTING = frozenset(
    {
        *("requires_grad", "requires_grad_", "get_peft_model", "PeftModel", "LoraConfig"),
        *("prepare_model_for_kbit_training", "inject_adapter_in_model", "add_adapter"),
        *("train_adapter", "PeftConfig", "BitsAndBytesConfig"),
    }
)
"""What is said where only some parameters learn. Whether a frozen network drops anything matters
less, and train_adapter sets the mode itself."""


NOT_SO = frozenset({"train", "training_epoch_end", "validation_epoch_end", "test_epoch_end"})
"""What a class sets modes by itself with, and what Lightning 2 refuses to train."""


def _keeps_modes(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> bool:
    """Whether a class is trained by a Lightning that leaves modes alone, and nothing in sight sets
    them or freezes anything."""
    trained = {"training_step", "configure_optimizers"} <= methods.keys() and not owner.open
    if target_version(owner) < (2, 2) or not trained or NOT_SO.intersection(methods):
        return False
    said = frozenset[str]().union(
        *(one.words for name, one in methods.items() if name != "configure_optimizers")
    )
    freezes = any("freez" in word.lower() or "frozen" in word.lower() for word in said)
    return not freezes and said.isdisjoint(ADAPTING) and not any(_sets_modes(facts, owner))


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
    given = (pair for site in facts.calls_in(owner, *DROPPING) for pair in _settings(site))
    set_to = ((one.attribute, one.value) for one in facts.reaches if one.owner == owner.name)
    return any("drop" in name and must_be(value, 0) for name, value in (*given, *set_to))


def _settings(site: CallSite) -> Iterator[tuple[str, Value]]:
    """What a call is given by name, or in a dict."""
    yield from site.arguments
    for _, value in site.arguments:
        for key, one in value.items if isinstance(value, Table) else ():
            if isinstance(key, Known):
                yield str(key.value), one


WITHOUT = (
    "vit(?!_?(seg|matte|pose))|deit|dino|clip(?!seg)|siglip|convnext|hiera|poolformer|pvt|yolos|"
    "sam(-|Model)|videomae|vivit|timesformer|whisper|blip(?!-?2)|modernbert|albert-[a-z]+-v2|"
    "prot_?bert|esm|nucleotide|llama|llava|mistral|mixtral|gemma|qwen|phi-?[1-9]|falcon|bloom|"
    "gpt-?j|mpt|olmo|mamba|rwkv|stablelm|starcoder|cohere"
)
"""Architectures and checkpoints that have no dropout, unless somebody asks for it, and no batch
norm."""
CLASS_WITHOUT = re.compile(rf"\.(TF|Flax)?({WITHOUT})", re.IGNORECASE)
NAME_WITHOUT = re.compile(rf"\b({WITHOUT})", re.IGNORECASE)
OF_ANY = re.compile(
    r"\.AutoModel(ForCausalLM|For\w*(Image|Video|Vision|Depth|MaskGen|Speech)\w*)?\."
)
"""Classes for checkpoints of which many have none."""
OF_TEXT = re.compile(
    r"input_ids|attention_mask|token_type_ids|tokenizer|(\w+_)?(\w*bert|electra|texts?|sentences?)(_\w+)?"
)
OF_PICTURES = frozenset({"pixel_values", "input_features"})
SET_BY_ITSELF = frozenset({"eval", "train", "requires_grad_"})


def _has_dropout(site: CallSite) -> bool:
    """Whether a network of transformers comes with layers that work differently in training, as far
    as its class and its checkpoint say."""
    network = site.name.startswith("transformers.") and re.search("Model|For[A-Z]", site.name)
    without = CLASS_WITHOUT.search(site.name) or NAME_WITHOUT.search(_checkpoint(site))
    quantized = any(re.search("[48]bit|quant", name) for name, _ in site.arguments)
    return bool(network) and not without and not quantized and SET_BY_ITSELF.isdisjoint(site.then)


def _checkpoint(site: CallSite) -> str:
    """The checkpoint, where it is written."""
    name = site.argument("pretrained_model_name_or_path", 0)
    return str(name.value) if isinstance(name, Known) else ""


def _may_be_any(site: CallSite, methods: Methods) -> bool:
    """Whether the checkpoint is not written and may be one for anything: those that read text have
    dropout, most that see, hear or write have none."""
    said = frozenset[str]().union(*(one.words for one in methods.values()))
    text = any(map(OF_TEXT.fullmatch, said)) and said.isdisjoint(OF_PICTURES)
    unclear = OF_ANY.search(site.name) is not None and not _checkpoint(site)
    return unclear and ("For" in site.name or not text)


def _is_rebound(owner: ClassFacts, part: str, site: CallSite) -> bool:
    """Whether another value takes the place of the network: it may be that network in a wrapper."""
    return any(
        f"self.{one.attribute}" == part
        and one.location.path == site.location.path
        and one.location.line > site.location.line
        and one.given != site.assigned  # net = ...; self.net = net
        and not apart(one.arms, site.arms)
        for one in owner.assignments
    )


def _is_trained(facts: ProjectFacts, owner: ClassFacts, methods: Methods, part: str) -> bool:
    """Whether training passes through a part with gradients, and an optimizer may have it."""
    attribute = part.split(".")[1]
    reached = reached_from(methods, TRAINING)
    using = [methods[name] for name in reached if attribute in methods[name].words]
    still = any(map(stops_gradients, using))
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
