"""The names of torchmetrics against the installed torchmetrics."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import torchmetrics
import torchmetrics.functional

from pl_lint.facts import generate_torchmetrics as generator
from pl_lint.facts import torchmetrics as facts
from pl_lint.facts.generate import to_json
from pl_lint.facts.releases import Release, read_release


def installed_metrics() -> dict[str, type]:
    """Every public metric class that can be imported here, by the module that defines it."""
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(torchmetrics.__path__, "torchmetrics."):
        if not generator.is_public(info.name):
            continue
        module = importlib.import_module(info.name)
        for name, one in vars(module).items():
            metric = inspect.isclass(one) and issubclass(one, torchmetrics.Metric)
            if metric and one.__module__ == info.name and not name.startswith("_"):
                found[f"{info.name}.{name}"] = one
    return found


METRICS = installed_metrics()


def test_every_installed_metric_is_known() -> None:
    assert len(METRICS) > 200
    assert [dotted for dotted in METRICS if not facts.is_metric_class(dotted)] == []


def test_canonical_names_can_be_imported_and_are_the_same_class() -> None:
    hidden = 0  # classes that a package exports only where their optional dependency is installed
    for dotted, one in METRICS.items():
        module, _, name = str(facts.canonical(dotted)).rpartition(".")
        exported = getattr(importlib.import_module(module), name, None)
        hidden += exported is None
        assert exported in (one, None), dotted
    assert hidden < len(METRICS) / 10


def test_directions_are_those_that_the_classes_state() -> None:
    for dotted, one in METRICS.items():
        stated = vars_over_mro(one, "higher_is_better")
        row = facts._data()["classes"][facts.canonical(dotted)]
        if stated is None or isinstance(stated, bool):
            assert row["higher_is_better"] is stated, dotted


def vars_over_mro(one: type, name: str) -> Any:
    return next((vars(base)[name] for base in one.__mro__ if name in vars(base)), None)


def test_parameters_are_those_of_the_constructors() -> None:
    for dotted, one in METRICS.items():
        rows = facts._data()["classes"][facts.canonical(dotted)]["parameters"]
        signature = inspect.signature(one.__new__ if "__new__" in vars(one) else one.__init__)
        names = [name for name in signature.parameters if name not in ("self", "cls")]
        assert [row[0] for row in rows] == names, dotted


def test_every_exported_function_is_known() -> None:
    for name in torchmetrics.functional.__all__:
        dotted = f"torchmetrics.functional.{name}"
        assert facts.is_functional(dotted), name
        assert facts.canonical(dotted) == dotted


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Accuracy", True),
        ("torchmetrics.Accuracy", True),
        ("torchmetrics.classification.accuracy.Accuracy", True),
        ("torchmetrics.MetricCollection", True),
        ("torchmetrics.wrappers.MetricTracker", True),
        ("pytorch_lightning.metrics.Accuracy", True),
        ("pytorch_lightning.metrics.classification.F1Score", True),
        ("torchmetrics.functional.accuracy", False),
        ("my_project.Accuracy", False),
        ("torch.nn.Linear", False),
        ("Linear", False),
    ],
)
def test_metric_classes(name: str, expected: bool) -> None:
    assert facts.is_metric_class(name) is expected


def test_roles() -> None:
    assert facts.is_tracker("torchmetrics.MaxMetric")
    assert not facts.is_tracker("torchmetrics.MeanMetric")
    assert facts.is_aggregator("torchmetrics.aggregation.MeanMetric")
    assert facts.is_collection("torchmetrics.MetricCollection")
    known = facts._by_simple_name("classes")
    assert known.keys() >= facts.TRACKERS | facts.AGGREGATORS


@pytest.mark.parametrize(
    ("name", "direction"),
    [("Accuracy", True), ("MeanSquaredError", False), ("F1Score", True), ("ConfusionMatrix", None)],
)
def test_directions_of_task_wrappers(name: str, direction: bool | None) -> None:
    assert facts.higher_is_better(name) is direction


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("dict", True),
        ("dict[str, Tensor]", True),
        ("Dict[str, Union[Tensor, str]]", True),
        ("dict[str, Tensor] | Tensor", None),
        ("Union[Tensor, dict[str, Tensor]]", None),
        ("Any", None),
        ("tuple[Tensor, Tensor]", False),
        ("Tensor", False),
    ],
)
def test_annotations_of_dicts(annotation: str, expected: bool | None) -> None:
    assert generator.is_dict(annotation) is expected


@pytest.mark.filterwarnings("ignore")
def test_values_are_dicts_where_the_table_says_so() -> None:
    """Every metric that can be built and computed without arguments or with a task's."""
    told: dict[bool, int] = {True: 0, False: 0}
    for dotted, one in METRICS.items():
        gives = facts.gives_dict(dotted)
        value = _value_of(one) if gives is not None else None
        if gives is not None and value is not None:
            told[gives] += 1
            assert isinstance(value, dict) is gives, dotted
    assert told[True] >= 4 and told[False] >= 50


def _value_of(metric: type) -> object:
    """What an empty metric computes; None where it needs more than a guess to be built."""
    inner = torchmetrics.MeanMetric()
    wrapped = ({"base_metric": inner}, {"metric": inner}, {"task_metrics": {"a": inner}})
    for given in ({}, {"num_classes": 3}, {"num_labels": 3}, *wrapped):
        try:
            return metric(**given).compute()
        except Exception:
            continue
    return None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torchmetrics.wrappers.ClasswiseWrapper", True),
        ("torchmetrics.MinMaxMetric", True),
        ("torchmetrics.Accuracy", False),
        ("pytorch_lightning.metrics.classification.Accuracy", False),
        ("torchmetrics.MetricTracker", None),
        ("torchmetrics.OfTomorrow", None),
        ("project.Accuracy", None),
    ],
)
def test_what_gives_a_dict(name: str, expected: bool | None) -> None:
    assert facts.gives_dict(name) is expected


def test_the_generator_reads_the_installed_sources_to_the_same_table(installed: Release) -> None:
    fresh = to_json(generator.torchmetrics_facts(installed))
    committed = Path(generator.HERE / "torchmetrics.json").read_text("utf-8")
    assert fresh == committed


@pytest.fixture(scope="module")
def installed() -> Release:
    root = Path(torchmetrics.__file__).parent.parent
    return read_release(root, generator.PACKAGE, generator.installed_version(root))
