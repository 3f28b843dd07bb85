"""Modules that were not run: why, and the lines that would have them run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pl_lint.plugin.reading import Target
from pl_lint.runtime.cases import import_root
from pl_lint.static.sources import shown

SHOWN = 5
"""So many modules get their lines; the others go the same way."""


def lines_to_add(not_run: Sequence[tuple[Target, str]], most: int = SHOWN) -> Iterator[str]:
    """One line per module with its reason, then a file of cases to start from, for at most so many
    of those that need one."""
    if not not_run:
        return
    yield "not run:"
    for target, reason in not_run:
        yield f"  {target.name} ({shown(target.path)}): {reason}"
    shown_ones = [target for target, _ in not_run if not target.excuse][:most]
    if not shown_ones:
        return
    yield "to have them run, write a case for each, for instance in a file pl_cases.py:"
    yield "    import pl_lint"
    yield from (f"    {_import(target)}" for target in shown_ones)
    for target in shown_ones:
        yield from ("", *(f"    {line}" for line in _case(target)))


def _import(target: Target) -> str:
    root = import_root(target.path)[1]
    return f"from {root} import {target.name.split('.')[0]}"


def _case(target: Target) -> tuple[str, str, str]:
    arguments = ", ".join(f"{name}=..." for name in _required(target))
    return (
        "@pl_lint.case",
        f"def {_function_name(target.name)}():",
        f"    return {target.name}({arguments}), MyDataModule()",
    )


def _required(target: Target) -> tuple[str, ...]:
    """The arguments that the class itself asks for, as far as its own ``__init__`` says."""
    methods = [method for module in target.modules for method in module.own_methods]
    return next((method.required for method in methods if method.name == "__init__"), ())


def _function_name(name: str) -> str:
    """``LitGPT2Head`` is ``lit_gpt2_head``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.replace(".", "_"))
    return words.lower().strip("_")
