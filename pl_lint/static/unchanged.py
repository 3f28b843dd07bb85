"""Weights that a network gives, that nobody changes, and that it is given back.

This is asked of the text of functions, name by name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from pl_lint.facts.sites import UnchangedSite
from pl_lint.static.names import Module, Project, dotted
from pl_lint.static.naming import bindings, function_around

GIVING, LOADING = "state_dict", "load_state_dict"
SHAPES = frozenset({"shape", "size", "ndim", "dtype", "numel"})
ASKING = frozenset({"len", "print", "list", "set", "sorted"})
NO_NETWORK = re.compile(r"opt|sched|scaler|loader|sampler|metric", re.IGNORECASE)


def unchanged(project: Project) -> Iterator[UnchangedSite]:
    """Every such load."""
    if any(LOADING in info.methods for one in project.modules for info in one.classes.values()):
        return  # it may do more than load
    for module in project.modules:
        parts = module.source.parts(module.source.tree) if LOADING in module.source.text else ()
        for node in parts:
            match node:
                case ast.Call(ast.Attribute(network, name), [ast.Name() as given]) if (
                    name == LOADING and _is_as_taken(given, dotted(network), module)
                ):
                    where = module.source.location(node)
                    yield UnchangedSite(given.id, dotted(network) or "", where)


def _is_as_taken(given: ast.Name, network: str | None, module: Module) -> bool:
    """Whether a name stands for what the network gave in the same function, and nothing between
    can have changed one of them."""
    scope = function_around(given, module.source.above) or module.source.tree
    if network is None or NO_NETWORK.search(network):
        return False
    parts = module.source.parts(scope)
    mentions = [one for one in parts if isinstance(one, ast.Name) and one.id == given.id]
    others = [one for one in mentions if one is not given and isinstance(one.ctx, ast.Load)]
    taken = [
        value for one in parts for target, value in bindings(one) if dotted(target) == given.id
    ]
    return (
        len(taken) == 1
        and len(mentions) == len(others) + 2
        and _gives(taken[0]) == network
        and any(_compares(one, module) for one in others)
        and all(_compares(one, module) or _only_asks(one, module) for one in others)
        and _is_left_alone(network, taken[0], given, parts)
    )


def _gives(value: ast.expr | None) -> str | None:
    match value:
        case ast.Call(ast.Attribute(network, name), [], []) if name == GIVING:
            return dotted(network)
    return None


def _compares(mention: ast.Name, module: Module) -> bool:
    """``key in state``, ``state.keys()``, ``state[key].shape``: other weights are held against it,
    and no tensor of it is handed on."""
    above = module.source.above[mention]
    match above:
        case ast.Compare() | ast.Attribute(attr="keys"):
            return True
        case ast.Subscript(ctx=ast.Load()):
            asked = module.source.above[above]
            return isinstance(asked, ast.Attribute) and asked.attr in SHAPES
    return False


def _only_asks(mention: ast.Name, module: Module) -> bool:
    """``len(state)``, ``for key in state``"""
    match module.source.above[mention]:
        case ast.Call(ast.Name(name)):
            return name in ASKING
        case ast.comprehension() | ast.For():
            return True
    return False


def _is_left_alone(
    network: str, taken: ast.expr | None, given: ast.expr, parts: Sequence[ast.AST]
) -> bool:
    """Whether nobody asks the network for more than its weights in between: one that is moved has
    other tensors."""
    first = taken.lineno if taken else 0
    between = [
        one
        for one in parts
        if isinstance(one, (ast.Attribute, ast.Name)) and first <= one.lineno <= given.lineno
    ]
    weights = (f"{network}.{GIVING}", f"{network}.{LOADING}")
    asked = sum(dotted(one) in weights for one in between)
    return asked == sum(dotted(one) == network for one in between)
