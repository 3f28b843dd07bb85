"""Writes the data files beside this module from published releases, by parsing them.

    python -m pl_lint.facts.generate DIRECTORY

DIRECTORY holds wheels of pytorch_lightning, one per minor release, the newest ``lightning`` and the
newest ``torchmetrics``::

    pip download --no-deps -d DIRECTORY pytorch-lightning==2.6.6 lightning==2.6.6

The output depends on the wheels alone, so running it twice changes nothing.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pl_lint.facts.releases import (
    Definition,
    Found,
    Release,
    methods,
    parameters,
    read_release,
    spans,
)

LIGHTNING = ("pytorch_lightning", "lightning_fabric")
HERE = Path(__file__).parent
CANONICAL_ROOT = "lightning.pytorch"

# Where each kind of class lives; its file has moved, its re-export has not.
ROOTS = {
    "LightningModule": "pytorch_lightning.LightningModule",
    "LightningDataModule": "pytorch_lightning.core.LightningDataModule",
    "Callback": "pytorch_lightning.callbacks.Callback",
    "Trainer": "pytorch_lightning.Trainer",
    "Logger": "pytorch_lightning.loggers.Logger",
    "Strategy": "pytorch_lightning.strategies.Strategy",
    "LightningCLI": "pytorch_lightning.cli.LightningCLI",
}
# The same classes under the names that they bore before.
OLD_ROOTS = {
    "Logger": ("pytorch_lightning.loggers.LightningLoggerBase",),
    "LightningDataModule": ("pytorch_lightning.core.datamodule.LightningDataModule",),
    "Strategy": ("pytorch_lightning.plugins.TrainingTypePlugin",),
    "LightningCLI": ("pytorch_lightning.utilities.cli.LightningCLI",),
    "LightningModule": ("pytorch_lightning.core.module.LightningModule",),
}
HOOKED = ("LightningModule", "LightningDataModule", "Callback")
FUNCTIONS = ("seed_everything", "rank_zero_only", "isolate_rng", "CombinedLoader")
METHODS = {
    "LightningModule": ("log", "log_dict", "save_hyperparameters", "load_from_checkpoint"),
    "LightningDataModule": ("save_hyperparameters", "load_from_checkpoint"),
    "Trainer": ("fit", "validate", "test", "predict", "tune"),
}
# A method of these classes is a hook, that is: Lightning calls it, if its name has this shape.
HOOK_SHAPE = re.compile(
    r"on_\w+|\w+_step|(training|validation|test)_(step_|epoch_)?end|configure_\w+|\w+_dataloader"
    r"|optimizer_zero_grad|backward|clip_gradients|tbptt_split_batch|get_progress_bar_dict"
    r"|prepare_data|setup|teardown|transfer_batch_to_device|state_dict|load_state_dict"
)


def hook_table(release: Release, kind: str) -> dict[str, list[list[Any]]]:
    """Hook name -> parameters, over the class and its mixins (core/hooks.py)."""
    return {
        name: parameters(node)
        for name, node in inherited_methods(release, kind).items()
        if HOOK_SHAPE.fullmatch(name) and not name.startswith("_")
    }


def inherited_methods(release: Release, kind: str) -> dict[str, ast.FunctionDef]:
    found: dict[str, ast.FunctionDef] = {}
    for ancestor in reversed(ancestry(release, kind)):
        if isinstance(ancestor.node, ast.ClassDef):
            found |= methods(ancestor.node)
    return found


def member_names(release: Release, kind: str) -> set[str]:
    """All methods and properties that the class brings along, hooks or not."""
    nodes = [ancestor.node for ancestor in ancestry(release, kind)]
    return {
        one.name
        for node in nodes
        for one in node.body
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")
    }


def ancestry(release: Release, kind: str) -> list[Found]:
    found = root_class(release, kind)
    return release.ancestry(found) if found is not None else []


def root_class(release: Release, kind: str) -> Found | None:
    for dotted in (ROOTS[kind], *OLD_ROOTS.get(kind, ())):
        found = release.find(dotted)
        if found is not None and found.node.name != "object":
            return found
    return None


def raising_hooks(release: Release) -> dict[str, list[str]]:
    """Removed hooks that this release refuses at the start of a run (configuration_validator.py).

    Two shapes raise: ``if callable(getattr(model, NAME, None))`` and
    ``if is_overridden(NAME, datamodule)``. NAME is a constant, or a name that takes constants.
    """
    module = release.modules.get("pytorch_lightning.trainer.configuration_validator")
    refused: dict[str, set[str]] = {kind: set() for kind in HOOKED}
    for function in ast.walk(module.tree) if module else ():
        if isinstance(function, ast.FunctionDef):
            for owner, name in _refusals(function):
                refused[owner].update(name)
    return {kind: sorted(names - set(hook_table(release, kind))) for kind, names in refused.items()}


def _refusals(function: ast.FunctionDef) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(function):
        if not isinstance(node, ast.If) or not isinstance(node.body[0], ast.Raise):
            continue
        match node.test:
            case ast.Call(
                func=ast.Name("callable"), args=[ast.Call(args=[ast.Name(owner), name, *_])]
            ):
                yield _owner(owner), _constants(name, function)
            case ast.Call(func=ast.Name("is_overridden"), args=[name, ast.Attribute(attr=owner)]):
                yield _owner(owner), _constants(name, function)


def _owner(variable: str) -> str:
    names = {"callback": "Callback", "datamodule": "LightningDataModule"}
    return names.get(variable, "LightningModule")


def _constants(name: ast.expr, function: ast.FunctionDef) -> set[str]:
    """The strings that an expression can be: itself, or what is assigned to it or looped over."""
    if isinstance(name, ast.Constant):
        return {str(name.value)}
    if not isinstance(name, ast.Name):
        return set()
    sources: list[ast.expr] = []
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name.id:
                sources.append(value)
            case ast.For(target=ast.Name(id=target), iter=value) if target == name.id:
                sources.append(value)
            case ast.For(target=ast.Tuple(elts=[ast.Name(id=first), *_]), iter=value) if (
                first == name.id
            ):
                sources += _first_of_rows(value, function)
    return {
        str(one.value)
        for source in sources
        for one in ast.walk(source)
        if isinstance(one, ast.Constant) and HOOK_SHAPE.fullmatch(str(one.value))
    }


def _first_of_rows(rows: ast.expr, function: ast.FunctionDef) -> list[ast.expr]:
    if isinstance(rows, ast.Name):
        assigned = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == rows.id
        ]
        rows = assigned[0]
    return [row.elts[0] for row in rows.elts] if isinstance(rows, (ast.Tuple, ast.List)) else []


def log_table(release: Release) -> dict[str, list[Any] | None]:
    """Hook -> [allowed_on_step, allowed_on_epoch, default_on_step, default_on_epoch].

    From ``_FxValidator.functions`` (trainer/connectors/logger_connector/fx_validator.py); None is
    Lightning's own entry for a hook in which ``self.log`` raises.
    """
    name = "pytorch_lightning.trainer.connectors.logger_connector.fx_validator._FxValidator"
    found = release.find(name)
    assert found is not None and isinstance(found.node, ast.ClassDef)
    table = next(
        node.value
        for node in found.node.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    )
    return {ast.literal_eval(key): _options(value) for key, value in _items(table)}


def _items(table: ast.Dict) -> Iterator[tuple[ast.expr, ast.expr]]:
    return ((k, v) for k, v in zip(table.keys, table.values, strict=True) if k is not None)


def _options(node: ast.expr) -> list[Any] | None:
    if not isinstance(node, ast.Call):
        return None
    values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
    steps, epochs = values["allowed_on_step"], values["allowed_on_epoch"]
    return [list(steps), list(epochs), values["default_on_step"], values["default_on_epoch"]]


def canonical_names(release: Release) -> dict[str, tuple[str, str]]:
    """Every importable dotted name -> (definition, kind), for the classes and functions we know."""
    roots = {
        found.dotted: kind for kind in ROOTS if (found := root_class(release, kind)) is not None
    }
    roots["lightning_fabric.loggers.logger.Logger"] = "Logger"  # LitLogger extends Fabric's
    names: dict[str, tuple[str, str]] = {}
    for dotted, found in release.exports():
        kind = _kind(release, found, roots)
        if kind and "._" not in dotted:
            names[dotted] = (found.dotted, kind)
    return names


def _kind(release: Release, found: Found, roots: dict[str, str]) -> str:
    if found.node.name in FUNCTIONS:
        return found.node.name
    if found.node.name.startswith("_") or found.dotted.startswith("lightning_fabric"):
        return ""
    kinds = [roots[one.dotted] for one in release.ancestry(found) if one.dotted in roots]
    return kinds[0] if kinds else ""


def name_tables(releases: list[Release], root: Release) -> tuple[dict[str, str], dict[str, str]]:
    """``names``: dotted -> canonical, and ``kinds``: canonical -> kind, newest release first.

    A canonical name is the public path nearest to the root, in the ``lightning`` namespace. A class
    that moved keeps its name: ``core.lightning.LightningModule`` is ``LightningModule``.
    """
    names: dict[str, str] = {}
    kinds: dict[str, str] = {}
    moved: dict[tuple[str, str], str] = {}
    for release in reversed(releases):
        exports = canonical_names(release)
        canonical = _shortest(exports)
        for dotted, (definition, kind) in sorted(exports.items()):
            same = (kind, definition.rpartition(".")[2])
            target = moved.setdefault(same, _spelled(canonical[definition]))
            names.setdefault(_spelled(dotted), target)
            kinds.setdefault(target, kind)
    for local, dotted in sorted(root.modules["lightning"].imports.items()):
        if _spelled(dotted) in names:
            names[f"lightning.{local}"] = names[_spelled(dotted)]
    return names, kinds


def _shortest(exports: dict[str, tuple[str, str]]) -> dict[str, str]:
    best: dict[str, str] = {}
    for dotted, (definition, _) in exports.items():
        rank = (not dotted.startswith("pytorch_lightning"), dotted.count("."), dotted)
        old = best.get(definition)
        if old is None or rank < (not old.startswith("pytorch_lightning"), old.count("."), old):
            best[definition] = dotted
    return best


def _spelled(dotted: str) -> str:
    dotted = re.sub(r"^pytorch_lightning\b", CANONICAL_ROOT, dotted)
    return re.sub(r"^lightning_fabric\b", "lightning.fabric", dotted)


def signature_table(release: Release, names: dict[str, str]) -> dict[str, list[list[Any]]]:
    """Canonical name -> parameters of the constructor, function or method."""
    table: dict[str, list[list[Any]]] = {}
    for dotted, found in sorted(release.exports(), key=lambda export: _nearness(export[0], names)):
        canonical = names.get(_spelled(dotted))
        signature = _constructor(release, found)
        if canonical is not None and signature is not None:
            table.setdefault(canonical, parameters(signature))
    for kind, wanted in METHODS.items():
        known = inherited_methods(release, kind)
        owner = names[_spelled(ROOTS[kind])]
        table |= {f"{owner}.{name}": parameters(known[name]) for name in wanted if name in known}
    return table


def _nearness(dotted: str, names: dict[str, str]) -> tuple[bool, int, str]:
    """The name itself before its old places, which may hold a stub that only warns."""
    return names.get(_spelled(dotted)) != _spelled(dotted), dotted.count("."), dotted


def _constructor(release: Release, found: Found) -> Definition | None:
    if not isinstance(found.node, ast.ClassDef):
        return found.node
    for ancestor in release.ancestry(found):
        assert isinstance(ancestor.node, ast.ClassDef)
        own = methods(ancestor.node).get("__init__")
        if own is not None:
            return own
    return None


def history(
    releases: list[Release], read: Callable[[Release], dict[str, Any]]
) -> dict[str, list[list[Any]]]:
    """One table per release, turned into one row of spans per name."""
    tables = [(release.minor, read(release)) for release in releases]
    names = sorted({name for _, table in tables for name in table})
    return {name: spans([(minor, table.get(name)) for minor, table in tables]) for name in names}


def lightning_facts(releases: list[Release], root: Release) -> dict[str, Any]:
    names, kinds = name_tables(releases, root)
    return {
        "versions": [release.version for release in releases],
        "hooks": {
            kind: history(releases, lambda one, kind=kind: hook_table(one, kind)) for kind in HOOKED
        },
        "raises": {
            kind: history(
                releases, lambda one, kind=kind: dict.fromkeys(raising_hooks(one)[kind], True)
            )
            for kind in HOOKED
        },
        "members": {
            kind: sorted(set().union(*(member_names(one, kind) for one in releases)))
            for kind in HOOKED
        },
        "log": log_table(releases[-1]),
        "signatures": history(releases, lambda one: signature_table(one, names)),
        "names": names,
        "kinds": kinds,
    }


def to_json(facts: dict[str, Any]) -> str:
    """One line per entry of each table: small enough to load fast, split enough to review."""
    lines = []
    for table, content in sorted(facts.items()):
        head = json.dumps(table)
        if isinstance(content, dict):
            rows = (f"{json.dumps(k)}:{_compact(v)}" for k, v in sorted(content.items()))
            lines.append(f"{head}:{{\n" + ",\n".join(rows) + "\n}")
        else:
            lines.append(f"{head}:{_compact(content)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_wheels(directory: Path, prefix: str, packages: tuple[str, ...]) -> list[Release]:
    wheels: Iterable[Path] = directory.glob(f"{prefix}-*.whl")
    releases = [read_release(wheel, packages) for wheel in wheels]
    if not releases:
        raise SystemExit(f"no wheel of {prefix} in {directory}")
    return sorted(releases, key=lambda release: release.minor)


def main(directory: Path) -> None:
    releases = read_wheels(directory, "pytorch_lightning", LIGHTNING)
    root = read_wheels(directory, "lightning", ("lightning",))[-1]
    (HERE / "lightning.json").write_text(to_json(lightning_facts(releases, root)), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
