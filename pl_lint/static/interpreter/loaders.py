"""Which DataLoader feeds which part of a run: what the hooks return, what a Trainer is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from collections.abc import Mapping as Table

from pl_lint.facts.origins import Origin
from pl_lint.facts.sites import ABSENT, WHOLE, LoaderSite, UnsharedSite
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import Known, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen
from pl_lint.static.interpreter import aliases, collating, written
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Const,
    Instance,
    Mapping,
    Sequence,
    options,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.outside import pairs
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

LOADERS = frozenset(
    [
        "torch.utils.data.DataLoader",
        "torch.utils.data.dataloader.DataLoader",
        "torch_geometric.data.DataLoader",
        "torch_geometric.loader.DataLoader",
        "torch_geometric.loader.dataloader.DataLoader",
        "monai.data.DataLoader",
        "monai.data.dataloader.DataLoader",
    ]
)
"""Loaders that take a data set, and ``shuffle`` and ``num_workers`` as torch's does."""
HOOKS: Table[str, Stage] = {
    "train_dataloader": "train",
    "val_dataloader": "validate",
    "test_dataloader": "test",
    "predict_dataloader": "predict",
}
GIVEN: Table[str, tuple[tuple[Stage, int, tuple[str, ...]], ...]] = {
    "fit": (
        ("train", 1, ("train_dataloaders", "train_dataloader")),
        ("validate", 2, ("val_dataloaders", "val_dataloader")),
    ),
    "validate": (("validate", 1, ("dataloaders", "val_dataloaders")),),
    "test": (("test", 1, ("dataloaders", "test_dataloaders")),),
    "predict": (("predict", 1, ("dataloaders",)),),
}
"""Where the calls of a Trainer take loaders, by today's names and those of 1.x."""
DATA_SETS = ("torch_geometric.datasets.", "torchvision.datasets.")
"""What may be given where a loader is meant: it is gone over sample by sample."""
RANKS = frozenset(
    "rank local_rank global_rank get_rank world_size get_world_size num_replicas n_replicas "
    "distributed is_distributed DistributedSampler trainer".split()
)
"""What a loader asks for that gives each process a part of its own."""
PLAIN = frozenset({"object", "builtins.object", "abc.ABC"})
MAX_ITEMS = 8


@frozen
class Loader:
    """What is remembered of a DataLoader: where it was made, of what, and in which function, unless
    that makes several in one place."""

    source: str
    location: Location
    origin: Origin
    function: str | None
    sized_by: str = ""
    otherwise: Value = ABSENT
    alias: str = ""
    unsaid: tuple[str, ...] = ()
    written: str = ""
    made_by: str = ""
    of_lists: bool = False


def build(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance:
    """A DataLoader, remembered until a stage gets it."""
    data = context.made_of(arguments.get(0, "dataset") or NOTHING)
    function = frame.function if context.turns == 1 and context.loops == 0 else None
    where, source = context.location(node, frame), _source(node, frame)
    (size, otherwise), alias = _size(node, frame), aliases.of(_given(node), frame)
    unsaid = tuple(_unsaid(node, frame))
    as_text = written.of(context, _given(node), frame)
    label = Loader(
        source,
        where,
        data,
        function,
        size,
        otherwise,
        alias,
        unsaid,
        as_text,
        written.made_by(context, _given(node), frame),
        collating.gives_samples(context, arguments),
    )
    return Instance(name, pairs(arguments), arguments.complete, label)


def of_subclass(
    context: Context, info: ClassInfo, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance | None:
    """An object of a project's own class of DataLoaders, which is given what torch's is: its
    ``__init__`` hands on all that it gets."""
    ancestors = context.project.ancestors(info)
    if not any(one in LOADERS for one in ancestors if isinstance(one, str)):
        return None
    found = context.project.method(info, "__init__")
    if found is not None and not _hands_on_all(found[1]):
        return None
    made = build(context, info.qualified, arguments, node, frame)
    context.built.append(info.qualified)
    return made


def _hands_on_all(init: FunctionNode) -> bool:
    """``def __init__(self, *args, **kwargs): super().__init__(*args, **kwargs)``"""
    taken = init.args
    if len(taken.args) != 1 or taken.vararg is None or taken.kwarg is None or taken.kwonlyargs:
        return False
    names = {taken.vararg.arg, taken.kwarg.arg}
    parts = list(walk(init))
    calls = [one for one in parts if isinstance(one, ast.Call)]
    handed_on = any(_is_super(one.func) and _given_names(one) == names for one in calls)
    used = sum(isinstance(one, ast.Name) and one.id in names for one in parts)
    return handed_on and used == len(names)  # and nothing has changed them before


def _is_super(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(ast.Call(ast.Name("super")), "__init__"):
            return True
    return False


def _given_names(call: ast.Call) -> set[str]:
    """The names of what ``f(*args, **kwargs)`` hands on."""
    starred = [one.value if isinstance(one, ast.Starred) else one for one in call.args]
    given = (*starred, *(one.value for one in call.keywords))
    return {one.id if isinstance(one, ast.Name) else "" for one in given}


def _unsaid(node: ast.Call, frame: Frame) -> Iterator[str]:
    """The arguments that a helper takes for it and was not given: ``shuffle=train``."""
    for one in node.keywords:
        named = one.value.id if isinstance(one.value, ast.Name) else ""
        if one.arg is not None and named in frame.left_out:
            yield one.arg


def _source(node: ast.Call, frame: Frame) -> str:
    """The data set by the name that the code has for it. In a helper it is the helper's name for
    it, which says nothing."""
    first = _given(node)
    plain = isinstance(first, (ast.Name, ast.Attribute))
    text = (dotted(first) or "") if plain and first is not None else ""
    if text.startswith("self."):
        return text
    return f"{frame.function}:{text}" if text and not frame.depth else ""


def _size(node: ast.Call, frame: Frame) -> tuple[str, Value]:
    """The last name of the setting that is the batch size (``self.cfg.train.batch_size``), and what
    the code takes where there is none: ``cfg.get("batch_size", 1)``."""
    named = [keyword.value for keyword in node.keywords if keyword.arg == "batch_size"]
    given = next(iter((*named, *node.args[1:2])), None)
    match given:
        case ast.Call(ast.Attribute(attr="get"), [ast.Constant(str(name)), ast.Constant(value)]):
            return name, Known(value)
        case ast.Call(ast.Name("len"), [data]) if ast.unparse(data) == _written_data(node):
            return WHOLE, ABSENT
        case None:
            return "", ABSENT
    text = frame.meant(dotted(given) or "")
    return (text.rpartition(".")[2] if "." in text else ""), ABSENT


def _written_data(node: ast.Call) -> str:
    given = _given(node)
    return ast.unparse(given) if given is not None else ""


def _given(node: ast.Call) -> ast.expr | None:
    given = [keyword.value for keyword in node.keywords if keyword.arg == "dataset"]
    return next(iter((*node.args, *given)), None)


def of_hook(context: Context, hook: str, returned: Abstract) -> None:
    """Record what a dataloader hook returns."""
    stage = HOOKS.get(hook)
    if stage is not None:
        _record(context, stage, context.owner, returned, hook)


def of_call(context: Context, method: str, model: str, arguments: Arguments, function: str) -> None:
    """Record what ``trainer.fit(model, train, val)`` and its sisters are given in a function."""
    for stage, position, names in GIVEN[method]:
        values = [arguments.get(position, names[0]), *map(arguments.keywords.get, names[1:])]
        for value in values:
            if value is not None:
                _record(context, stage, model, value, method, function)


def counted(method: str, arguments: Arguments) -> Iterator[tuple[Stage, int]]:
    """How many loaders a call of a Trainer gives to each stage that it gives any, where they stand
    in a list, a tuple or a dict; else 0, for what is given by one name may be several."""
    for stage, position, names in GIVEN[method]:
        values = (arguments.get(position, names[0]), *map(arguments.keywords.get, names[1:]))
        for value in values:
            if isinstance(value, (Sequence, Mapping)) and value.complete:
                yield stage, len(value.items)
            elif value is not None and value != Const(None):
                yield stage, 0


def named(
    method: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Iterator[tuple[Stage, str]]:
    """The local names of what a call of a Trainer gives to its stages, where nothing is known of it
    and its function gives the name no other value."""
    written = {one.arg: one.value for one in node.keywords}
    for stage, position, names in GIVEN[method]:
        at = node.args[position] if position < len(node.args) else None
        given = next((written[name] for name in names if name in written), at)
        value = arguments.get(position, names[0])
        seen = value is not None and any(isinstance(one, Instance) for one in options(value))
        if isinstance(given, ast.Name) and not seen and _times_given(given.id, frame) < 2:
            yield stage, given.id


def for_training_alone(arguments: Arguments) -> bool:
    """Whether ``fit`` is given a loader for training, one that is seen or in that argument by name
    (else it may be a data module), and none for validation."""
    (_, train, names), (_, validation, others) = GIVEN["fit"]
    value = arguments.get(train, names[0])
    seen = value is not None and all(
        isinstance(one, Instance) and one.name in LOADERS for one in options(value)
    )
    trains = seen or any(one in arguments.keywords for one in names)
    given = (arguments.get(validation, others[0]), *map(arguments.keywords.get, others[1:]))
    own_data = arguments.get(3, "datamodule")
    nothing = all(one in (None, Const(None)) for one in (*given, own_data))
    return arguments.complete and trains and nothing


def _times_given(name: str, frame: Frame) -> int:
    stores = (one for one in frame.parts if isinstance(one, ast.Name) and one.id == name)
    return sum(not isinstance(one.ctx, ast.Load) for one in stores)


def _record(
    context: Context,
    stage: Stage,
    owner: str,
    value: Abstract,
    by: str,
    function: str = "a hook",
) -> None:
    for loader in _within(value):
        if _is_unshared(context, loader):
            context.recorder.add(UnsharedSite(stage, owner, loader.name, by))
        if isinstance(loader.label, Loader):
            context.recorder.add(
                LoaderSite(
                    stage=stage,
                    owner=owner,
                    source=loader.label.source,
                    arguments=loader.arguments,
                    location=loader.label.location,
                    by=by,
                    origin=loader.label.origin,
                    single=loader.label.function == function,
                    sized_by=loader.label.sized_by,
                    otherwise=loader.label.otherwise,
                    alias=loader.label.alias,
                    unsaid=loader.label.unsaid,
                    written=loader.label.written,
                    made_by=loader.label.made_by,
                    of_lists=loader.label.of_lists,
                )
            )


def _within(value: Abstract) -> Iterator[Instance]:
    """The objects in what may be one, a list of several or a dict of them."""
    for option in options(value):
        match option:
            case Instance():
                yield option
            case Sequence(items):
                for item in items[:MAX_ITEMS]:
                    yield from _within(item)
            case Mapping(items):
                for _, item in items[:MAX_ITEMS]:
                    yield from _within(item)


def _is_unshared(context: Context, given: Instance) -> bool:
    """Whether an object is surely no DataLoader, by all that its class inherits, and leaves the
    processes alone."""
    if given.name.startswith(DATA_SETS):
        return True
    if given.label is not None:
        return False
    classes = (info for module in context.project.modules for info in module.classes.values())
    info = next((one for one in classes if one.qualified == given.name), None)
    ancestors = context.project.ancestors(info) if info is not None else ("",)
    own = [one for one in ancestors if isinstance(one, ClassInfo)]
    outside = {one for one in ancestors if isinstance(one, str)}
    asked = {word for one in own for word in identifiers(one.node)}
    return outside <= PLAIN and RANKS.isdisjoint(asked)
