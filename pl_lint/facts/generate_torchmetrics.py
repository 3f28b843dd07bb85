"""Writes torchmetrics.json from a release of torchmetrics, by parsing it.

    python -m pl_lint.facts.generate_torchmetrics PATH

PATH is a wheel of torchmetrics, or the directory in which it is installed. Parsing also finds the
metrics that an installation hides because an optional dependency of theirs is missing.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from pl_lint.facts.generate import to_json
from pl_lint.facts.releases import Found, Release, methods, parameters, read_release

HERE = Path(__file__).parent
PACKAGE = ("torchmetrics",)
ROOT = "torchmetrics.metric.Metric"
# What is no Metric by inheritance and yet stands for some.
COLLECTIONS = ("MetricCollection", "MetricTracker", "FeatureShare")


def is_public(dotted: str) -> bool:
    return not any(part.startswith("_") for part in dotted.split("."))


def metric_exports(release: Release) -> dict[str, Found]:
    """Every public dotted name of a metric class (torchmetrics/*/, metric.py, wrappers/)."""
    return {
        dotted: found
        for dotted, found in release.exports()
        if is_public(dotted) and isinstance(found.node, ast.ClassDef) and _is_metric(release, found)
    }


def _is_metric(release: Release, found: Found) -> bool:
    named = found.node.name in COLLECTIONS and is_public(found.dotted)
    return named or any(one.dotted == ROOT for one in release.ancestry(found))


def functional_exports(release: Release) -> dict[str, Found]:
    """The functions that packages under torchmetrics.functional export."""
    return {
        dotted: found
        for dotted, found in release.exports()
        if dotted.startswith("torchmetrics.functional.")
        and is_public(dotted)
        and isinstance(found.node, ast.FunctionDef)
    }


def canonical_names(exports: dict[str, Found]) -> dict[str, str]:
    """Dotted name -> the shortest public name of the same definition."""
    best: dict[str, str] = {}
    for dotted, found in exports.items():
        old = best.get(found.dotted)
        if old is None or (dotted.count("."), dotted) < (old.count("."), old):
            best[found.dotted] = dotted
    return {dotted: best[found.dotted] for dotted, found in exports.items()}


def class_facts(release: Release, found: Found) -> dict[str, Any]:
    return {
        "parameters": _constructor(release, found),
        "higher_is_better": _attribute(release, found, "higher_is_better"),
        "gives_dict": _gives_dict(release, found),
    }


def _gives_dict(release: Release, found: Found) -> bool | None:
    """What ``compute`` says that it returns; None where that may be a dict or not."""
    for ancestor in release.ancestry(found):
        assert isinstance(ancestor.node, ast.ClassDef)
        if "compute" in (own := methods(ancestor.node)):
            stated = own["compute"].returns
            return is_dict(ast.unparse(stated)) if stated is not None else None
    return None


def is_dict(annotation: str) -> bool | None:
    """``dict[str, Tensor]`` is one, ``Union[Tensor, dict]`` may be, ``Tensor`` is none."""
    name = annotation.partition("[")[0].rpartition(".")[2].lower()
    if name == "dict" and "|" not in annotation:
        return True
    return None if any(word in annotation.lower() for word in ("dict", "any")) else False


def _constructor(release: Release, found: Found) -> list[list[Any]]:
    """The task wrappers (Accuracy, F1Score...) build their metric in ``__new__``."""
    for ancestor in release.ancestry(found):
        assert isinstance(ancestor.node, ast.ClassDef)
        own = methods(ancestor.node)
        for name in ("__new__", "__init__"):
            if name in own:
                return parameters(own[name])
    return []


def _attribute(release: Release, found: Found, name: str) -> Any:
    for ancestor in release.ancestry(found):
        assert isinstance(ancestor.node, ast.ClassDef)
        for node in ancestor.node.body:
            match node:
                case (
                    ast.AnnAssign(target=ast.Name(id=target), value=value)
                    | ast.Assign(targets=[ast.Name(id=target)], value=value)
                ) if target == name and isinstance(value, ast.Constant):
                    return value.value
    return None


def torchmetrics_facts(release: Release) -> dict[str, Any]:
    classes, functions = metric_exports(release), functional_exports(release)
    class_names, function_names = canonical_names(classes), canonical_names(functions)
    return {
        "version": release.version,
        "class_names": class_names,
        "function_names": function_names,
        "classes": {
            name: class_facts(release, classes[name]) for name in sorted(set(class_names.values()))
        },
        "functions": {
            name: parameters(functions[name].node) for name in sorted(set(function_names.values()))
        },
    }


def main(path: Path) -> None:
    version = "" if path.suffix == ".whl" else installed_version(path)
    facts = torchmetrics_facts(read_release(path, PACKAGE, version))
    (HERE / "torchmetrics.json").write_text(to_json(facts), "utf-8")


def installed_version(path: Path) -> str:
    """The version in the name of ``torchmetrics-1.9.0.dist-info``."""
    (info,) = path.glob("torchmetrics-*.dist-info")
    return info.name.split("-")[1].removesuffix(".dist")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
