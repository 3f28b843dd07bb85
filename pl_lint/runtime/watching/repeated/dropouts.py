"""Functional dropout that drops while validating, because nobody told it of the mode.

``nn.Dropout`` hands its mode on. ``F.dropout(x, 0.3)`` drops always, since its ``training`` is True
by default; ``F.scaled_dot_product_attention`` drops whenever its ``dropout_p`` is not 0. Patched
while validating only: ``torch.jit.script`` knows these functions by identity.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from torch.nn import functional

from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import caller, is_library

BY_MODE = ("dropout", "dropout1d", "dropout2d", "dropout3d")
ATTENTION = "scaled_dot_product_attention"


def dropout_watcher(namespace: Namespace, found: dict[Location, str]) -> Any:
    """A callback that notes the user's own calls that drop while validating."""
    patches = ExitStack()

    class DropoutWatcher(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            for name in (*BY_MODE, ATTENTION):
                watched = _watched(name, getattr(functional, name), found)
                patches.enter_context(patch.object(functional, name, watched))

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            patches.close()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            patches.close()

    return DropoutWatcher()


def _watched(
    name: str, original: Callable[..., Any], found: dict[Location, str]
) -> Callable[..., Any]:
    drops = _attends_with_dropout if name == ATTENTION else _by_default(original)

    def watched(*args: Any, **kwargs: Any) -> Any:
        if not is_library(sys._getframe(1).f_code.co_filename) and drops(*args, **kwargs):
            found.setdefault(caller(), f"F.{name}")
        return original(*args, **kwargs)

    return watched


def _by_default(original: Callable[..., Any]) -> Callable[..., bool]:
    """Whether a call drops because it does not say whether it should. Who writes ``training=True``
    wants it so (Monte Carlo dropout)."""
    signature = inspect.signature(original)
    rate = signature.parameters["p"].default

    def drops(*args: Any, **kwargs: Any) -> bool:
        given = signature.bind(*args, **kwargs).arguments
        return "training" not in given and given.get("p", rate) > 0

    return drops


def _attends_with_dropout(*args: Any, **kwargs: Any) -> bool:
    """``query, key, value, attn_mask, dropout_p``: this function knows no mode."""
    rate = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
    return bool(rate > 0)
