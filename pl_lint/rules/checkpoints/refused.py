"""What a checkpoint holds that torch refuses to load."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.givable import library_kind
from pl_lint.facts.origins import FunctionCall, Origin, parts
from pl_lint.facts.sites import CallSite, ClassFacts, ParameterSite, ProjectFacts
from pl_lint.facts.values import ABSENT, Known, Made, Named, Value, may_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.checkpoints.hyperparameters import (
    LOADING,
    NETWORK_NAMES,
    OPTIONAL,
    SAVING,
    is_loaded_with,
    is_network,
    parameters_of,
    saves_here,
    surely_saved,
)
from pl_lint.rules.judging import CLI, building, target_version, uses_cli
from pl_lint.rules.registry import Rule, rule

TRUSTING = ("torch.serialization.add_safe_globals", "torch.serialization.safe_globals")
REFUSED = re.compile(
    OPTIONAL.format(
        r"(?:(?:pathlib\.)?(?:Posix)?Path|(?:argparse\.)?Namespace|(?:omegaconf\.)?DictConfig|"
        r"(?:np|numpy)\.ndarray|(?:typing\.)?(?:Callable|Type|type)(?:\[.*\])?)"
    )
)
"""Annotations of objects that torch does not unpickle with ``weights_only=True``."""

OF_PATHS = re.compile(r"\bPath\b|PosixPath")
PARSING = ".add_argument"
"""What makes a path of a text, by its ``type=``."""

OBJECTS = {
    "argparse.Namespace": "Namespace",
    "pathlib.Path": "Path",
    **{f"omegaconf.OmegaConf.{how}": "DictConfig" for how in ("load", "create", "merge")},
}
"""What makes such objects."""


@rule(
    "LTN309",
    "checkpoint-not-loadable",
    rows=("CKP09", "CKP07"),
    status=Status.SUSPECTED,
    observers="both",
    condition="with torch 2.6 and Lightning 2.6 or newer, unless loaded with weights_only=False",
    calls=(
        *(*SAVING, CLI, "weights_only=", *TRUSTING, PARSING, lightning.MODULE, LOADING),
        *(".parameters", *(f"self.{name}" for name in NETWORK_NAMES)),
    ),
)
def not_loadable(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The module's own checkpoint cannot be loaded, because of what it saved in it.

    What it does
    ------------
    Finds `save_hyperparameters()` in a module whose `__init__` takes a `Path`, a `Namespace`, a
    `DictConfig`, a numpy array or a function by its annotation, an Enum member or an object of a
    class of the project by its annotation or its default, or has a class, a function or, where
    nothing else is given, a `Path` for a default, or where the project builds the module with
    what `parse_args()` returns, a `DictConfig`, a `Path`, an object of a dataclass, or a class or
    function of torch (`Net(torch.optim.Adam)`); and where the class calls what it saved
    (`self.hparams.optimizer(self.parameters())`). And where it takes a network and keeps it, and
    the project loads the module without giving one, be it as `type(model)` (LTN307 tells of
    others). Where the project is seen to build the module, and never with a path (or with
    constants only), the annotation is not enough. Silent in projects that load with
    `weights_only=False`, tell torch which classes to trust (`add_safe_globals`) or pin a torch
    below 2.6. A run loads the checkpoint as Lightning and torch do by default, with
    `weights_only=True`.

    Why is this bad
    ---------------
    torch refuses to unpickle such objects unless it is told that the file is trusted. The error
    comes at resume, or when the model is to be used at last.

    Example
    -------
        def __init__(self, root: Path, lr: float):
            super().__init__()
            self.save_hyperparameters()

    Use instead
    -----------
        def __init__(self, root: Path, lr: float):
            super().__init__()
            self.save_hyperparameters({"root": str(root), "lr": lr})

    When to ignore
    --------------
    Where checkpoints are loaded with `weights_only=False`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/21757
    - https://pytorch.org/docs/stable/generated/torch.load.html
    """
    loaded = facts.calls_of("weights_only=")
    trusted = any(may_be(call.argument("weights_only"), False) for call in loaded)
    if trusted or facts.calls_of(*TRUSTING):
        return  # the project knows of it
    for owner in facts.all_modules():
        if target_version(owner) < (2, 6) or owner.location.path in facts.loads_all:
            continue
        for call in facts.calls_in(owner, *SAVING):
            found = [
                told
                for one in parameters_of(owner)
                if surely_saved(call, one.name) and not one.rebound
                if (told := _refused(facts, owner, one) or _given(facts, owner, one))
            ]
            if found and saves_here(owner, call) and not uses_cli(facts):
                yield self.finding(
                    call.location,
                    f"the checkpoint holds {', '.join(found)}, which torch refuses to load",
                    remedy="save what it says as text or numbers, or leave it out with ignore=",
                    subject=owner.short_name,
                )


def _refused(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> str:
    """What says that torch refuses to unpickle a parameter; empty where nothing does."""
    if is_network(facts, owner, parameter) and is_loaded_with(facts, owner, parameter):
        return f"{parameter.name}, a network"  # of others LTN307 tells
    if REFUSED.fullmatch(parameter.annotation) and not _is_only_said(facts, owner, parameter):
        return f"{parameter.name}: {parameter.annotation}"
    return parameter.told


def _is_only_said(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> bool:
    """Whether the project builds the module and gives it something else than the annotation says.
    A text does where a ``Path`` is asked for, so there a path has to be seen."""
    calls = building(facts, owner)
    values = [_argument(owner, call, parameter) for call in calls]
    if not OF_PATHS.search(parameter.annotation):
        return bool(calls) and all(isinstance(value, Known) for value, _ in values)
    parsed = any(_is_path(call.argument("type")) for call in facts.calls_of(PARSING))
    seen = any(_is_path(value) or any(map(_is_path, parts(made))) for value, made in values)
    return bool(calls) and not parsed and not seen


def _is_path(made: Value | Origin) -> bool:
    return isinstance(made, (Made, Named, FunctionCall)) and made.name.startswith("pathlib.")


def _argument(owner: ClassFacts, call: CallSite, parameter: ParameterSite) -> tuple[Value, Origin]:
    """What a parameter is in a call, by its default where it is left out, and what that is made
    of."""
    place = parameters_of(owner).index(parameter)
    given = call.argument(parameter.name, place)
    value = parameter.default if given == ABSENT else given
    return value, call.origin(parameter.name, place)


def _given(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> str:
    """What a parameter is seen to be that torch refuses to unpickle, its default where nothing is
    seen to build the module."""
    calls = building(facts, owner)
    given = [_argument(owner, call, parameter) for call in calls]
    for values in given or [(parameter.default,)]:
        for made in values:
            name = made.name if isinstance(made, (Made, FunctionCall)) else ""
            if name in OBJECTS or name in facts.data_classes:
                return f"{parameter.name}: {OBJECTS.get(name, name.rpartition('.')[2])}"
            if isinstance(made, Named) and (kind := library_kind(made.name)):
                return f"{parameter.name}: the {kind} {made.name.rpartition('.')[2]}"
    return ""
