"""Losses and the like that learn something themselves: modules that hold parameters, no layers; and
layers that compute their loss themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.static.names import TORCH_MODULES, ClassInfo, Project, dotted
from pl_lint.static.trees import walk

PARAMETERS = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
PLAIN = ("torch.", "math.", "numpy.", "builtins.")
"""What a ``__init__`` may call without making another network."""
BUILTINS = frozenset({"super", "int", "float", "len", "range", "max", "min", "list", "tuple"})


def learning_measures(project: Project) -> Iterator[str]:
    """The classes of the project whose ``__init__`` makes parameters of its own, and no layers."""
    for module in project.modules:
        for info in module.classes.values():
            if _is_module(info, project) and _learns(info, project):
                yield info.qualified


LOSS = re.compile(r"(\w*_)?loss(_\w+)?", re.IGNORECASE)


def giving_losses(project: Project) -> Iterator[tuple[str, str]]:
    """The classes, by file and name, whose ``forward`` has a dropout and returns a loss alone."""
    for module in project.modules:
        infos = module.classes.values() if "dropout" in module.source.text else ()
        for info in infos:
            parts = walk(info.methods["forward"]) if "forward" in info.methods else []
            returned = [one.value for one in parts if isinstance(one, ast.Return)]
            if returned and all(map(_is_loss, returned)):
                yield module.path, info.name


def _is_loss(value: ast.expr | None) -> bool:
    name = (dotted(value) or "") if isinstance(value, (ast.Name, ast.Attribute)) else ""
    return LOSS.fullmatch(name.rpartition(".")[2]) is not None


def _is_module(info: ClassInfo, project: Project) -> bool:
    """Whether it inherits from torch's Module and nothing else."""
    ancestors = project.ancestors(info)[1:]
    return len(ancestors) == 1 and ancestors[0] in TORCH_MODULES


def _learns(info: ClassInfo, project: Project) -> bool:
    node = info.methods.get("__init__")
    if node is None:
        return False
    calls = [one for one in walk(node) if isinstance(one, ast.Call)]
    names = [_name(one, info, project) for one in calls]
    own = [one for one, name in zip(calls, names, strict=True) if name in PARAMETERS]
    return bool(own) and all(map(_is_plain, names)) and not any(map(_is_fixed, own))


def _name(call: ast.Call, info: ClassInfo, project: Project) -> str:
    """What is called; a method of some object has no name."""
    text = dotted(call.func)
    if text is None or text.split(".")[0] in ("self", *BUILTINS):
        return f"builtins.{text or ''}"
    found = project.resolve(text, info.module)
    return found if isinstance(found, str) else ""


def _is_plain(name: str) -> bool:
    layer = name.startswith("torch.nn.") and name not in PARAMETERS and ".init." not in name
    return name.startswith(PLAIN) and not layer


def _is_fixed(call: ast.Call) -> bool:
    """``nn.Parameter(x, requires_grad=False)``"""
    return len(call.args) > 1 or any(one.arg == "requires_grad" for one in call.keywords)
