"""What is written about the parameters of ``__init__``: annotations, defaults, where they are kept.

Which objects they hold is asked of names alone, and answered only where nothing else can be meant:
``mode: Mode`` of an Enum of the project, ``act=nn.ReLU``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pl_lint.facts.givable import library_kind
from pl_lint.facts.sites import ParameterSite
from pl_lint.facts.values import UNKNOWN, Known, Made, Value
from pl_lint.plain import replace
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, identifiers, own
from pl_lint.static.trees import walk

Holds = Literal["", "enum", "object", "class", "function"]
ENUMS = frozenset(f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"))
OPEN = frozenset(
    f"{home}.{name}"
    for home in ("typing", "typing_extensions")
    for name in ("Protocol", "TypedDict", "NewType")
)
"""Bases of classes that plain values may pass for."""
GIVING = (ast.Assign, ast.AnnAssign)


def of_method(node: FunctionNode, module: Module, project: Project) -> Iterator[ParameterSite]:
    """The parameters after ``self`` with what is written about them."""
    positional = [*node.args.posonlyargs, *node.args.args]
    left_out = [None] * (len(positional) - len(node.args.defaults))
    defaults = [*left_out, *node.args.defaults, *node.args.kw_defaults]
    stored, rebound = dict(_stored(node)), set(_rebound(node))
    pairs = zip((*positional, *node.args.kwonlyargs), defaults, strict=True)
    for parameter, default in tuple(pairs)[1:]:
        named = _class_named(parameter.annotation, module, project)
        holds, told = _held(parameter, default, named, module, project)
        yield ParameterSite(
            name=parameter.arg,
            annotation=_written(parameter.annotation),
            default=_default(default, module, project),
            attributes=tuple(a for a, name in stored.items() if name == parameter.arg),
            required=default is None,
            holds=holds,
            of=named.qualified if named is not None else "",
            told=told,
            rebound=parameter.arg in rebound,
        )


def _default(default: ast.expr | None, module: Module, project: Project) -> Value:
    """What a parameter is where nobody gives it: a constant, or an object of a class outside."""
    match default:
        case ast.Constant(value):
            return Known(value)
        case ast.Call(function) if name := dotted(function):
            made = project.resolve(name, module)
            return Made(made) if isinstance(made, str) else UNKNOWN
        case ast.BinOp(left, ast.Div()) if isinstance(left, (ast.Call, ast.BinOp)):
            return _default(left, module, project)  # Path("data") / "raw"
    return UNKNOWN


def called(methods: Iterable[tuple[ClassInfo, FunctionNode]]) -> Iterator[str]:
    """The parameters that a class calls as they were saved (``self.hparams.optimizer(...)``),
    without asking for them first: ``if self.hparams.scheduler is not None``."""
    for info, method in methods:
        for part in walk(method):
            match part:
                case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), "hparams"), name)):
                    if name not in _asked(part, info.module.source.above):
                        yield name


def using(
    parameter: ParameterSite, methods: Mapping[str, tuple[ClassInfo, FunctionNode]]
) -> Iterator[str]:
    """The methods that compute with a parameter: that read the attribute which it is stored under,
    and ``__init__`` where it gives the parameter itself to something that it makes."""
    kept = {f"self.{one}" for one in parameter.attributes}
    for name, (info, method) in methods.items():
        own = {parameter.name, *kept} if name == "__init__" else kept
        parts = info.module.source.parts(method)
        if name == "__init__":
            calls = (one for one in parts if isinstance(one, ast.Call) and _makes(one))
            parts = tuple(part for one in calls for part in _given_to(one))
        read = (dotted(one) for one in parts if isinstance(one, (ast.Name, ast.Attribute)))
        if not own.isdisjoint(read):
            yield name


KEEPING = frozenset(
    {"__init__", "save_hyperparameters", "print", "isinstance", "len", "ValueError"}
)
"""Calls that make nothing of what they are given."""


def _makes(call: ast.Call) -> bool:
    return (dotted(call.func) or ".").rpartition(".")[2] not in KEEPING


def _given_to(call: ast.Call) -> Iterator[ast.AST]:
    for one in (*call.args, *(keyword.value for keyword in call.keywords)):
        yield from walk(one)


def _asked(node: ast.AST, above: Mapping[ast.AST, ast.AST]) -> Iterator[str]:
    """The names in the conditions around a piece of code."""
    while node in above:
        node = above[node]
        if isinstance(node, (ast.If, ast.IfExp)):
            yield from identifiers(node.test)


def as_called(parameter: ParameterSite) -> ParameterSite:
    """A parameter that is called, and so holds no text or number."""
    told = parameter.told or f"the callable {parameter.name}"
    return replace(parameter, holds=parameter.holds or "function", told=told)


def data_classes(project: Project) -> Iterator[str]:
    """The classes of the project that are dataclasses by their decorator."""
    for module in project.modules:
        for info in module.classes.values():
            for decorator in info.node.decorator_list:
                text = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
                if text is not None and project.resolve(text, module) == "dataclasses.dataclass":
                    yield info.qualified


def _written(annotation: ast.expr | None) -> str:
    """An annotation as it is written, without the quotes of one that is looked up later."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation) if annotation is not None else ""


def _stored(node: FunctionNode) -> Iterator[tuple[str, str]]:
    """``self.attribute = parameter``, wherever it stands in ``__init__``."""
    for part in walk(node):
        for target, value in bindings(part) if isinstance(part, GIVING) else ():
            name = own(target)
            if name is not None and isinstance(value, ast.Name):
                yield name, value.id


def _rebound(node: FunctionNode) -> Iterator[str]:
    """The names that the body assigns."""
    for part in walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


# --- objects --------------------------------------------------------------------------------------


def _held(
    parameter: ast.arg,
    default: ast.expr | None,
    named: ClassInfo | None,
    module: Module,
    project: Project,
) -> tuple[Holds, str]:
    """What a parameter surely holds, and the words that say so. One that is None unless somebody
    gives it may never be given."""
    optional = isinstance(default, ast.Constant) and default.value is None
    if named is not None and not optional:
        kind = _kind(named, project)
        if kind:
            return kind, f"{parameter.arg}: {_written(parameter.annotation)}"
    if default is not None:
        kind = _of_default(default, module, project)
        if kind:
            return kind, f"{parameter.arg}={ast.unparse(default)}"
    return "", ""


def _class_named(annotation: ast.expr | None, module: Module, project: Project) -> ClassInfo | None:
    """The class of the project that an annotation names; ``X | None`` is X."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except (SyntaxError, ValueError):
            return None
    match annotation:
        case ast.BinOp(left, ast.BitOr(), ast.Constant(None)):
            return _class_named(left, module, project)
        case ast.BinOp(ast.Constant(None), ast.BitOr(), right):
            return _class_named(right, module, project)
        case ast.Subscript(ast.Name("Optional") | ast.Attribute(_, "Optional"), inner):
            return _class_named(inner, module, project)
        case ast.Name() | ast.Attribute():
            return _class(annotation, module, project)
    return None


def _class(node: ast.expr, module: Module, project: Project) -> ClassInfo | None:
    text = dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
    found = project.resolve(text, module) if text is not None else None
    return found if isinstance(found, ClassInfo) else None


def _kind(info: ClassInfo, project: Project) -> Holds:
    """What the objects of a class are."""
    outside = {base for base in project.ancestors(info) if isinstance(base, str)}
    if not outside.isdisjoint(ENUMS):
        return "enum"
    return "" if any(base.partition("[")[0] in OPEN for base in outside) else "object"


def _of_default(default: ast.expr, module: Module, project: Project) -> Holds:
    """What a default is: ``Mode.FAST``, ``Config()``, a class, a function."""
    match default:
        case ast.Call(function):
            made = _class(function, module, project)
            return _kind(made, project) if made is not None else ""
        case ast.Attribute(owner, member):
            holder = _class(owner, module, project)
            if holder is not None:
                is_member = member in holder.constants and _kind(holder, project) == "enum"
                return "enum" if is_member else ""
    text = dotted(default) if isinstance(default, (ast.Name, ast.Attribute)) else None
    if text is None:
        return ""
    found = project.resolve(text, module)
    if isinstance(found, ClassInfo):
        return "class"
    return library_kind(found) if isinstance(found, str) else "function"
