"""The function that a LambdaLR is given: whether it counts optimizer steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.plain import frozen, replace
from pl_lint.static.interpreter.abstract import Abstract, Bound, Const, Function, Reference, Self
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.lengths import COUNTED, STEP_WORDS, divides, what_makes
from pl_lint.static.names import FunctionNode, dotted
from pl_lint.static.naming import read_in
from pl_lint.static.trees import walk

COUNTERS = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "batch"})
"""Words in the name of a parameter that say it counts optimizer steps."""
MANY = 500
"""Fewer of something may be epochs, whatever they are called."""
FEW = 10
"""No epoch has as few steps."""
OF_A_CIRCLE = frozenset({"math", "np", "numpy", "torch", "pi"})
"""What the argument of a cosine is multiplied by."""


@frozen
class Factor:
    """A function of how often the scheduler was stepped, what it calls that, and the frame in which
    the other names of its body have their values."""

    node: FunctionNode
    counted: str
    frame: Frame

    @property
    def sides(self) -> Iterator[ast.expr]:
        """What the parameter is divided by, or compared with."""
        for part in walk(self.node):
            both: tuple[ast.expr, ...] = ()
            if isinstance(part, ast.Compare):
                both = (part.left, *part.comparators)
            elif divides(part):
                both = (part.left, part.right)
            if any(self.counted in read_in(one) for one in both):
                yield from (one for one in both if self.counted not in read_in(one))

    @property
    def is_multiplied(self) -> bool:
        """Whether the parameter is multiplied by what may be the steps of whatever it counts: by
        anything but numbers of no size, and pi."""
        for part in walk(self.node):
            match part:
                case ast.BinOp(one, ast.Mult(), other):
                    if (self._is_in(one) and _may_be_steps(other)) or (
                        self._is_in(other) and _may_be_steps(one)
                    ):
                        return True
                case ast.AugAssign(target, ast.Mult()) if self._is_in(target):
                    return True
        return False

    def _is_in(self, node: ast.expr) -> bool:
        """Whether an operand is the parameter or grows with it, and is no share of anything yet."""
        return self.counted in read_in(node) and not any(map(divides, walk(node)))


def _may_be_steps(node: ast.expr) -> bool:
    numbers = (one.value for one in walk(node) if isinstance(one, ast.Constant))
    large = any(isinstance(one, (int, float)) and one > FEW for one in numbers)
    return large or bool(read_in(node) - OF_A_CIRCLE)


def falls_over_steps(context: Context, node: ast.Call, frame: Frame) -> bool:
    """Whether the factor of a LambdaLR is a function of the number of steps: by the name of its
    parameter, where it goes on for more of them than there are epochs (``lambda step: min(1, step /
    1000)``), or since it is held against the number of steps that Lightning counts."""
    given = [one.value for one in node.keywords if one.arg == "lr_lambda"] + node.args[1:2]
    for one in given:
        for part in one.elts if isinstance(one, (ast.List, ast.Tuple)) else (one,):
            factor = _factor(context, part, frame)
            if factor is not None and (_is_long(context, factor) or _counts_down(context, factor)):
                return True
    return False


def _factor(context: Context, node: ast.expr, frame: Frame) -> Factor | None:
    """A lambda, a function by its name, or a method of the class."""
    if not isinstance(node, (ast.Lambda, ast.Name, ast.Attribute)):
        return None
    match context.evaluate(node, frame):
        case Function(function, module, closure):
            outer = replace(frame, names=dict(closure), module=module)
            return Factor(function, _parameter(function, 0), outer)
        case Bound(Self(), name) if (found := context.find_method(name)) is not None:
            info, method = found
            inner = Frame(info.module, {}, info, name, code=method)
            return Factor(method, _parameter(method, 1), inner)
    return None


def _parameter(function: FunctionNode, position: int) -> str:
    names = [one.arg for one in function.args.args]
    return names[position] if len(names) > position else ""


def _is_long(context: Context, factor: Factor) -> bool:
    """Whether what is called steps goes on for many of them; what is called a number of training
    steps is many."""
    called = set(factor.counted.lower().split("_"))
    if not called & COUNTERS or called & {"epoch", "epochs"}:
        return False
    return max((_number(context, side, factor) for side in factor.sides), default=0) >= MANY


def _number(context: Context, node: ast.expr, factor: Factor) -> float:
    """A number that is written, or that a name of the code stands for; 0 for anything else."""
    if any(isinstance(one, ast.Call) for one in walk(node)):
        return 0.0
    value = context.evaluate(node, factor.frame)
    if isinstance(value, Const):
        return float(value.value) if type(value.value) in (int, float) else 0.0
    given = isinstance(node, ast.Name) and node.id in factor.frame.names
    named = value.name if given and isinstance(value, Reference) else dotted(node) or ""
    handed = given and not isinstance(value, Reference)  # called so here; what it is says a caller
    return MANY if not handed and named.rpartition(".")[2] in STEP_WORDS else 0.0


def _counts_down(context: Context, factor: Factor) -> bool:
    """Whether the parameter is held against Lightning's number of steps, and is by its name and by
    what multiplies it no number of epochs."""
    spoken = {word.lower() for word in read_in(factor.node) | {factor.counted}}
    if not factor.counted or any("epoch" in word or "batches" in word for word in spoken - COUNTED):
        return False
    if factor.is_multiplied:
        return False
    return any(_is_made_of_steps(context, side, factor.frame) for side in factor.sides)


def _is_made_of_steps(context: Context, node: ast.expr, frame: Frame) -> bool:
    """Whether all is counted in Lightning's steps, and nothing is divided."""
    made_of = (node, *what_makes(node, frame))
    names = {name for one in made_of for name in read_in(one)}
    if any(divides(part) for one in made_of for part in walk(one)) or _counts_epochs(names):
        return False
    held = (frame.names[name] for name in read_in(node) & frame.names.keys())
    return bool(names & COUNTED) or any(map(_is_count, held))


def _counts_epochs(names: set[str]) -> bool:
    return any("epoch" in name for name in names)


def _is_count(value: Abstract) -> bool:
    return isinstance(value, Reference) and value.name.rpartition(".")[2] in COUNTED
