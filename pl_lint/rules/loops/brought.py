"""Pretrained networks that a LightningModule does not load itself: those in a network that it
builds, and those that a script builds it with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.branches import apart
from pl_lint.facts.sites import AssignmentSite, CallSite, ClassFacts, NetworkSite, ProjectFacts
from pl_lint.facts.values import Made
from pl_lint.rules.checkpoints.hyperparameters import parameters_of
from pl_lint.rules.judging import building
from pl_lint.rules.loops.dropouts import has_dropout, may_be_any, told_by
from pl_lint.rules.loops.reaching import (
    TRAINING,
    Methods,
    is_beside,
    reached_from,
    stops_gradients,
    words_of,
)

BUILDING = ("__init__", "setup", "configure_model")
PRETRAINED = ".from_pretrained"
FREEZING = (".requires_grad_", ".parameters", ".named_parameters")
Brought = Iterator[tuple[CallSite, str]]
"""Networks that come in evaluation mode, and under which attributes a class has them."""

ADAPTING = frozenset(
    {
        *("requires_grad", "requires_grad_", "get_peft_model", "PeftModel", "LoraConfig"),
        *("prepare_model_for_kbit_training", "inject_adapter_in_model", "add_adapter"),
        *("train_adapter", "PeftConfig", "BitsAndBytesConfig"),
    }
)
"""What is said where only some parameters learn. Whether a frozen network drops anything matters
less, and train_adapter sets the mode itself."""
DROPS_LESS = re.compile(r"(hidden|attention|attention_probs|classifier)_dropout(_prob)?|\w+_pdrop")
"""What of a configuration is set by who wants another dropout than the checkpoint's."""


def freezes(said: frozenset[str]) -> bool:
    """Whether code freezes something, or adds what learns in its place, by the names in it."""
    frozen = any("freez" in word.lower() or "frozen" in word.lower() for word in said)
    return frozen or not said.isdisjoint(ADAPTING)


def is_rebound(owner: ClassFacts, part: str, site: CallSite | AssignmentSite) -> bool:
    """Whether another value takes the place of a network: it may be that network in a wrapper."""
    made = site.assigned if isinstance(site, CallSite) else ""
    return any(
        f"self.{one.attribute}" == part
        and one.location.path == site.location.path
        and one.location.line > site.location.line
        and one.given != made  # net = ...; self.net = net
        and not apart(one.arms, site.arms)
        for one in owner.assignments
    )


def in_networks(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> Brought:
    """Those in networks of the project that a class has: it builds them when it is built itself, or
    is built with them."""
    for part, value in (*_built_here(owner), *_built_beside(facts, owner)):
        for network in facts.networks:
            if network.name == value.name and not _sets_modes(network):
                for site in _in_network(facts, network, value, methods):
                    yield site, f"{part}.{site.assigned.removeprefix('self.')}"


def _built_here(owner: ClassFacts) -> Iterator[tuple[str, Made]]:
    for made in owner.assignments:
        value, part = made.value, f"self.{made.attribute}"
        if made.hook in BUILDING and isinstance(value, Made) and not is_rebound(owner, part, made):
            yield part, value


def _built_beside(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, Made]]:
    for call, key, part in _given(facts, owner):
        value = dict(call.arguments)[key]
        if isinstance(value, Made):
            yield part, value


def _given(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[CallSite, str, str]]:
    """The calls that build a class with an object that they make for it, and do nothing else with:
    by which argument, and under which attribute the class keeps it."""
    for call in building(facts, owner):
        made = {key for key, _ in call.brought} & dict(call.arguments).keys()
        for place, one in enumerate(parameters_of(owner)):
            key = one.name if one.name in made else str(place)
            kept = not one.rebound and len(one.attributes) == 1
            if key in made and kept and not _is_frozen_beside(facts, call):
                yield call, key, f"self.{one.attributes[0]}"


def _sets_modes(network: NetworkSite) -> bool:
    """Whether a network may set the mode of a part itself, freeze it, or take its dropout away."""
    said = frozenset[str]().union(*(one.words for one in network.methods))
    named = {"train", "eval", "training"} & (said | {one.name for one in network.methods})
    return bool(named) or freezes(said) or any(map(DROPS_LESS.fullmatch, said))


def _in_network(
    facts: ProjectFacts, network: NetworkSite, value: Made, around: Methods
) -> Iterator[CallSite]:
    """The pretrained networks that a network keeps, and uses with gradients when it is used."""
    methods = {one.name: one for one in network.methods}
    roots = {"forward", *words_of(around, reached_from(around, TRAINING))}
    using = [methods[name] for name in reached_from(methods, roots) if name != "__init__"]
    for site in facts.calls_of(PRETRAINED):
        here = (site.home, site.location.path) == (network.short_name, network.location.path)
        attribute = site.assigned.removeprefix("self.")
        if not here or attribute in (*network.rebound, site.assigned) or is_beside(attribute):
            continue
        used = [one for one in using if attribute in one.words]
        told = told_by(site, network.parameters, value.arguments)
        drops = has_dropout(told) and not may_be_any(told, {**methods, **around})
        if drops and not all(map(stops_gradients, used)):
            yield site


def handed_in(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> Brought:
    """Those that a script loads and builds the class with."""
    for call, key, part in _given(facts, owner):
        for site in facts.calls_of(PRETRAINED):
            here = site.location == dict(call.brought)[key]
            if here and has_dropout(site) and not may_be_any(site, methods):
                yield site, part


def _is_frozen_beside(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether the script that builds a class looks at parameters itself."""
    return any(
        not site.home and site.location.path == call.location.path
        for site in facts.calls_of(*FREEZING)
    )
