"""Which metrics are linear: the one table that the reader and the runner share.

A metric is linear if the mean of its values on the batches, weighted by the number of samples in
each, equals its value on all samples, whatever the batches. Then a per-batch value may be averaged
by ``self.log``; otherwise the logged epoch value is not the metric.

Every row is measured against the installed torchmetrics (tests/test_facts_linearity.py): rows that
say linear agree on drifting data in uneven batches, rows that say otherwise are seen to differ. An
argument value without an entry, and a metric without a row, have not been measured: the answer is
"unknown", never a guess. Fixed shapes are assumed: the samples of all batches have the same size.

Absent on purpose: MeanMetric and the Running metrics, for whether their mean is one of samples or
of batches depends on what they are updated with; the Retrieval metrics, means over queries, which
are linear where each sample of a batch is one query with all its candidates, as recommenders
batch them, and are not where a batch cuts a query; ConfusionMatrix and the curves, which are not
numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pl_lint.plain import field, frozen

OTHERS: Final = ("any value not named on the other side",)
NONE: Final = ("none", None)


@frozen
class Choice:
    """The values of one argument with which a metric is linear, and with which it is not.

    ``either``: with these the batches decide the value, but the metric's own over an epoch is the
    mean of what its batches say as well, so that neither way of logging it is better.
    """

    linear: tuple[object, ...]
    unlinear: tuple[object, ...] = ()
    either: tuple[object, ...] = ()


@frozen
class Row:
    """Why a metric is linear, and the arguments on which that depends.

    ``defaults`` is only for libraries whose signatures are not in our tables.
    """

    reason: str
    when: Mapping[str, Choice] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)


_COUNTS_ALL = Choice((None,), OTHERS)
"""ignore_index: leaving samples out makes the number of samples the wrong weight."""
_COUNTED = {"ignore_index": _COUNTS_ALL, "multidim_average": Choice(("global",))}
_MICRO = Choice(("micro",), ("macro", "weighted", *NONE))
_MICRO_OR_WEIGHTED = Choice(("micro", "weighted"), ("macro", *NONE))
_EACH_LABEL = Choice(("micro", "macro", *NONE), ("weighted",))
_MEAN = {"reduction": Choice(("mean",), ("sum",))}
_IMAGE_MEAN = {"reduction": Choice(("elementwise_mean",), ("sum",))}
_GIVEN_RANGE = {"data_range": Choice(OTHERS, either=(None,))}

_MICRO_IS_ACCURACY = Row(
    "one prediction per sample: the micro average has the number of samples as denominator",
    {"average": _MICRO, **_COUNTED},
)
_RECALL_LIKE = Row(
    "micro and weighted: a class's share of the samples cancels its denominator, leaving accuracy",
    {"average": _MICRO_OR_WEIGHTED, **_COUNTED},
)
_PER_LABEL = Row(
    "each label is judged once per sample; only weighting by support brings in the batch",
    {"average": _EACH_LABEL, **_COUNTED},
)
_PER_SAMPLE = Row("a mean over samples")
_BINARY_SHARE = Row("the share of samples that are right", _COUNTED)
_EXACT = Row(
    "the share of samples that are right; an ignored place counts as right in its sample",
    {"multidim_average": Choice(("global",))},
)
_HINGE = Row("a mean over samples", {"ignore_index": _COUNTS_ALL})
_MEAN_OF_SAMPLES = Row("a mean over samples unless reduction says otherwise", _MEAN)
_MEAN_OF_IMAGES = Row("a mean over images unless reduction says otherwise", _IMAGE_MEAN)
_MEAN_IN_RANGE = Row(
    "a mean over images, if data_range does not come from each batch",
    {**_IMAGE_MEAN, **_GIVEN_RANGE},
)

LINEAR: Mapping[str, Row] = {
    # classification
    "BinaryAccuracy": _BINARY_SHARE,
    "BinaryHammingDistance": _BINARY_SHARE,
    "BinaryHingeLoss": _HINGE,
    "MulticlassAccuracy": _RECALL_LIKE,
    "MulticlassRecall": _RECALL_LIKE,
    "MulticlassHammingDistance": _RECALL_LIKE,
    "MulticlassPrecision": _MICRO_IS_ACCURACY,
    "MulticlassF1Score": _MICRO_IS_ACCURACY,
    "MulticlassFBetaScore": _MICRO_IS_ACCURACY,
    "MulticlassSpecificity": _MICRO_IS_ACCURACY,
    "MulticlassNegativePredictiveValue": _MICRO_IS_ACCURACY,
    "MulticlassExactMatch": _EXACT,
    "MultilabelAccuracy": _PER_LABEL,
    "MultilabelHammingDistance": _PER_LABEL,
    "MultilabelExactMatch": _EXACT,
    "MulticlassHingeLoss": _HINGE,
    "MultilabelCoverageError": _PER_SAMPLE,
    "MultilabelRankingAveragePrecision": _PER_SAMPLE,
    "MultilabelRankingLoss": _PER_SAMPLE,
    # regression
    "MeanAbsoluteError": _PER_SAMPLE,
    "MeanSquaredError": Row(
        "a mean over samples, until the root is taken", {"squared": Choice((True,), (False,))}
    ),
    "MeanSquaredLogError": _PER_SAMPLE,
    "MeanAbsolutePercentageError": _PER_SAMPLE,
    "SymmetricMeanAbsolutePercentageError": _PER_SAMPLE,
    "LogCoshError": _PER_SAMPLE,
    "TweedieDevianceScore": _PER_SAMPLE,
    "ContinuousRankedProbabilityScore": _PER_SAMPLE,
    "CosineSimilarity": _MEAN_OF_SAMPLES,
    "KLDivergence": _MEAN_OF_SAMPLES,
    "JensenShannonDivergence": _MEAN_OF_SAMPLES,
    # images, signals, shapes, texts
    "StructuralSimilarityIndexMeasure": _MEAN_IN_RANGE,
    "MultiScaleStructuralSimilarityIndexMeasure": _MEAN_IN_RANGE,
    "PeakSignalNoiseRatio": Row(
        "the logarithm is taken per image only where dim leaves the batch dimension out",
        {"dim": Choice(((1, 2, 3),), (None,)), **_IMAGE_MEAN},
    ),
    "UniversalImageQualityIndex": _MEAN_OF_IMAGES,
    "SpectralAngleMapper": _MEAN_OF_IMAGES,
    "ErrorRelativeGlobalDimensionlessSynthesis": _MEAN_OF_IMAGES,
    "SpatialCorrelationCoefficient": _PER_SAMPLE,
    "TotalVariation": _MEAN_OF_SAMPLES,
    "SignalNoiseRatio": _PER_SAMPLE,
    "ScaleInvariantSignalNoiseRatio": _PER_SAMPLE,
    "ScaleInvariantSignalDistortionRatio": _PER_SAMPLE,
    "ProcrustesDisparity": _MEAN_OF_SAMPLES,
    "EditDistance": _MEAN_OF_SAMPLES,
    "ExtendedEditDistance": _PER_SAMPLE,
    "DiceScore": Row(
        "a mean over samples where each is scored by itself",
        {"aggregation_level": Choice(("samplewise",))},
    ),
}

_RATIO = "a ratio whose denominator is not the number of samples"
_RANKING = "compares samples of the whole set with each other"
_CURVED = "a curved function (root, logarithm) of a mean"
_TOKENS = "a ratio of counts of words, and texts differ in length"
_ASSOCIATION = "a function of the table of all pairs of labels"

UNLINEAR: Mapping[str, str] = {
    **dict.fromkeys(
        [
            *("BinaryPrecision", "BinaryRecall", "BinaryF1Score", "BinaryFBetaScore"),
            *("BinarySpecificity", "BinaryNegativePredictiveValue", "BinaryJaccardIndex"),
            *("MultilabelPrecision", "MultilabelRecall", "MultilabelF1Score"),
            *("MultilabelFBetaScore", "MultilabelSpecificity"),
            *("MultilabelNegativePredictiveValue", "MultilabelJaccardIndex"),
            "MulticlassJaccardIndex",
            *("R2Score", "ExplainedVariance", "RelativeSquaredError", "CriticalSuccessIndex"),
            "WeightedMeanAbsolutePercentageError",
        ],
        _RATIO,
    ),
    **dict.fromkeys(
        [
            *("BinaryAUROC", "MulticlassAUROC", "MultilabelAUROC"),
            *("BinaryAveragePrecision", "MulticlassAveragePrecision"),
            "MultilabelAveragePrecision",
            *("BinaryEER", "MulticlassEER", "MultilabelEER"),
            *("KendallRankCorrCoef", "SpearmanCorrCoef", "PearsonCorrCoef"),
            "ConcordanceCorrCoef",
        ],
        _RANKING,
    ),
    **dict.fromkeys(["BinaryCalibrationError", "MulticlassCalibrationError"], "bins all samples"),
    **dict.fromkeys(
        [
            *("BinaryCohenKappa", "MulticlassCohenKappa"),
            *("BinaryMatthewsCorrCoef", "MulticlassMatthewsCorrCoef"),
            "MultilabelMatthewsCorrCoef",
            *("CramersV", "PearsonsContingencyCoefficient", "TheilsU", "TschuprowsT"),
            *("AdjustedMutualInfoScore", "AdjustedRandScore", "FowlkesMallowsIndex"),
            *("HomogeneityScore", "CompletenessScore", "VMeasureScore", "MutualInfoScore"),
            *("NormalizedMutualInfoScore", "RandScore"),
        ],
        _ASSOCIATION,
    ),
    **dict.fromkeys(["NormalizedRootMeanSquaredError", "MinkowskiDistance", "Perplexity"], _CURVED),
    **dict.fromkeys(
        [
            *("WordErrorRate", "CharErrorRate", "MatchErrorRate", "WordInfoLost"),
            *("WordInfoPreserved", "TranslationEditRate", "BLEUScore", "SacreBLEUScore"),
            "CHRFScore",
        ],
        _TOKENS,
    ),
    **dict.fromkeys(["SumMetric", "MaxMetric", "MinMetric"], "not a mean at all"),
    **dict.fromkeys(["RelativeAverageSpectralError"], "not a mean at all"),
}

# scikit-learn, by definition of its user guide and measured where scikit-learn is installed. With
# average='micro' the answer depends on the kind of target, so those rows hold for their default.
_UNWEIGHTED = Choice((None,))
_NORMALISED = {"normalize": Choice((True,), (False,)), "sample_weight": _UNWEIGHTED}
_PLAIN = {"sample_weight": _UNWEIGHTED}

SKLEARN_LINEAR: Mapping[str, Row] = {
    **dict.fromkeys(
        ["accuracy_score", "zero_one_loss", "log_loss"],
        Row("a mean over samples", _NORMALISED, {"normalize": True, "sample_weight": None}),
    ),
    **dict.fromkeys(
        [
            *("hamming_loss", "brier_score_loss", "mean_absolute_error", "mean_squared_log_error"),
            *("mean_absolute_percentage_error", "top_k_accuracy_score"),
        ],
        Row("a mean over samples", _PLAIN, {"sample_weight": None}),
    ),
    "mean_squared_error": Row(
        "a mean over samples, until the root is taken",
        {"squared": Choice((True,), (False,)), **_PLAIN},
        {"squared": True, "sample_weight": None},
    ),
    **dict.fromkeys(
        ["f1_score", "precision_score", "recall_score", "jaccard_score"],
        Row(_RATIO, {"average": Choice((), ("binary", "macro", None))}, {"average": "binary"}),
    ),
    "precision_recall_fscore_support": Row(
        _RATIO, {"average": Choice((), ("binary", "macro", None))}, {"average": "binary"}
    ),
}
SKLEARN_UNLINEAR: Mapping[str, str] = {
    **dict.fromkeys(["balanced_accuracy_score", "r2_score", "explained_variance_score"], _RATIO),
    **dict.fromkeys(
        ["roc_auc_score", "average_precision_score", "median_absolute_error"], _RANKING
    ),
    **dict.fromkeys(["matthews_corrcoef", "cohen_kappa_score"], _ASSOCIATION),
    **dict.fromkeys(["root_mean_squared_error", "root_mean_squared_log_error"], _CURVED),
    "max_error": "not a mean at all",
}
SCIPY_UNLINEAR: Mapping[str, str] = dict.fromkeys(
    ["pearsonr", "spearmanr", "kendalltau", "weightedtau", "somersd"], _ASSOCIATION
)
"""Of ``scipy.stats``. For one sample of many values they may be averaged; that the caller knows."""
CORRELATED = frozenset({"numpy.corrcoef", "torch.corrcoef"})
"""The same of numpy and torch, as a matrix."""
AREA = "sklearn.metrics.auc"
"""The area under a curve, which the batch alone has drawn."""
OF_A_CORPUS = frozenset(
    {
        *("jiwer.wer", "jiwer.cer", "jiwer.mer", "jiwer.wil", "jiwer.wip", "fastwer.score"),
        *("sacrebleu.corpus_bleu", "sacrebleu.corpus_chrf", "sacrebleu.corpus_ter"),
        "nltk.translate.bleu_score.corpus_bleu",
    }
)
"""Error rates and BLEU: counts are added up over all sentences, and divided once."""
SEGMENTATION: Mapping[str, Row] = dict.fromkeys(
    ["iou_score", "f1_score", "fbeta_score", "precision", "recall", "sensitivity", "specificity"],
    Row(
        "means over images where each is scored by itself; else counts are added up before",
        {
            "reduction": Choice(
                ("micro-imagewise", "macro-imagewise"), ("micro", "macro", "weighted")
            )
        },
        {"reduction": None},
    ),
)
"""segmentation_models_pytorch, by definition: its functions are given counts for each image."""
SEGMENTATION_OBJECTS = frozenset({"IoU", "Fscore", "Precision", "Recall"})
"""The objects of its ``utils.metrics`` add counts up over the batch (their base.py)."""
NEIGHBOURS = "pytorch_metric_learning.utils.accuracy_calculator.AccuracyCalculator.get_accuracy"
"""By definition, where samples are looked for among those of their own batch: with more of them
others are nearer."""
BOXES = frozenset({"MeanAveragePrecision"})
"""Not measured, for it needs a library of its own; it ranks the boxes of the whole set."""
