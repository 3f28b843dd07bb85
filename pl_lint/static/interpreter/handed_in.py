"""Metrics that whoever builds a class hands to it: ``Model(net, metrics=MetricCollection([...]))``.

Classes are interpreted before the scripts that build them, so the calls are asked by their text:
each, tests aside, must give a parameter metrics that are written out in the call, or stand under a
name that is given them once and is read for nothing else. Where anything but such calls may build a
class (an heir, another name of it, a file of settings), nothing is known of what it is given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Table

from pl_lint.facts.sites import in_tests
from pl_lint.findings import Location
from pl_lint.plain import frozen
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
from pl_lint.static.interpreter.handling import Scope
from pl_lint.static.interpreter.recorder import Recorder
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.trees import walk

HOLDING = (ast.List, ast.Tuple, ast.Dict, ast.keyword)


def metrics(context: Context, init: FunctionNode) -> dict[str, Abstract]:
    """The parameters of ``__init__`` that are metrics, or lists or dicts of metrics."""
    positional = [one.arg for one in (*init.args.posonlyargs, *init.args.args)][1:]
    names = [*positional, *(one.arg for one in init.args.kwonlyargs)]
    calls = _building(context.ancestors[0], names, context.project) if names else {}
    recorder, context.recorder = context.recorder, Recorder()  # what scripts do is told of them
    scripts = _scripts(context, calls)
    given = [(one, dict(_arguments(call, positional))) for call, one in scripts.items()]
    found = {name: _common((one, told.get(name)) for one, told in given) for name in names}
    context.recorder = recorder
    return {name: value for name, value in found.items() if value is not NOTHING}


def _common(given: Iterable[tuple[_Script, ast.expr | None]]) -> Abstract:
    """What all of the calls give a parameter; equal makings count once."""
    values: dict[object, Abstract] = {}
    for script, node in given:
        value = script.value(node) if node is not None else NOTHING
        if not _is_of_metrics(value):
            return NOTHING
        values.setdefault(_making(value), value)
    return join(*values.values()) if values else NOTHING


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


@frozen
class _Script:
    """The function that builds the class, or a file outside of functions. A name in it stands for
    one object, however often it is handed in."""

    scope: Scope
    frame: Frame
    context: Context
    calls: Iterable[ast.Call]

    def value(self, node: ast.expr) -> Abstract:
        """What is given; what a function makes of it is not followed."""
        self._bring(node)
        return self.context.evaluate(node, self.frame)

    def _bring(self, node: ast.expr) -> None:
        """Give the names in an expression what they stand for."""
        calls = (one for one in walk(node) if self._is_metric(one))
        classes = {(dotted(one.func) or "").partition(".")[0] for one in calls}
        for one in walk(node):
            if isinstance(one, ast.Name) and one.id not in classes | self.frame.names.keys():
                self.frame.names[one.id] = NOTHING
                made = self._only_value(one.id)
                if made is not None:
                    self._bring(made)
                    self.frame.names[one.id] = self.context.evaluate(made, self.frame)

    def _only_value(self, name: str) -> ast.expr | None:
        """A constant, or metrics that are handed in or copied, and for nothing else."""
        made = list(self.scope.assigned(name))
        parts = self.scope.source.parts(self.scope.node)
        if len(made) != 1 or any(isinstance(one, ast.arg) and one.arg == name for one in parts):
            return None
        if made[0] is None or isinstance(made[0], ast.Constant):
            return made[0]
        same = (one for one in parts if isinstance(one, ast.Name) and one.id == name)
        left = all(self._is_left(one) for one in same if isinstance(one.ctx, ast.Load))
        return made[0] if left else None

    def _is_left(self, node: ast.expr) -> bool:
        """Whether a metric is handed to the class as it is, perhaps among others, or copied."""
        user = self.scope.above[node]
        while isinstance(user, HOLDING) or self._is_metric(user):
            user = self.scope.above[user]
        return user in self.calls or (isinstance(user, ast.Attribute) and user.attr == "clone")

    def _is_metric(self, node: ast.AST) -> bool:
        name = dotted(node.func) if isinstance(node, ast.Call) else None
        return name is not None and _makes_metric(name, self.frame.module, self.context.project)


def _scripts(context: Context, calls: Table[ast.Call, Module]) -> dict[ast.Call, _Script]:
    scripts: dict[ast.AST, _Script] = {}
    found: dict[ast.Call, _Script] = {}
    for call, module in calls.items():
        scope = Scope.around(call, module.source)
        if scope is not None:
            new = _Script(scope, Frame(module, depth=99), context, calls)
            found[call] = scripts.setdefault(scope.node, new)
    return found


def _building(built: ClassInfo | str, names: list[str], project: Project) -> dict[ast.Call, Module]:
    """The calls of a class, tests aside; none where anything else may build it, too."""
    if isinstance(built, str) or built.node.decorator_list or not _knows_metrics(project):
        return {}
    word = re.compile(rf"\b{built.name}\b")
    if any(map(word.search, project.settings)):
        return {}
    calls: dict[ast.Call, Module] = {}
    for module in project.modules:
        tested = in_tests(Location(module.path, 1), frozenset())
        if tested or not module.source.found(word):
            continue
        above = module.source.above
        for part in _mentions(built, module, project):
            user = above[part]
            if isinstance(user, ast.Call) and user.func is part:
                calls[user] = module
            elif not _only_loads(user, above.get(user), names):
                return {}
    return calls


def _mentions(built: ClassInfo, module: Module, project: Project) -> Iterator[ast.AST]:
    """Where a file names a class, or hides it behind another name."""
    for part in module.source.parts(module.source.tree):
        match part:
            case ast.ImportFrom(names=names) if any(
                one.name == built.name and one.asname for one in names
            ):
                yield part
            case ast.Constant(str(text)) if text.endswith(f".{built.name}"):
                yield part
            case ast.Name() | ast.Attribute():
                name = dotted(part) or ""
                if name.rpartition(".")[2] == built.name:
                    found = project.resolve(name, module)
                    if found is built or isinstance(found, str):
                        yield part


def _only_loads(user: ast.AST, call: ast.AST | None, names: list[str]) -> bool:
    """Whether a class is named to load it as it was built, or to reach what it inherits."""
    match user, call:
        case ast.Attribute(attr="load_from_checkpoint"), ast.Call(keywords=given):
            return {one.arg for one in given}.isdisjoint([*names, None])
        case ast.Call(ast.Name("super")), _:
            return True
    return False


def _knows_metrics(project: Project) -> bool:
    imported = (one for module in project.modules for one in module.imports.values())
    return any(f"{one}.".startswith(outside.METRIC_ROOTS) for one in imported)


def _arguments(call: ast.Call, names: Iterable[str]) -> Iterator[tuple[str, ast.expr]]:
    hidden = any(isinstance(one, ast.Starred) for one in call.args)
    yield from zip(names, () if hidden else call.args, strict=False)
    yield from ((one.arg, one.value) for one in call.keywords if one.arg is not None)


def _makes_metric(name: str, module: Module, project: Project) -> bool:
    found = project.resolve(name, module)
    ancestors = project.ancestors(found) if isinstance(found, ClassInfo) else (found,)
    return any(isinstance(one, str) and outside.is_metric(one) for one in ancestors)
