"""What a Dockerfile says of the torch and the Lightning that are installed in its image."""

from __future__ import annotations

import re

ARGUMENT = re.compile(r"^\s*ARG\s+(\w+)=[\"']?([\w.+-]+)", re.MULTILINE | re.IGNORECASE)
USED = re.compile(r"\$(?:\{(\w+)(?::-[^}]*)?\}|(\w+))")
OF_TORCH = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)?pytorch/pytorch:(\d+(?:\.\d+)+)[-\w.]*",
    re.MULTILINE | re.IGNORECASE,
)


def met_by(text: str) -> str:
    """The text with its arguments filled in, and torch's own images as a pin: ``torch==2.1.2``."""
    given = dict(ARGUMENT.findall(text))
    filled = USED.sub(lambda one: given.get(one[1] or one[2], one[0]), text)
    return OF_TORCH.sub(r"torch==\1\n", filled)
