"""Metrics: how they are made and what is done to them."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import (
    NO_ORIGIN,
    UNPACKED,
    Extent,
    MetricCompute,
    MetricForward,
    Origin,
)
from pl_lint.facts.sites import MetricItemSite, MetricSite, MetricUse
from pl_lint.facts.values import Known, Value
from pl_lint.plain import replace
from pl_lint.static.interpreter import behaviour, dicts, extents, lookup, outside
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Collection,
    Const,
    Mapping,
    Metric,
    Opaque,
    Sequence,
    to_value,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.interpreter.strings import concatenated
from pl_lint.static.names import ClassInfo
from pl_lint.static.naming import identifiers

MadeOf = Metric | Collection
STATE_USES = {"update": "update", "compute": "compute", "reset": "reset", "forward": "forward"}
ADDING = re.compile(r"\.add_metrics\b")
"""Whoever has a collection adds members so, the class that keeps it or another."""
SAME_OBJECT = frozenset(
    {"to", "cpu", "cuda", "eval", "train", "float", "double", "half", "set_dtype"}
)


def make(
    context: Context,
    made_of: str | ClassInfo,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Metric:
    """A fresh metric object, of a class from outside or of one of the project."""
    name = made_of if isinstance(made_of, str) else made_of.qualified
    known = dicts.of_class(context.project, made_of)
    metric = Metric(context.identity(), name, outside.pairs(arguments), known)
    context.made[metric.identity] = (metric, context.location(node, frame), context.hook.name)
    return metric


def make_collection(
    context: Context, arguments: Arguments, node: ast.Call, frame: Frame
) -> Collection:
    given = arguments.get(0, "metrics") or NOTHING
    if len(arguments.positional) > 1:  # MetricCollection(Accuracy(...), F1Score(...))
        given = Sequence(arguments.positional, arguments.complete)
    members, complete = _members(given)
    complete &= not any(one.source.found(ADDING) for one in context.project.modules)
    affixes = {
        name: to_value(arguments.keywords.get(name) or Const(None))
        for name in ("prefix", "postfix")
    }
    collection = Collection(context.identity(), tuple(members), complete=complete, **affixes)
    where = context.location(node, frame)
    context.made[collection.identity] = (collection, where, context.hook.name)
    return collection


def _members(given: Abstract) -> tuple[list[tuple[str, Metric]], bool]:
    """The members by name: the keys of a dict, the class names of a list."""
    match given:
        case Mapping(items, complete):
            named = [(key.value, one) for key, one in items if isinstance(key, Const)]
        case Sequence(items, complete):
            named = [(_class_name(one), one) for one in items]
        case Metric():
            named, complete = [(_class_name(given), given)], True
        case _:
            return [], False
    sure = all(name for name, _ in named)
    metrics = [(str(name or _simple(one)), one) for name, one in named if isinstance(one, Metric)]
    total = len(given.items) if isinstance(given, (Mapping, Sequence)) else 1
    return metrics, complete and sure and len(metrics) == total


def _class_name(metric: Abstract) -> str:
    """The class of the object: ``F1Score(task="binary")`` is a ``BinaryF1Score``. Empty where the
    task is not known."""
    if not isinstance(metric, Metric) or not torchmetrics.needs_task(metric.name):
        return _simple(metric) if isinstance(metric, Metric) else ""
    given = dict(metric.arguments)
    match given.get("task", given.get("0")):
        case None if UNPACKED not in given:  # before 0.11 there was none
            return _simple(metric)
        case Known(str(task)) if task.lower() in torchmetrics.TASKS:
            return task.capitalize() + _simple(metric)
    return ""


def _simple(metric: Metric) -> str:
    return metric.name.rpartition(".")[2]


def clone(context: Context, original: MadeOf, arguments: Arguments) -> MadeOf:
    """``metric.clone()``, for a collection with other affixes."""
    copy = lookup.duplicate(context, original)
    if isinstance(copy, Metric):
        return copy
    prefix = _affix(arguments.get(0, "prefix"), copy.prefix)
    postfix = _affix(arguments.get(1, "postfix"), copy.postfix)
    return replace(copy, prefix=prefix, postfix=postfix)


def _affix(given: Abstract | None, before: Value) -> Value:
    return before if given is None or given == Const(None) else to_value(given)


# --- use ------------------------------------------------------------------------------------------


def use(
    context: Context,
    metric: MadeOf,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """Call a metric or one of its methods."""
    if name in ("clone", "__deepcopy__"):
        return clone(context, metric, arguments)
    if name in SAME_OBJECT:
        return metric
    if name in STATE_USES:
        note(context, metric, STATE_USES[name], node, frame, arguments)
        if name == "forward" and context.loops:  # of one sample each time, perhaps
            return Opaque(derived("call", map(context.origin, arguments.all())))
        return _result(context, metric, name)
    if isinstance(metric, Collection):
        return _of_collection(metric, name)
    return NOTHING


def _result(context: Context, metric: MadeOf, name: str) -> Abstract:
    if name not in ("forward", "compute"):
        return Const(None)
    kind = MetricForward if name == "forward" else MetricCompute
    if isinstance(metric, Metric):
        return Opaque(kind(context.path_of(metric.identity)))
    values = tuple(
        (key, Opaque(kind(context.path_of(one.identity)))) for key, one in valued(metric)
    )
    if not values or not metric.complete:
        rest = (Opaque(), Opaque(kind(context.path_of(metric.identity))))
        return Mapping((*values, rest))
    return Mapping(values)


def keyed(collection: Collection) -> Iterable[tuple[Abstract, Metric]]:
    """The members by the key that they are logged under, affixes included."""
    for name, metric in collection.members:
        pieces = (_piece(collection.prefix), Const(name), _piece(collection.postfix))
        yield concatenated(pieces), metric


def valued(collection: Collection) -> Iterator[tuple[Abstract, Metric]]:
    """The same of their values: the keys of a dict take the place of the member's own, with the
    affixes of the collection (``_compute_and_reduce`` in torchmetrics/collections.py)."""
    any_key = concatenated((_piece(collection.prefix), NOTHING, _piece(collection.postfix)))
    for key, metric in keyed(collection):
        if metric.gives_dict is not True:
            yield key, metric
        if metric.gives_dict is not False:
            yield any_key, metric


def _piece(affix: Value) -> Abstract:
    if isinstance(affix, Known):
        return Const("" if affix.value is None else affix.value)
    return NOTHING


def _of_collection(collection: Collection, name: str) -> Abstract:
    members = Mapping(tuple(keyed(collection)), collection.complete)
    match name:
        case "items":
            return Sequence(tuple(Sequence(pair) for pair in members.items), members.complete)
        case "keys":
            return Sequence(tuple(key for key, _ in members.items), members.complete)
        case "values":
            return Sequence(tuple(one for _, one in members.items), members.complete)
    return NOTHING


def all_held(context: Context, named: bool) -> Sequence:
    """What ``self.modules()`` goes over, as far as metrics are concerned."""
    held = [(context.path_of(number), made) for number, (made, _, _) in context.made.items()]
    metrics = [(Const(path), made) for path, made in held if not path.startswith("<")]
    items = (Sequence(pair) if named else pair[1] for pair in metrics)
    return Sequence((*items, NOTHING))


def note(
    context: Context,
    metric: MadeOf,
    what: str,
    node: ast.expr | ast.stmt,
    frame: Frame,
    arguments: Arguments | None = None,
) -> None:
    """Record that something was done to a metric."""
    hook = context.hook
    path = context.path_of(metric.identity)
    where = context.location(node, frame)
    context.recorder.add(
        MetricUse(
            metric=path,
            use=what,  # type: ignore[arg-type]
            hook=hook.name,
            stage=hook.stage,
            location=where,
            certain=not context.uncertain,
            given=tuple(_given(context, node, arguments)) if arguments else (),
            guards=context.guards,
            extent=_extent(context, arguments),
            looped=context.loops > 0,
        )
    )


def note_item(
    context: Context, value: Abstract, key: Abstract, node: ast.expr, frame: Frame
) -> None:
    """An item is taken out of a value, ``result["map"]``, which may be what a metric gives."""
    match value:
        case Opaque(MetricCompute(path) | MetricForward(path)):
            asked, where = isinstance(node, ast.Call), context.location(node, frame)
            taken = _is_number_wanted(node, frame) if asked else True
            taken = taken and (asked or behaviour.surely_taken(context, node, frame))
            if taken and not _may_hold_more(node, frame):
                context.recorder.add(MetricItemSite(path, to_value(key), where, asked))


def _may_hold_more(node: ast.expr, frame: Frame) -> bool:
    """Whether the local name of a dict has been given more keys, or a function or a method of the
    class has been given the dict."""
    held = node.func if isinstance(node, ast.Call) else node
    inner = getattr(held, "value", None)
    name = inner.id if isinstance(inner, ast.Name) else ""
    calls = (one for one in frame.parts if isinstance(one, ast.Call) and one.lineno < node.lineno)
    return bool(name) and any(_may_fill(one, name) for one in calls)


def _may_fill(call: ast.Call, name: str) -> bool:
    match call.func:
        case ast.Attribute(ast.Name(held), "update" | "setdefault") if held == name:
            return True
        case ast.Attribute(ast.Name("self"), "log_dict"):
            return False
        case ast.Attribute(ast.Name("self")):
            return _is_given(call, name)
        case ast.Name(function):
            return not hasattr(builtins, function) and _is_given(call, name)
    return False


def _is_given(call: ast.Call, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in call.args)


def _is_number_wanted(node: ast.expr, frame: Frame) -> bool:
    """Whether what ``get`` gives is a number in any case, and goes on as one: what is compared, or
    bears a name that a condition asks for, may be asked whether it is there."""
    above = frame.module.source.above
    around = above.get(node)
    if isinstance(node, ast.Call) and not any(map(_is_number, node.args[1:])):
        return False
    if isinstance(around, ast.Assign):
        names = {one.id for one in around.targets if isinstance(one, ast.Name)}
        return names.isdisjoint(_asked_for(frame))
    return not isinstance(around, (ast.Compare, ast.BoolOp, ast.If, ast.While, ast.IfExp))


def _is_number(node: ast.expr) -> bool:
    try:
        return type(ast.literal_eval(node)) in (int, float)
    except ValueError:
        return False


def _asked_for(frame: Frame) -> Iterator[str]:
    """The names in conditions and comparisons of a function."""
    for part in frame.parts:
        if isinstance(part, ast.Compare):
            yield from identifiers(part)
        elif isinstance(part, (ast.If, ast.IfExp, ast.While)):
            yield from identifiers(part.test)


def _extent(context: Context, arguments: Arguments | None) -> Extent:
    given = arguments.all() if arguments else ()
    return extents.left_by_step(context, given[0]) if given else ""


def _given(
    context: Context, node: ast.expr | ast.stmt, arguments: Arguments
) -> Iterator[tuple[str, str, Origin]]:
    """The arguments by position or name, with their text and their origin."""
    written = node.args if isinstance(node, ast.Call) else []
    if any(isinstance(one, ast.Starred) for one in written) or not arguments.complete:
        yield UNPACKED, "", NO_ORIGIN
        return
    for index, (one, value) in enumerate(zip(written, arguments.positional, strict=False)):
        yield str(index), ast.unparse(one), context.origin(value)
    for keyword in node.keywords if isinstance(node, ast.Call) else []:
        if keyword.arg in arguments.keywords:
            value = arguments.keywords[keyword.arg]
            yield keyword.arg, ast.unparse(keyword.value), context.origin(value)


def sites(context: Context) -> Iterable[MetricSite]:
    """Every metric that was made, under the name by which the class reaches it."""
    for identity, (made, where, hook) in context.made.items():
        path = context.path_of(identity)
        container = path.rpartition("[")[0]
        if isinstance(made, Metric):
            yield MetricSite(path, made.name, made.arguments, where, container, hook)
        else:
            held = tuple(context.path_of(one.identity) for _, one in made.members)
            name = "torchmetrics.MetricCollection"
            yield MetricSite(path, name, (), where, container, hook, held, made.complete)
