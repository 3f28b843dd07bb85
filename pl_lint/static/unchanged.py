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
READING = frozenset({"keys", "items", "values", "get"})
ASKING = frozenset({"len", "print", "list", "set", "sorted", "type", "isinstance", "str"})
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
    taken = [
        value for one in parts for target, value in bindings(one) if dotted(target) == given.id
    ]
    return (
        len(taken) == 1
        and _gives(taken[0]) == network
        and all(one is given or _only_reads(one, module) for one in mentions)
        and not any(_writes(one) for one in parts)
        and _is_left_alone(network, taken[0], given, parts)
    )


def _gives(value: ast.expr | None) -> str | None:
    match value:
        case ast.Call(ast.Attribute(network, name), [], []) if name == GIVING:
            return dotted(network)
    return None


def _only_reads(mention: ast.Name, module: Module) -> bool:
    """``state.items()``, ``key in state``, ``state[key].shape``: nothing that hands it on."""
    above = module.source.above[mention]
    match above:
        case ast.Attribute(attr=name):
            return name in READING
        case ast.Subscript(ctx=ctx):
            return isinstance(ctx, ast.Load)
        case ast.Call(ast.Name(name)):
            return name in ASKING
        case ast.Compare() | ast.comprehension() | ast.For():
            return True
    return isinstance(mention.ctx, ast.Store) and isinstance(above, ast.Assign)


def _writes(node: ast.AST) -> bool:
    """``weight.copy_(other)``, ``weight.data = other``, ``weight[:] = other``, ``out=weight``"""
    match node:
        case ast.Call(ast.Attribute(attr=name)):
            return name.endswith("_") and not name.endswith("__")
        case ast.Subscript(slice=part, ctx=ast.Store()):
            return isinstance(part, (ast.Slice, ast.Tuple)) or ast.unparse(part) == "..."
        case (
            ast.Attribute(attr="data", ctx=ast.Store())
            | ast.AugAssign(target=ast.Subscript() | ast.Name())
            | ast.keyword(arg="out")
        ):
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
