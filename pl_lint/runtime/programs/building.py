"""How a case was built, told for a script that builds it again without pl-lint."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pl_lint.facts.building import Building
from pl_lint.runtime import cases
from pl_lint.runtime.data import STAGE_HOOKS, Supply
from pl_lint.runtime.specs import CaseRef
from pl_lint.runtime.watching.callsite import own_files


def building_of(
    case: CaseRef, built: cases.Built, supply: Supply, stages: Sequence[str], kept: Sequence[str]
) -> Building:
    """``stages`` are those that the case has, ``kept`` the Trainer arguments that a run keeps."""
    root, module = cases.import_root(Path(case.file).resolve())
    return Building(
        root=str(root),
        module=module,
        case=case.name,
        namespace=supply.namespace.name,
        returned=built.returned,
        owner=_owner(supply),
        names=dict(_names(supply, stages)),
        arguments=tuple(name for name in built.trainer_arguments if name in kept),
        beside=tuple(_beside(str(root))),
    )


def _beside(root: str) -> Iterator[str]:
    """Other folders that modules of the project were imported from: a script that is started by
    itself does not look there."""
    inside = os.path.join(root, "")
    own = [file for file in own_files() if not file.startswith(inside)]
    for folder in dict.fromkeys(sys.path):
        below = os.path.join(folder, "")
        if folder != root and any(one.startswith(below) for one in own):
            yield folder


def _owner(supply: Supply) -> str:
    if isinstance(supply.data, supply.namespace.part("LightningDataModule")):
        return "datamodule"
    if supply.data is None:
        return "module"
    return "dict" if isinstance(supply.data, dict) else "loader"


def _names(supply: Supply, stages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """By which name each stage's loader goes: a hook, or a key of the dict."""
    is_key = isinstance(supply.data, dict)
    for stage in stages:
        key = "val" if stage == "validate" and is_key and "val" in supply.data else stage
        yield stage, (key if is_key else STAGE_HOOKS[stage])
