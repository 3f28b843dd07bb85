"""What is loaded from a checkpoint, and what is left behind in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.facts import lightning
from pl_lint.facts.origins import FunctionCall, Origin
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Made, OneOf, Pattern, Several, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Callee, Command, DropArgument, Fix, Replace
from pl_lint.rules.judging import defines, target_version
from pl_lint.rules.registry import Rule, rule

LOAD = ".load_from_checkpoint"
CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
BEST = f"{CHECKPOINT}.best_model_path"
PATHS = (BEST, f"{CHECKPOINT}.last_model_path")
"""Where a ModelCheckpoint says that it has saved something."""


@rule(
    "LTN314",
    "training-starts-anew",
    rows=("CKP14",),
    status=Status.SUSPECTED,
    default=False,
    condition="unless it is meant as fine-tuning: then only the weights should be taken",
)
def starts_anew(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Training goes on from a checkpoint's weights only, as if it had just begun.

    What it does
    ------------
    Finds `trainer.fit` of a module that `load_from_checkpoint` made, without `ckpt_path`; so where
    it did in one branch of an `if`, and the constructor in the other.

    Why is this bad
    ---------------
    Optimizers, schedulers, the epoch, the step and the callbacks begin anew: momentum is lost, the
    warm-up runs again, EarlyStopping and ModelCheckpoint have forgotten the best score. Nothing
    says so.

    Example
    -------
        class Net(L.LightningModule):
            pass

        model = Net.load_from_checkpoint("last.ckpt")
        L.Trainer(max_epochs=20).fit(model)

    Use instead
    -----------
        class Net(L.LightningModule):
            pass

        L.Trainer(max_epochs=20).fit(Net(), ckpt_path="last.ckpt")

    When to ignore
    --------------
    When a trained module is fine-tuned on other data.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2576
    """
    for call in facts.trainer_calls:
        if call.method == "fit" and call.from_checkpoint and must_be(call.ckpt_path, None):
            yield self.finding(
                call.location,
                "the weights come from a checkpoint; optimizer, scheduler, epoch and callbacks "
                "begin anew",
                remedy="to go on, pass ckpt_path= to fit",
                subject=call.model.rpartition(".")[2],
            )


@rule(
    "LTN320",
    "resumed-from-weights-only",
    rows=("CKP20",),
    status=Status.SUSPECTED,
    condition="if it resumes from a checkpoint that this Trainer wrote",
    calls=(".save_checkpoint",),
)
def weights_only(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A fit is resumed from checkpoints that hold weights only.

    What it does
    ------------
    Finds `trainer.fit(..., ckpt_path=...)` of a Trainer whose every ModelCheckpoint has
    `save_weights_only=True`, or with the path that such a callback knows (`best_model_path`), or
    one that `save_checkpoint(path, weights_only=True)` wrote.

    Why is this bad
    ---------------
    There is no optimizer in the file: the resume stops with "Trying to restore optimizer state but
    checkpoint contains only the model", when the first run has been interrupted already.

    Example
    -------
        checkpoint = ModelCheckpoint(monitor="val_loss", save_weights_only=True)
        trainer = L.Trainer(callbacks=[checkpoint])
        trainer.fit(model, ckpt_path="last.ckpt")

    Use instead
    -----------
        checkpoint = ModelCheckpoint(monitor="val_loss")
        trainer = L.Trainer(callbacks=[checkpoint])
        trainer.fit(model, ckpt_path="last.ckpt")

    When to ignore
    --------------
    Where the checkpoint comes from another run that saved everything.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2114
    """
    by_hand = facts.calls_of(".save_checkpoint")
    for call in facts.trainer_calls:
        if call.method != "fit":
            continue
        if _wrote_weights(call.ckpt_path, by_hand):
            yield self.finding(
                call.location,
                "this checkpoint was saved with its weights only: no optimizer to resume with",
                remedy="save all of it",
            )
            continue
        if not _is_written(call.ckpt_path):
            continue
        made = [checkpoints_of(one.argument("callbacks")) for one in facts.trainers_of(call)]
        if made and all(kept and all(map(_holds_weights_only, kept)) for kept in made):
            yield self.finding(
                call.location,
                "the checkpoints of this Trainer hold weights only: no optimizer to resume with",
                remedy="drop save_weights_only=True",
            )


def _wrote_weights(path: Value, by_hand: Sequence[CallSite]) -> bool:
    """Whether a path is one that only weights were saved to: by a callback, or by hand."""
    if isinstance(path, Made) and path.name in PATHS:
        return _holds_weights_only(path)
    written = [call for call in by_hand if call.argument("filepath", 0) == path]
    return (
        isinstance(path, Known)
        and bool(path.value)
        and bool(written)
        and all(must_be(call.argument("weights_only", 1), True) for call in written)
    )


def _is_written(path: Value) -> bool:
    """Whether the code says the path of a checkpoint, if only for when there is one."""
    match path:
        case Known(text):
            return bool(text)
        case OneOf(texts):
            return any(texts)
        case Made("pathlib.Path"):
            return _is_checkpoint(path)
    return False


def checkpoints_of(callbacks: Value) -> tuple[Made, ...]:
    """The ModelCheckpoints in a Trainer's list of callbacks."""
    items = callbacks.items if isinstance(callbacks, Several) else (callbacks,)
    return tuple(one for one in items if isinstance(one, Made) and one.name == CHECKPOINT)


def _holds_weights_only(checkpoint: Made) -> bool:
    given = checkpoint.argument("save_weights_only")
    return given is not None and must_be(given, True)


@rule(
    "LTN321",
    "checkpoint-taken-for-weights",
    rows=("CKP21",),
    status=Status.SUSPECTED,
    condition="if Lightning wrote the file",
    default=False,
    calls=(".load_state_dict", "torch.save"),
)
def taken_for_weights(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Lightning checkpoint is given to load_state_dict as if it were the weights.

    What it does
    ------------
    Finds `load_state_dict(torch.load("....ckpt"))` without `["state_dict"]` in between, in projects
    that save no `.ckpt` file by `torch.save` themselves; so with the `best_model_path` of a
    ModelCheckpoint.

    Why is this bad
    ---------------
    The weights are one entry of the checkpoint, under `state_dict`, with the attribute's name
    before each key. torch raises an error; with `strict=False` it loads nothing and says nothing,
    and random weights are used.

    Example
    -------
        model.load_state_dict(torch.load("best.ckpt"), strict=False)

    Use instead
    -----------
        model.load_state_dict(torch.load("best.ckpt")["state_dict"])

    When to ignore
    --------------
    Where the file holds plain weights in spite of its name.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    """
    if any(_is_checkpoint(call.argument("f", 1)) for call in facts.calls_of("torch.save")):
        return
    for call in facts.calls_of(".load_state_dict"):
        given = call.origin("state_dict", 0)
        if _is_whole_checkpoint(given) and "'state_dict'" not in call.guards:
            silent = must_be(call.argument("strict", 1), False)
            yield self.finding(
                call.location,
                "the file is a whole checkpoint, its weights are under 'state_dict': "
                + ("nothing is loaded, and nothing says so" if silent else "this is an error"),
                remedy='take ["state_dict"] of it, or use load_from_checkpoint',
            )


def _is_whole_checkpoint(origin: Origin) -> bool:
    loaded = isinstance(origin, FunctionCall) and origin.name == "torch.load"
    return loaded and _is_checkpoint(dict(origin.arguments).get("0"))


def _is_checkpoint(path: Value | None) -> bool:
    """Whether a path surely ends as Lightning's files do, or comes from the callback."""
    match path:
        case Known(str(text)):
            return text.endswith(".ckpt")
        case Pattern(parts):
            return (parts[-1] or "").endswith(".ckpt")
        case Made("pathlib.Path", ((_, _), *_) as parts):
            return _is_checkpoint(parts[-1][1])
        case Made(name):
            return name in PATHS
    return False


REFUSED_ON_OBJECTS = (2, 1)
"""Since then load_from_checkpoint raises where it is called on an object (``core/module.py``,
``_restricted_classmethod``); before, it returned a module as it does for the class."""


@rule(
    "LTN322", "loaded-module-dropped", rows=("CKP22",), calls=(LOAD, lightning.MODULE), fixable=True
)
def loaded_and_dropped(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """load_from_checkpoint is called on an object, or what it returns is thrown away.

    What it does
    ------------
    Finds `model.load_from_checkpoint(path)` on an instance of a LightningModule, and such calls
    whose result is not used; by the class itself only where the file makes a module of it, too.

    Why is this bad
    ---------------
    It is a class method that returns a new module and changes none. Lightning raises a TypeError
    since 2.1 when it is called on an object. Before, and wherever the result is dropped, the old
    module is used with the random weights that it has.

    Example
    -------
        class Net(L.LightningModule):
            pass

        model = Net()
        model.load_from_checkpoint("best.ckpt")

    Use instead
    -----------
        class Net(L.LightningModule):
            pass

        model = Net.load_from_checkpoint("best.ckpt")

    When to ignore
    --------------
    Where the call is only there to see whether the file can be loaded; this rule leaves files of
    tests alone.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4600
    """
    owners = {owner.name: owner for owner in facts.all_modules()}
    for call in facts.calls_of(LOAD):
        owner = _loaded_class(call, owners)
        if owner is None or facts.in_tests(call.location) or defines(facts, owner, LOAD[1:]):
            continue
        on_object = call.bound and target_version(owner) >= REFUSED_ON_OBJECTS
        if not on_object and (not call.dropped or _only_tries(facts, owner, call)):
            continue
        yield self.finding(
            call.location,
            "the loaded module is thrown away: load_from_checkpoint changes no module, it returns "
            "one"
            if call.dropped
            else "load_from_checkpoint is a class method: on an object it raises a TypeError",
            remedy=f"model = {owner.short_name}.load_from_checkpoint(...)",
            subject=owner.short_name,
            fix=_kept(owner, call),
        )


def _only_tries(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> bool:
    """Whether a script loads by the class and has no module of it that anybody could take for the
    loaded one: it looks whether the file can be loaded."""
    built = (one for one in facts.calls_of(lightning.MODULE) if one.built == owner.name)
    here = any(one.location.path == call.location.path for one in built)
    return not (call.bound or call.owner or here)


def _kept(owner: ClassFacts, call: CallSite) -> Fix | None:
    """The method of the class, its result under the name of the object that it was called on,
    where the file knows both by name."""
    name = call.receiver
    named = call.bound and name.isidentifier() and name != "self"
    if not named or owner.location.path != call.location.path:
        return None
    method = f"{owner.short_name}.load_from_checkpoint"
    if not call.dropped:
        return Fix(f"call {method}", (Replace(Callee(call.location), method),))
    change = Replace(Command(call.location), f"{name} = {method}")
    return Fix(f"write {name} = {method}(...)", (change,))


def _loaded_class(call: CallSite, owners: dict[str, ClassFacts]) -> ClassFacts | None:
    """The module that a call would load, if it is one of the project."""
    holder = call.name.rpartition(".")[0]
    return owners.get(call.owner if holder == "self" else holder)


@rule(
    "LTN323",
    "loaded-not-strictly",
    rows=("CKP23",),
    status=Status.SUSPECTED,
    default=False,
    condition="if some layers of the module are not in the checkpoint",
    calls=(LOAD, ".load_state_dict"),
    fixable=True,
)
def loaded_not_strictly(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A checkpoint is loaded with strict=False.

    What it does
    ------------
    Finds `load_from_checkpoint(..., strict=False)`, and `load_state_dict(..., strict=False)` where
    nobody looks at the keys that it returns.

    Why is this bad
    ---------------
    Layers that the checkpoint does not have, or has under another name, keep their random weights.
    There is a warning among many, and the scores are lower than they should be.

    Example
    -------
        model = LitModel.load_from_checkpoint("best.ckpt", strict=False)

    Use instead
    -----------
        model = LitModel.load_from_checkpoint("best.ckpt")

    When to ignore
    --------------
    Where frozen parts are left out of the checkpoint on purpose.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    for call in facts.calls_of(LOAD):
        if must_be(call.argument("strict", 3), False) and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "layers that the checkpoint does not name keep their random weights",
                remedy="drop strict=False, or name what may be missing",
                fix=Fix("drop strict=False", (DropArgument(call.location, "strict"),)),
            )
    for call in facts.calls_of(".load_state_dict"):
        loose = call.dropped and must_be(call.argument("strict", 1), False)
        if loose and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "layers that the file does not name keep their random weights, and nothing says so",
                remedy="drop strict=False, or look at the missing keys that it returns",
            )
