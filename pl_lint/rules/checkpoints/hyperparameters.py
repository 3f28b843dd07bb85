"""Whether a module can be built again from its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ClassFacts, ParameterSite, ProjectFacts
from pl_lint.facts.values import Known, Value
from pl_lint.findings import Finding
from pl_lint.fixes import Fix, Insert, SetArgument
from pl_lint.rules.judging import CLI, defines, target_version, uses_cli
from pl_lint.rules.registry import Rule, rule

LOADING = ".load_from_checkpoint"
SAVING = ("self.save_hyperparameters", "super.save_hyperparameters")
OPTIONAL = r"(?:{0}(?:\s*\|\s*None)?|(?:typing\.)?Optional\[{0}\])"
NETWORK = re.compile(
    OPTIONAL.format(r"(?:(?:torch\.)?nn\.)?(?:Module|Sequential|ModuleList|ModuleDict)")
)
"""Annotations that say a network, and nothing else."""
NETWORK_NAMES = "model net network backbone encoder decoder generator discriminator".split()
"""Attributes that hold a network wherever they are called."""


@rule(
    "LTN306",
    "hyperparameters-not-saved",
    rows=("CKP06",),
    default=False,
    observers="both",
    calls=("super.__init__", ".parameters", *(f"self.{name}" for name in NETWORK_NAMES)),
    fixable=True,
)
def hyperparameters_not_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module takes arguments and does not save them with its checkpoints.

    What it does
    ------------
    Finds a LightningModule whose `__init__` has parameters and neither it nor a base class calls
    `save_hyperparameters()` or, before Lightning 1.3, says `self.hparams = hparams`.

    Why is this bad
    ---------------
    `load_from_checkpoint` builds the module again. Arguments without a default are an error then;
    those with one silently get it: a module trained with dropout 0.7 was loaded with 0.0.

    Example
    -------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()

    Use instead
    -----------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()
            self.save_hyperparameters()

    When to ignore
    --------------
    Where checkpoints are loaded with all arguments given, or by LightningCLI, which saves them
    itself.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/hyperparameters.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4390
    """
    for owner in facts.all_modules():
        site = owner.hyperparameters
        if site is None or site.saved or not site.parameters or owner.open:
            continue
        if target_version(owner) < lightning.SETTER_GONE[owner.kind] and _sets_hparams(owner):
            continue
        names = ", ".join(site.parameters[:3]) + (", ..." if len(site.parameters) > 3 else "")
        yield self.finding(
            site.location,
            f"checkpoints of {owner.short_name} do not hold its arguments ({names})",
            remedy="call self.save_hyperparameters() after super().__init__()",
            subject=owner.short_name,
            fix=_saved(facts, owner),
        )


def _sets_hparams(owner: ClassFacts) -> bool:
    return any((one.hook, one.attribute) == ("__init__", "hparams") for one in owner.assignments)


def _saved(facts: ProjectFacts, owner: ClassFacts) -> Fix | None:
    """Arguments are saved after ``super().__init__()``, without the networks among them: those of
    the classes that inherit are saved by the same call (``collect_init_args`` of parsing.py)."""
    begun = [
        call.location
        for call in facts.calls_in(owner, "super.__init__")
        if call.hook == "__init__" and call.location.path == owner.location.path
    ]
    own = [place for place in begun if place > owner.location]
    heirs = (one for one in facts.all_modules() if owner.name in one.ancestors)
    networks = dict.fromkeys(
        parameter.name
        for one in (owner, *heirs)
        for parameter in parameters_of(one)
        if _is_whole(facts, one, parameter)
    )
    ignored = f"ignore={_quoted(networks)}" if networks else ""
    text = f"self.save_hyperparameters({ignored})"
    return Fix(f"call {text}", (Insert(own[0], text, after=True),)) if len(own) == 1 else None


def _quoted(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


@rule(
    "LTN307",
    "module-among-hyperparameters",
    rows=("CKP07",),
    calls=(*SAVING, LOADING, ".parameters", CLI, *(f"self.{name}" for name in NETWORK_NAMES)),
    fixable=True,
)
def module_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A network or the Trainer given to __init__ is saved among the hyper-parameters too.

    What it does
    ------------
    Finds `save_hyperparameters()` without `ignore` in a module whose `__init__` takes a network and
    keeps it. It is one by its annotation, because its `.parameters()` are used, or because it is
    called and kept as `self.net`, `self.backbone` or the like; what is kept as `self.trainer` is
    the Trainer.

    Why is this bad
    ---------------
    The network is in the checkpoint twice, the second time pickled whole: the file is twice as
    large, bound to the module path of the class, and Lightning 2.6 with torch 2.6 or newer refuses
    to load it (`weights_only=True`). A Trainer brings its loaders and their data with it.

    Example
    -------
        def __init__(self, net: nn.Module, lr: float):
            super().__init__()
            self.save_hyperparameters()
            self.net = net

    Use instead
    -----------
        def __init__(self, net: nn.Module, lr: float):
            super().__init__()
            self.save_hyperparameters(ignore=["net"])
            self.net = net

    When to ignore
    --------------
    Where a checkpoint that builds its own network is worth that. Projects that load it without
    giving the network, and so count on that, are left alone, and those of LightningCLI, under which
    the configuration is saved in place of the objects.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    - https://github.com/ashleve/lightning-hydra-template/issues/456
    """
    for owner in facts.all_modules():
        for call in facts.calls_in(owner, *SAVING):
            names = [
                one.name
                for one in parameters_of(owner)
                if surely_saved(call, one.name)
                and _is_whole(facts, owner, one)
                and not is_loaded_with(facts, owner, one)
            ]
            if names and saves_here(owner, call) and not uses_cli(facts):
                yield self.finding(
                    call.location,
                    f"the checkpoint pickles {' and '.join(map(repr, names))} as an object",
                    remedy=f"save_hyperparameters(ignore={names!r})",
                    subject=owner.short_name,
                    fix=_without(call, names),
                )


def is_loaded_with(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> bool:
    """Whether the project loads the module, or one of a class that is not known, without giving
    this: it counts on what the checkpoint holds."""
    return any(
        call.complete and not call.gives(parameter.name) and not facts.in_tests(call.location)
        for call in facts.calls_of(LOADING)
        if call.name.rpartition(".")[0] in ("", owner.name)
    )


def _without(call: CallSite, names: list[str]) -> Fix | None:
    """The networks beside what is left out already."""
    if any(key.isdigit() for key, _ in call.arguments):
        return None
    ignored = _quoted((*(_texts(call.argument("ignore")) or ()), *names))
    change = SetArgument(call.location, "ignore", ignored)
    return Fix(f"pass ignore={ignored}", (change,))


def is_network(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> bool:
    """Whether what is given surely is an nn.Module that the class keeps, by its annotation or its
    use. One that may be left out is mostly built by the class itself."""
    if not parameter.required or not parameter.attributes:
        return False
    if parameter.annotation:
        return NETWORK.fullmatch(parameter.annotation) is not None
    kept = {f"self.{attribute}" for attribute in parameter.attributes}
    named = [f"self.{name}" for name in NETWORK_NAMES if f"self.{name}" in kept]
    used = {call.receiver for call in facts.calls_in(owner, ".parameters")}
    return not kept.isdisjoint(used) or bool(facts.calls_in(owner, *named))


def _is_whole(facts: ProjectFacts, owner: ClassFacts, parameter: ParameterSite) -> bool:
    """Whether what is given is pickled with all that hangs on it: a network, or the Trainer, for
    nothing else can stand at ``self.trainer``."""
    is_trainer = parameter.required and "trainer" in parameter.attributes
    return is_trainer or is_network(facts, owner, parameter)


@rule(
    "LTN308",
    "loaded-without-arguments",
    rows=("CKP08",),
    calls=(*SAVING, LOADING),
)
def loaded_without_arguments(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """load_from_checkpoint is not given what the checkpoint does not hold.

    What it does
    ------------
    Compares the arguments of `Model.load_from_checkpoint(...)` with those parameters of `__init__`
    that have no default and that `save_hyperparameters` leaves out (`ignore=`), or that are not
    saved at all.

    Why is this bad
    ---------------
    Lightning builds the module from the hyper-parameters of the checkpoint and what the call gives.
    Whatever is in neither is a TypeError, when the model is to be used at last.

    Example
    -------
        class Model(L.LightningModule):
            def __init__(self, net: nn.Module, lr: float = 0.1):
                super().__init__()
                self.save_hyperparameters(ignore=["net"])
                self.net = net

        model = Model.load_from_checkpoint("best.ckpt")

    Use instead
    -----------
        class Model(L.LightningModule):
            def __init__(self, net: nn.Module, lr: float = 0.1):
                super().__init__()
                self.save_hyperparameters(ignore=["net"])
                self.net = net

        model = Model.load_from_checkpoint("best.ckpt", net=build())

    When to ignore
    --------------
    Where the checkpoint was made by another version of the class.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    - https://github.com/ashleve/lightning-hydra-template/issues/456
    """
    for call, owner in loading(facts):
        missing = missing_from(facts, owner, call)
        if missing:
            names = ", ".join(missing)
            yield self.finding(
                call.location,
                f"checkpoints of {owner.short_name} do not hold {names}, and nothing is given here",
                remedy="pass " + ", ".join(f"{name}=..." for name in missing),
                subject=owner.short_name,
            )


def loading(facts: ProjectFacts) -> Iterator[tuple[CallSite, ClassFacts]]:
    """The calls that load a module of the project from its checkpoint alone, as far as is seen."""
    owners = {owner.name: owner for owner in facts.all_modules()}
    for call in facts.calls_of(LOADING):
        owner = owners.get(call.name.rpartition(".")[0])
        if owner is None or not call.complete or call.bound or call.gives("hparams_file", 2):
            continue
        if not defines(facts, owner, "load_from_checkpoint"):
            yield call, owner


def missing_from(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> list[str]:
    """The parameters without a default that neither a checkpoint nor a call gives."""
    held = not_held(facts, owner)
    return [one.name for one in held if one.required and not call.gives(one.name)]


def not_held(facts: ProjectFacts, owner: ClassFacts) -> list[ParameterSite]:
    """The parameters that the checkpoints of a class surely do not hold."""
    site = owner.hyperparameters
    if site is None or owner.open or any(one.attribute == "hparams" for one in owner.assignments):
        return []  # before 1.3 an assignment to self.hparams saved them
    if not site.saved:
        return list(parameters_of(owner))
    calls = facts.calls_in(owner, *SAVING)
    every = parameters_of(owner) if calls else ()
    return [one for one in every if all(_surely_not(call, one.name) for call in calls)]


# --- what is saved --------------------------------------------------------------------------------


def parameters_of(owner: ClassFacts) -> tuple[ParameterSite, ...]:
    """The parameters of the class's own ``__init__``."""
    return owner.hyperparameters.details if owner.hyperparameters is not None else ()


def saves_here(owner: ClassFacts, call: CallSite) -> bool:
    """Whether the call stands in the file of the class: a base class saves for many."""
    return call.location.path == owner.location.path and call.hook == "__init__"


def surely_saved(call: CallSite, name: str) -> bool:
    """Whether a call of save_hyperparameters saves this parameter under its name."""
    ignored = _texts(call.argument("ignore"))
    named = [_texts(value) for key, value in call.arguments if key.isdigit()]
    if not call.complete or ignored is None or None in named:
        return False
    return name not in ignored and (not named or any(name in (one or ()) for one in named))


def _surely_not(call: CallSite, name: str) -> bool:
    """Whether it surely leaves this parameter out."""
    ignored = _texts(call.argument("ignore"))
    named = [_texts(value) for key, value in call.arguments if key.isdigit()]
    if not call.complete or None in named:
        return False
    return name in (ignored or ()) or bool(named and all(name not in (one or ()) for one in named))


def _texts(value: Value) -> tuple[str, ...] | None:
    """Names that are given as one text or several; None where they are not all known."""
    match value:
        case Known(None):
            return ()
        case Known(str(text)):
            return (text,)
        case Known(tuple(items)) if all(isinstance(item, str) for item in items):
            return items
    return None
