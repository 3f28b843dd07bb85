"""Networks that compute otherwise while they train: dropout draws, batch norm looks at the batch.

This is asked of the text of a class and of what it builds. What a condition decides is not known,
nor is a dropout that may be nothing by its default.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from pl_lint.static.names import ClassInfo, Module, Project, dotted
from pl_lint.static.naming import bindings, constant_defaults, function_around, own
from pl_lint.static.trees import children, walk

LAYERS = re.compile(
    r"torch\.nn\.(?:(?:Alpha|FeatureAlpha)?Dropout[123]?d?|(?:Lazy|Sync)?BatchNorm(?:[123]d)?|"
    r"Transformer(?:EncoderLayer|DecoderLayer)?)"
)
NETWORKS = re.compile(
    r"torchvision\.(?:ops\.(?:MLP|StochasticDepth)|models\.(?:segmentation\.\w+|"
    r"(?:resnet|resnext|wide_resnet|densenet|vgg|alexnet|squeezenet|mobilenet|efficientnet|mnasnet|"
    r"shufflenet|regnet|googlenet|inception)\w*))|"
    r"segmentation_models_pytorch\.(?:Unet|UnetPlusPlus|FPN|PSPNet|Linknet|MAnet|PAN|DeepLabV3\w*)"
)
"""Networks of other packages that have some, whatever they are given."""
BY_NAME = "timm.create_model"
STILL = re.compile(r"(?:vit|deit|beit|eva|convnext|mixer|cait|resmlp|swin|hf|timm)")
"""Those of timm that have none unless they are asked for it."""
WITHOUT = {"track_running_stats": False, "p": 0, "dropout": 0, "momentum": None}
"""Arguments with which a layer may compute as it does in evaluation."""
SETTLING = frozenset({"eval", "train", "freeze"})
FAR = 40
"""Classes and functions that are looked into."""


def restless(info: ClassInfo, project: Project) -> str:
    """The first layer or network that computes otherwise in training, of all that a class surely
    builds; empty where none is known."""
    return _Builders(project).layer(info.node, info.module)


def part(info: ClassInfo, name: str, project: Project) -> tuple[str, ClassInfo | None]:
    """The same of one attribute of a class, with the class of the project that it is one of."""
    for one in project.ancestors(info):
        values = _values(one.node, name) if isinstance(one, ClassInfo) else []
        if isinstance(one, ClassInfo) and values:
            layers = [_Builders(project).layer(made, one.module) for made in values]
            made_of = [project.resolve(_called(made), one.module) for made in values]
            known = made_of[0] if len(values) == 1 else None
            return (all(layers) and layers[0]) or "", known if isinstance(
                known, ClassInfo
            ) else None
    return "", None


def settles(info: ClassInfo, project: Project) -> bool:
    """Whether anything that a class builds or inherits says a word about its mode."""
    waiting = [one for one in project.ancestors(info) if isinstance(one, ClassInfo)]
    for one in waiting:
        for node in one.module.source.parts(one.node):
            if _speaks(node):
                return True
            built = project.resolve(_called(node), one.module) if isinstance(node, ast.Call) else ""
            if isinstance(built, ClassInfo) and built not in waiting and len(waiting) < FAR:
                waiting.append(built)
    return False


def _speaks(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.FunctionDef(name=name):
            return name in SETTLING
    return False


def _values(tree: ast.AST, name: str) -> list[ast.expr]:
    found = (pair for node in walk(tree) for pair in bindings(node))
    return [value for target, value in found if own(target) == name and value is not None]


def _called(node: ast.expr) -> str:
    return dotted(node.func) or "" if isinstance(node, ast.Call) else ""


class _Builders:
    """The code that builds a network, each class and function of it looked into once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.known = dict[ast.AST, str]()

    def layer(self, tree: ast.AST, module: Module) -> str:
        """The first layer of those that are surely made; of a choice each branch has one."""
        waiting = [tree]
        for node in waiting:
            arms = _arms(node)
            chosen = [self._first(arm, module) for arm in arms] if len(arms) > 1 else []
            found = all(chosen) and next(iter(chosen), "")
            if not arms and isinstance(node, ast.Call):
                found = self._made(node, module)
            if found:
                return found
            waiting += children(node) if not arms else ()
        return ""

    def _first(self, arm: Sequence[ast.AST], module: Module) -> str:
        return next(filter(None, (self.layer(one, module) for one in arm)), "")

    def _made(self, call: ast.Call, module: Module) -> str:
        found = self.project.resolve(_called(call), module)
        if isinstance(found, str):
            return found if _is_restless(found, call, module) else ""
        node, home = (
            (found.node, found.module)
            if isinstance(found, ClassInfo)
            else (found, self.project.home(found))
        )
        if home is not None and node not in self.known and len(self.known) < FAR:
            self.known[node] = ""  # the answer to a class that builds itself
            self.known[node] = self.layer(node, home)
        return self.known.get(node, "")


def _arms(node: ast.AST) -> list[Sequence[ast.AST]]:
    """The branches of a choice, those of ``elif`` beside the others."""
    match node:
        case ast.If(_, body, [ast.If() as other]):
            return [body, *_arms(other)]
        case ast.If(_, body, orelse):
            return [body, orelse] if orelse else [body]
        case ast.IfExp(_, one, other):
            return [[one], [other]]
        case ast.Match(_, cases):
            return [one.body for one in cases]
        case ast.Try(body):
            return [body]
    return []


def _is_restless(name: str, call: ast.Call, module: Module) -> bool:
    if name == BY_NAME:
        match call.args:
            case [ast.Constant(str(known)), *_]:
                return STILL.match(known) is None
        return True
    if NETWORKS.fullmatch(name):
        return True
    return (name == "torch.nn.functional.dropout" and _follows(call)) or (
        LAYERS.fullmatch(name) is not None and not _may_be_still(call, module)
    )


def _follows(call: ast.Call) -> bool:
    """``training=self.training``"""
    given = {one.arg: dotted(one.value) for one in call.keywords}
    return given.get("training") == "self.training"


def _may_be_still(call: ast.Call, module: Module) -> bool:
    given = {one.arg: one.value for one in call.keywords}
    if len(call.args) == 1 and "Dropout" in (dotted(call.func) or ""):
        given["p"] = call.args[0]
    around = function_around(call, module.source.above)
    known = constant_defaults(around.args) if around else {}
    return any(_is(given[key], value, known) for key, value in WITHOUT.items() if key in given)


def _is(value: ast.expr, still: object, defaults: Mapping[str, object]) -> bool:
    match value:
        case ast.Constant(known):
            return known == still
        case ast.Name(name) if name in defaults:
            return not defaults[name]
    return False
