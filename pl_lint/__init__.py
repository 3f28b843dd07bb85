"""pl-lint: can you believe what this PyTorch Lightning code logs, saves and repeats?"""

__version__ = "0.1.0.dev0"
