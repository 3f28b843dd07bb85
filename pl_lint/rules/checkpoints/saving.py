"""What is saved, by whom, and what of it is read again."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.lightning import Version
from pl_lint.facts.origins import Number
from pl_lint.facts.sites import AssignmentSite, CallSite, ClassFacts, ItemSite, ProjectFacts
from pl_lint.facts.values import Known, Made, Several, Table, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Assigned, Fix, Import, Replace, SetArgument, Statement
from pl_lint.rules.judging import defines, version_at
from pl_lint.rules.registry import Rule, rule

OWN_KEYS = frozenset(
    "state_dict epoch global_step optimizer_states lr_schedulers callbacks loops hyper_parameters "
    "pytorch-lightning_version datamodule_hyper_parameters hparams_name hparams_type".split()
)
"""Keys of a checkpoint that Lightning reads itself."""


TENSORS = tuple(
    f"torch.{name}" for name in ("tensor", "zeros", "ones", "full", "empty", "rand", "randn", "eye")
)
MOVING = (".to", ".cuda", ".type_as", ".cpu")


@rule(
    "LTN310",
    "state-not-in-checkpoint",
    rows=("CKP10",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="if a run is ever resumed, and training depends on it",
    calls=(*TENSORS, *MOVING),
    fixable=True,
)
def state_not_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """State that changes in training is not in the checkpoint.

    What it does
    ------------
    Finds numbers and tensors that `__init__` puts into plain attributes, or None that is filled
    once, and that training counts up or works on (`self.seen += 1`, `self.mean = 0.9 * self.mean
    + 0.1 * x`, `self.centers[c] = mean` of a tensor), in modules that save nothing by hand; and
    averages of weights that a callback keeps for itself, changes by what they were and puts back
    into the module, without a `state_dict`. A run resumes a fit from the checkpoint of its first
    epoch, with all random generators restored, compares it with the fit that was never
    interrupted, bit by bit, and names the attributes that had another value.

    Why is this bad
    ---------------
    Counters, moving averages, queues and thresholds in plain attributes start anew: a resumed run
    trains another model, and nothing says so.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.seen = 0

        def training_step(self, batch, batch_idx):
            self.seen += 1
            return self.loss(batch) * min(1.0, self.seen / 1000)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.tensor(0))

        def training_step(self, batch, batch_idx):
            self.seen += 1
            return self.loss(batch) * torch.clamp(self.seen / 1000, max=1.0)

    When to ignore
    --------------
    Where the number is only shown, or begins anew in each epoch.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_buffer
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    for owner in facts.all_modules():
        names = {method.name for method in owner.own_methods}
        if names & {"on_save_checkpoint", "get_extra_state"}:
            continue
        tensors = set(_tensors(facts, owner))
        begun = {one.attribute for one in owner.assignments if _begins(one)} | tensors
        lazy = {one.attribute for one in owner.assignments if _begins_empty(one)}
        renewed = {one.attribute for one in owner.assignments if _is_renewed(one, lazy)}
        moved = {(call.assigned, call.location.line) for call in facts.calls_in(owner, *MOVING)}
        counted: dict[str, AssignmentSite | ItemSite] = {
            one.attribute: one
            for one in owner.items
            if one.stage == "train" and one.attribute in tensors
        }
        counted |= {
            one.attribute: one
            for one in owner.assignments
            if (one.augmented or one.carried) and _in_training(one)
            if (f"self.{one.attribute}", one.location.line) not in moved
        }
        for attribute, site in counted.items():
            if attribute in begun | lazy and attribute not in renewed:
                yield self.finding(
                    site.location,
                    f"self.{attribute} grows in training and is not in the checkpoint: a resumed "
                    "run begins with it anew",
                    remedy=f'register_buffer("{attribute}", ...), or save it in on_save_checkpoint',
                    subject=owner.short_name,
                    fix=_registered(facts, owner, site)
                    if isinstance(site, AssignmentSite)
                    else None,
                )
    for average in facts.averages:
        if not facts.in_tests(average.location):
            yield self.finding(
                average.location,
                f"self.{average.attribute} grows in training and is not in the checkpoint: a "
                "resumed run begins with it anew",
                remedy="save it in state_dict, and take it in load_state_dict",
                subject=average.owner.rpartition(".")[2],
            )


def _begins(site: AssignmentSite) -> bool:
    number = isinstance(site.value, Known) and type(site.value.value) in (int, float)
    return site.hook == "__init__" and (number or isinstance(site.origin, Number))


def _tensors(facts: ProjectFacts, owner: ClassFacts) -> Iterator[str]:
    """The attributes that are plain tensors of one value when the module is built."""
    for call in facts.calls_in(owner, *TENSORS):
        if call.hook == "__init__" and call.assigned.startswith("self."):
            yield call.assigned.removeprefix("self.")


def _registered(facts: ProjectFacts, owner: ClassFacts, counter: AssignmentSite) -> Fix | None:
    """A counter that begins as a number in this file becomes a buffer: ``+=`` keeps it one."""
    begun = [
        one for one in owner.assignments if one.attribute == counter.attribute and not one.augmented
    ]
    if len(begun) != 1 or begun[0].location.path != counter.location.path:
        return None
    place, name = begun[0].location, f"self.{counter.attribute}"
    tensors = {call.assigned for call in facts.calls_in(owner, *TENSORS)}
    begins = (Assigned(place),) if name in tensors else ("torch.tensor(", Assigned(place), ")")
    text = (f'self.register_buffer("{counter.attribute}", ', *begins, ")")
    changes = (Replace(Statement(place), text), Import(place, "torch", "import torch"))
    return Fix("register it as a buffer", changes)


def _begins_empty(site: AssignmentSite) -> bool:
    return site.hook == "__init__" and site.value == Known(None)


def _is_renewed(site: AssignmentSite, lazy: set[str]) -> bool:
    """Whether a hook sets it to a value that does not depend on what it was: not where it is filled
    for the first time (``if self.mean is None``)."""
    first = site.attribute in lazy and site.attribute in site.guards
    anew = not site.augmented and not site.carried and not first
    return bool(site.hook) and site.hook != "__init__" and anew


def _in_training(site: AssignmentSite) -> bool:
    return site.hook in ("training_step", "on_train_batch_end", "on_train_epoch_end", "forward")


@rule(
    "LTN311",
    "state-saved-or-loaded-only",
    rows=("CKP11",),
    status=Status.SUSPECTED,
    observers="both",
    condition="unless another program reads what is saved",
    default=False,
)
def saved_or_loaded_only(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """State is saved that nobody loads, or loaded that nobody saves.

    What it does
    ------------
    Finds classes that write a key of their own into the checkpoint (`on_save_checkpoint`) which no
    other place of the project names, and callbacks and data modules with a `state_dict` that is
    not empty but without `load_state_dict`, or with one that takes a key which is not there. A
    run resumes a fit and compares it with the one that
    was never interrupted.

    Why is this bad
    ---------------
    The counter that thaws a backbone, slows the learning rate or turns on a loss begins anew: the
    resumed run trains another model. The half that was written makes the checkpoint look complete.

    Example
    -------
        def on_save_checkpoint(self, checkpoint):
            checkpoint["steps_seen"] = self.steps_seen

    Use instead
    -----------
        def on_save_checkpoint(self, checkpoint):
            checkpoint["steps_seen"] = self.steps_seen

        def on_load_checkpoint(self, checkpoint):
            self.steps_seen = checkpoint["steps_seen"]

    When to ignore
    --------------
    Where the key is for a program outside the project.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2631
    """
    states = {one.short_name for one in facts.classes if one.kind == "datamodule"}
    for owner in facts.classes:
        if facts.in_tests(owner.location):
            continue
        for site in owner.checkpoint_keys:
            own = OWN_KEYS | states  # Lightning keeps a data module's state under its class
            written = site.hook == "on_save_checkpoint" and site.key not in own
            if written and not site.named_again and not owner.open:
                yield self.finding(
                    site.location,
                    f"{site.key!r} is saved, and no Lightning code of the project reads it",
                    remedy=f"take checkpoint[{site.key!r}] in on_load_checkpoint",
                    subject=owner.short_name,
                )
        yield from _unpaired_state(self, owner)


def _unpaired_state(self: Rule, owner: ClassFacts) -> Iterator[Finding]:
    """``state_dict`` of a callback or a data module without its other half."""
    methods = {method.name: method for method in owner.own_methods}
    inherited = owner.open or any(lightning.kind_of(base) is None for base in owner.ancestors)
    if owner.kind == "module" or inherited:
        return
    kept = {one.key for one in owner.checkpoint_keys if one.hook == "state_dict"}
    for site in owner.checkpoint_keys:
        if site.hook == "load_state_dict" and site.key not in kept:
            yield self.finding(
                site.location,
                f"state_dict saves no {site.key!r}: a resume ends with a KeyError",
                remedy=f"take one of {', '.join(map(repr, sorted(kept)))}",
                subject=owner.short_name,
            )
    saves = "state_dict" in methods and not _returns_nothing(owner)
    if saves and "load_state_dict" not in methods and _keeps_default(owner):
        yield self.finding(
            methods["state_dict"].location,
            "state_dict saves what no load_state_dict takes: after a resume it begins anew",
            remedy="define load_state_dict",
            subject=owner.short_name,
        )


def _returns_nothing(owner: ClassFacts) -> bool:
    """Whether ``state_dict`` surely gives an empty dict."""
    returned = [site.value for site in owner.returns if site.hook == "state_dict"]
    return bool(returned) and all(value == Table(()) for value in returned)


def _keeps_default(owner: ClassFacts) -> bool:
    """Whether what it inherits from is Lightning's bare base, which loads nothing."""
    return all(base in BARE for base in map(lightning.canonical, owner.ancestors) if base)


BARE = frozenset({lightning.CALLBACK, lightning.DATA_MODULE})


@rule("LTN324", "same-callback-twice", rows=("CKP24",))
def same_callback_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Two callbacks of a Trainer save their state under the same key.

    What it does
    ------------
    Finds two ModelCheckpoints in one list of callbacks with the same `monitor`, `mode` and rhythm,
    two EarlyStoppings with the same `monitor` and `mode`, and two callbacks of one class of the
    project that has a `state_dict` and no `state_key`.

    Why is this bad
    ---------------
    Lightning tells them apart by these arguments, and others by their class. It raises "Found more
    than one stateful callback of type" when the Trainer is built, since 1.9: older ones are left
    alone.

    Example
    -------
        L.Trainer(
            callbacks=[
                ModelCheckpoint(monitor="val_loss", filename="best"),
                ModelCheckpoint(monitor="val_loss", filename="top3", save_top_k=3),
            ]
        )

    Use instead
    -----------
        L.Trainer(callbacks=[ModelCheckpoint(monitor="val_loss", filename="top3", save_top_k=3)])

    When to ignore
    --------------
    Never: the run stops.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/callbacks_state.html
    """
    own = {owner.name for owner in facts.classes if _is_told_by_class(facts, owner)}
    refused = (one for one in facts.trainers if version_at(facts, one.location) >= REFUSED_SINCE)
    for trainer in refused:
        keys: set[tuple[object, ...]] = set()
        for callback in _items(trainer.argument("callbacks")):
            key = (callback.name,) if callback.name in own else _state_key(callback)
            if key is None:
                continue
            if key in keys:
                name = callback.name.rpartition(".")[2]
                yield self.finding(
                    trainer.location,
                    f"two {name} of this Trainer have {_what_is_same(key)}: Lightning cannot save "
                    "their states",
                    remedy="make one of them, or let them differ in "
                    + ("what they watch or when" if len(key) > 1 else "a state_key of their own"),
                    subject=name,
                )
            keys.add(key)


REFUSED_SINCE: Version = (1, 9)
"""Before, the second state took the place of the first when a checkpoint was written."""


def _what_is_same(key: tuple[object, ...]) -> str:
    return "the same monitor, mode and rhythm" if len(key) > 1 else "no state_key of their own"


def _is_told_by_class(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a callback of the project has a state, and its class is all that tells it apart."""
    outside = {lightning.canonical(one) for one in owner.ancestors} - {None}
    plain = owner.kind == "callback" and not owner.open and outside <= {CALLBACK}
    stateful = plain and defines(facts, owner, "state_dict")
    return stateful and not defines(facts, owner, "state_key")


CALLBACK = lightning.canonical("lightning.pytorch.Callback")
STATE_KEYS = {
    lightning.MODEL_CHECKPOINT: {
        "monitor": None,
        "mode": "min",
        "every_n_train_steps": None,
        "every_n_epochs": None,
        "train_time_interval": None,
    },
    lightning.EARLY_STOPPING: {"monitor": None, "mode": "min"},
}
"""The arguments that tell two callbacks of a class apart, with their defaults."""


def _items(callbacks: Value) -> tuple[Made, ...]:
    items = callbacks.items if isinstance(callbacks, Several) else (callbacks,)
    made = (one for one in items if isinstance(one, Made))
    return tuple(dict.fromkeys(made))  # one object may be met twice on the way to its list


def _state_key(callback: Made) -> tuple[object, ...] | None:
    """What a callback's state is saved under; None where that is not known."""
    names = STATE_KEYS.get(callback.name)
    if names is None or "**" in dict(callback.arguments):
        return None
    given = dict(callback.arguments)
    position = {"monitor": "2" if callback.name == lightning.MODEL_CHECKPOINT else "0"}
    values = [given.get(n, given.get(position.get(n, ""), Known(d))) for n, d in names.items()]
    if not all(isinstance(value, Known) for value in values):
        return None
    return callback.name, *values


@rule(
    "LTN327",
    "checkpoints-stay-here",
    rows=("CKP27",),
    status=Status.SUSPECTED,
    default=False,
    condition="if you expect the checkpoints in Weights & Biases",
    calls=("lightning.pytorch.loggers.WandbLogger",),
    fixable=True,
)
def checkpoints_stay_here(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Checkpoints are not uploaded to Weights & Biases.

    What it does
    ------------
    Finds a `WandbLogger` without `log_model` in a project with a ModelCheckpoint.

    Why is this bad
    ---------------
    `log_model` is False unless it is given: the run's page shows metrics and no weights, which is
    found out when the machine is gone.

    Example
    -------
        logger = WandbLogger(project="mnist")
        checkpoint = ModelCheckpoint(monitor="val_loss")
        trainer = L.Trainer(logger=logger, callbacks=[checkpoint])

    Use instead
    -----------
        logger = WandbLogger(project="mnist", log_model=True)
        checkpoint = ModelCheckpoint(monitor="val_loss")
        trainer = L.Trainer(logger=logger, callbacks=[checkpoint])

    When to ignore
    --------------
    Where the files are kept elsewhere.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.WandbLogger.html
    """
    if not any(monitor.watcher == "ModelCheckpoint" for monitor in facts.monitors):
        return
    for call in facts.calls_of("lightning.pytorch.loggers.WandbLogger"):
        if must_be(call.argument("log_model", 7), None) and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "checkpoints stay on this machine: log_model is False unless it is given",
                remedy="pass log_model=True",
                fix=Fix("pass log_model=True", (_uploading(call),)),
            )


def _uploading(call: CallSite) -> SetArgument:
    return SetArgument(call.location, "log_model", "True", 7)
