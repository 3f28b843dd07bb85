"""Who asks a data module for the data of validation, and whether a fit has prepared them before."""

from __future__ import annotations

import re
from collections.abc import Set

from pl_lint.facts.branches import comes_along
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import ABSENT, YES, Known, Made, Named, Value, must_be
from pl_lint.rules.judging import CLI, is_run_by_trainer

LOADERS = re.compile("load", re.IGNORECASE)
VALIDATION = ("validate", "VALIDATING")
FITTING = ("fit", "FITTING", None)
"""How ``setup`` is told its stage: by a word, by a member of ``TrainerFn``, or not at all."""


def is_validated_without_fit(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether something in sight asks a data module for its data of validation, and no fit has come
    before. For a rule that asks for calls of ``CLI``, ``.fit``, ``.validate`` and ``.setup``."""
    kin = {owner.name, *(one.name for one in facts.classes if owner.name in one.ancestors)}
    calls = [
        one for one in facts.calls_of(".validate", ".setup") if not facts.in_tests(one.location)
    ]
    asking = [one for one in calls if _validates(one, kin) or _sets_up(one, kin)]
    return _is_on_command(facts, owner, kin) or not all(_is_prepared(facts, one) for one in asking)


def _validates(call: CallSite, kin: Set[str]) -> bool:
    """Whether a Trainer validates with one of these data modules, or with what is not known."""
    data = _data_given(call) if is_run_by_trainer(call, "validate") else ()
    return any(_may_be(one, kin) for one in data)


def _data_given(call: CallSite) -> list[Value]:
    """What may be a data module: what is given as one, or in the place of the loaders."""
    place = "1" if not LOADERS.search(dict(call.written).get("1", "")) else ""
    given = dict(call.arguments)
    return [given[name] for name in ("datamodule", "4", place) if name in given]


def _may_be(value: Value, kin: Set[str]) -> bool:
    if isinstance(value, Made):
        return value.name in kin
    return value != ABSENT and not isinstance(value, Known)


def _sets_up(call: CallSite, kin: Set[str]) -> bool:
    """Whether a data module, this or one that is not known, is told to prepare for validation."""
    home, _, method = call.name.rpartition(".")
    its_own = home in kin or home == "" or (home == "self" and call.owner in kin)
    return method == "setup" and its_own and _stage(call) in VALIDATION


def _stage(call: CallSite) -> object:
    match call.argument("stage", 0):
        case Known(value):
            return value
        case Named(name):
            return name.rpartition(".")[2]
    return ""


def _is_prepared(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether the same function has surely fitted before, or prepared for a fit."""
    fits = facts.calls_of(".fit")
    others = [one for one in facts.calls_of(".setup") if _stage(one) in FITTING]
    return any(
        (one.location.path, one.function, one.owner)
        == (call.location.path, call.function, call.owner)
        and _position(one) < _position(call)
        and comes_along(one.arms, call.arms)
        for one in (*fits, *others)
    )


def _position(call: CallSite) -> tuple[int, int]:
    return call.location.cell, call.location.line


def _is_on_command(facts: ProjectFacts, owner: ClassFacts, kin: Set[str]) -> bool:
    """Whether LightningCLI runs a data module: it has a command that validates."""
    told = any(not kin.isdisjoint(site.classes) for site in facts.fed)
    calls = [one for one in facts.calls_of(CLI) if not must_be(one.argument("run", 12), False)]
    return any(_runs(one, owner, kin, told) for one in calls if not facts.in_tests(one.location))


def _runs(cli: CallSite, owner: ClassFacts, kin: Set[str], told: bool) -> bool:
    """Whether a LightningCLI is given the class itself, or a base of it or none at all where the
    settings name the class."""
    given = cli.argument("datamodule_class", 1)
    name = given.name if isinstance(given, Named) else ""
    open_to_heirs = cli.argument("subclass_mode_data", 10) == YES and name in owner.ancestors
    return name in kin or (told and (not name or open_to_heirs))
