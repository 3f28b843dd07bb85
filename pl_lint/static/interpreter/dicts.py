"""Whether the value of a metric is a dict, so that a MetricCollection takes its keys."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.trees import children, walk

NUMBERS = frozenset({"Tensor", "float", "int", "bool", "ndarray", "Number", "Sequence"})
"""Annotations, by their last word, of what is no dict."""
LISTS = frozenset({"list", "tuple", "List", "Tuple"})
NUMERIC = frozenset(
    "mean sum item float double squeeze sqrt clamp abs max min detach cpu div long int all any"
    " nanmean std var argmax to".split()
)
"""Methods that tensors have, and give tensors."""
LIBRARIES = ("torch.", "numpy.", "math.", "sklearn.metrics.")
MAX_NESTED = 8
"""Names that are assigned from names are followed so far."""


def of_class(project: Project, info: ClassInfo | str) -> bool | None:
    """What ``compute`` of a metric returns; None where reading cannot tell."""
    if isinstance(info, str):
        return torchmetrics.gives_dict(info)
    found = project.method(info, "compute")
    if found is not None:
        return _Returned(project, *found).verdict()
    bases = [base for base in project.ancestors(info) if isinstance(base, str)]
    known = next((base for base in bases if torchmetrics.is_metric_class(base)), "")
    return torchmetrics.gives_dict(known)


class _Returned:
    """The expressions that one function returns."""

    def __init__(self, project: Project, owner: ClassInfo, function: FunctionNode) -> None:
        self.project = project
        self.owner = owner
        self.function = function
        self.assigned = _assigned_once(function)

    def verdict(self) -> bool | None:
        stated = self.function.returns
        if stated is not None:
            return _is_dict(stated)
        values = [one.value for one in _inside(self.function) if isinstance(one, ast.Return)]
        return _agreed({self.of(one, 0) for one in values if one is not None})

    def of(self, node: ast.expr, depth: int) -> bool | None:
        match node:
            case ast.Dict() | ast.DictComp():
                return True
            case ast.BinOp(op=ast.BitOr()):
                return None
            case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Constant():
                return False
            case ast.Tuple() | ast.List() | ast.ListComp():
                return False
            case ast.IfExp(_, body, orelse):
                return _agreed({self.of(body, depth), self.of(orelse, depth)})
            case ast.Name(text) if text in self.assigned and depth < MAX_NESTED:
                return self.of(self.assigned[text], depth + 1)
            case ast.Attribute(ast.Name("self"), attr) if attr in _states(self.owner.node):
                return False
            case ast.Call(function):
                return self._of_call(function)
        return None

    def _of_call(self, function: ast.expr) -> bool | None:
        if isinstance(function, ast.Attribute) and function.attr in NUMERIC:
            return False
        found = self.project.resolve(dotted(function) or "", self.owner.module)
        if not isinstance(found, str):
            return None
        if found == "dict":
            return True
        number = found.startswith(LIBRARIES) and not found.endswith("report")
        return False if number or found == "float" else None


def _is_dict(annotation: ast.expr) -> bool | None:
    """What an annotation says: one of two things is neither surely."""
    match annotation:
        case ast.Constant(str(text)):
            try:
                return _is_dict(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.Subscript(value):
            return _is_dict(value)
    last = (dotted(annotation) or "").rpartition(".")[2]
    if last in ("dict", "Dict"):
        return True
    return False if last in NUMBERS | LISTS else None


def _agreed(verdicts: set[bool | None]) -> bool | None:
    return verdicts.pop() if len(verdicts) == 1 else None


def _states(owner: ast.ClassDef) -> set[str]:
    """What ``add_state`` registers: tensors and lists."""
    calls = (one for one in walk(owner) if isinstance(one, ast.Call) and one.args)
    named = (one.args[0] for one in calls if dotted(one.func) == "self.add_state")
    return {one.value for one in named if isinstance(one, ast.Constant)}


def _assigned_once(function: FunctionNode) -> dict[str, ast.expr]:
    """The names that one statement alone gives a value, with that value."""
    inside = list(_inside(function))
    stored = [one.id for one in inside if isinstance(one, ast.Name) and _is_stored(one)]
    return {
        one.targets[0].id: one.value
        for one in inside
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and stored.count(one.targets[0].id) == 1
    }


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function but for the functions in it."""
    for child in children(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _inside(child)
