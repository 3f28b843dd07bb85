"""pl-lint: can you believe what this PyTorch Lightning code logs, saves and repeats?"""

from pl_lint.runtime.cases import case

__all__ = ["__version__", "case"]
__version__ = "0.1.0.dev0"
