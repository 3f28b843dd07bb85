"""What a class puts into its checkpoints and takes from them by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from pl_lint.facts.sites import CheckpointKeySite
from pl_lint.static.names import ClassInfo, FunctionNode
from pl_lint.static.trees import walk

HOOKS = ("on_save_checkpoint", "on_load_checkpoint")


def checkpoint_keys(
    methods: Mapping[str, tuple[ClassInfo, FunctionNode]],
) -> Iterator[CheckpointKeySite]:
    """``checkpoint["key"] = ...`` and ``checkpoint["key"]``, ``.get("key")`` in the two hooks."""
    for hook in HOOKS:
        if hook not in methods:
            continue
        info, node = methods[hook]
        name = node.args.args[-1].arg if node.args.args else ""
        for part in walk(node):
            key = _item_of(part, name)
            if key is not None and isinstance(part, ast.expr):
                yield CheckpointKeySite(key, hook, info.module.source.location(part))


def state_keys(
    methods: Mapping[str, tuple[ClassInfo, FunctionNode]],
) -> Iterator[CheckpointKeySite]:
    """The keys of the dict that ``state_dict`` returns, and those that ``load_state_dict`` takes
    from it and cannot do without; none where the one may return others, or the other asks."""
    if not {"state_dict", "load_state_dict"} <= methods.keys():
        return
    written, read = _returned(methods["state_dict"][1]), _taken(methods["load_state_dict"][1])
    for hook, found in (("state_dict", written), ("load_state_dict", read)):
        for key, part in found if written and read else ():
            yield CheckpointKeySite(key, hook, methods[hook][0].module.source.location(part))


Keys = list[tuple[str, ast.expr]]


def _returned(node: FunctionNode) -> Keys:
    returned = [one.value for one in walk(node) if isinstance(one, ast.Return)]
    match returned:
        case [ast.Dict(keys)] if all(isinstance(one, ast.Constant) for one in keys):
            return [(one.value, one) for one in keys if isinstance(one.value, str)]  # type: ignore
    return []


def _taken(node: FunctionNode) -> Keys:
    """``state["key"]``, where nothing else is done with the state than to take from it."""
    name, parts = node.args.args[-1].arg if node.args.args else "", walk(node)
    mentions = [one for one in parts if isinstance(one, ast.Name) and one.id == name]
    items = [(key, one) for one in parts if (key := _item_of(one, name)) is not None]
    asks = any(isinstance(one, (ast.Try, ast.If, ast.IfExp)) for one in parts)
    whole = len(mentions) == len(items) and not asks
    return [(k, one) for k, one in items if isinstance(one, ast.Subscript)] if whole else []


def _item_of(node: ast.AST, name: str) -> str | None:
    """The constant key that is taken from, or put into, what a name stands for."""
    match node:
        case ast.Subscript(ast.Name(owner), ast.Constant(str(key))) if owner == name:
            return None if isinstance(node.ctx, ast.Del) else key
        case ast.Call(ast.Attribute(ast.Name(owner), "get" | "pop"), [ast.Constant(str(key)), *_]):
            return key if owner == name else None
    return None
