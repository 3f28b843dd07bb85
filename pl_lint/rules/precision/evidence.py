"""Which precision a project trains with."""

from __future__ import annotations

from pl_lint.facts.sites import ClassFacts, ProjectFacts
from pl_lint.facts.values import OneOf, Value, may_be, must_be
from pl_lint.places import SETTINGS

SCALED = (16, "16", "16-mixed")
"""Precisions under which Lightning multiplies the loss by a scale."""
AUTOCAST = (*SCALED, "bf16", "bf16-mixed")
SMALLEST = 6e-8
"""The smallest positive number of fp16 is 2**-24, 5.96e-8."""


def precisions(facts: ProjectFacts, owner: ClassFacts) -> list[Value]:
    """The precision of the Trainers that may train a class: those of its own file, if it has any,
    else all."""
    beside = [one for one in facts.trainers if one.location.path == owner.location.path]
    return [trainer.argument("precision") for trainer in beside or facts.trainers]


def surely(facts: ProjectFacts, owner: ClassFacts, choices: tuple[object, ...]) -> bool:
    """Whether some Trainer that may train a class surely uses one of some precisions, and none
    surely another one."""
    given = precisions(facts, owner)
    some = any(must_be(value, one) for value in given for one in choices)
    return some and all(any(may_be(value, one) for one in choices) for value in given)


def offered(facts: ProjectFacts, owner: ClassFacts, choices: tuple[object, ...]) -> bool:
    """The same where the program lets one choose: ``"16-mixed" if args.amp else 32``."""
    given = precisions(facts, owner)
    told = [value for value in given if isinstance(value, OneOf)]
    some = any(may_be(value, one) for value in told for one in choices)
    others = all(any(may_be(value, one) for one in choices) for value in given)
    return surely(facts, owner, choices) or (some and others)


def set_by_default(facts: ProjectFacts, owner: ClassFacts, choices: tuple[object, ...]) -> bool:
    """Whether the settings of a Trainer that is known to run a class, or may, say one of some
    precisions: what is put on top of them to find errors (``debug: trainer: precision: 32``) does
    not change what is trained with. What is chosen for this very class outweighs what others get,
    or what it would get without."""
    near = facts.programs.trainers_of(owner)
    told = [one for one in near if one.location.path.endswith(SETTINGS)]
    heirs = {one.name for one in facts.classes if owner.name in (one.name, *one.ancestors)}
    chosen = [one for one in told if not heirs.isdisjoint(one.chosen_for)]
    given = [one.argument("precision") for one in chosen or told]
    return any(must_be(value, one) for value in given for one in choices)
