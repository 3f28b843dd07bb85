"""How long a schedule is, by what its length is made of: optimizer steps, or epochs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import bindings, function_around, named, read_in
from pl_lint.static.trees import walk

STEP_WORDS = frozenset(
    {
        *("total_steps", "num_training_steps", "estimated_stepping_batches", "max_steps"),
        *("steps_per_epoch", "training_steps", "train_steps", "num_warmup_steps", "warmup_steps"),
    }
)
"""Names in the arguments of a scheduler that are numbers of optimizer steps."""
COUNTED = frozenset({"estimated_stepping_batches"})
"""What Lightning counts in steps, whatever it is called afterwards."""
BATCHES = "num_training_batches"
"""What Lightning calls the number of batches in an epoch."""
PER_EPOCH = re.compile(r"_?(num_|n_|nb_)?(steps?|batch(es)?|iters?|iterations?)_(per|in)_epoch")
"""What others call it: multiplied by anything it is a number of steps."""
CHAIN = 3
"""So far local names are followed: ``SequentialLR(optimizer, [warm, slow])``."""
CYCLES = ("step_size_up", "step_size_down")
"""The arguments of a CyclicLR that say how long a cycle is."""
LENGTHS = ("T_max", "total_iters", "num_training_steps", "step_size")
"""The arguments that say how long a schedule is; in most it is the second one."""
LOADER = re.compile(r"loader(_(train|training))?$", re.IGNORECASE)
"""How the name of one loader ends; ``loader_names`` are none."""
AFTER_OPTIMIZER = ("_with_warmup", ".OneCycleLR")
"""Schedules whose second and third arguments may be numbers of steps."""


ENDS = {
    "CosineAnnealingLR": ("T_max", 1),
    "OneCycleLR": ("total_steps", 2),
    "PolynomialLR": ("total_iters", 1),
    "LinearLR": ("total_iters", 3),
    "_with_warmup": ("num_training_steps", 2),
}
"""The argument that says when a schedule is over, and its position."""
FEW = 10
"""Steps more or less are one or a few epochs more or less."""


def mentions_steps(node: ast.Call, frame: Frame) -> bool:
    """Whether an argument is, or is called, a number of optimizer steps; or one that Lightning
    counts, under local names."""
    if {keyword.arg for keyword in node.keywords} & STEP_WORDS:
        return True
    made_of = (node, *what_makes(node, frame))
    divided = [part.left for one in made_of for part in walk(one) if divides(part)]
    if any(read_in(left) & STEP_WORDS for left in divided):
        return False  # steps divided by steps in an epoch are epochs
    counted = any(read_in(one) & COUNTED for one in made_of[1:]) and not divided
    return bool(read_in(node) & STEP_WORDS) or counted


def what_makes(node: ast.AST, frame: Frame) -> list[ast.expr]:
    """What the local names in an expression were assigned, and the names in that."""
    assigned, names, found = frame.assignments, read_in(node), list[ast.expr]()
    for _ in range(CHAIN):
        new = [one.value for one in assigned if not names.isdisjoint(_targets(one))]
        new = [one for one in new if one is not node and one not in found]
        found += new
        names = {word for one in new for word in read_in(one)}
    return found


def divides(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv))


def counts_epochs(name: str, node: ast.Call, frame: Frame) -> bool:
    """Whether the number of steps is, by its name, a number of epochs, or a local name for one;
    what there are in an epoch (``step_per_epoch``) are steps."""
    lengths = [keyword.value for keyword in node.keywords if keyword.arg in STEP_WORDS]
    lengths += node.args[1:3] if name.endswith(AFTER_OPTIMIZER) else []
    return any(_is_called_epochs(one) or _stands_for_epochs(one, frame) for one in lengths)


def written_length(name: str, node: ast.Call, frame: Frame) -> str:
    """What says how long a schedule is, where it is a name or stands for one."""
    for kind, (keyword, position) in ENDS.items():
        if name.endswith(kind) and "constant" not in name:  # which has no end
            by_name = [one.value for one in node.keywords if one.arg == keyword]
            given = (*by_name, *node.args[position : position + 1])
            return _name_of(given[0], frame) if given else ""
    return ""


def _name_of(length: ast.expr, frame: Frame) -> str:
    """The name of a length; of a local name what it is given, if that is one thing and a name. What
    a caller has given a parameter is known where it is an attribute of the class."""
    text = frame.meant(dotted(_all_but_a_few(length)) or "")
    around = function_around(length, frame.module.source.above)
    parts = frame.module.source.parts(around) if around is not None else ()
    pairs = (pair for part in parts for pair in bindings(part))
    given = [value for target, value in pairs if named(target) == text]
    values = {dotted(_all_but_a_few(one)) or "" if one else "" for one in given} or {text}
    found = frame.meant(values.pop())
    unknown = bool(values) or any(isinstance(one, ast.arg) and one.arg == found for one in parts)
    return "" if unknown else found


def _is_called_epochs(node: ast.expr) -> bool:
    name = (dotted(_all_but_a_few(node)) or "").rpartition(".")[2]
    return "epoch" in name.replace("per_epoch", "")


def _all_but_a_few(node: ast.expr) -> ast.expr:
    """What a small number is added to or taken from: ``self.trainer.max_epochs + 1``."""
    match node:
        case ast.BinOp(one, ast.Add() | ast.Sub(), ast.Constant(int(few))) if few <= FEW:
            return _all_but_a_few(one)
        case ast.BinOp(ast.Constant(int(few)), ast.Add(), one) if few <= FEW:
            return _all_but_a_few(one)
        case ast.Call(ast.Name("int"), [one], []):
            return _all_but_a_few(one)
    return node


def _stands_for_epochs(node: ast.expr, frame: Frame) -> bool:
    named = isinstance(node, ast.Name)
    given = [one.value for one in frame.assignments if named and read_in(node) & _targets(one)]
    return bool(given) and all(map(_is_called_epochs, given))


def made_of_batches(node: ast.Call, frame: Frame) -> bool:
    """Whether the length of a schedule is the batches of an epoch times the epochs:
    ``T_max=len(self.train_dataloader()) * self.trainer.max_epochs``, also where a local name stands
    for the batches, Lightning counts them (``self.trainer.num_training_batches``), or they are
    called so (``steps_per_epoch``)."""
    lengths = [one.value for one in node.keywords if one.arg in LENGTHS] + node.args[1:2]
    names = {one.id for one in lengths if isinstance(one, ast.Name)}
    given = [one.value for one in frame.assignments if not names.isdisjoint(_targets(one))]
    return any(_multiplies_batches(one, frame) for one in lengths + given if _is_product(one))


def _multiplies_batches(product: ast.expr, frame: Frame) -> bool:
    """Whether a factor is the number of batches, by the names in it; none of these may be of
    something that is divided."""
    made_of = [product, *what_makes(product, frame)]
    if any(divides(part) for one in made_of for part in walk(one)):
        return any(_is_loader(one, frame) for one in _counted([product]))
    told = {word for one in made_of for word in read_in(one)}
    if BATCHES in told or any(map(PER_EPOCH.fullmatch, _factors(product))):
        return True
    return any(_is_loader(one, frame) for one in _counted(made_of))


def _factors(product: ast.expr) -> Iterator[str]:
    """The last names of what is multiplied: ``steps_per_epoch`` of ``self.hparams.steps_per_epoch``
    in ``max_epochs * self.hparams.steps_per_epoch``."""
    for part in walk(product):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            yield from (_last_name(one) for one in (part.left, part.right))


def names_batches_steps(node: ast.Call, frame: Frame) -> bool:
    """Whether an argument that is called a number of steps is made of the batches of a loader:
    ``warmup_steps=int(0.1 * len(self.train_dataloader()))``."""
    given = [one.value for one in node.keywords if one.arg is not None and _is_of_steps(one.arg)]
    return any(_counts_batches(one, frame) for one in given)


def _is_of_steps(name: str) -> bool:
    return name.endswith("_steps")


def _counts_batches(node: ast.expr, frame: Frame) -> bool:
    made_of = [node, *what_makes(node, frame)]
    divided = any(divides(part) for one in made_of for part in walk(one))
    return not divided and any(_is_loader(one, frame) for one in _counted(made_of))


def _counted(made_of: list[ast.expr]) -> Iterator[ast.expr]:
    """What ``len`` is asked of."""
    for one in made_of:
        for part in walk(one):
            if isinstance(part, ast.Call) and dotted(part.func) == "len":
                yield from part.args


def _is_loader(node: ast.expr, frame: Frame) -> bool:
    """Whether it is one loader, by its own name or by that of what a local name was assigned."""
    given = [one.value for one in frame.assignments if not read_in(node).isdisjoint(_targets(one))]
    assigned = given if isinstance(node, ast.Name) else []
    return any(LOADER.search(_last_name(one)) for one in (node, *assigned))


def _last_name(node: ast.expr) -> str:
    """``train_dataloader`` of ``self.train_dataloader()``; one of several ``loaders[0]`` is a
    ``loader``."""
    match node:
        case ast.Call(func):
            return _last_name(func)
        case ast.Subscript(value):
            return _last_name(value).removesuffix("s")
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _is_product(node: ast.expr) -> bool:
    """Whether something is multiplied, and by nothing divided."""
    parts = walk(node)
    return any(map(_multiplies, parts)) and not any(map(divides, parts))


def _multiplies(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def made_of_epochs(node: ast.Call, frame: Frame) -> bool:
    """Whether the length of a cycle is worked out from a number of epochs alone: what multiplies
    it, or asks for a length, may be the batches of one."""
    assigned = frame.assignments
    lengths = [keyword.value for keyword in node.keywords if keyword.arg in CYCLES]
    names = {word for length in lengths for word in read_in(length)}
    parts = lengths + [one.value for one in assigned if not names.isdisjoint(_targets(one))]
    grown = any(_multiplies(one) for part in parts for one in walk(part))
    found = {word for part in parts for word in read_in(part)}
    return not grown and "len" not in found and any("epochs" in word for word in found)


def _targets(node: ast.Assign) -> set[str]:
    return {one.id for one in node.targets if isinstance(one, ast.Name)}
