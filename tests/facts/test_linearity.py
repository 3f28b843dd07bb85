"""The table of linear metrics, measured row by row against the installed torchmetrics."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import metric_measure as data
import pytest
import torch
from metric_measure import EXACT, Maker

from pl_lint.facts import torchmetrics as facts
from pl_lint.facts.linear_table import LINEAR, OTHERS, UNLINEAR
from pl_lint.facts.values import UNKNOWN, Known, OneOf

VISIBLE = 1e-4
"""What a row that is not linear must show; measured: 2.7e-4 (SSIM) and more."""

# Which data suits a class: the first prefix or family that fits. ``None`` is the plain family.
FAMILIES: Mapping[str, Maker] = {
    "Binary": data.binary,
    "MulticlassExactMatch": data.grids,
    "Multiclass": data.multiclass,
    "Multilabel": data.multilabel,
    "ContinuousRankedProbabilityScore": data.ensemble,
    "CosineSimilarity": data.vectors,
    "KLDivergence": data.distributions,
    "JensenShannonDivergence": data.distributions,
    "TotalVariation": data.pictures,
    "ProcrustesDisparity": data.points,
    "Perplexity": data.tokens,
    "DiceScore": data.masks,
}
MODULES: Mapping[str, Maker] = {
    "torchmetrics.regression": data.regression,
    "torchmetrics.image": data.images,
    "torchmetrics.audio": data.signals,
    "torchmetrics.text": data.sentences,
    "torchmetrics.clustering": data.labels,
    "torchmetrics.nominal": data.labels,
    "torchmetrics.aggregation": data.numbers,
}
LISTS_OF_REFERENCES = ("BLEUScore", "SacreBLEUScore", "CHRFScore", "TranslationEditRate")

# Arguments without which a metric cannot be built, or cannot be measured on small data.
NEEDED: Mapping[str, dict[str, object]] = {
    "num_classes": {"num_classes": data.CLASSES},
    "num_labels": {"num_labels": data.CLASSES},
    "beta": {"beta": 2.0},
    "p": {"p": 2},
    "threshold": {"threshold": 0.5},
}
SPECIAL: Mapping[str, dict[str, object]] = {
    "MultiScaleStructuralSimilarityIndexMeasure": {
        "kernel_size": 3,
        "sigma": 0.5,
        "betas": (0.5, 0.5),
    },
    "PeakSignalNoiseRatio": {"data_range": 1.0},
    "DiceScore": {"input_format": "index"},
}
EXAMPLES: Mapping[str, tuple[object, ...]] = {"ignore_index": (0,), "data_range": (1.0,)}
"""Values to measure where the table says "any other value"."""


def metric_class(name: str) -> Any:
    path = facts._by_simple_name("classes")[name]
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def maker(name: str, module: str) -> Maker:
    if name in LISTS_OF_REFERENCES:
        return data.references
    for prefix, make in FAMILIES.items():
        if name.startswith(prefix):
            return make
    return next(make for family, make in MODULES.items() if module.startswith(family))


def needed_arguments(name: str, parameters: Sequence[inspect.Parameter]) -> dict[str, object]:
    """What a metric cannot be built without."""
    arguments: dict[str, object] = {}
    for parameter in parameters:
        if parameter.default is parameter.empty or parameter.name == "num_classes":
            arguments |= NEEDED.get(parameter.name, {})
    return arguments | SPECIAL.get(name, {})


def base_arguments(name: str, cls: Any) -> dict[str, object]:
    """Required arguments, and a linear value for each argument on which the row depends."""
    arguments = needed_arguments(name, [*inspect.signature(cls).parameters.values()])
    for argument, choice in LINEAR[name].when.items() if name in LINEAR else ():
        arguments[argument] = examples(argument, choice.linear)[0]
    return arguments


def examples(argument: str, values: tuple[object, ...]) -> tuple[object, ...]:
    return EXAMPLES[argument] if values is OTHERS else values


def linear_cases() -> Iterator[Any]:
    for name, row in LINEAR.items():
        yield pytest.param(name, {}, id=name)
        for argument, choice in row.when.items():
            for value in examples(argument, choice.linear):
                yield pytest.param(name, {argument: value}, id=f"{name}-{argument}={value}")


def unlinear_cases() -> Iterator[Any]:
    for name, row in LINEAR.items():
        for argument, choice in row.when.items():
            for value in examples(argument, choice.unlinear):
                yield pytest.param(name, {argument: value}, id=f"{name}-{argument}={value}")
    for name in UNLINEAR:
        yield pytest.param(name, {}, id=name)


def measured_gaps(
    name: str, special: Mapping[str, object], seeds: int, make: Maker | None = None
) -> Iterator[float]:
    cls = metric_class(name)
    arguments = {**base_arguments(name, cls), **special}

    def value(columns: Sequence[Any]) -> torch.Tensor:
        metric = cls(**arguments)
        named = {"indexes": columns[2]} if len(columns) == 3 else {}
        metric.update(*columns[:2], **named)
        return torch.as_tensor(metric.compute()).float()

    suited = make or maker(name, cls.__module__)
    return data.gaps(data.nan_if_impossible(value), suited, seeds)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "special"), linear_cases())
def test_linear_rows_agree_on_every_split(name: str, special: dict[str, object]) -> None:
    arguments = {**base_arguments(name, metric_class(name)), **special}
    assert facts.is_linear(name, arguments) is True
    assert max(measured_gaps(name, special, seeds=2), key=_nan_is_worst) < EXACT


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "special"), unlinear_cases())
def test_other_rows_differ_on_some_split(name: str, special: dict[str, object]) -> None:
    arguments = {**base_arguments(name, metric_class(name)), **special}
    assert facts.is_linear(name, arguments) is False
    assert any(gap > VISIBLE for gap in measured_gaps(name, special, seeds=6))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "argument", "given"),
    [
        (name, argument, given)
        for name, row in LINEAR.items()
        for argument, choice in row.when.items()
        for given in choice.either
    ],
)
def test_with_some_arguments_a_metric_is_the_mean_of_its_batches(
    name: str, argument: str, given: object
) -> None:
    """Although its value is another one in other batches: to log the object is no better."""
    cls = metric_class(name)
    arguments = {**base_arguments(name, cls), argument: given}
    assert facts.is_linear(name, arguments) is None
    assert any(gap > VISIBLE for gap in measured_gaps(name, {argument: given}, seeds=6))
    columns = maker(name, cls.__module__)(torch.Generator().manual_seed(1))
    whole, sizes = cls(**arguments), data.SPLITS[0]
    means = []
    for piece in zip(*(column.split(list(sizes)) for column in columns[:2]), strict=True):
        one = cls(**arguments)
        one.update(*piece)
        whole.update(*piece)
        means.append(one.compute())
    weighted = torch.stack(means) @ torch.tensor(sizes, dtype=means[0].dtype) / sum(sizes)
    assert float((whole.compute() - weighted).abs()) < EXACT


RETRIEVAL = (
    *("RetrievalAUROC", "RetrievalMAP", "RetrievalMRR", "RetrievalHitRate", "RetrievalRecall"),
    *("RetrievalNormalizedDCG", "RetrievalPrecision", "RetrievalRPrecision"),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RETRIEVAL)
def test_whether_a_mean_over_queries_is_linear_depends_on_the_batches(name: str) -> None:
    assert facts.is_linear(name, {}) is None
    assert max(measured_gaps(name, {}, seeds=2, make=data.rankings), key=_nan_is_worst) < EXACT
    assert any(gap > VISIBLE for gap in measured_gaps(name, {}, seeds=6, make=data.queries))


def _nan_is_worst(gap: float) -> float:
    return math.inf if math.isnan(gap) else gap


FUNCTIONS = sorted(
    name
    for name in facts._by_simple_name("functions")
    if facts._class_of(name) and not name.startswith("retrieval")
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_with_their_own_defaults_behave_as_the_table_says(name: str) -> None:
    path = facts._by_simple_name("functions")[name]
    module, _, attribute = path.rpartition(".")
    function = getattr(importlib.import_module(module), attribute)
    class_name = facts._class_of(name)
    beyond_data = [*inspect.signature(function).parameters.values()][2:]
    arguments = needed_arguments(class_name, beyond_data)

    def value(columns: Sequence[Any]) -> torch.Tensor:
        found = function(*columns, **arguments)
        return torch.as_tensor(found).float().mean()

    make = maker(class_name, metric_class(class_name).__module__)
    found = data.gaps(data.nan_if_impossible(value), make, seeds=4)
    verdict = facts.functional_linearity(path, arguments)
    if verdict is True:
        assert max(found, key=_nan_is_worst) < EXACT
    elif verdict is False:
        assert any(gap > VISIBLE for gap in found)  # which NaN is not


def test_enough_functions_are_measured() -> None:
    assert len(FUNCTIONS) > 70
    verdicts = [facts.functional_linearity(name, {}) for name in FUNCTIONS]
    assert verdicts.count(True) > 20
    assert verdicts.count(False) > 35


class TestArguments:
    def test_a_task_wrapper_has_its_own_defaults(self) -> None:
        assert facts.is_linear("Accuracy", {"task": "multiclass", "num_classes": 3}) is True
        assert facts.is_linear("MulticlassAccuracy", {"num_classes": 3}) is False

    def test_a_task_wrapper_hands_over_by_task(self) -> None:
        assert facts.is_linear("torchmetrics.F1Score", {"task": "multiclass"}) is True
        assert facts.is_linear("torchmetrics.F1Score", {"task": "binary"}) is False
        assert facts.is_linear("torchmetrics.F1Score", {"task": UNKNOWN}) is None

    def test_an_unknown_value_matters_only_where_the_row_depends_on_it(self) -> None:
        assert facts.is_linear("MulticlassAccuracy", {"average": UNKNOWN}) is None
        assert facts.is_linear("MulticlassAccuracy", {"ignore_index": UNKNOWN}) is False
        assert facts.is_linear("MeanAbsoluteError", {"num_outputs": UNKNOWN}) is True

    def test_what_reading_knows_is_understood(self) -> None:
        assert facts.is_linear("MulticlassAccuracy", {"average": Known("micro")}) is True
        either = OneOf(("micro", "weighted"))
        assert facts.is_linear("MulticlassAccuracy", {"average": either}) is True
        assert facts.is_linear("MulticlassAccuracy", {"average": OneOf(("micro", "macro"))}) is None

    def test_unpacked_options_hide_the_defaults(self) -> None:
        options = {facts.UNPACKED: UNKNOWN}
        assert facts.is_linear("MulticlassAccuracy", options) is None
        assert facts.is_linear("R2Score", options) is False

    def test_what_nobody_measured_is_not_guessed(self) -> None:
        assert facts.is_linear("FrechetInceptionDistance", {}) is None
        assert facts.is_linear("MeanMetric", {}) is None
        assert facts.is_linear("MyOwnMetric", {}) is None
        assert facts.is_linear("MulticlassAccuracy", {"multidim_average": "samplewise"}) is None

    def test_a_tensor_as_argument_is_no_trouble(self) -> None:
        assert facts.is_linear("BinaryAccuracy", {"ignore_index": torch.arange(3)}) is False

    def test_positional_arguments_find_their_names(self) -> None:
        bound = facts.bind("MulticlassAccuracy", [3, 1, "micro"], {"ignore_index": 0})
        expected = {"num_classes": 3, "top_k": 1, "average": "micro", "ignore_index": 0}
        assert bound == expected

    def test_every_row_says_why(self) -> None:
        for name, row in {**LINEAR, **UNLINEAR}.items():
            assert row if isinstance(row, str) else row.reason, name
