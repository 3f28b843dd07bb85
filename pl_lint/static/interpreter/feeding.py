"""Is a tensor of indices handed to a layer as it was made? Asked of the text of one function.

An index may be anywhere when it picks from a tensor (``self.alphas[t]``); a layer needs it on its
own device.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

MAKING = ("arange", "randint", "randperm")
MOVING = frozenset("to cuda cpu type_as device new_tensor item tolist numpy".split())
EMBEDDINGS = ("Embedding", "nn.Embedding", "torch.nn.Embedding")


def is_fed(node: ast.Call, frame: Frame) -> bool:
    """``self.positions(torch.arange(n))``, an embedding; ``self(x, t)`` after ``t =
    torch.randint(...)``, where ``forward`` moves nothing."""
    if frame.defining is None or (dotted(node.func) or "").rpartition(".")[2] not in MAKING:
        return False
    return any(_reaches_a_layer(use, frame) for use in (node, *_named(node, frame)))


def _named(node: ast.Call, frame: Frame) -> Iterator[ast.expr]:
    """Where the only name is read that the result is given, be it in another shape."""
    made = [part for part in frame.assignments if any(one is node for one in walk(part.value))]
    name = made[0].targets[0] if len(made) == 1 else None
    if not isinstance(name, ast.Name) or not MOVING.isdisjoint(identifiers(made[0].value)):
        return
    names = [one for one in frame.parts if isinstance(one, ast.Name) and one.id == name.id]
    if sum(isinstance(one.ctx, ast.Store) for one in names) == 1:
        yield from (one for one in names if isinstance(one.ctx, ast.Load))


def _reaches_a_layer(node: ast.expr, frame: Frame) -> bool:
    above = frame.module.source.above
    inner: ast.AST = node
    while inner in above:
        outer = above[inner]
        match outer:
            case ast.Attribute(_, name) if name not in MOVING:
                pass
            case ast.BinOp() | ast.UnaryOp() | ast.keyword():
                pass
            case ast.Call(function) if function is inner:
                pass
            case ast.Call(function):
                return _is_a_layer(function, frame)
            case _:
                return False
        inner = outer
    return False


def _is_a_layer(function: ast.expr, frame: Frame) -> bool:
    methods = frame.defining.methods if frame.defining is not None else {}
    match function:
        case ast.Name("self"):
            forward = methods.get("forward")
            return forward is not None and MOVING.isdisjoint(identifiers(forward))
        case ast.Attribute(ast.Name("self"), name):
            init = methods.get("__init__")
            return any(
                isinstance(made, ast.Call) and dotted(made.func) in EMBEDDINGS
                for part in (walk(init) if init is not None else ())
                if isinstance(part, ast.Assign)
                for made in _given_to(name, part)
            )
    return False


def _given_to(name: str, node: ast.Assign) -> Iterator[ast.expr]:
    """What an assignment gives to ``self.<name>``."""
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=False))
        for one, value in pairs:
            if dotted(one) == f"self.{name}" and isinstance(one, ast.Attribute):
                yield value
