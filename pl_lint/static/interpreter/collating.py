"""What a ``collate_fn`` makes of the samples of a batch."""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.abstract import Abstract, Bound, Const, Function, Self
from pl_lint.static.interpreter.context import Arguments, Context
from pl_lint.static.names import FunctionNode

BATCH_SIZE, COLLATE = 1, 6
"""Where a DataLoader has these parameters."""


def gives_samples(context: Context, arguments: Arguments) -> bool:
    """Whether a batch is the list of its samples as they are: ``collate_fn=lambda batch: batch``.
    Without a batch size the data set gives batches itself."""
    unbatched = arguments.get(BATCH_SIZE, "batch_size") == Const(None)
    made = _function(context, arguments.get(COLLATE, "collate_fn"))
    return made is not None and not unbatched and _gives_back(made)


def _function(context: Context, collate: Abstract | None) -> FunctionNode | None:
    match collate:
        case Function(node):
            return node
        case Bound(Self(), name):
            found = context.find_method(name)
            return found[1] if found is not None else None
    return None


def _gives_back(made: FunctionNode) -> bool:
    names = [one.arg for one in made.args.args if one.arg != "self"]
    match made.body:
        case [*before, ast.Return(ast.Name(name) | ast.Call(ast.Name("list"), [ast.Name(name)]))]:
            return names[:1] == [name] and all(isinstance(one, ast.Expr) for one in before)
    return False
