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


def _item_of(node: ast.AST, name: str) -> str | None:
    """The constant key that is taken from, or put into, what a name stands for."""
    match node:
        case ast.Subscript(ast.Name(owner), ast.Constant(str(key))) if owner == name:
            return None if isinstance(node.ctx, ast.Del) else key
        case ast.Call(ast.Attribute(ast.Name(owner), "get" | "pop"), [ast.Constant(str(key)), *_]):
            return key if owner == name else None
    return None
