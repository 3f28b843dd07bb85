"""``self.log`` and ``self.log_dict`` as sites."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table

from pl_lint.facts import lightning
from pl_lint.facts.sites import LogSite, StrayLog
from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.static.interpreter import (
    behaviour,
    extents,
    figures,
    graphs,
    lookup,
    metrics,
    picked,
    quotients,
    spreads,
    vectors,
    weights,
)
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Collection,
    Const,
    Mapping,
    Metric,
    Sequence,
    Text,
    in_use,
    options,
    to_value,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.naming import function_around, identifiers
from pl_lint.static.trees import walk

POSITIONAL = ("prog_bar", "logger", "on_step", "on_epoch", "reduce_fx", "enable_graph", "sync_dist")
DEFAULTS: dict[str, Value] = {
    "reduce_fx": Known("mean"),
    "sync_dist": Known(False),
    "batch_size": Known(None),
    "rank_zero_only": Known(False),
    "add_dataloader_idx": Known(True),
    "logger": Known(None),
    "prog_bar": Known(False),
    "enable_graph": Known(False),
}
MODULE_NAMES = frozenset({"pl_module", "module", "model", "lightning_module", "litmodel", "system"})
"""What people call a LightningModule that they log through from somewhere else."""


def record(context: Context, call: str, arguments: Arguments, node: ast.Call, frame: Frame) -> None:
    """One site for each key that the call may log, where a log of the project was called if it is
    that which makes the call."""
    node, frame = context.passed_on or (node, frame)
    context.logged += 1
    settings = _settings(arguments)
    flags = _flags(context, arguments)
    sorted_out = _may_be_sorted_out(context, node, arguments, frame)
    for key, value in _entries(call, arguments):
        for option in options(value):
            if isinstance(option, (Metric, Collection)):
                metrics.note(context, option, "log", node, frame)
        given = vectors.written(node, key)
        kind = "vector" if vectors.is_vector(context, given, frame) else _kind(value)
        site = LogSite(
            owner=context.owner,
            call=call,  # type: ignore[arg-type]
            key=to_value(key),
            origin=context.origin(value),
            hook=context.hook.name,
            stage=context.hook.stage,
            location=context.location(node, frame),
            via=context.via,
            sampled=bool(context.sampled),
            guards=context.guards,
            function=frame.function,
            kind=kind if isinstance(key, Const) and not sorted_out else "",
            named=vectors.name_of(given, frame),
            negated=vectors.negated(given),
            result=vectors.is_result(given, frame),
            chosen_by=frozenset() if isinstance(key, Const) else _chosen_by(node, frame),
            picked_by=_picked_by(node, frame) if call == "log" else frozenset(),
            reduce_fx_given=_given(arguments, "reduce_fx") is not None,
            shows=frozenset(_shown(node)),
            statistic=spreads.statistic(context, _value(node), frame) if call == "log" else "",
            summed=spreads.is_sum_of_errors(context, given, frame),
            of_errors=call == "log" and spreads.is_of_errors(_value(node), frame),
            made_of=frozenset(_made_of(node, frame)) if call == "log" else frozenset(),
            arms=context.arms,
            freed=_given(arguments, "enable_graph") is not None
            and graphs.is_cut(context, given, frame),
            inner=frozenset(_inner(value)),
            extent=extents.of(value),
            entry=picked.entry(_logged(node, key), frame),
            quotients=frozenset(quotients.logged(node, key, given, frame)),
            fixed_size=weights.fixed_size(context, node, arguments, frame),
            **flags,
            **settings,
        )
        context.recorder.add(site)


def _made_of(node: ast.Call, frame: Frame) -> Iterator[str]:
    """The attributes of the class behind the value of a log call, or behind its local name, which
    may be one of several that one call gives."""
    value = _value(node)
    if isinstance(value, ast.Name):
        assigned = [one.value for one in frame.assignments if value.id in _all_names(one)]
        value = assigned[0] if len(assigned) == 1 else None
    found = list(walk(value)) if value is not None else []
    called = [one.func for one in found if isinstance(one, ast.Call)]
    for part in found:
        if isinstance(part, ast.Attribute) and dotted(part.value) == "self" and part not in called:
            yield part.attr


def _may_be_sorted_out(
    context: Context, node: ast.Call, arguments: Arguments, frame: Frame
) -> bool:
    """Whether what is no number may be kept from the call: a condition around it asks for the key
    or the value, a filter for items of a dict, or what the call raises is caught."""
    key, value = node.args[0] if node.args else None, _value(node)
    names = {one.id for one in walk(key) if isinstance(one, ast.Name)} if key is not None else set()
    names |= {value.id} if isinstance(value, ast.Name) else set()
    given = in_use(arguments.get(0, "dictionary") or NOTHING)
    filtered = isinstance(given, Mapping) and not given.complete
    return filtered or not names.isdisjoint(context.guards) or behaviour.is_caught(node, frame)


def _all_names(node: ast.Assign) -> Iterator[str]:
    return (one.id for each in node.targets for one in walk(each) if isinstance(one, ast.Name))


def _logged(node: ast.Call, key: Abstract) -> ast.expr | None:
    """What is logged under a key as it is written, or else the dict that holds it."""
    whole = node.args[0] if len(node.args) == 1 else None
    return vectors.written(node, key) or whole


def _value(node: ast.Call) -> ast.expr | None:
    named = [one.value for one in node.keywords if one.arg == "value"]
    return next(iter((*named, *node.args[1:2])), None)


def _shown(node: ast.Call) -> Iterator[str]:
    """The attributes of the class that stand in the value of a log call."""
    named = [one.value for one in node.keywords if one.arg in ("value", "dictionary", "metrics")]
    for given in (*node.args, *named):
        for part in walk(given):
            if isinstance(part, ast.Attribute) and dotted(part.value) == "self":
                yield part.attr


def _chosen_by(node: ast.Call, frame: Frame) -> frozenset[str]:
    """The identifiers that a key is made of."""
    named = [one.value for one in node.keywords if one.arg in ("name", "dictionary")]
    return _hanging_on((*node.args[:1], *named), node, frame)


def _picked_by(node: ast.Call, frame: Frame) -> frozenset[str]:
    """Those by which the logged object is taken out of others: ``self.metrics[name]``."""
    value = _value(node)
    given = [value] if value is not None else []
    if isinstance(value, ast.Name):
        given += [one.value for one in frame.assignments if value.id in _names(one.targets)]
    taken = [part for one in given for part in walk(one) if isinstance(part, ast.Subscript)]
    return _hanging_on([one.slice for one in taken], node, frame) if taken else frozenset()


def _hanging_on(made_of: Iterable[ast.expr], node: ast.Call, frame: Frame) -> frozenset[str]:
    """The identifiers in these expressions, those included which their local names are made of, and
    those in the conditions around these assignments."""
    words = {word for one in made_of for word in identifiers(one)}
    above = frame.module.source.above
    around = function_around(node, above)
    for one in frame.module.source.parts(around) if around is not None else ():
        if isinstance(one, ast.Assign) and not words.isdisjoint(_names(one.targets)):
            words.update(identifiers(one.value))
            words.update(word for test in _conditions(one, above) for word in identifiers(test))
    return frozenset(words)


def _names(targets: list[ast.expr]) -> Iterator[str]:
    return (one.id for one in targets if isinstance(one, ast.Name))


def _conditions(node: ast.AST, above: Table[ast.AST, ast.AST]) -> Iterator[ast.expr]:
    """The tests of the branches that a statement stands in."""
    around: ast.AST | None = node
    while around is not None and not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(around, ast.If):
            yield around.test
        around = above.get(around)


def _kind(value: Abstract) -> str:
    """The type of a value that is surely no number."""
    match value:
        case Const(str()) | Text():
            return "str"
        case Sequence(_, maker=""):
            return "list"
        case Mapping(_, maker=""):
            return "dict"
    return "picture" if figures.is_picture(value) else ""


def _inner(value: Abstract) -> Iterator[str]:
    """The names in a dict."""
    for name, _ in value.items if isinstance(value, Mapping) else ():
        if isinstance(name, Const) and isinstance(name.value, str):
            yield name.value


def _settings(arguments: Arguments) -> dict[str, Value]:
    """The settings that have the same default everywhere."""
    return {name: _setting(arguments, name, default) for name, default in DEFAULTS.items()}


def _setting(arguments: Arguments, name: str, default: Value) -> Value:
    given = _given(arguments, name)
    if given is not None:
        return to_value(given)
    return default if arguments.complete else UNKNOWN


def _given(arguments: Arguments, name: str) -> Abstract | None:
    return arguments.get(POSITIONAL.index(name) + 2 if name in POSITIONAL else -1, name)


def _flags(context: Context, arguments: Arguments) -> dict[str, Value]:
    """``on_step`` and ``on_epoch``, with the hook's defaults where they are left out or None."""
    defaults = lightning.log_defaults(context.hook.name)
    resolved: dict[str, Value] = {}
    for name in ("on_step", "on_epoch"):
        given = _setting(arguments, name, Known(None))
        if given == Known(None):
            given = Known(getattr(defaults, name)) if defaults is not None else UNKNOWN
        resolved[name] = given
    return resolved


def _entries(call: str, arguments: Arguments) -> Iterator[tuple[Abstract, Abstract]]:
    """The keys and values that one call logs."""
    if call == "log":
        yield arguments.get(0, "name") or NOTHING, in_use(arguments.get(1, "value") or NOTHING)
        return
    for logged in options(in_use(arguments.get(0, "dictionary") or NOTHING)):
        match logged:
            case Mapping(items, complete):
                yield from ((key, in_use(value)) for key, value in items)
                if not complete:
                    yield NOTHING, NOTHING
            case Collection(complete=True) if logged.members:
                yield from metrics.keyed(logged)
            case Collection():
                yield NOTHING, logged
            case _:
                yield NOTHING, logged


# --- logging through another object ---------------------------------------------------------------


def note_foreign(
    context: Context, node: ast.Call, name: str, arguments: Arguments, frame: Frame
) -> None:
    """``pl_module.log("key", ...)`` in a callback or a helper: the key exists, whoever made it.
    In a callback it is a log of the callback's class, too."""
    if name not in ("log", "log_dict") or not isinstance(node.func, ast.Attribute):
        return
    if not _is_module(node.func.value, arguments):
        return
    if _last_word(node.func.value) in MODULE_NAMES and _in_callback(context):
        record(context, name, arguments, node, frame)
    for key, _ in _entries(name, arguments):
        context.recorder.add(StrayLog(to_value(key), context.location(node, frame)))


def _is_module(receiver: ast.expr, arguments: Arguments) -> bool:
    """Whether the object that is logged through can be a LightningModule, by its name or use."""
    key = arguments.get(0, "name")
    return _last_word(receiver) in MODULE_NAMES or (
        isinstance(key, Const) and isinstance(key.value, str) and len(arguments.all()) > 1
    )


def reaches_lightning(function: FunctionNode) -> bool:
    """Whether a method calls ``super().log``, ``self.log_dict`` or ``LightningModule.log``."""
    named = (one for one in walk(function) if isinstance(one, ast.Attribute))
    through = (ast.unparse(one.value) for one in named if one.attr in ("log", "log_dict"))
    return any(
        one == "self" or one.startswith("super(") or one.endswith("Module") for one in through
    )


def _last_word(receiver: ast.expr) -> str:
    return receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")


def _in_callback(context: Context) -> bool:
    """Whether a callback is interpreted: what it logs through its module is judged by the
    callback's own hook (``_call_callback_hooks`` in trainer/call.py sets ``_current_fx_name``)."""
    outside = (base for base in context.ancestors if isinstance(base, str))
    return any(lightning.kind_of(base) == "Callback" for base in outside)


def note_metrics_update(
    context: Context,
    receiver: Abstract,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> None:
    """``trainer.callback_metrics.update(...)``: keys that no ``self.log`` made."""
    if name not in ("update", "setdefault") or not lookup.is_metrics_dict(receiver):
        return
    given = arguments.get(0, "")
    keys: list[Abstract] = [Const(key) for key in arguments.keywords]
    if name == "setdefault":
        keys = [given or NOTHING]
    elif isinstance(given, Mapping):
        keys += [key for key, _ in given.items]
    if not arguments.complete or (name == "update" and _may_bring_more(given)):
        keys.append(NOTHING)
    for key in keys:
        context.recorder.add(StrayLog(to_value(key), context.location(node, frame)))


def _may_bring_more(given: Abstract | None) -> bool:
    return given is not None and not (isinstance(given, Mapping) and given.complete)
