"""pl-lint: can you believe what this PyTorch Lightning code logs, saves and repeats?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pl_lint.runtime.cases import case

__all__ = ["__version__", "case"]
__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    """``case`` comes in when it is asked for: every pytest imports this package, and the reader
    needs nothing of the runner's."""
    if name == "case":
        from pl_lint.runtime.cases import case

        return case
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
