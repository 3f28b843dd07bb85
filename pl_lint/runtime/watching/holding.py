"""What objects hold, asked past their own code: stubs answer to every attribute, proxies lend the
answers of others, and some refuse to be asked at all. None of that is the module's business."""

from __future__ import annotations

import dis
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from pl_lint.runtime.watching.callsite import is_library, of_library


def held(owner: Any) -> dict[str, Any]:
    """The attributes in an object's own dictionary, without those that give themselves out for what
    they are not (mocks with a specification, weak references that may be dead)."""
    try:
        found = object.__getattribute__(owner, "__dict__")
    except Exception:  # it has none, or makes it on demand and could not
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if _is_itself(value)}


def holds(owner: Any) -> bool:
    """Whether an object has a dictionary that can be read."""
    try:
        return isinstance(object.__getattribute__(owner, "__dict__"), Mapping)
    except Exception:
        return False


def is_plain_object(value: Any) -> bool:
    """An instance of the user's own class that no checkpoint holds and no library made."""
    if isinstance(value, (type, torch.nn.Module)) or not holds(value):
        return False
    return not callable(value) and not of_library(value)


def names_of_every(module: torch.nn.Module) -> frozenset[str]:
    """The attributes that every LightningModule has of its own, if this is one."""
    bases = (base for base in type(module).__mro__ if base.__name__ == "LightningModule")
    return _names_of(next(bases, torch.nn.Module))


@functools.cache
def _names_of(base: type) -> frozenset[str]:
    filled_later = ("_metric_attributes", "_param_requires_grad_state")
    return frozenset((*vars(torch.nn.Module()), *vars(base()), *filled_later))


@functools.cache
def names_of_own(kind: type) -> frozenset[str]:
    """The private names that the user's classes set on ``self`` and the library's do not: whose an
    attribute is, its name alone does not tell. Lightning, torch and torchmetrics have dozens."""
    theirs = [base for base in kind.__mro__ if is_library(_path_of(base))]
    own = _private_names_of(base for base in kind.__mro__ if base not in theirs)
    # Most classes set none, and the library's have hundreds of methods to look through.
    return own - _private_names_of(theirs) if own else own


def _private_names_of(bases: Iterable[type]) -> frozenset[str]:
    return frozenset().union(*map(_private_names_set_by, bases))


@functools.cache
def _private_names_set_by(kind: type) -> frozenset[str]:
    names = (name for member in vars(kind).values() for name in _stored(member))
    return frozenset(name for name in names if name.startswith("_"))


def _path_of(kind: type) -> str:
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or "<built in>"


def _stored(member: Any) -> Iterator[str]:
    """The attributes that a method or the setter of a property sets, of whatever object."""
    function = member.fset if isinstance(member, property) else member
    function = inspect.unwrap(function) if inspect.isfunction(function) else None
    if inspect.isfunction(function):
        found = dis.get_instructions(function.__code__)
        yield from (step.argval for step in found if step.opname == "STORE_ATTR")


def _is_itself(value: Any) -> bool:
    try:
        return value.__class__ is type(value)
    except Exception:
        return False
