"""Modules that come out of a checkpoint and compute as in training: nobody calls ``eval()``.

This is asked of the text: where the object of ``load_from_checkpoint()`` goes, from name to name,
into functions of the project and out of them. Whatever is not understood may put it into
evaluation mode.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import LoadedSite
from pl_lint.findings import Location
from pl_lint.static.names import TORCH_MODULES, ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, function_around, identifiers, own
from pl_lint.static.restless import part, restless, settles
from pl_lint.static.trees import walk

LOADING = "load_from_checkpoint"
MOVING = frozenset("to cuda cpu float double half bfloat16 requires_grad_ type".split())
"""Methods that give the same object back."""
HARMLESS = frozenset(
    "state_dict load_state_dict to_torchscript to_onnx hparams device dtype zero_grad".split()
)
"""What may be asked of a module without a word about its mode."""
COUNTING = frozenset({"next", "sum", "print", "len", "type", "isinstance"})
COMPILING = frozenset({"torch.jit.script", "torch.jit.trace"})
"""What writes down how a network computes, in the mode that it has."""
MEANT = re.compile(r"dropout|monte|uncertain|(^|_)mc(_|$)", re.IGNORECASE)
"""What code mentions that wants its network to be random."""
HOOKS = re.compile(
    r"training_step|configure_|on_|setup|prepare_data|\w+_dataloader$|\w+_epoch_end$"
)
FAR = 4
"""Names and functions that an object is followed through."""


class _Unknown(Exception):
    """Something happens to an object that may put it into evaluation mode."""


def loaded(project: Project) -> Iterator[LoadedSite]:
    """Every load of an object that is used like this, with its first use."""
    for module in project.modules:
        parts = module.source.parts(module.source.tree) if LOADING in module.source.text else ()
        for node in parts:
            info = _class_of(node, module, project)
            if info is not None and isinstance(node, ast.Call) and not _is_meant(node, module):
                yield from _used(node, info, module, project)


def _class_of(node: ast.AST | None, module: Module, project: Project) -> ClassInfo | None:
    """The class of the module that a call loads."""
    match node:
        case ast.Call(ast.Attribute(ast.Call(owner) | owner, name)) if name == LOADING:
            found = project.resolve(dotted(owner) or "", module)
            return found if isinstance(found, ClassInfo) and _is_module(found, project) else None
    return None


def _is_module(info: ClassInfo, project: Project) -> bool:
    outside = (one for one in project.ancestors(info) if isinstance(one, str))
    return any(lightning.kind_of(one) == "LightningModule" for one in outside)


def _is_meant(node: ast.Call, module: Module) -> bool:
    around = function_around(node, module.source.above)
    outside = (one for one in module.source.tree.body if not isinstance(one, ast.ClassDef))
    words = (word for one in ([around] if around else outside) for word in identifiers(one))
    return any(map(MEANT.search, words))


def _used(
    node: ast.Call, info: ClassInfo, module: Module, project: Project
) -> Iterator[LoadedSite]:
    layer = "" if settles(info, project) else restless(info, project)
    try:
        uses = list(_Object(info, project).uses(node, module, FAR)) if layer else []
    except _Unknown:
        return
    if uses:
        yield LoadedSite(info.name, layer, module.source.location(node), uses[0])


class _Object:
    """Where one object goes; ``info`` is its class, None where that is not one of the project."""

    def __init__(self, info: ClassInfo | None, project: Project) -> None:
        self.info, self.project = info, project

    def uses(self, value: ast.expr, module: Module, far: int) -> Iterator[Location]:
        """Where what an expression stands for computes something."""
        above = module.source.above
        match above[value]:
            case ast.Call(function) as call if function is value:
                yield module.source.location(call)
            case ast.Call() as call:
                yield from self._given(value, call, module, far)
            case ast.keyword() as word:
                yield from self._given(value, above[word], module, far)
            case ast.Attribute(ctx=ast.Load()) as asked:
                yield from self._asked(asked, module, far)
            case ast.Attribute(attr=name) if name != "training":
                return
            case (ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name))) as given:
                yield from self._named(name, given, module, far)
            case ast.Assign([ast.Attribute(ast.Name("self"), name)]) as given:
                yield from self._kept(name, given, module, far)
            case ast.Return() as back:
                yield from self._returned(back, module, far)
            case ast.Expr() | ast.Delete() | ast.FormattedValue() | ast.Compare():
                return
            case _:
                raise _Unknown

    def _asked(self, node: ast.Attribute, module: Module, far: int) -> Iterator[Location]:
        """``model.name``, called or not."""
        outer = module.source.above[node]
        called = isinstance(outer, ast.Call) and outer.func is node
        if called and node.attr in MOVING:
            yield from self.uses(outer, module, far)
        elif called and node.attr == "parameters":
            if not _is_counted(outer, module):
                raise _Unknown
        elif node.attr not in HARMLESS:
            layer, info = part(self.info, node.attr, self.project) if self.info else ("", None)
            if layer:
                yield from _Object(info, self.project).uses(node, module, far)
            elif not called or not self._is_its_own(node.attr):
                raise _Unknown
            elif self._computes(node.attr, FAR):
                yield module.source.location(outer)

    def _is_its_own(self, name: str) -> bool:
        """Whether a method is one of the project, and to be called by hand."""
        found = self.project.method(self.info, name) if self.info else None
        return found is not None and not HOOKS.match(name)

    def _computes(self, name: str, far: int) -> bool:
        """Whether a method calls the module, or a network in it that has such layers."""
        found = self.project.method(self.info, name) if self.info and far else None
        parts = walk(found[1]) if found else ()
        calls = [one.func for one in parts if isinstance(one, ast.Call)]
        return any(
            dotted(one) == "self"
            or (self.info is not None and part(self.info, own(one) or "", self.project)[0])
            or self._computes(own(one) or "", far - 1)
            for one in calls
        )

    def _given(
        self, value: ast.expr, call: ast.AST, module: Module, far: int
    ) -> Iterator[Location]:
        """``function(model)``, ``Wrapper(model)``"""
        name = dotted(call.func) if isinstance(call, ast.Call) else None
        found = self.project.resolve(name or "", module)
        if found in COMPILING:
            yield module.source.location(call)
        elif isinstance(found, FunctionNode) and far:
            home = self.project.home(found)
            taken = _parameter(found, value, call)
            if home is None or not taken:
                raise _Unknown
            yield from self._mentioned(taken, found, home, far - 1)
        elif isinstance(found, ClassInfo) and far and _wraps(found, self.project):
            yield from _Object(found, self.project).uses(call, module, far - 1)
        elif found not in COUNTING:
            raise _Unknown

    def _named(self, name: str, node: ast.AST, module: Module, far: int) -> Iterator[Location]:
        around = function_around(node, module.source.above)
        if not far or (around is None and self.project.reads(name, module)):
            raise _Unknown
        yield from self._mentioned(name, around or module.source.tree, module, far - 1)

    def _kept(self, name: str, node: ast.AST, module: Module, far: int) -> Iterator[Location]:
        """``self.model = ...`` in a class that is nothing but a class."""
        around = node
        while around in module.source.above and not isinstance(around, ast.ClassDef):
            around = module.source.above[around]
        if not (isinstance(around, ast.ClassDef) and far) or around.bases:
            raise _Unknown
        if any(_reaches(one, name) for one in self.project.modules):
            raise _Unknown
        for one in module.source.parts(around):
            for target, given in bindings(one):
                if own(target) == name:
                    self._stays(f"self.{name}", given, module)
        for one in module.source.parts(around):
            if isinstance(one, ast.Attribute) and own(one) == name:
                kept = isinstance(one.ctx, ast.Load) and not _is_moved(one, module)
                yield from self.uses(one, module, far - 1) if kept else ()

    def _mentioned(self, name: str, scope: ast.AST, module: Module, far: int) -> Iterator[Location]:
        """All uses of a name, which stands for the object alone."""
        parts = [one for one in module.source.parts(scope) if _is_of(one, name, scope, module)]
        for node in parts:
            for target, given in bindings(node):
                if isinstance(target, ast.Name) and target.id == name:
                    self._stays(name, given, module)
        for node in parts:
            read = isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
            if read and not _is_moved(node, module):
                yield from self.uses(node, module, far)

    def _stays(self, name: str, given: ast.expr | None, module: Module) -> None:
        """``model = model.cuda()``, or what is loaded or made once more in the same way."""
        while isinstance(given, (ast.Call, ast.Attribute)):
            if _class_of(given, module, self.project) or self._is_made(given, module):
                return
            if dotted(given) == name:
                return
            given = given.func if isinstance(given, ast.Call) else given.value
        if given is None or dotted(given) != name:
            raise _Unknown

    def _is_made(self, given: ast.expr, module: Module) -> bool:
        """Whether a function or a class of the project gives a value."""
        name = dotted(given.func) if isinstance(given, ast.Call) else None
        return name is not None and not isinstance(self.project.resolve(name, module), str)

    def _returned(self, node: ast.Return, module: Module, far: int) -> Iterator[Location]:
        """Where those who call the function use what it returns."""
        function = function_around(node, module.source.above)
        outside = function is not None and self.project.home(function) is module
        returns = [one for one in walk(function) if isinstance(one, ast.Return)] if outside else []
        if function is None or len(returns) != 1 or function.decorator_list or not far:
            raise _Unknown
        for other in self.project.modules:
            named = function.name in other.source.text
            for call in other.source.parts(other.source.tree) if named else ():
                name = dotted(call.func) if isinstance(call, ast.Call) else None
                if name and self.project.resolve(name, other) is function:
                    yield from self.uses(call, other, far - 1)


def _is_counted(call: ast.AST, module: Module) -> bool:
    """``next(model.parameters()).device``, ``sum(p.numel() for p in model.parameters())``"""
    outer = module.source.above[call]
    if isinstance(outer, ast.comprehension):
        outer = module.source.above[module.source.above[outer]]
    return isinstance(outer, ast.Call) and dotted(outer.func) in COUNTING


def _parameter(function: FunctionNode, value: ast.expr, call: ast.AST) -> str:
    """The name under which a function takes an argument."""
    if not isinstance(call, ast.Call) or any(isinstance(one, ast.Starred) for one in call.args):
        return ""
    taken = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    by_place = dict(zip(call.args, taken, strict=False))
    by_name = {one.value: one.arg for one in call.keywords if one.arg in taken}
    return by_place.get(value) or by_name.get(value) or ""


def _wraps(info: ClassInfo, project: Project) -> bool:
    """Whether a class is a network around another, that has no mode of its own."""
    bases = project.ancestors(info)[1:]
    return bool(bases) and all(one in TORCH_MODULES for one in bases) and not settles(info, project)


def _is_of(node: ast.AST, name: str, scope: ast.AST, module: Module) -> bool:
    """Whether a name means that of a function or file, and not that of a function inside it."""
    around = function_around(node, module.source.above)
    while around is not None and around is not scope:
        if _has_its_own(around, name):
            return False
        around = function_around(around, module.source.above)
    return True


def _has_its_own(function: FunctionNode, name: str) -> bool:
    parts = walk(function)
    if any(isinstance(one, (ast.Global, ast.Nonlocal)) and name in one.names for one in parts):
        return False
    taken = any(isinstance(one, ast.arg) and one.arg == name for one in parts)
    return taken or any(
        isinstance(target, ast.Name) and target.id == name
        for one in parts
        for target, _ in bindings(one)
    )


def _is_moved(node: ast.expr, module: Module) -> bool:
    """Whether a mention is that of ``model = model.cuda()``."""
    name, outer = dotted(node), module.source.above[node]
    while isinstance(outer, (ast.Call, ast.Attribute)):
        moves = isinstance(outer, ast.Attribute) and outer.attr in MOVING
        if not moves and not (isinstance(outer, ast.Call) and outer.func is node):
            return False
        node, outer = outer, module.source.above[outer]
    return isinstance(outer, ast.Assign) and [dotted(one) for one in outer.targets] == [name]


def _reaches(module: Module, name: str) -> bool:
    """Whether a file asks an object for an attribute from outside."""
    parts = module.source.parts(module.source.tree) if f".{name}" in module.source.text else ()
    return any(
        isinstance(one, ast.Attribute) and one.attr == name and own(one) is None for one in parts
    )
