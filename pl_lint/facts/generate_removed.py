"""Writes ``removed.json``: what published releases of Lightning had and the newest one has not.

    python -m pl_lint.facts.generate_removed DIRECTORY

DIRECTORY holds the wheels that ``generate.py`` reads. A name counts as removed where no module of
the newest release defines, imports or assigns it any more; what its ``_graveyard`` still answers
for is there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pl_lint.facts.generate import (
    HERE,
    LIGHTNING,
    _spelled,
    ancestry,
    read_wheels,
    to_json,
)
from pl_lint.facts.releases import Module, Release, top_level

FIRST = (1, 0)
"""Before that hardly anything had the name that it has today."""
OWNERS = ("Trainer", "LightningModule")

RENAMED = {
    "LightningLoggerBase": "loggers.Logger",
    "DDPPlugin": "strategies.DDPStrategy",
    "DDPSpawnPlugin": "strategies.DDPStrategy",
    "DDP2Plugin": "",
    "DeepSpeedPlugin": "strategies.DeepSpeedStrategy",
    "DDPFullyShardedNativeStrategy": "strategies.FSDPStrategy",
    "DDPFullyShardedStrategy": "strategies.FSDPStrategy",
    "DDPSpawnStrategy": "strategies.DDPStrategy",
    "SingleDevicePlugin": "strategies.SingleDeviceStrategy",
    "ParallelPlugin": "strategies.ParallelStrategy",
    "TrainingTypePlugin": "strategies.Strategy",
    "TPUSpawnStrategy": "strategies.XLAStrategy",
    "TPUSpawnPlugin": "strategies.XLAStrategy",
    "GPUAccelerator": "accelerators.CUDAAccelerator",
    "ProgressBarBase": "callbacks.ProgressBar",
    "GPUStatsMonitor": "callbacks.DeviceStatsMonitor",
    "XLAStatsMonitor": "callbacks.DeviceStatsMonitor",
    "LightningLite": "lightning.fabric.Fabric",
    "NativeMixedPrecisionPlugin": "plugins.MixedPrecision",
    "MixedPrecisionPlugin": "plugins.MixedPrecision",
    "get_init_args": "",
    "NeptuneLogger": "",
}
"""What took the place of a class that has another name today (docs, upgrade/from_1_*); the empty
text where nothing did, though something bears the name."""


def public(dotted: str) -> bool:
    return not any(part.startswith("_") for part in dotted.split("."))


def offered(release: Release) -> set[str]:
    """What a release defines itself, where it does and where its packages offer it; its modules."""
    names = set(release.modules)
    for dotted, found in release.exports():
        if dotted == found.dotted or release.modules[dotted.rpartition(".")[0]].is_package:
            names.add(dotted)
    return {name for name in names if public(name) and name.startswith("pytorch_lightning.")}


def present(release: Release) -> set[str]:
    """Every name that can be had in any way: wider than what is offered."""
    names = set(release.modules)
    for module in release.modules.values():
        names |= {f"{module.name}.{name}" for name in _bound(module)}
    return names


def _bound(module: Module) -> Iterator[str]:
    yield from module.definitions
    for node in top_level(module.tree.body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def buried(release: Release) -> frozenset[str]:
    """Names that the graveyard of a release still answers for."""
    graves = [module for name, module in release.modules.items() if "._graveyard" in name]
    texts = {
        node.value
        for module in graves
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset(texts.union(*(module.definitions for module in graves)))


def removed_names(releases: list[Release]) -> dict[str, list[Any]]:
    """Dotted name -> [first version without it, what to import instead or ""]."""
    newest = releases[-1]
    kept, graves, homes = present(newest), buried(newest), _homes(newest)
    last: dict[str, int] = {}
    for index, release in enumerate(releases):
        last |= dict.fromkeys(offered(release), index)
    for index, release in enumerate(releases):
        for name in present(release) & last.keys():
            last[name] = max(last[name], index)
    return {
        _spelled(name): [list(releases[index + 1].minor), _instead(name, homes)]
        for name, index in sorted(last.items())
        if name not in kept
        and not {name, name.rpartition(".")[2]} & graves
        and not any(name.startswith(f"{grave}.") for grave in graves)
    }


def _homes(release: Release) -> dict[str, str]:
    """The nearest public place of each class and function of a release."""
    homes: dict[str, str] = {}
    own = [f"{m.name}.{name}" for m in release.modules.values() for name in _own_names(m)]
    for dotted in sorted(own, key=lambda one: (one.count("."), one)):
        if dotted.startswith("pytorch_lightning.") and public(dotted):
            homes.setdefault(dotted.rpartition(".")[2], dotted)
    return homes


def _own_names(module: Module) -> Iterable[str]:
    """What a module defines or hands on for good: packages do, and utilities that have moved to
    another distribution."""
    hands_on = module.is_package or module.name.startswith("pytorch_lightning.utilities.")
    taken = [name for name, origin in module.imports.items() if origin.endswith(f".{name}")]
    return (*module.definitions, *(taken if hands_on else ()))


def _instead(name: str, homes: dict[str, str]) -> str:
    last = name.rpartition(".")[2]
    if last in RENAMED:
        new = RENAMED[last]
        return new if not new or new.startswith("lightning.") else f"lightning.pytorch.{new}"
    return _spelled(homes[last]) if last in homes and not last.islower() else _function(last, homes)


def _function(last: str, homes: dict[str, str]) -> str:
    """A function that moved; not one of a name that many things have."""
    return _spelled(homes[last]) if last in homes and last.count("_") else ""


def members(release: Release, kind: str) -> set[str]:
    """Everything that an object of a class has: methods, properties, attributes."""
    names: set[str] = set()
    for found in ancestry(release, kind):
        for node in ast.walk(found.node):
            match node:
                case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(name)):
                    names.add(name)
                case ast.Attribute(ast.Name("self"), attr, ast.Store()):
                    names.add(attr)
    return names


def given(release: Release) -> set[str]:
    """Attributes that the rest of a release puts on Trainers (``self.trainer.x = ...``)."""
    return {
        node.attr
        for module in release.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def removed_members(releases: list[Release], kind: str) -> dict[str, list[int]]:
    """Member -> the first version without it."""
    last: dict[str, int] = {}
    for index, release in enumerate(releases):
        last |= dict.fromkeys(members(release, kind), index)
    kept = members(releases[-1], kind) | given(releases[-1])
    return {
        name: list(releases[index + 1].minor)
        for name, index in sorted(last.items())
        if name not in kept and public(name)
    }


def main(directory: Path) -> None:
    releases = [
        one for one in read_wheels(directory, "pytorch_lightning", LIGHTNING) if one.minor >= FIRST
    ]
    facts = {
        "names": removed_names(releases),
        "members": {kind: removed_members(releases, kind) for kind in OWNERS},
    }
    (HERE / "removed.json").write_text(to_json(facts), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
