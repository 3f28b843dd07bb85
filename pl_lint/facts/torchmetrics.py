"""What torchmetrics is: its metrics, its functions, and which of them may be averaged over batches.

Names, signatures and ``higher_is_better`` are data (``torchmetrics.json``), written by
``python -m pl_lint.facts.generate_torchmetrics``; what is linear is the table in
``pl_lint.facts.linear_table``. Importing this module reads no file and nothing here imports
torchmetrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pl_lint.facts.linear_table import (
    AREA,
    BOXES,
    CORRELATED,
    LINEAR,
    NEIGHBOURS,
    OF_A_CORPUS,
    OTHERS,
    SCIPY_UNLINEAR,
    SEGMENTATION,
    SEGMENTATION_OBJECTS,
    SKLEARN_LINEAR,
    SKLEARN_UNLINEAR,
    UNLINEAR,
    Choice,
    Row,
)
from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.tables import table
from pl_lint.facts.values import UNKNOWN, Known, Made, Named, OneOf, Pattern, Several, Unknown

AGGREGATORS = frozenset(
    {"MeanMetric", "SumMetric", "MaxMetric", "MinMetric", "CatMetric", "RunningMean", "RunningSum"}
)
TRACKERS = frozenset({"MaxMetric", "MinMetric", "MetricTracker", "MinMaxMetric"})
"""Metrics that are meant to remember the best so far, over epochs."""
KEYS = {
    "MeanAveragePrecision": re.compile(
        r"((bbox|segm)_)?(map(_\d+|_small|_medium|_large|_per_class)?|mar_(\d+(_per_class)?|small|"
        r"medium|large)|classes|ious|precision|recall|scores)"
    )
}
"""The keys of metrics whose value is a dict, as far as any arguments may ask for them."""
COLLECTION = "torchmetrics.MetricCollection"
TASKS = ("binary", "multiclass", "multilabel")
RENAMED = {
    "F1": "F1Score",
    "FBeta": "FBetaScore",
    "IoU": "JaccardIndex",
    "PSNR": "PeakSignalNoiseRatio",
    "SSIM": "StructuralSimilarityIndexMeasure",
    "FID": "FrechetInceptionDistance",
    "IS": "InceptionScore",
    "KID": "KernelInceptionDistance",
    "LPIPS": "LearnedPerceptualImagePatchSimilarity",
    "MAP": "MeanAveragePrecision",
    "WER": "WordErrorRate",
    "Hinge": "HingeLoss",
    "MatthewsCorrcoef": "MatthewsCorrCoef",
    "PearsonCorrcoef": "PearsonCorrCoef",
    "SpearmanCorrcoef": "SpearmanCorrCoef",
    "SNR": "SignalNoiseRatio",
    "SI_SNR": "ScaleInvariantSignalNoiseRatio",
    "SI_SDR": "ScaleInvariantSignalDistortionRatio",
    "PIT": "PermutationInvariantTraining",
    "f1": "f1_score",
    "fbeta": "fbeta_score",
    "iou": "jaccard_index",
    "psnr": "peak_signal_noise_ratio",
    "ssim": "structural_similarity_index_measure",
    "hinge": "hinge_loss",
    "kldivergence": "kl_divergence",
    "r2score": "r2_score",
    "wer": "word_error_rate",
    "snr": "signal_noise_ratio",
    "si_snr": "scale_invariant_signal_noise_ratio",
    "si_sdr": "scale_invariant_signal_distortion_ratio",
    "pit": "permutation_invariant_training",
}
"""What classes and functions were called until 0.7 (CHANGELOG.md of torchmetrics, 0.7.0)."""
_FUNCTION_CLASSES = {  # those whose name is not their class's in snake case
    "word_information_lost": "WordInfoLost",
    "word_information_preserved": "WordInfoPreserved",
}


@cache
def _data() -> dict[str, Any]:
    """The generated tables; read at the first question, not at import."""
    tables: dict[str, Any] = table("torchmetrics.json")
    return tables


# ---------------------------------------------------------------- names


def canonical(dotted: str) -> str | None:
    """The shortest public name of a metric class or function of torchmetrics, else None."""
    tables = _data()
    today = _by_todays_name(dotted)
    name: str | None = tables["class_names"].get(today) or tables["function_names"].get(today)
    return name


def simple_name(dotted: str) -> str:
    """The last part of a dotted name, as it is called today."""
    last = dotted.rpartition(".")[2]
    return RENAMED.get(last, last)


def _by_todays_name(dotted: str) -> str:
    home, dot, _ = dotted.rpartition(".")
    return f"{home}{dot}{simple_name(dotted)}"


@cache
def _by_simple_name(table: str) -> Mapping[str, str]:
    """Simple -> canonical; where several share a name, the shortest path wins by coming last."""
    names = sorted(_data()[table], key=lambda name: (-name.count("."), name))
    return {simple_name(name): name for name in names}


def is_metric_class(name: str) -> bool:
    """Whether a dotted name is a metric of torchmetrics; for a bare name, whether one is so called.

    ``pytorch_lightning.metrics``, where torchmetrics lived until Lightning 1.5, counts.
    """
    old_home, _, rest = name.rpartition(".")
    if old_home.startswith("pytorch_lightning.metrics") or not old_home:
        return simple_name(rest) in _by_simple_name("classes")
    return _by_todays_name(name) in _data()["class_names"]


def is_functional(dotted: str) -> bool:
    """Whether a dotted name is a function of ``torchmetrics.functional``."""
    return _by_todays_name(dotted) in _data()["function_names"]


def is_collection(name: str) -> bool:
    """Whether this is MetricCollection, whose value is a dict of several metrics' values."""
    return simple_name(name) == simple_name(COLLECTION)


def lacks_key(name: str, key: str) -> bool:
    """Whether the value of a metric is a dict that never has this key."""
    keys = KEYS.get(simple_name(name)) if is_metric_class(name) else None
    return keys is not None and keys.fullmatch(key) is None


def needs_task(name: str) -> bool:
    """Whether the class hands over to one of its sisters by ``task``: ``Accuracy``; who uses an
    older name has a torchmetrics that knows no tasks."""
    older = name.rpartition(".")[2] in RENAMED
    new_home = name.startswith("torchmetrics.") and is_metric_class(name) and not older
    return new_home and bool(_variant_names(simple_name(name)))


def is_aggregator(name: str) -> bool:
    """Whether the class aggregates numbers that it is given (aggregation.py)."""
    return simple_name(name) in AGGREGATORS


def is_tracker(name: str) -> bool:
    """Whether the class remembers the best value so far, and so is rightly never reset."""
    return simple_name(name) in TRACKERS


def higher_is_better(name: str) -> bool | None:
    """The direction that the class states; for a task wrapper, what all its variants state."""
    simple = simple_name(name)
    classes = [simple, *_variant_names(simple)]
    table = _by_simple_name("classes")
    stated = {_data()["classes"][table[one]]["higher_is_better"] for one in classes if one in table}
    stated.discard(None)
    return stated.pop() if len(stated) == 1 else None


def gives_dict(name: str) -> bool | None:
    """Whether a metric's value is a dict, whose keys a MetricCollection takes in place of the
    member's own (``_compute_and_reduce`` in collections.py); None where it may be."""
    if name.startswith("pytorch_lightning.metrics."):
        name = _by_simple_name("classes").get(simple_name(name), "")
    row = _data()["classes"].get(canonical(name) or "")
    return row["gives_dict"] if row is not None else None


# ---------------------------------------------------------------- arguments


def bind(
    name: str, positional: Sequence[object], keywords: Mapping[str, object]
) -> dict[str, object]:
    """The arguments of a constructor call by parameter name, as ``is_linear`` wants them.

    For a function pass all its arguments, predictions and targets included. Of those that are given
    to an older name by their place nothing is known.
    """
    of_data = 0 if is_metric_class(name) else 2  # predictions and targets come first, as today
    if name.rpartition(".")[2] in RENAMED and len(positional) > of_data:
        return {UNPACKED: UNKNOWN, **keywords}
    order = [row[0] for row in _signature(simple_name(name)) if row[1] == "positional"]
    return {**dict(zip(order, positional, strict=False)), **keywords}


def _signature(simple: str) -> list[list[Any]]:
    classes, functions = _by_simple_name("classes"), _by_simple_name("functions")
    if simple in classes:
        rows: list[list[Any]] = _data()["classes"][classes[simple]]["parameters"]
        return rows
    return _data()["functions"][functions[simple]] if simple in functions else []


@cache
def _defaults(simple: str) -> Mapping[str, object]:
    return {row[0]: row[2][0] if row[2] else UNKNOWN for row in _signature(simple) if len(row) == 3}


# ---------------------------------------------------------------- linearity


def is_measured(class_name: str) -> bool:
    """Whether the class has a row in the table of linearity, whatever task it is given: then its
    value is one number, unless its arguments ask for one for each class or sample."""
    names = _variant_names(simple_name(class_name)) or [simple_name(class_name)]
    return all(name in LINEAR or name in UNLINEAR for name in names)


def is_linear(class_name: str, arguments: Mapping[str, object]) -> bool | None:
    """Whether averaging a metric's per-batch values, weighted by samples, gives its true value.

    ``arguments`` are the constructor's, by name: plain values, or Known, OneOf and Unknown from
    ``pl_lint.facts.values``. None means: not measured, or it depends on a value that is not known.
    """
    return _agreed(_verdict(name, given) for name, given in _variants(class_name, arguments))


def functional_linearity(name: str, arguments: Mapping[str, object]) -> bool | None:
    """The same for functions of torchmetrics.functional, sklearn.metrics, scipy.stats,
    segmentation_models_pytorch, pytorch_metric_learning, and libraries of error rates and BLEU, by
    dotted name.

    A function has its own defaults, which are not always its class's.
    """
    last = name.rpartition(".")[2]
    if name in (AREA, NEIGHBOURS) or name in CORRELATED or name in OF_A_CORPUS:
        return False
    if name.startswith("sklearn."):
        return _judge(SKLEARN_LINEAR.get(last), last in SKLEARN_UNLINEAR, arguments)
    if name.startswith("scipy."):
        return False if last in SCIPY_UNLINEAR else None
    if name.startswith("segmentation_models_pytorch."):
        return _judge(SEGMENTATION.get(last), last in SEGMENTATION_OBJECTS, arguments)
    return _agreed(
        _verdict(_class_of(variant), given) for variant, given in _variants(name, arguments)
    )


def _scores_samples(arguments: Mapping[str, object]) -> bool:
    """Whether a metric was told to score each sample by itself, as one could until 0.11."""
    return _plain(arguments.get("mdmc_average")) == "samplewise"


def _agreed(verdicts: Iterator[bool | None]) -> bool | None:
    found = set(verdicts)
    return found.pop() if len(found) == 1 else None


def _variants(
    name: str, arguments: Mapping[str, object]
) -> Iterator[tuple[str, dict[str, object]]]:
    """The metric that is really computed, with its arguments: ``Accuracy`` hands over by task."""
    simple = simple_name(name)
    given = {**_absent(simple, arguments), **arguments}
    names = _variant_names(simple)
    task = _plain(arguments.get("task", UNKNOWN))
    if names and isinstance(task, str):
        names = [one for one in names if one.lower().startswith(task.lower())]
    for variant in names or [simple]:
        yield variant, {**_absent(variant, arguments), **given}


def _absent(simple: str, arguments: Mapping[str, object]) -> dict[str, object]:
    """The defaults of what was not passed."""
    defaults = _defaults(simple)
    return {name: UNKNOWN if UNPACKED in arguments else defaults[name] for name in defaults}


def _variant_names(simple: str) -> list[str]:
    if simple in _by_simple_name("functions"):
        names = [f"{task}_{simple}" for task in TASKS]
        return [name for name in names if name in _by_simple_name("functions")]
    names = [task.capitalize() + simple for task in TASKS]
    return [name for name in names if name in _by_simple_name("classes")]


@cache
def _class_of(function: str) -> str:
    """The class that computes what a function does: ``multiclass_f1_score``, MulticlassF1Score."""
    flat = {name.lower(): name for name in (*LINEAR, *UNLINEAR)}
    return _FUNCTION_CLASSES.get(function) or flat.get(function.replace("_", ""), "")


def _verdict(class_name: str, given: Mapping[str, object]) -> bool | None:
    if _scores_samples(given):
        return None
    return _judge(LINEAR.get(class_name), class_name in UNLINEAR or class_name in BOXES, given)


def _judge(row: Row | None, never: bool, given: Mapping[str, object]) -> bool | None:
    """One refuting argument refutes, unless another has a value that nobody has measured."""
    if row is None:
        return False if never else None
    values = {**_row_defaults(row, given), **given}
    answers = [_answer(choice, values.get(name, UNKNOWN)) for name, choice in row.when.items()]
    if "unmeasured" in answers:
        return None
    if "no" in answers:
        return False
    return None if "unknown" in answers else True


def _row_defaults(row: Row, given: Mapping[str, object]) -> Mapping[str, object]:
    return dict.fromkeys(row.defaults, UNKNOWN) if UNPACKED in given else row.defaults


def _answer(choice: Choice, value: object) -> str:
    match value:
        case Unknown() | Pattern() | Named() | Made() | Several():
            return "unknown"
        case OneOf(values):
            answers = {_answer(choice, one) for one in values}
            return answers.pop() if len(answers) == 1 else "unknown"
        case Known(known):
            return _answer(choice, known)
    if _among(value, choice.linear):
        return "yes"
    if _among(value, choice.unlinear):
        return "no"
    if _among(value, choice.either):
        return "unmeasured"
    sides = {choice.linear: "yes", choice.unlinear: "no"}
    return sides.get(OTHERS, "unmeasured")


def _among(value: object, values: tuple[object, ...]) -> bool:
    """Membership that a tensor or array cannot upset: only plain values are compared."""
    plain = value is None or isinstance(value, (bool, int, float, str, tuple))
    return plain and values is not OTHERS and value in values


def _plain(value: object) -> object:
    return value.value if isinstance(value, Known) else value
