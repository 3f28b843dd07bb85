"""What a number that is made of a batch stands for: the mean over it, or something else."""

from __future__ import annotations

import ast

from pl_lint.facts.origins import UNPACKED, BatchValue, Extent, Pairs, joined_extent, parts
from pl_lint.facts.values import Known
from pl_lint.static.interpreter.abstract import Abstract, Const, Instance, Opaque, options
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.trees import walk

FUNCTIONS = "torch.nn.functional"
PACKAGES = ("torch.nn", "torch.nn.modules.loss")
LOSSES = frozenset(
    (
        "cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy "
        "binary_cross_entropy_with_logits kl_div poisson_nll_loss gaussian_nll_loss ctc_loss "
        "hinge_embedding_loss margin_ranking_loss soft_margin_loss multi_margin_loss "
        "multilabel_margin_loss multilabel_soft_margin_loss triplet_margin_loss "
        "triplet_margin_with_distance_loss cosine_embedding_loss"
    ).split()
)
"""Functions of torch that take the mean unless ``reduction`` says something else; their modules
are called alike (``torch.nn.CrossEntropyLoss``)."""
MODULES = frozenset(
    (
        "CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss HuberLoss BCELoss BCEWithLogitsLoss "
        "KLDivLoss PoissonNLLLoss GaussianNLLLoss CTCLoss HingeEmbeddingLoss MarginRankingLoss "
        "SoftMarginLoss MultiMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss "
        "TripletMarginLoss TripletMarginWithDistanceLoss CosineEmbeddingLoss"
    ).split()
)
LOGARITHMS = frozenset({"log", "log2", "log10"})
OF_MEANS = ("mean", "batchmean")


def of(value: Abstract) -> Extent:
    """The extent of a value; a constant that it may be as well (``loss = 0``) says nothing."""
    told = [one for one in options(value) if not isinstance(one, Const)]
    return joined_extent(one.extent if isinstance(one, Opaque) else "" for one in told)


def left_by_step(context: Context, value: Abstract) -> Extent:
    """The same of what a step keeps: in a loop it is one of several."""
    return "other" if context.loops else of(value)


def of_loss(name: str, given: Pairs) -> Extent:
    """What a loss of torch gives: a function, or an object of a class."""
    package, _, last = name.rpartition(".")
    function = package == FUNCTIONS and last in LOSSES
    if not function and not (package in PACKAGES and last in MODULES):
        return ""
    named = dict(given)
    if not {UNPACKED, "reduce", "size_average"}.isdisjoint(named):
        return ""
    reduction = named.get("reduction", Known("mean"))
    if not isinstance(reduction, Known):
        return ""
    return "mean" if reduction.value in OF_MEANS else "other"


def of_object(callee: Abstract) -> Extent:
    """What the call of an object gives: ``self.criterion(x, y)``."""
    if not isinstance(callee, Instance) or not callee.complete:
        return ""
    return of_loss(callee.name, callee.arguments)


def of_function(name: str, given: Pairs) -> Extent:
    """``torch.mean(x)``, ``F.mse_loss(x, y)``."""
    package, _, last = name.rpartition(".")
    if last in ("mean", "nanmean") and package in ("torch", "numpy", "statistics"):
        return "mean" if len(given) == 1 and UNPACKED not in dict(given) else "other"
    return of_loss(name, given)


def of_method(name: str, receiver: Abstract, given: Pairs, same: bool) -> Extent:
    """``x.mean()``, ``x.mean(1)``, ``x.sum()``; ``same``: it gives the receiver back."""
    match name:
        case "mean" | "nanmean":
            return "other" if given else "mean"
        case "sum" | "nansum":
            return "other"
    return of(receiver) if same else ""


def is_of_mean(context: Context, value: Abstract | None, node: ast.Call, frame: Frame) -> bool:
    """Whether a function is given the mean over a batch, or something divided by it:
    ``torch.log10(1 / mse)``. In a loop it may be that of one sample."""
    if value is None or context.loops:
        return False
    match node.args:
        case [ast.BinOp(over, ast.Div(), ast.Name(name))]:
            plain = not any(isinstance(one, (ast.Call, ast.Attribute)) for one in walk(over))
            return plain and name in frame.names and of(frame.names[name]) == "mean"
    return of(value) == "mean"


def of_arithmetic(
    context: Context, operator: ast.operator, left: Abstract, right: Abstract
) -> Extent:
    """A mean plus a mean, or times a constant, is one; what is multiplied by something of the
    batch, as its size, has a weight."""
    told = [one for one in (left, right) if not isinstance(one, Const)]
    extents = [of(one) for one in told]
    match operator:
        case ast.Add() | ast.Sub():
            return joined_extent(extents)
        case ast.Mult() | ast.Div() if len(told) == 1 and told[0] is left:
            return extents[0]
        case ast.Mult() if len(told) == 1:
            return extents[0]
        case ast.Mult() if "mean" in extents:
            rest = [one for one, extent in zip(told, extents, strict=True) if extent != "mean"]
            weighted = any(_is_of_batch(context, one) for one in rest)
            return "other" if weighted else ""
    return ""


def is_share(node: ast.BinOp, frame: Frame) -> bool:
    """Whether it is the share of a batch that something holds for, which is the mean of ones and
    zeros: ``(preds == y).sum() / len(y)``. It says so of a plain sum, and of one size of a tensor.
    """
    if not isinstance(node.op, ast.Div) or not _is_size(node.right):
        return False
    left = node.left
    return _is_count(_made(left, frame) if isinstance(left, ast.Name) else left)


def _made(node: ast.Name, frame: Frame) -> ast.expr:
    """What a name is assigned, if that is said once."""
    stores = [one for one in frame.parts if isinstance(one, ast.Name) and one.id == node.id]
    made = [one.value for one in frame.assignments if any(it in stores for it in one.targets)]
    once = sum(isinstance(one.ctx, ast.Store) for one in stores) == 1
    return made[0] if once and made else node


AS_NUMBER = frozenset({"item", "float", "double", "int", "long", "cpu", "detach"})


def _is_count(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Name("float" | "int"), [counted]):
            return _is_count(counted)
        case ast.Call(ast.Attribute(ast.Name("torch"), "sum"), [counted], []):
            return _is_comparison(counted)
        case ast.Call(ast.Attribute(counted, "sum"), [], []):
            return _is_comparison(counted)
        case ast.Call(ast.Attribute(counted, attribute), []) if attribute in AS_NUMBER:
            return _is_count(counted)
    return False


def _is_comparison(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Attribute(compared, attribute), []) if attribute in AS_NUMBER:
            return _is_comparison(compared)
        case ast.Call(ast.Attribute(_, "eq"), [_]) | ast.Compare(_, [ast.Eq()]):
            return True
    return False


def _is_size(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Name("float" | "int"), [size]):
            return _is_size(size)
        case ast.Call(ast.Name("len"), [ast.Name() | ast.Attribute()]):
            return True
        case ast.Subscript(ast.Attribute(_, "shape"), ast.Constant(0)):
            return True
        case ast.Call(ast.Attribute(_, "size"), [ast.Constant(0)]):
            return True
        case ast.Call(ast.Attribute(_, "numel"), []):
            return True
    return False


def _is_of_batch(context: Context, value: Abstract) -> bool:
    return any(isinstance(part, BatchValue) for part in parts(context.origin(value)))
