"""The mistakes that only a run can see: a page each, beside those of the rules.

A check names a mistake when its formula reproduces what was logged. Most of them are rules too, and
their pages stand there; these are the others. A mistake is found by being in a module of this
package.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from pl_lint.checks.mistakes.page import Mistake

__all__ = ["Mistake", "all_mistakes"]


@functools.cache
def all_mistakes() -> tuple[Mistake, ...]:
    """Every mistake of every module of this package, by code."""
    modules = [
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
    ]
    found = [item for module in modules for item in vars(module).values()]
    return tuple(sorted((m for m in found if isinstance(m, Mistake)), key=lambda m: m.code))
