"""Is a root that of a variance over several draws of one batch? Asked of the text of a method.

``for _ in range(n): total += out; squares += out ** 2`` and then ``sqrt(squares / n - (total / n)
** 2)`` has one number for each sample: the batch has no part in it.
"""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.naming import bindings, named
from pl_lint.static.trees import walk

ELEMENTWISE = frozenset("clamp clamp_min clamp_min_ clip abs relu maximum".split())
"""What keeps a variance from falling below zero."""
SAME = frozenset("detach clone cpu float double square pow".split())
"""Methods that leave one number for each sample."""
MAX_DEPTH = 8


def is_spread(node: ast.Call, frame: Frame) -> bool:
    """Whether a call takes the root of such a variance."""
    given = node.args[0] if node.args else getattr(node.func, "value", None)
    return frame.code is not None and given is not None and _Draws(frame).is_variance(given)


class _Draws:
    """Follows the names of one method back to what they are made of."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.depth = frame, 0

    def is_variance(self, node: ast.expr) -> bool:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            return False
        match node:
            case ast.Name():
                before = self._before(node)
                return before is not None and self.is_variance(before)
            case ast.Call(ast.Attribute(ast.Name("torch" | "np" | "numpy"), name), [first, *_]):
                return name in ELEMENTWISE and self.is_variance(first)
            case ast.Call(ast.Attribute(value, name)):
                return name in ELEMENTWISE and self.is_variance(value)
            case ast.BinOp(squares, ast.Sub(), ast.BinOp(total, ast.Pow(), ast.Constant(2))):
                return self._is_mean_of_draws(squares) and self._is_mean_of_draws(total)
        return False

    def _is_mean_of_draws(self, node: ast.expr) -> bool:
        """``total / n``, of what a loop over draws has added up."""
        match node:
            case ast.BinOp(ast.Name(name), ast.Div()):
                return self._is_added_up(name)
            case ast.Name():
                before = self._before(node)
                return before is not None and self._is_mean_of_draws(before)
        return False

    def _is_added_up(self, name: str) -> bool:
        loops = [one for one in self.frame.parts if isinstance(one, ast.For)]
        return any(_adds_draws(loop, name) for loop in loops)

    def _before(self, node: ast.Name) -> ast.expr | None:
        """What a name was given last, above the place that asks, in the body of the method."""
        code = self.frame.code
        found = [
            value
            for part in (code.body if code is not None else ())
            if (part.end_lineno or 0) < node.lineno
            for target, value in bindings(part)
            if named(target) == node.id
        ]
        return found[-1] if found else None


def _adds_draws(loop: ast.For, name: str) -> bool:
    """Whether a loop that counts draws from the module, which is called on no item of the loop,
    and adds up what it gives, sample by sample."""
    counts = isinstance(loop.iter, ast.Call) and named(loop.iter.func) == "range"
    index = named(loop.target)
    drawn = {
        named(target)
        for part in loop.body
        for target, value in bindings(part)
        if isinstance(value, ast.Call) and _calls_itself(value, index)
    }
    added = [
        part.value
        for part in loop.body
        if isinstance(part, ast.AugAssign) and named(part.target) == name
    ]
    return counts and bool(added) and all(_is_by_sample(one, drawn) for one in added)


def _calls_itself(call: ast.Call, index: str) -> bool:
    mentions = any(isinstance(one, ast.Name) and one.id == index for one in walk(call))
    return named(call.func) in ("self", "self.forward") and not mentions


def _is_by_sample(value: ast.expr, drawn: set[str]) -> bool:
    """Whether what is added is of a draw and has a number for each of its samples."""
    calls = [one.func for one in walk(value) if isinstance(one, ast.Call)]
    plain = all(isinstance(one, ast.Attribute) and one.attr in SAME for one in calls)
    return plain and any(isinstance(one, ast.Name) and one.id in drawn for one in walk(value))
