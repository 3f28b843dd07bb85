"""``prepare_data`` runs once per case: it downloads and converts, and the runs are many.

A hook that assigns state, against Lightning's advice, is run each time: on one device it works, and
skipping it would break what is only fragile.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from filelock import FileLock

from pl_lint.runtime.specs import CaseRef

ONCE = "_pl_lint_once"


def prepare_once(owner: Any, case: CaseRef, base: Path) -> None:
    """Let ``owner.prepare_data`` do nothing if an earlier run of this case, below ``base``, has run
    it and it left the owner as it was. Several Trainers may ask for one owner: the second one finds
    what the first has assigned, and a number or a string that is assigned again looks unchanged. So
    what was seen to assign once is never taken for a mere download."""
    name = hashlib.blake2b(f"{case.file}::{case.name}".encode(), digest_size=8).hexdigest()
    marker, fragile = base / f"prepared-{name}", base / f"assigns-{name}"
    original = owner.prepare_data
    if getattr(original, ONCE, False):
        return  # a lock inside its own lock would wait for ever

    @functools.wraps(original)
    def prepare_data(*args: Any, **kwargs: Any) -> None:
        with FileLock(marker.with_suffix(".lock")):  # two workers may run checks of one case
            if marker.exists():
                return
            before = dict(vars(owner))
            original(*args, **kwargs)
            if not _same(before, vars(owner)):
                fragile.touch()
            elif not fragile.exists():
                marker.touch()

    setattr(prepare_data, ONCE, True)
    owner.prepare_data = prepare_data


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before.keys() == after.keys() and all(before[name] is after[name] for name in before)
