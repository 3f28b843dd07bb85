"""Networks with weights of their own that no module has: an object of a file, or of one step.

This is asked of the text: classes of the project whose ``__init__`` does nothing but make
parameters that begin at plain numbers or at random, or layers, and whose ``forward`` computes with
them; and objects of them that are only ever called.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import UnownedSite
from pl_lint.static.measures import PARAMETERS
from pl_lint.static.names import TORCH_MODULES, ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, identifiers, named, own, read_in
from pl_lint.static.trees import walk

LAYER = re.compile(r"torch\.nn\.(Linear|Bilinear|Conv(Transpose)?[123]d|Embedding|LSTM|GRU)")
PLAIN_STARTS = frozenset("zeros ones rand randn full".split())
"""What a parameter is made of that is meant to be learned."""
FIXING = frozenset("no_grad inference_mode set_grad_enabled detach requires_grad".split())
"""What a class mentions whose weights may be left as they are."""
BEGINNING = frozenset({"super", "self", "__init__"})
MOVING = frozenset({"to", "cuda"})


def unowned(project: Project) -> Iterator[UnownedSite]:
    """Every such object that methods of a LightningModule call."""
    for module in project.modules:
        modules = [info for info in module.classes.values() if _is_trained(info, project)]
        if modules:
            yield from _of_the_file(module, modules, project)
            for info in modules:
                yield from _of_the_methods(info, project)


def _is_trained(info: ClassInfo, project: Project) -> bool:
    outside = (one for one in project.ancestors(info) if isinstance(one, str))
    return any(lightning.kind_of(one) == "LightningModule" for one in outside)


def _of_the_file(
    module: Module, modules: Iterable[ClassInfo], project: Project
) -> Iterator[UnownedSite]:
    """Objects that stand in the file, outside of classes."""
    for name, value in module.constants.items():
        made_of = _made(value, module, project)
        mentions = module.source.mentions.get(name, ())
        if made_of and _is_only_called(mentions, module) and not _reaches(name, module, project):
            methods = ((one, *pair) for one in modules for pair in one.methods.items())
            callers = tuple((one.qualified, by) for one, by, node in methods if _calls(node, name))
            where = module.source.location(value)
            yield UnownedSite(callers, name, made_of, where, each_step=False)


def _reaches(name: str, module: Module, project: Project) -> bool:
    """Whether another file names both an object and the file that has it."""
    word, home = (re.compile(rf"\b{one}\b") for one in (name, module.parts[-1]))
    others = (one.source for one in project.modules if one is not module)
    return any(one.found(word) and one.found(home) for one in others)


def _of_the_methods(info: ClassInfo, project: Project) -> Iterator[UnownedSite]:
    """Objects that a method makes for itself, and calls in one place."""
    module = info.module
    for method, node in info.methods.items():
        parts = module.source.parts(node)
        mentions = defaultdict[str, list[ast.Name]](list)
        for one in parts:
            if isinstance(one, ast.Name):
                mentions[one.id].append(one)
        for part in parts:
            for target, value in bindings(part) if isinstance(part, ast.Assign) else ():
                name = target.id if isinstance(target, ast.Name) else ""
                made_of = _made(value, module, project) if len(mentions[name]) == 2 else ""
                if made_of and _is_only_called(mentions[name], module):
                    where = module.source.location(value or target)
                    callers = ((info.qualified, method),)
                    yield UnownedSite(callers, name, made_of, where, each_step=True)


def _made(value: ast.expr | None, module: Module, project: Project) -> str:
    """The class with weights of its own that a call makes an object of, also when it is moved."""
    match value:
        case ast.Call(ast.Attribute(ast.Call() as inner, method)) if method in MOVING:
            return _made(inner, module, project)
        case ast.Call(function):
            found = project.resolve(dotted(function) or "", module)
            if isinstance(found, ClassInfo):
                return found.name if _learns(found, project) else ""
            return dotted(function) or "" if _is_layer(found) else ""
    return ""


def _learns(info: ClassInfo, project: Project) -> bool:
    """Whether an object of a class surely computes with weights that training has to find: nothing
    is done to them in ``__init__``, and no case of it leaves them out."""
    bases = project.ancestors(info)[1:]
    init, forward = (info.methods.get(name) for name in ("__init__", "forward"))
    plain = all(one in TORCH_MODULES for one in bases) and init is not None
    if not plain or forward is None or not FIXING.isdisjoint(identifiers(info.node)):
        return False
    if not all(_only_keeps(one, info.name) for one in init.body):
        return False
    kept = {own(target): value for one in init.body for target, value in bindings(one)}
    return any(
        name is not None and _is_weight(value, info.module, project) and _uses(forward, name, info)
        for name, value in kept.items()
    )


def _only_keeps(statement: ast.stmt, owner: str) -> bool:
    """``super().__init__()``, ``self.width = width``"""
    if isinstance(statement, ast.Expr):
        return read_in(statement) <= {*BEGINNING, owner}
    targets = (target for target, _ in bindings(statement))
    kept = all(own(one) or isinstance(one, ast.Name) for one in targets)
    return kept and isinstance(statement, (ast.Assign, ast.AnnAssign))


def _is_weight(value: ast.expr | None, module: Module, project: Project) -> bool:
    if not isinstance(value, ast.Call):
        return False
    found = project.resolve(dotted(value.func) or "", module)
    if found in PARAMETERS:
        return len(value.args) == 1 and _starts_plain(value.args[0])
    several = found == "torch.nn.Sequential"
    return _is_layer(found) or (
        several and any(_is_weight(one, module, project) for one in value.args)
    )


def _is_layer(found: object) -> bool:
    return isinstance(found, str) and LAYER.fullmatch(found) is not None


def _starts_plain(given: ast.expr) -> bool:
    """``torch.zeros(2)``, ``0.1 * torch.ones(n)``"""
    calls = [one for one in walk(given) if isinstance(one, ast.Call)]
    names = {(dotted(one.func) or "").rpartition(".")[2] for one in calls}
    return bool(names) and names <= PLAIN_STARTS


def _uses(forward: FunctionNode, name: str, info: ClassInfo) -> bool:
    """Whether ``forward`` calls an attribute, or computes with it or an item of it: what is only
    asked for its device is no weight."""
    above = info.module.source.above
    for one in walk(forward):
        if isinstance(one, ast.Attribute) and own(one) == name:
            node: ast.AST = one
            while isinstance(above[node], ast.Subscript):
                node = above[node]
            around = above[node]
            called = isinstance(around, ast.Call) and around.func is one
            if called or isinstance(around, (ast.BinOp, ast.UnaryOp)):
                return True
    return False


def _calls(node: FunctionNode, name: str) -> bool:
    """Whether a method calls what the file has under a name, and has nothing of its own there."""
    parts = walk(node)
    taken = {one.arg for one in parts if isinstance(one, ast.arg)}
    taken |= {named(target) for part in parts for target, _ in bindings(part)}
    calls = (one.func for one in parts if isinstance(one, ast.Call))
    return name not in taken and any(isinstance(one, ast.Name) and one.id == name for one in calls)


def _is_only_called(mentions: Iterable[ast.Name], module: Module) -> bool:
    """Whether nobody gets hold of an object: it is given its name, and called."""
    read = [one for one in mentions if isinstance(one.ctx, ast.Load)]
    above = module.source.above
    return bool(read) and all(
        isinstance(call := above[one], ast.Call) and call.func is one for one in read
    )
