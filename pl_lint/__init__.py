"""pl-lint: can you believe what this PyTorch Lightning code logs, saves and repeats?"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a known answer to find
if TYPE_CHECKING:
    from typing import Any

    from pl_lint.library import check
    from pl_lint.runtime.cases import case

__all__ = ["__version__", "case", "check"]
__version__ = "0.1.0.dev0"

_HOMES = {"case": "pl_lint.runtime.cases", "check": "pl_lint.library"}


def __getattr__(name: str) -> Any:
    """``pl_lint.case`` and ``pl_lint.check``, imported when asked for: the reader's command starts
    without them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"pl_lint.{name} needs the runner, and {error.name} is missing: {installing('check')}"
        ) from error


def installing(extra: str) -> str:
    """How what an extra brings is installed: from the clone, as long as there is no release."""
    return f"pip install '.[{extra}]' in the clone of pl-lint"
