"""Networks with weights of their own that no module has: an object of a file, or of one step.

This is asked of the text: classes of the project whose ``__init__`` makes parameters or layers that
begin at random or at plain numbers, and objects of them that are only ever called.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from pl_lint.facts import lightning
from pl_lint.facts.sites import UnownedSite
from pl_lint.static.measures import PARAMETERS
from pl_lint.static.names import TORCH_MODULES, ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, identifiers, named
from pl_lint.static.trees import walk

LAYER = re.compile(r"torch\.nn\.(Linear|Bilinear|Conv(Transpose)?[123]d|Embedding|LSTM|GRU)")
PLAIN_STARTS = frozenset("zeros ones rand randn empty full tensor Tensor FloatTensor eye".split())
"""What a parameter is made of that is meant to be learned."""
FIXING = frozenset(
    "requires_grad requires_grad_ no_grad inference_mode detach load_state_dict data copy_ weight "
    "pretrained eval".split()
)
"""What a class mentions whose weights may be given, or frozen."""
WITHOUT_GRADIENTS = frozenset({"no_grad", "inference_mode"})
MOVING = frozenset({"to", "cuda", "cpu"})
OTHERS = ("validation", "test", "predict", "on_validation", "on_test", "on_predict")
"""How methods begin that training does not call."""


def unowned(project: Project) -> Iterator[UnownedSite]:
    """Every such object that a step of training calls."""
    for module in project.modules:
        steps = list(_training(module, project))
        if steps:
            yield from _of_the_file(module, steps, project)
            for info, step in steps:
                yield from _of_the_step(info, step, project)


def _training(module: Module, project: Project) -> Iterator[tuple[ClassInfo, FunctionNode]]:
    """The methods of modules that may be part of a step of training."""
    for info in module.classes.values():
        outside = (one for one in project.ancestors(info) if isinstance(one, str))
        if any(lightning.kind_of(one) == "LightningModule" for one in outside):
            named_so = info.methods.items() if "training_step" in info.methods else ()
            steps = (
                node
                for name, node in named_so
                if "step" in name and not name.startswith(OTHERS) and "optimizer" not in name
            )
            yield from ((info, node) for node in steps)


def _of_the_file(
    module: Module, steps: Iterable[tuple[ClassInfo, FunctionNode]], project: Project
) -> Iterator[UnownedSite]:
    """Objects that stand in the file, outside of classes."""
    for name, value in module.constants.items():
        made_of = _made(value, module, project)
        if made_of is None or project.reads(name, module):
            continue
        mentions = module.source.mentions.get(name, ())
        used = [(info, node) for info, node in steps if _calls(node, name)]
        if used and _is_only_called(mentions, module):
            where = module.source.location(value)
            yield UnownedSite(used[0][0].qualified, name, made_of.name, where, each_step=False)


def _of_the_step(info: ClassInfo, step: FunctionNode, project: Project) -> Iterator[UnownedSite]:
    """Objects that a step makes for itself."""
    module = info.module
    parts = module.source.parts(step)
    for part in parts:
        for target, value in bindings(part) if isinstance(part, ast.Assign) else ():
            name = target.id if isinstance(target, ast.Name) else ""
            made_of = _made(value, module, project) if name else None
            mentions = [one for one in parts if isinstance(one, ast.Name) and one.id == name]
            once = sum(isinstance(one.ctx, ast.Store) for one in mentions) == 1
            if made_of is not None and once and _is_only_called(mentions, module):
                where = module.source.location(value or target)
                yield UnownedSite(info.qualified, name, made_of.name, where, each_step=True)


def _made(value: ast.expr | None, module: Module, project: Project) -> ClassInfo | None:
    """The class with weights of its own that a call makes an object of, also when it is moved."""
    match value:
        case ast.Call(ast.Attribute(ast.Call() as inner, method)) if method in MOVING:
            return _made(inner, module, project)
        case ast.Call(function):
            found = project.resolve(dotted(function) or "", module)
            return found if isinstance(found, ClassInfo) and _learns(found, project) else None
    return None


def _learns(info: ClassInfo, project: Project) -> bool:
    """Whether an object of a class surely begins with weights that training has to find."""
    bases = project.ancestors(info)[1:]
    init = info.methods.get("__init__")
    plain = len(bases) == 1 and bases[0] in TORCH_MODULES and "forward" in info.methods
    if init is None or not plain or not FIXING.isdisjoint(identifiers(info.node)):
        return False
    kept = (value for part in walk(init) for target, value in bindings(part) if _is_own(target))
    return any(_is_weight(value, info.module, project) for value in kept)


def _is_own(target: ast.expr) -> bool:
    return named(target).startswith("self.")


def _is_weight(value: ast.expr | None, module: Module, project: Project) -> bool:
    if not isinstance(value, ast.Call):
        return False
    found = project.resolve(dotted(value.func) or "", module)
    if found in PARAMETERS and len(value.args) == 1:
        return _starts_plain(value.args[0])
    return isinstance(found, str) and LAYER.fullmatch(found) is not None


def _starts_plain(given: ast.expr) -> bool:
    """``torch.zeros(2)``, ``0.1 * torch.ones(n)``"""
    calls = [one for one in walk(given) if isinstance(one, ast.Call)]
    names = {(dotted(one.func) or "").rpartition(".")[2] for one in calls}
    return bool(names) and names <= PLAIN_STARTS


def _calls(node: FunctionNode, name: str) -> bool:
    """Whether a method calls what the file has under a name, and has nothing of its own there."""
    parts = walk(node)
    taken = {one.arg for one in parts if isinstance(one, ast.arg)}
    taken |= {named(target) for part in parts for target, _ in bindings(part)}
    calls = (one.func for one in parts if isinstance(one, ast.Call))
    return name not in taken and any(isinstance(one, ast.Name) and one.id == name for one in calls)


def _is_only_called(mentions: Iterable[ast.Name], module: Module) -> bool:
    """Whether nobody gets hold of an object: it is given its name, called for gradients, and
    nothing else."""
    read = [one for one in mentions if isinstance(one.ctx, ast.Load)]
    return bool(read) and all(_is_trained_through(one, module.source.above) for one in read)


def _is_trained_through(name: ast.Name, above: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether a name is that of what is called, and not where no gradients are."""
    node = above[name]
    called = isinstance(node, ast.Call) and node.func is name
    while called and node in above:
        node = above[node]
        if isinstance(node, ast.With):
            words = (word for item in node.items for word in identifiers(item.context_expr))
            called = WITHOUT_GRADIENTS.isdisjoint(words)
    return called
