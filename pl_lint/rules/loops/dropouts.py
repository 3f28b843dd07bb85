"""Which networks of transformers work differently in training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pl_lint.facts.origins import UNPACKED, Pairs
from pl_lint.facts.sites import CallSite, ParameterSite
from pl_lint.facts.values import Known, Table, Value
from pl_lint.plain import replace
from pl_lint.rules.loops.reaching import Methods

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


def has_dropout(site: CallSite) -> bool:
    """Whether a network of transformers comes with layers that work differently in training, as far
    as its class and its checkpoint say."""
    network = site.name.startswith("transformers.") and re.search("Model|For[A-Z]", site.name)
    without = CLASS_WITHOUT.search(site.name) or NAME_WITHOUT.search(checkpoint_of(site))
    quantized = any(re.search("[48]bit|quant", name) for name, _ in site.arguments)
    return bool(network) and not without and not quantized and SET_BY_ITSELF.isdisjoint(site.then)


CHECKPOINT = "pretrained_model_name_or_path"


def checkpoint_of(site: CallSite) -> str:
    """The checkpoint, where it is written."""
    name = site.argument(CHECKPOINT, 0)
    return str(name.value) if isinstance(name, Known) else ""


def told_by(site: CallSite, parameters: Iterable[ParameterSite], given: Pairs) -> CallSite:
    """The same call with the checkpoint that a parameter of ``__init__`` names: by what a class is
    built with, or by its default where it is built without."""
    written = dict(site.written)
    name = written.get(CHECKPOINT, written.get("0", "")).removeprefix("self.hparams.")
    for place, one in enumerate(parameters):
        if one.rebound or name not in (one.name, *(f"self.{kept}" for kept in one.attributes)):
            continue
        told = dict(given).get(one.name, dict(given).get(str(place), one.default))
        if isinstance(told, Known) and isinstance(told.value, str) and UNPACKED not in dict(given):
            return replace(site, arguments=((CHECKPOINT, told), *site.arguments))
    return site


def may_be_any(site: CallSite, methods: Methods) -> bool:
    """Whether the checkpoint is not written and may be one for anything: those that read text have
    dropout, most that see, hear or write have none."""
    said = frozenset[str]().union(*(one.words for one in methods.values()))
    text = any(map(OF_TEXT.fullmatch, said)) and said.isdisjoint(OF_PICTURES)
    unclear = OF_ANY.search(site.name) is not None and not checkpoint_of(site)
    return unclear and ("For" in site.name or not text)


def settings(site: CallSite) -> Iterator[tuple[str, Value]]:
    """What a call is given by name, or in a dict."""
    yield from site.arguments
    for _, value in site.arguments:
        for key, one in value.items if isinstance(value, Table) else ():
            if isinstance(key, Known):
                yield str(key.value), one
