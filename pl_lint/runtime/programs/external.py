"""Callbacks that installed packages bring: asked for once in a process, not for each Trainer."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

REGISTRIES = ("lightning.fabric.utilities.registry", "lightning_fabric.utilities.registry")


@contextmanager
def asked_once() -> Iterator[None]:
    """A Trainer asks all installed packages for callbacks of theirs (``_load_external_callbacks``
    in ``fabric/utilities/registry.py``), which in a small run takes longer than the rest of its
    making. The packages stay the same as long as a process lives."""
    with ExitStack() as patches:
        for registry in map(sys.modules.get, REGISTRIES):
            if registry is not None and hasattr(registry, "entry_points"):
                once = functools.cache(registry.entry_points)
                patches.enter_context(patch.object(registry, "entry_points", once))
        yield
