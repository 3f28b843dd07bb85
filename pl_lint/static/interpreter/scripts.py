"""Trainers, callbacks, seeds and splits: what stands around the Lightning classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from pl_lint.facts import lightning
from pl_lint.facts.sites import (
    ABSENT,
    NO,
    MonitorSite,
    Renewal,
    SeedSite,
    SplitSite,
    TrainerCall,
    TrainerSite,
)
from pl_lint.facts.values import UNKNOWN, Known, Value, must_be
from pl_lint.plain import frozen, replace
from pl_lint.static.interpreter import (
    answers,
    asked,
    carried,
    everything,
    loaders,
    lookup,
    masks,
    refits,
    rounds,
    watchers,
)
from pl_lint.static.interpreter.abstract import (
    CHANGED,
    RELOADED,
    Abstract,
    Const,
    Instance,
    Opaque,
    Sequence,
    options,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.handling import as_built
from pl_lint.static.interpreter.options import default_of
from pl_lint.static.interpreter.outside import pairs
from pl_lint.static.interpreter.watchers import given_or
from pl_lint.static.names import ClassInfo, dotted


@frozen
class Trainer:
    """What is remembered of a Trainer: where it was made and who watches."""

    site: TrainerSite | None
    watchers: tuple[MonitorSite, ...]
    open: bool = False
    """Whether it may have callbacks that log what no file of the project shows."""
    own: ClassInfo | None = None
    """The project's own class of Trainers that it is of."""
    seen: bool = False
    """Whether all its callbacks are seen."""
    averages: bool = False
    """Whether the weights that a fit leaves behind are averaged ones."""

    @property
    def monitored(self) -> bool:
        """Whether a ModelCheckpoint keeps the best by a key, which is not how far the run is.

        A dry run has no checkpoints.
        """
        dry = self.site is not None and must_be(self.site.argument("fast_dev_run"), True)
        return not dry and any(
            watcher.watcher == "ModelCheckpoint"
            and watcher.key not in (ABSENT, *COUNTERS)
            and dict(watcher.arguments).get("save_top_k") != Known(0)
            for watcher in self.watchers
        )


TAKING = ("callbacks", "checkpoint_callback", "early_stop_callback")
"""The arguments of a Trainer that take callbacks; the last two in the first years of Lightning."""
COUNTERS = tuple(map(Known, ("epoch", "step", "global_step")))
"""What a ModelCheckpoint watches that keeps the newest."""
AVERAGES = re.compile(r"Averag|SWA|EMA|ExponentialMoving|Polyak")
"""What callbacks are called that average weights."""
LOADED = "from a checkpoint"
"""The label of a model that ``load_from_checkpoint`` made."""
OF_CHECKPOINTS = frozenset(["checkpoint_callback", "best_model_path", "last_model_path"])
"""What a Trainer and its ModelCheckpoint are asked for once they have saved something."""
SEED = {
    "torch.utils.data.random_split": "generator",
    "torch.utils.data.dataset.random_split": "generator",
}
STATE = {
    "sklearn.model_selection.train_test_split": "random_state",
    "sklearn.model_selection.KFold": "random_state",
    "sklearn.model_selection.StratifiedKFold": "random_state",
    "sklearn.model_selection.StratifiedGroupKFold": "random_state",
    "sklearn.model_selection.ShuffleSplit": "random_state",
    "sklearn.model_selection.StratifiedShuffleSplit": "random_state",
    "sklearn.model_selection.GroupShuffleSplit": "random_state",
}
FROM_ARGUMENTS = ".from_argparse_args"
"""The method of Lightning 1 that builds a Trainer of what a program was called with."""
CKPT_PATH = {"fit": 4, "validate": 2, "test": 2, "predict": 4}
"""The calls of a Trainer that run a model, and where they take a checkpoint."""
DATA: Mapping[str, tuple[tuple[int, str], ...]] = {
    "fit": ((1, "train_dataloaders"), (3, "datamodule")),
    "validate": ((1, "dataloaders"), (4, "datamodule")),
    "test": ((1, "dataloaders"), (4, "datamodule")),
    "predict": ((1, "dataloaders"), (2, "datamodule")),
}
"""Where they take a data module: in its own place, or in that of the loaders."""


def call(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract | None:
    """Call something that Lightning or a data library defines; None for anything else."""
    canonical = lightning.canonical(name)
    if canonical in watchers.WATCHERS:
        return watchers.build(context, canonical, arguments, node, frame)
    if canonical == lightning.TRAINER:
        return _trainer(context, arguments, node, frame)
    if name.endswith(FROM_ARGUMENTS) and lightning.canonical(_owner(name)) == lightning.TRAINER:
        return _trainer(context, _overriding(arguments), node, frame)
    if canonical == lightning.SEED_EVERYTHING:
        workers = arguments.get(1, "workers")
        value = given_or(workers, NO, arguments)
        context.recorder.add(SeedSite(value, context.location(node, frame)))
    if name in loaders.LOADERS:
        return loaders.build(context, name, arguments, node, frame)
    _split(context, name, arguments, node, frame)
    return None


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _overriding(arguments: Arguments) -> Arguments:
    """What the code itself gives to ``Trainer.from_argparse_args``; the rest says who calls it."""
    own = {key: value for key, value in arguments.keywords.items() if key != "args"}
    return Arguments(keywords=own, complete=False)


def of_subclass(
    context: Context, info: ClassInfo, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance | None:
    """An object of a project's own ModelCheckpoint, EarlyStopping or Trainer."""
    if context.project.method(info, "format_checkpoint_name"):  # files are named otherwise
        return None
    for base in context.project.ancestors(info):
        canonical = lightning.canonical(base) if isinstance(base, str) else None
        if canonical in watchers.WATCHERS:
            return watchers.build(context, canonical, arguments, node, frame)
        if canonical == lightning.TRAINER:
            made = _trainer(context, arguments, node, frame)
            assert isinstance(made.label, Trainer)
            return replace(made, label=replace(made.label, own=info))
    return None


def defines(context: Context, label: object, method: str) -> bool:
    """Whether an object is of a project's own class of Trainers that has such a method."""
    own = label.own if isinstance(label, Trainer) else None
    return own is not None and context.project.method(own, method) is not None


def _split(context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame) -> None:
    keyword = (SEED | STATE).get(name)
    by_mask = name in masks.DRAWN and masks.splits(node, frame)
    parts = masks.orders(node, frame) if name in masks.SHUFFLED else ()
    if by_mask or parts:
        context.recorder.add(SplitSite(name, False, context.location(node, frame), parts))
    if keyword is None:
        return
    position = 2 if name in SEED else -1
    given = arguments.get(position, keyword)
    seeded = (given is not None and given != Const(None)) or not arguments.complete
    unshuffled = given_or(arguments.keywords.get("shuffle"), UNKNOWN, arguments) == NO
    if name.endswith("KFold"):
        unshuffled = unshuffled or "shuffle" not in arguments.keywords
    if not unshuffled:
        short = name.rpartition(".")[2]
        context.recorder.add(SplitSite(short, seeded, context.location(node, frame)))


# --- trainers -------------------------------------------------------------------------------------


def _trainer(context: Context, arguments: Arguments, node: ast.Call, frame: Frame) -> Instance:
    keywords = tuple(
        (one.arg, context.location(one, frame)) for one in node.keywords if one.arg is not None
    )
    place = context.location(node, frame)
    arguments = everything.as_a_trainer_says(arguments)
    site = TrainerSite(
        pairs(arguments) + tuple(asked.put_in_before(node, arguments, frame)),
        arguments.complete,
        place,
        keywords=keywords,
        spread=asked.spread(node),
        asked=tuple(asked.one_by_one(node)),
        by_default=tuple(_by_default(context, arguments, node, frame)),
        one_gpu=frame.module.source.has_one_gpu,
        again=tuple(rounds.callbacks_again(context, node, frame)),
    )
    context.recorder.add(site)
    callbacks = tuple(_callbacks(arguments))
    watchers = tuple(filter(None, map(_watcher_of, callbacks)))
    label = Trainer(
        site,
        watchers,
        any(_may_log(context, one) for one in callbacks),
        seen=arguments.complete and _sees_all(arguments.keywords.get("callbacks")),
        averages=_averages(arguments, callbacks),
    )
    return Instance(lightning.TRAINER, site.arguments, arguments.complete, label)


def _by_default(
    context: Context, arguments: Arguments, node: ast.Call, frame: Frame
) -> Iterator[tuple[str, Value]]:
    """What unknown arguments are unless the command line says otherwise."""
    for name, given in arguments.keywords.items():
        if isinstance(given, Opaque):
            default = default_of(context, node, name, frame)
            if default != UNKNOWN:
                yield name, default


def of_checkpoints(receiver: Instance, attr: str) -> Instance | None:
    """The first ModelCheckpoint of a Trainer, or the one that Lightning adds; and the path that it
    has saved to, which is known by what the callback was built with."""
    if attr == "checkpoint_callback":
        trainer = receiver.label
        if receiver.name != lightning.TRAINER or not isinstance(trainer, Trainer):
            return None
        kept = [one for one in trainer.watchers if one.watcher == "ModelCheckpoint"]
        if not kept and (not trainer.seen or trainer.own is not None):
            return None
        given = kept[0].arguments if kept else ()
        return Instance(lightning.MODEL_CHECKPOINT, given, label=kept[0] if kept else None)
    if receiver.name != lightning.MODEL_CHECKPOINT:
        return None
    return Instance(f"{lightning.MODEL_CHECKPOINT}.{attr}", receiver.arguments, receiver.complete)


def _averages(arguments: Arguments, callbacks: Iterable[Abstract]) -> bool:
    """Whether a callback puts averaged weights into the model, or Lightning 1 is asked to."""
    named = (one.name.rpartition(".")[2] for one in callbacks if isinstance(one, Instance))
    asked_for = arguments.keywords.get("stochastic_weight_avg", Const(False))
    return any(map(AVERAGES.search, named)) or asked_for != Const(False)


def _sees_all(callbacks: Abstract | None) -> bool:
    """Whether every callback that is given is an object that was seen to be made."""
    match callbacks:
        case None | Const(None) | Instance():
            return True
        case Sequence(items, True):
            return all(isinstance(one, Instance) for one in items)
    return False


def _callbacks(arguments: Arguments) -> Iterator[Abstract]:
    given = map(arguments.keywords.get, TAKING)
    for option in (option for one in given if one is not None for option in options(one)):
        if isinstance(option, Sequence):
            for item in option.items:
                yield from options(item)
        else:
            yield option


def _may_log(context: Context, callback: Abstract) -> bool:
    """Whether a callback may log: one of the project does so in sight, those of Lightning log
    under names that are known."""
    if not isinstance(callback, Instance):
        return False
    return lightning.canonical(callback.name) is None and callback.name not in context.built


def _watcher_of(value: Abstract) -> MonitorSite | None:
    is_watcher = isinstance(value, Instance) and isinstance(value.label, MonitorSite)
    return value.label if is_watcher else None


def method(
    context: Context,
    receiver: Instance,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> None:
    """``trainer.fit(model)`` and its sisters; other methods of known objects leave no site."""
    if carried.LOADS.search(name) and isinstance(node.func, ast.Attribute):
        lookup.rebind(context, node.func.value, replace(receiver, label=RELOADED), frame)
    if receiver.name != lightning.TRAINER or name not in CKPT_PATH:
        return
    trainer = receiver.label if isinstance(receiver.label, Trainer) else Trainer(None, ())
    model = arguments.get(0, "model")
    context.recorder.add(_call_of(context, trainer, name, arguments, node, frame))
    loaders.of_call(context, name, class_name(model), arguments, frame.function)
    if name == "fit":
        names = [""] if trainer.open else map(class_name, options(model or Const(None)))
        _link(context, trainer, names)


def _call_of(
    context: Context,
    trainer: Trainer,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> TrainerCall:
    model = arguments.get(0, "model")
    given = options(model or Const(None))
    return TrainerCall(
        method=name,  # type: ignore[arg-type]
        scope=f"{frame.module.path}:{frame.function}",
        trainer=trainer.site.location if trainer.site is not None else None,
        model=class_name(model),
        passes_model=model is not None and model != Const(None),
        ckpt_path=given_or(_path(arguments.get(CKPT_PATH[name], "ckpt_path")), ABSENT, arguments),
        monitored=trainer.monitored and not trainer.averages,
        location=context.location(node, frame),
        reloaded=any(map(_is_reloaded, given)) or carried.out_of_trainer(node, frame),
        from_checkpoint=any(map(_is_loaded, given)) and all(map(_is_of_project, given)),
        as_built=name in ("test", "validate") and as_built(node, frame.module.source),
        arms=context.arms,
        told=tuple(answers.told(node, frame)),
        models=tuple(sorted(set(map(class_name, given)))),
        data=tuple(sorted(_data(name, arguments))),
        loaders=tuple(loaders.counted(name, arguments)),
        written=_model_written(node),
        replaced=carried.replaced(_model_written(node), node, frame),
        renewed=tuple(_renewals(context, node, frame)),
        hands=tuple(carried.hands(node, frame)),
        names=tuple(loaders.named(name, arguments, node, frame)),
        trains_alone=name == "fit" and loaders.for_training_alone(arguments),
        fitted_before=refits.fitted_before(node, frame),
    )


def _renewals(context: Context, node: ast.Call, frame: Frame) -> Iterator[Renewal]:
    for one in carried.renewed(_model_written(node), node, frame):
        yield Renewal(context.location(one, frame), carried.arms(one, frame))


def _path(given: Abstract | None) -> Abstract | None:
    """A checkpoint that is given; of a path that may be left out, the path."""
    paths = [one for one in options(given) if one != Const(None)] if given is not None else []
    return paths[0] if len(paths) == 1 and isinstance(paths[0], Instance) else given


def _model_written(node: ast.Call) -> str:
    given = [one.value for one in node.keywords if one.arg == "model"]
    first = next(iter((*node.args, *given)), None)
    return dotted(first) or "" if isinstance(first, (ast.Name, ast.Attribute)) else ""


def _data(name: str, arguments: Arguments) -> set[str]:
    """The classes of the project that a call is given objects of beside the model."""
    others = [arguments.get(place, word) for place, word in DATA[name]]
    given = (option for one in others if one is not None for option in options(one))
    return {one.name for one in given if isinstance(one, Instance)}


def loads_into_a_part(context: Context, function: ast.Attribute, frame: Frame) -> None:
    """``model.net.load_state_dict(...)`` brings weights into ``model``."""
    holder: ast.expr = function.value
    while isinstance(holder, ast.Attribute):
        holder = holder.value
    if (
        holder is function.value
        or not isinstance(holder, ast.Name)
        or not carried.LOADS.search(function.attr)
    ):
        return
    model = lookup.name(context, holder.id, frame)
    if isinstance(model, Instance) and model.label in (None, CHANGED):
        lookup.rebind(context, holder, replace(model, label=RELOADED), frame)


def _link(context: Context, trainer: Trainer, models: Iterable[str]) -> None:
    """What a Trainer fits is what its watchers see."""
    for model in models:
        for watcher in trainer.watchers:
            context.recorder.link(watcher.location, model)


def _is_reloaded(model: Abstract) -> bool:
    return isinstance(model, Instance) and model.label in (RELOADED, LOADED, CHANGED)


def _is_of_project(model: Abstract) -> bool:
    """Whether a model is one that was built, or loaded, in sight."""
    return isinstance(model, Instance)


def _is_loaded(model: Abstract) -> bool:
    return isinstance(model, Instance) and model.label == LOADED


def class_name(value: Abstract | None) -> str:
    """The class of a project's object; empty where it is not known."""
    names = {
        option.name if isinstance(option, Instance) else "" for option in options(value or Const(0))
    }
    return names.pop() if len(names) == 1 else ""
