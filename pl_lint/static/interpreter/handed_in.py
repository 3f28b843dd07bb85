"""Metrics that whoever builds a class hands to it: ``Model(net, metrics=MetricCollection([...]))``.

Classes are interpreted before the scripts that build them, so the calls are asked by their text:
each in sight, tests aside, must give a parameter metrics that are written out in the call, or stand
under a name that is given them once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table

from pl_lint.facts.sites import in_tests
from pl_lint.plain import mutable
from pl_lint.static.interpreter import outside
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Collection,
    Mapping,
    Metric,
    Sequence,
    join,
    to_value,
)
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.names import (
    ClassInfo,
    Definition,
    FunctionNode,
    Module,
    Project,
    assignments,
    dotted,
)
from pl_lint.static.naming import function_around, givers, read_in
from pl_lint.static.trees import walk


@mutable
class _Script:
    """The function that builds the class, or a file outside of functions, and what its names are
    given; None where that is not known. A name stands for one object, however often it is handed
    in."""

    frame: Frame
    given: Table[str, ast.expr | None]

    def bring(self, context: Context, node: ast.expr) -> None:
        """Give the names in an expression what they stand for."""
        for name in read_in(node) & self.given.keys() - self.frame.names.keys():
            self.frame.names[name] = NOTHING
            made = self.given[name]
            if made is not None:
                self.bring(context, made)
                self.frame.names[name] = context.evaluate(made, self.frame)


@mutable
class _Call:
    """A call that builds the class: what it gives the parameters."""

    given: dict[str, ast.expr]
    script: _Script


def metrics(context: Context, init: FunctionNode) -> dict[str, Abstract]:
    """The parameters of ``__init__`` that are metrics, or lists or dicts of metrics."""
    positional = [one.arg for one in (*init.args.posonlyargs, *init.args.args)][1:]
    names = [*positional, *(one.arg for one in init.args.kwonlyargs)]
    calls = list(_building(context, positional)) if names else []
    recorder, context.recorder = context.recorder, Recorder()  # what scripts do is told of them
    found = {name: _common(context, name, calls) for name in names if calls}
    context.recorder = recorder
    return {name: value for name, value in found.items() if value is not NOTHING}


def _common(context: Context, name: str, calls: Iterable[_Call]) -> Abstract:
    """What all of the calls give a parameter; equal makings count once."""
    values: dict[object, Abstract] = {}
    for call in calls:
        value = _value(context, call, name)
        if value is NOTHING:
            return NOTHING
        values.setdefault(_making(value), value)
    return join(*values.values())


def _value(context: Context, call: _Call, name: str) -> Abstract:
    """The metrics that one call gives a parameter."""
    node = call.given.get(name)
    if node is None:
        return NOTHING
    call.script.bring(context, node)
    value = context.evaluate(node, call.script.frame)
    return value if _is_of_metrics(value) else NOTHING


def _is_of_metrics(value: Abstract) -> bool:
    match value:
        case Metric() | Collection():
            return True
        case Sequence(items, True):
            return bool(items) and all(map(_is_of_metrics, items))
        case Mapping(items, True):
            return bool(items) and all(_is_of_metrics(one) for _, one in items)
    return False


def _making(value: Abstract) -> object:
    """How metrics were made, without which objects they are."""
    match value:
        case Metric(_, name, arguments):
            return name, arguments
        case Collection(_, members, prefix, postfix):
            return tuple((name, _making(one)) for name, one in members), prefix, postfix
        case Sequence(items):
            return tuple(map(_making, items))
        case Mapping(items):
            return tuple((to_value(key), _making(one)) for key, one in items)
    return value


# --- calls ----------------------------------------------------------------------------------------


def _building(context: Context, names: Iterable[str]) -> Iterator[_Call]:
    """The calls of the class that is interpreted, by what they give its parameters."""
    built, project = context.ancestors[0], context.project
    scripts: dict[ast.AST, _Script] = {}
    for module in project.modules if any(map(_knows_metrics, project.modules)) else ():
        for call in _calls(built, module, project):
            around = function_around(call, module.source.above) or module.source.tree
            if around not in scripts:
                names_given = _given(around, module, project)
                scripts[around] = _Script(Frame(module, depth=99), names_given)
            told = scripts[around].given.keys() | module.imports.keys()
            given = {
                name: one
                for name, one in _arguments(call, names)
                if getattr(one, "id", "") in told or _is_plain(one, module, project)
            }
            yield _Call(given, scripts[around])


def _knows_metrics(module: Module) -> bool:
    return any(f"{one}.".startswith(outside.METRIC_ROOTS) for one in module.imports.values())


def _calls(built: ClassInfo | str, module: Module, project: Project) -> Iterator[ast.Call]:
    if isinstance(built, str) or f"{built.name}(" not in module.source.text:
        return
    for part in module.source.parts(module.source.tree):
        text = dotted(part.func) if isinstance(part, ast.Call) else None
        if text is not None and text.endswith(built.name):
            tried = in_tests(module.source.location(part), frozenset())
            if not tried and project.resolve(text, module) is built:
                yield part


def _arguments(call: ast.Call, names: Iterable[str]) -> Iterator[tuple[str, ast.expr]]:
    hidden = any(isinstance(one, ast.Starred) for one in call.args)
    yield from zip(names, () if hidden else call.args, strict=False)
    yield from ((one.arg, one.value) for one in call.keywords if one.arg is not None)


def _given(around: ast.AST, module: Module, project: Project) -> Table[str, ast.expr | None]:
    """The names of a function, or of a file, with what they are given once: metrics, constants."""
    given: dict[str, ast.expr | None] = {}
    if isinstance(around, FunctionNode):
        taken = {one.arg for one in module.source.parts(around) if isinstance(one, ast.arg)}
        given.update(dict.fromkeys((*givers(around), *taken)))
        once = assignments(around.body).items()
    else:
        taken, once = set(), module.constants.items()
    for name, value in once:
        if name not in taken and _is_plain(value, module, project):
            given[name] = value
    return given


def _is_plain(value: ast.expr, module: Module, project: Project) -> bool:
    """Whether it is a constant, makes a metric, or copies one."""
    calls = (one for one in walk(value) if isinstance(one, ast.Call))
    return isinstance(value, ast.Constant) or any(
        (isinstance(one.func, ast.Attribute) and one.func.attr == "clone")
        or _is_metric(project.resolve(dotted(one.func) or "", module), project)
        for one in calls
    )


def _is_metric(found: Definition | str, project: Project) -> bool:
    ancestors = project.ancestors(found) if isinstance(found, ClassInfo) else (found,)
    return any(isinstance(one, str) and outside.is_metric(one) for one in ancestors)
