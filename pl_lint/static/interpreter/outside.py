"""What is known of functions and classes outside the project, by name."""

from __future__ import annotations

import ast
from collections.abc import Callable
from collections.abc import Mapping as Table

from pl_lint.facts.linear_table import NEIGHBOURS
from pl_lint.facts.origins import (
    SPLITTING,
    UNPACKED,
    BatchValue,
    FunctionCall,
    Gathered,
    ListOfSteps,
    Pairs,
    is_listing,
    parts,
)
from pl_lint.facts.values import UNKNOWN
from pl_lint.facts.words import GATHERING
from pl_lint.plain import replace
from pl_lint.static.interpreter import (
    affixes,
    best,
    counting,
    everything,
    extents,
    figures,
    lookup,
    tables,
)
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Bound,
    Choice,
    Collection,
    Const,
    Instance,
    Mapping,
    Metric,
    Opaque,
    Reference,
    Self,
    Sequence,
    Super,
    join,
    options,
    to_value,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import called, derived
from pl_lint.static.interpreter.iteration import elements
from pl_lint.static.interpreter.unions import united

METRIC_ROOTS = ("torchmetrics.", "pytorch_lightning.metrics.", "lightning.pytorch.metrics.")
NAMED_FUNCTIONS = (
    "torchmetrics.",
    "sklearn.metrics.",
    "scipy.stats.",
    "numpy.corrcoef",
    "numpy.argsort",
    "numpy.lexsort",
    "torch.corrcoef",
    "segmentation_models_pytorch.metrics.",
    "jiwer.",
    "fastwer.",
    "sacrebleu.",
    "nltk.translate.bleu_score.",
    "pytorch_lightning.metrics.",
    "torch.load",
    "omegaconf.OmegaConf.load",
    "omegaconf.OmegaConf.create",
    "omegaconf.OmegaConf.merge",
    "os.listdir",
    "os.scandir",
    "glob.",
    *SPLITTING,
)
"""Functions from these places keep their name in the origin of what they return."""
SCORES = "segmentation_models_pytorch.utils.metrics."
"""Objects from here are scores that are called like functions."""
SPREADING = ("torch.distributed.broadcast", "torch.distributed.reduce")
"""What leaves one number in several processes, or brings theirs to one: done by hand."""
BY_STRATEGY = ("strategy.reduce", "training_type_plugin.reduce", "accelerator_backend.reduce")
TELLING = {
    **dict.fromkeys(("argmax", "round", "gt", "ge", "lt", "le"), "decided"),
    "sqrt": "sqrt",
    "exp": "exp",
    "log": "log",
    "mean": "mean",
    "nanmean": "mean",
}
JOINING = ("cat", "concat", "concatenate", "hstack")
"""Functions that take vectors: what steps left, one number for each sample."""
SAME_VALUE = frozenset(
    [
        "builtins.float",
        "torch.tensor",
        "torch.as_tensor",
        "torch.device",
        "torch.FloatTensor",
        "numpy.array",
        "numpy.asarray",
        "copy.copy",
        "copy.deepcopy",
        "builtins.round",
        "torch.squeeze",
        "torch.Tensor",
    ]
)
MAKERS = {
    "numpy.random.default_rng": "numpy.random.Generator",
    "datetime.timedelta": "datetime.timedelta",
}
"""Functions from outside that make an object, by its class."""
MAPPINGS = frozenset(
    [
        "builtins.dict",
        "torch.nn.ModuleDict",
        "torch.nn.ParameterDict",
        "collections.OrderedDict",
        "typing.OrderedDict",
    ]
)
SEQUENCES = frozenset(
    [
        "builtins.list",
        "builtins.tuple",
        "builtins.reversed",
        "torch.nn.ModuleList",
        "torch.nn.Sequential",
    ]
)


def is_metric(name: str) -> bool:
    """Whether a name from outside is a torchmetrics class."""
    last = name.rpartition(".")[2]
    return name.startswith(METRIC_ROOTS) and last[:1].isupper() and ".functional." not in name


def is_collection(name: str) -> bool:
    return is_metric(name) and name.endswith(".MetricCollection")


def gathers(name: str) -> bool:
    """Whether a function by its name brings values together from all processes."""
    by_hand = name in SPREADING or name.endswith(BY_STRATEGY)
    return by_hand or any(word in name.lower() for word in GATHERING)


def picks(name: str, arguments: Arguments) -> bool:
    """Whether it is ``x.gather(1, index)``, which takes values out of one tensor."""
    by_index = arguments.get(1, "index") is not None
    return by_index and name in ("gather", "torch.gather")


SORTING = frozenset({"numpy.sort", "numpy.unique", "natsort.natsorted", "natsort.os_sorted"})
"""What gives files an order that they have everywhere, as ``sorted`` does."""
ORDERS = ("numpy.argsort", "numpy.lexsort")


def pairs(arguments: Arguments) -> Pairs:
    """Arguments as plain data."""
    positional = ((str(index), to_value(v)) for index, v in enumerate(arguments.positional))
    named = ((name, to_value(v)) for name, v in arguments.keywords.items())
    hidden = () if arguments.complete else ((UNPACKED, UNKNOWN),)
    return (*positional, *named, *hidden)


def call(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    """Call a function or a class from outside."""
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(context, arguments, frame)
    if _counts_to_one(name, arguments) and arguments.complete:
        return join(Const(0), Const(1))
    if name in MAPPINGS:
        return _made_by(name, _mapping(context, arguments))
    if name == "builtins.set":
        return _set(context, arguments)
    if name == "builtins.sorted":
        return _sorted(context, arguments)
    if name in SORTING and in_listed_order(context, _sequence(context, arguments)):
        return NOTHING
    if name in SEQUENCES:
        return _made_by(name, _sequence(context, arguments))
    if name in SAME_VALUE and arguments.positional:
        return _same(context, name, arguments.positional[0])
    if gathers(name) and not picks(name, arguments):
        return _gathered(context, arguments, node, frame)
    if counting.is_total_of(name, node):
        return Opaque(counting.total(map(context.origin, arguments.all()), node.args[0]), "other")
    bounded = counting.bounded(name, map(context.origin, arguments.all()))
    if bounded is not None:
        return Opaque(bounded, "other")
    return _other(context, name, arguments, node, frame)


def scored(context: Context, score: Instance, arguments: Arguments) -> Abstract:
    """What an object that is a score gives for a batch."""
    origins = [context.origin(value) for value in arguments.all()]
    return Opaque(called(score.name, pairs(arguments), origins, context.sample_loops > 0))


def among_neighbours(
    context: Context, made: Instance, name: str, arguments: Arguments
) -> Abstract | None:
    """How well samples find their kind, where all that an object is given is of one batch."""
    if f"{made.name}.{name}" != NEIGHBOURS:
        return None
    given = [context.origin(one) for one in arguments.all() if not isinstance(one, Const)]
    of_batch = all(any(isinstance(part, BatchValue) for part in parts(one)) for one in given)
    kept = any(isinstance(part, ListOfSteps) for one in given for part in parts(one))
    return Opaque(called(NEIGHBOURS, (), given)) if given and of_batch and not kept else None


def _other(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Abstract:
    origins = [context.origin(value) for value in arguments.all()]
    if name in tables.BY_FUNCTION:
        origins = tables.of_function(context, name, arguments)
    if name.startswith(NAMED_FUNCTIONS):
        return Opaque(called(name, pairs(arguments), origins, context.sample_loops > 0))
    last = name.rpartition(".")[2]
    picture = figures.drawn(name)
    if picture is not None:
        return picture
    if name in MAKERS:
        return Instance(MAKERS[name], pairs(arguments), arguments.complete)
    if last[:1].isupper():
        holds = context.held(arguments)
        return Instance(name, pairs(arguments), arguments.complete, holds=holds)
    if last in JOINING and any(isinstance(one, ListOfSteps) for o in origins for one in parts(o)):
        return Opaque(derived("joined", origins))
    pair = best.along(last, arguments, 1, origins) if name.startswith("torch.") else None
    if pair is not None:
        return pair
    extent = extents.of_function(name, pairs(arguments))
    given = arguments.get(0, "input") if last in extents.LOGARITHMS else None
    of_mean = extents.is_of_mean(context, given, node, frame)
    operation = "logarithm" if of_mean else TELLING.get(last, "call")
    return Opaque(derived(operation, origins), extent)


def _same(context: Context, name: str, value: Abstract) -> Abstract:
    """A function that gives its argument back in another shape or type."""
    if isinstance(value, (Metric, Collection)):
        return lookup.duplicate(context, value)
    text = isinstance(value, Const) and isinstance(value.value, str)
    number = text and name == "builtins.float"  # ``float("inf")``
    devices = name == "torch.device" and all(isinstance(one, Const) for one in options(value))
    kept = devices or (isinstance(value, (Const, Opaque)) and not number)
    return value if kept else Opaque(context.origin(value))


def _gathered(context: Context, arguments: Arguments, node: ast.Call, frame: Frame) -> Abstract:
    """``dist.all_reduce(x)`` and the like also change their arguments in place."""
    origins = tuple(dict.fromkeys(context.origin(value) for value in arguments.all()))
    result = Opaque(Gathered(origins))
    for argument in node.args:
        lookup.rebind(context, argument, result, frame)
    return result


# --- containers -----------------------------------------------------------------------------------


def _mapping(context: Context, arguments: Arguments) -> Abstract:
    given = arguments.get(0, "modules") if arguments.positional else Mapping()
    if isinstance(given, Sequence):
        held = _pairs_of(given.items)
        given = Mapping(held, given.complete and len(held) == len(given.items))
    named = (item for item in arguments.keywords.items() if item[0] != "modules")
    added = Mapping(tuple((Const(key), value) for key, value in named), arguments.complete)
    return united(united(Mapping(), given or Mapping()), added)


def _pairs_of(items: tuple[Abstract, ...]) -> tuple[tuple[Abstract, Abstract], ...]:
    return tuple(
        (item.items[0], item.items[1])
        for item in items
        if isinstance(item, Sequence) and len(item.items) == 2
    )


def _sorted(context: Context, arguments: Arguments) -> Abstract:
    """A list, and of files that were listed one whose order is known."""
    result = _sequence(context, Arguments(arguments.positional[:1]))
    return NOTHING if in_listed_order(context, result) else result


def _set(context: Context, arguments: Arguments) -> Abstract:
    """What is in something else, each once: not that itself."""
    held = _sequence(context, arguments)
    return Opaque(derived("call", (held.origin,))) if isinstance(held, Opaque) else held


def in_listed_order(context: Context, value: Abstract) -> bool:
    """Whether files stand in a value as the file system gave them."""
    return any(map(is_listing, parts(context.origin(value))))


def is_order(context: Context, index: Abstract) -> bool:
    """Whether an index puts things in order: ``names[np.argsort(names)]``."""
    made = parts(context.origin(index))
    return any(isinstance(part, FunctionCall) and part.name in ORDERS for part in made)


def _made_by(name: str, held: Abstract) -> Abstract:
    """The container with the class that made it, where torch knows of it."""
    if isinstance(held, Choice):
        return join(*(_made_by(name, one) for one in held.options))
    registers = name.startswith("torch.") and isinstance(held, (Mapping, Sequence))
    return replace(held, maker=name) if registers else held  # type: ignore[type-var]


def _sequence(context: Context, arguments: Arguments) -> Abstract:
    if not arguments.positional:
        return Sequence((), arguments.complete)
    if len(arguments.positional) > 1:  # Sequential(a, b)
        return Sequence(arguments.positional, arguments.complete)
    given = arguments.positional[0]
    if given == everything.ALL:
        return given
    if isinstance(given, Choice) and all(isinstance(one, Sequence) for one in given.options):
        return given
    known = elements(context, given)
    if known is not None:
        return Sequence(known)
    return given if isinstance(given, (Sequence, Opaque)) else Sequence((given,), False)


# --- builtins -------------------------------------------------------------------------------------


def _super(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    return Super(frame.defining) if frame.defining is not None else NOTHING


def _getattr(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    owner, name = arguments.get(0, "object"), arguments.get(1, "name")
    if owner is None or name is None:
        return NOTHING
    found = [
        lookup.attribute(context, owner, option.value, frame)
        for option in options(name)
        if isinstance(option, Const) and isinstance(option.value, str)
    ]
    if len(found) == len(options(name)):
        return join(*found)
    return _any_attribute(context, owner, name)


def _any_attribute(context: Context, owner: Abstract, name: Abstract) -> Abstract:
    """``getattr(self, f"{stage}_acc")`` with an unknown stage: any attribute that fits."""
    if not isinstance(owner, Self):
        return NOTHING
    pattern = to_value(name)
    fitting = [
        value
        for attr, value in context.attributes.items()
        if isinstance(value, (Metric, Collection)) and lookup.fits(pattern, attr)
    ]
    return join(*fitting)


def _setattr(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    if len(arguments.positional) == 3:
        owner, name, value = arguments.positional
        if isinstance(owner, Self) and isinstance(name, Const) and isinstance(name.value, str):
            lookup.assign_own(context, name.value, value)
        elif isinstance(name, Const) and isinstance(name.value, str):
            affixes.give(context, owner, name.value, value, frame)
    return Const(None)


def _largest(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    if everything.are_meant(arguments.positional):
        return everything.ALL
    origins = [context.origin(one) for one in arguments.all()]
    return Opaque(counting.bounded("maximum", origins) or derived("call", origins))


def _range(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    if everything.are_meant(arguments.positional):
        return everything.ALL
    bounds = [value.value for value in arguments.positional if isinstance(value, Const)]
    known = len(bounds) == len(arguments.positional) and all(type(b) is int for b in bounds)
    if not known or not 1 <= len(bounds) <= 3 or (bounds[-1:] == [0] and len(bounds) == 3):
        return NOTHING
    turns = range(*bounds)
    return Sequence(tuple(map(Const, turns))) if len(turns) <= 16 else NOTHING


def _enumerate(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    given = arguments.positional[0] if arguments.positional else NOTHING
    known = elements(context, given)
    if known is None:
        return Sequence((Sequence((NOTHING, Opaque(context.origin(given)))),), False)
    return Sequence(tuple(Sequence((Const(i), item)) for i, item in enumerate(known)))


def _zip(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    columns = [elements(context, value) for value in arguments.positional]
    if any(column is None for column in columns) or not arguments.complete:
        rest = tuple(Opaque(context.origin(value)) for value in arguments.positional)
        return Sequence((Sequence(rest),), False)
    return Sequence(tuple(map(Sequence, zip(*columns, strict=False))))  # type: ignore[arg-type]


def _counts_to_one(name: str, arguments: Arguments) -> bool:
    """``min(1, torch.cuda.device_count())``: nothing or one, as tutorials count devices."""
    counted = [one for one in arguments.positional if not isinstance(one, Const)]
    bound = [one for one in arguments.positional if isinstance(one, Const)]
    return name == "builtins.min" and len(counted) == 1 and bound == [Const(1)]


def _length(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    given = arguments.positional[0] if arguments.positional else NOTHING
    known = elements(context, given)
    if known is None and in_listed_order(context, given):  # how many does not hang on the order
        return NOTHING
    if known is None and _is_loader(given):
        return Opaque(called("builtins.len", pairs(arguments), ()))
    if known is None:
        return Opaque(derived("call", (context.origin(given),)))
    return Const(len(known))


def _is_loader(value: Abstract) -> bool:
    """Whether it is a DataLoader, whose length is a number of batches."""
    return isinstance(value, Instance) and value.name.endswith(".DataLoader")


def _string(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    match arguments.positional:
        case (Const(str() | int() | None as value),):
            return Const(str(value))
    return NOTHING


def _unordered(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    """``defaultdict(...)``: may hold any key."""
    return Mapping((), False)


def _isinstance(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    value = arguments.get(0, "")
    if isinstance(value, (Const, Bound, Reference)) and value == Const(None):
        return Const(False)
    return NOTHING


Handler = Callable[[Context, Arguments, Frame], Abstract]
HANDLERS: Table[str, Handler] = {
    "torch.cuda.device_count": everything.counted,
    "builtins.max": _largest,
    "builtins.super": _super,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.len": _length,
    "builtins.str": _string,
    "builtins.isinstance": _isinstance,
    "collections.defaultdict": _unordered,
}
