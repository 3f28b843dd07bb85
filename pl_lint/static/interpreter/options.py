"""What an argument is unless the command line says otherwise: the default of an option.

``args.monitor`` is ``"val_loss"`` where ``parser.add_argument("--monitor", default="val_loss")``
stands in the file, or in a function of another file that it calls: ``parser = get_parser()``,
``add_options(parser)``, ``args = get_args()``. This is asked of the text, by the names of options.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import FunctionNode, Module, dotted

FOLLOWED = 3
"""Functions that make a parser are followed so deep."""
PARSING = ("parse_args", "parse_known_args")


def default_of(context: Context, node: ast.Call, name: str, frame: Frame) -> Value:
    """What ``name=args.option`` is by default, where exactly one option is called so, nobody
    chooses among several, and no code says otherwise."""
    given = next((one.value for one in node.keywords if one.arg == name), None)
    match given:
        case ast.Attribute(ast.Name(namespace), option):
            module = frame.module
            parts = [*module.source.parts(module.source.tree), *_of_helpers(context, module)]
            parsed = any(_parses(context, part, namespace, module) for part in parts)
            defaults = [one for part in parts for one in _defaults(part, namespace, option)]
            if parsed and len(defaults) == 1 and isinstance(defaults[0], ast.Constant):
                return Known(defaults[0].value)
    return UNKNOWN


def _of_helpers(context: Context, module: Module) -> Iterator[ast.AST]:
    """The parts of the functions of other files that this one calls, and of what those call."""
    seen: set[int] = set()
    around = [(module, module.source.tree)]
    for _ in range(FOLLOWED):
        called = [one for file, tree in around for one in _called(context, file, tree)]
        around = [one for one in called if one[0] is not module and id(one[1]) not in seen]
        around = list({id(one[1]): one for one in around}.values())
        seen.update(id(tree) for _, tree in around)
        for home, function in around:
            yield from home.source.parts(function)


def _called(
    context: Context, module: Module, tree: ast.AST
) -> Iterator[tuple[Module, FunctionNode]]:
    for part in module.source.parts(tree):
        function = _function(context, part, module)
        home = context.project.home(function) if function is not None else None
        if function is not None and home is not None:
            yield home, function


def _function(context: Context, part: ast.AST, module: Module) -> FunctionNode | None:
    """The function of the project that a piece of code calls."""
    text = dotted(part.func) if isinstance(part, ast.Call) else None
    found = context.project.resolve(text, module) if text is not None else None
    return found if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _parses(context: Context, part: ast.AST, namespace: str, module: Module) -> bool:
    """``args = parser.parse_args()``, ``args, rest = parser.parse_known_args()``, and a function
    that does so: ``args = get_args()``."""
    match part:
        case ast.Assign([ast.Name(name) | ast.Tuple([ast.Name(name), *_])], value):
            return name == namespace and _gives_arguments(context, value, module)
    return False


def _gives_arguments(context: Context, value: ast.expr, module: Module) -> bool:
    match value:
        case ast.Call(ast.Attribute(_, method)) if method in PARSING:
            return True
    function = _function(context, value, module)
    home = context.project.home(function) if function is not None else None
    if function is None or home is None:
        return False
    parts = home.source.parts(function)
    return any(isinstance(one, ast.Attribute) and one.attr in PARSING for one in parts)


def _defaults(part: ast.AST, namespace: str, option: str) -> Iterator[ast.expr | None]:
    """The default of an option; None where it has none, where one of several may be chosen, or
    where code gives it another value."""
    match part:
        case ast.Call(ast.Attribute(_, "add_argument"), flags):
            texts = [one.value for one in flags if isinstance(one, ast.Constant)]
            given = {one.arg: one.value for one in part.keywords}
            names = {str(text).lstrip("-").replace("-", "_") for text in texts}
            if option in names or "dest" in given:
                yield None if {"choices", "dest"} & given.keys() else given.get("default")
        case ast.Call(ast.Attribute(_, "set_defaults")):
            yield from (None for one in part.keywords if one.arg == option)
        case ast.Attribute(ast.Name(owner), name, ast.Store()):
            yield from [None] if (owner, name) == (namespace, option) else []
