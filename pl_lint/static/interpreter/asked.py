"""What the call that builds a Trainer asks of settings, and of dicts that it is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.values import UNKNOWN, Known, OneOf, Value
from pl_lint.static.interpreter.context import Arguments, Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import constant_defaults

AS_DICT = frozenset({"to_container", "to_object", "dict", "vars"})
"""Functions that make plain dicts of settings."""
OF_PROCESSES = frozenset("devices gpus num_nodes accelerator strategy".split())
"""The arguments of a Trainer that settings are asked for one by one."""
COMMAND_LINE = re.compile(r"(self\.)?\w*(args?|opts?|options|namespace|flags)\.", re.IGNORECASE)
"""What a program was called with: no settings in files."""


def spread(node: ast.Call) -> tuple[str, ...]:
    """The keys that lead to the settings that a call is given: of ``**cfg.trainer``, and of
    ``**OmegaConf.to_container(self.cfg["trainer"])``, they are ``trainer``."""
    given = [_path(one.value) for one in node.keywords if one.arg is None]
    return next(filter(None, given), ())


def one_by_one(node: ast.Call) -> Iterator[tuple[str, tuple[str, ...], Value]]:
    """What settings say of processes: of ``devices=cfg.trainer.devices``, and of
    ``devices=getattr(cfg.trainer, "devices", 1)``, the keys are ``trainer``, ``devices``."""
    for keyword in node.keywords:
        if keyword.arg in OF_PROCESSES:
            keys = _path(keyword.value)
            if len(keys) > 1 or (keys and not COMMAND_LINE.match(dotted(keyword.value) or "")):
                yield keyword.arg, keys, _otherwise(keyword.value)


def _otherwise(node: ast.expr) -> Value:
    """What stands for a setting that is not given."""
    match node:
        case ast.Call(ast.Name("getattr"), [_, _, ast.Constant(value)]):
            return Known(value)
        case ast.Call(ast.Attribute(_, "get"), [_, ast.Constant(value)]):
            return Known(value)
    return UNKNOWN


def _path(node: ast.expr) -> tuple[str, ...]:
    """The keys behind the name of settings."""
    keys = _keys(node) or ()
    return keys[2:] if keys[:1] == ("self",) else keys[1:]


def _keys(node: ast.expr) -> tuple[str, ...] | None:
    """A name and the attributes and keys behind it; None for anything else."""
    match node:
        case ast.Name(name):
            return (name,)
        case ast.Attribute(value, key) | ast.Subscript(value, ast.Constant(str(key))):
            inner = _keys(value)
            return (*inner, key) if inner is not None else None
        case ast.Call(ast.Name("getattr"), [value, ast.Constant(str(key)), *_]) | ast.Call(
            ast.Attribute(value, "get"), [ast.Constant(str(key)), *_]
        ):
            inner = _keys(value)
            return (*inner, key) if inner is not None else None
        case ast.Call(args=[given, *_]):
            name = dotted(node.func) or ""
            return _keys(given) if name.rpartition(".")[2] in AS_DICT else None
    return None


def number_of_parameter(node: ast.Call, name: str, frame: Frame) -> Value:
    """The number that ``name=parameter`` is unless a caller says otherwise, in a function that
    leaves its parameter as it is."""
    given = next((one.value for one in node.keywords if one.arg == name), None)
    code = frame.code
    if not isinstance(given, ast.Name) or code is None:
        return UNKNOWN
    named = (one for one in frame.parts if isinstance(one, ast.Name) and one.id == given.id)
    if not all(isinstance(one.ctx, ast.Load) for one in named):
        return UNKNOWN
    default = constant_defaults(code.args).get(given.id)
    return Known(default) if type(default) is int else UNKNOWN


def put_in_before(
    node: ast.Call, arguments: Arguments, frame: Frame
) -> Iterator[tuple[str, Value]]:
    """What the function itself puts into what it hands on, where that is not known otherwise:
    ``options["strategy"] = "ddp"`` before ``Trainer(**options)``, ``args.strategy = "ddp"`` before
    ``Trainer.from_argparse_args(args)``. It may stand in a branch."""
    given = [one.value for one in node.keywords if one.arg in (None, "args")]
    handed = {one.id for one in (*node.args[:1], *given) if isinstance(one, ast.Name)}
    for part in frame.parts if handed and not arguments.complete else ():
        for key, value in _made_in_a_branch(part, handed):
            if key in (*OF_PROCESSES, "distributed_backend") and key not in arguments.keywords:
                yield key, _or_nothing(value)
        match part:
            case ast.Assign(
                [ast.Subscript(ast.Name(name), ast.Constant(str(key)))], value
            ) | ast.Assign([ast.Attribute(ast.Name(name), key)], value) if (
                name in handed and key in OF_PROCESSES and key not in arguments.keywords
            ):
                yield key, _or_nothing(value)


def _made_in_a_branch(part: ast.AST, handed: set[str]) -> Iterator[tuple[str, ast.expr]]:
    """``options = dict(strategy="ddp")``, under ``if args.gpus > 1``."""
    match part:
        case ast.Assign([ast.Name(name)], ast.Call(ast.Name("dict"), [], given)) if name in handed:
            yield from ((one.arg, one.value) for one in given if one.arg is not None)
        case ast.Assign([ast.Name(name)], ast.Dict(keys, values)) if name in handed:
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value


def _or_nothing(node: ast.expr) -> Value:
    return OneOf((None, node.value)) if isinstance(node, ast.Constant) else UNKNOWN
