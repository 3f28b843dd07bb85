"""A Trainer that fits again after it has reached its limits. Asked of the text of one function.

Where anything may happen to the Trainer in between (it is handed to somebody, or something of it
that is not known to be harmless is used) or only one of two fits may run, nothing is said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.interpreter.handling import Scope
from pl_lint.static.trees import walk

HARMLESS = frozenset(
    "fit test validate predict save_checkpoint callback_metrics logged_metrics logger loggers "
    "checkpoint_callback global_step is_global_zero log_dir default_root_dir global_rank "
    "world_size progress_bar_metrics early_stopping_callback datamodule model".split()
)
"""What of a Trainer is used, or set, without raising its limits or setting it back."""
CHOOSING = (ast.If, ast.IfExp, ast.BoolOp, ast.Try, ast.Match, ast.While, ast.Lambda)
LEAVING = (ast.Break, ast.Continue, ast.Return)


def fitted_before(call: ast.Call, frame: Frame) -> int:
    """The line of the fit that the same Trainer surely has made before a fit: its own where a loop
    makes it again; 0 where there is none."""
    scope = Scope.around(call, frame.module.source)
    if scope is None or not isinstance(call.func, ast.Attribute) or call.func.attr != "fit":
        return 0
    if not isinstance(call.func.value, ast.Name):
        return 0
    names = [one for one in walk(scope.node) if _is_called(one, call.func.value.id)]
    made = [one for one in names if isinstance(one.ctx, ast.Store)]
    used = [one for one in names if not isinstance(one.ctx, ast.Store)]
    if not made or not all(_is_harmless(one, scope) for one in used):
        return 0
    for loop in around(call, scope):
        if repeats(loop, call, scope) and not any(one in walk(loop) for one in made):
            return call.lineno
    last = max((one.lineno for one in made if one.lineno <= call.lineno), default=call.lineno)
    before = [
        one.lineno
        for one in used
        if last < one.lineno < call.lineno and _fits(one, scope) and _comes_before(one, call, scope)
    ]
    return max(before, default=0)


def _is_called(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_harmless(name: ast.Name, scope: Scope) -> bool:
    match scope.above[name]:
        case ast.Attribute(attr=member):
            return member in HARMLESS
        case ast.Return():
            return True
    return False


def _fits(name: ast.Name, scope: Scope) -> bool:
    member = scope.above[name]
    return isinstance(member, ast.Attribute) and member.attr == "fit"


def around(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """What stands around a piece of a function, inside it."""
    while node is not scope.node:
        node = scope.above[node]
        yield node


def repeats(loop: ast.AST, call: ast.Call, scope: Scope) -> bool:
    """Whether every round of a loop makes the call."""
    if not isinstance(loop, ast.For) or _goes_once(loop.iter):
        return False
    inside = walk(loop)
    always = all(one not in inside for one in choices(call, scope))
    return always and not any(isinstance(one, LEAVING) for one in inside)


def _goes_once(over: ast.expr) -> bool:
    match over:
        case ast.List([_]) | ast.Tuple([_]) | ast.Call(ast.Name("range"), [ast.Constant(1)]):
            return True
    return False


def choices(node: ast.AST, scope: Scope) -> list[ast.AST]:
    return [one for one in around(node, scope) if isinstance(one, CHOOSING)]


def _comes_before(name: ast.Name, call: ast.Call, scope: Scope) -> bool:
    """Whether each way to a call leads over the fit above it."""
    outer = {*around(call, scope)}
    return all(_same_block(one, name, outer, scope) for one in choices(name, scope))


def _same_block(choice: ast.AST, name: ast.Name, outer: set[ast.AST], scope: Scope) -> bool:
    """Whether a choice has both in the same block of statements."""
    blocks = [value for _, value in ast.iter_fields(choice) if isinstance(value, list)]
    inner = {name, *around(name, scope)}
    return any(inner & {*block} and outer & {*block} for block in blocks)
