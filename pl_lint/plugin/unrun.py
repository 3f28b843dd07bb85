"""Modules that were not run: why, and the lines that would have them run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pl_lint.facts.sites import ClassFacts
from pl_lint.plugin.reading import Target
from pl_lint.runtime.cases import import_root
from pl_lint.static.sources import shown

SHOWN = 5
"""So many modules get their lines; the others go the same way."""


def lines_to_add(
    not_run: Sequence[tuple[Target, str]], data: ClassFacts | None = None, most: int = SHOWN
) -> Iterator[str]:
    """One line per module with its reason, then the cases that lack their data, and a file of cases
    to start from, for at most so many of those that need one. ``data`` is the project's own."""
    if not not_run:
        return
    yield "not run:"
    for target, reason in not_run:
        yield f"  {target.name} ({shown(target.path)}): {reason}"
    needing = [target for target, _ in not_run if not target.excuse]
    for case in [target for target in needing if target.is_case][:most]:
        yield from _with_data(case, data)
    yield from _cases([target for target in needing if not target.is_case][:most], data)


def _with_data(case: Target, data: ClassFacts | None) -> Iterator[str]:
    """What stands in a case that returned no data, with them."""
    yield f"to have {case.name} run, return its data as well, in {shown(case.path)}:"
    if data is not None and Path(data.location.path).resolve() != case.path:
        yield f"    {_import(Path(data.location.path), data.short_name)}"
        yield ""
    (module,) = case.modules if len(case.modules) == 1 else (None,)
    made = "module" if module is None else _made(module.short_name, module)
    yield f"    def {case.name}():"
    yield f"        return {made}, {_data(data)}"


def _cases(targets: Sequence[Target], data: ClassFacts | None) -> Iterator[str]:
    if not targets:
        return
    yield "to have them run, write a case for each, for instance in a file pl_cases.py:"
    yield "    import pl_lint"
    yield from (f"    {_import(target.path, target.name)}" for target in targets)
    if data is not None:
        yield f"    {_import(Path(data.location.path), data.short_name)}"
    for target in targets:
        yield ""
        yield "    @pl_lint.case"
        yield f"    def {_function_name(target.name)}():"
        module = target.modules[0] if target.modules else None
        yield f"        return {_made(target.name, module)}, {_data(data)}"


def _import(path: Path, name: str) -> str:
    return f"from {import_root(path.resolve())[1]} import {name.split('.')[0]}"


def _data(own: ClassFacts | None) -> str:
    return "MyDataModule()" if own is None else _made(own.short_name, own)


def _made(name: str, of: ClassFacts | None) -> str:
    """The call that builds a class, with the arguments that it asks for, as far as its own
    ``__init__`` says."""
    methods = of.own_methods if of is not None else ()
    required = next((method.required for method in methods if method.name == "__init__"), ())
    return f"{name}({', '.join(f'{argument}=...' for argument in required)})"


def _function_name(name: str) -> str:
    """``LitGPT2Head`` is ``lit_gpt2_head``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.replace(".", "_"))
    return words.lower().strip("_")
