"""How metrics are made: where they are kept, and with which arguments."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import UNPACKED, MetricObject, parts
from pl_lint.facts.sites import CallSite, ClassFacts, MetricSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix, Rehome, SetArgument
from pl_lint.places import Location
from pl_lint.rules.containers import registered_container
from pl_lint.rules.judging import by_name, is_guessed, target_version, version_at
from pl_lint.rules.registry import Rule, rule

REGISTERING = ("torch.nn.ModuleList", "torch.nn.ModuleDict", "self.add_module")
MOVING = (".to", ".cuda")
TASKED = (
    *("accuracy", "auroc", "average_precision", "calibration_error", "cohen_kappa"),
    *("confusion_matrix", "exact_match", "f1_score", "fbeta_score", "hamming_distance"),
    *("hinge_loss", "jaccard_index", "matthews_corrcoef", "precision", "precision_recall_curve"),
    *("recall", "roc", "specificity", "stat_scores"),
)
"""The functions of torchmetrics.functional whose third argument is the task."""
FUNCTIONS = tuple(
    f"torchmetrics.functional.{home}{name}" for home in ("", "classification.") for name in TASKED
)
OLD_HOME = ("pytorch_lightning.metrics", "lightning.pytorch.metrics")


@rule(
    "LTN202",
    "metrics-in-a-plain-list",
    rows=("MET02",),
    status=Status.SUSPECTED,
    calls=(*REGISTERING, *MOVING),
    condition="on a GPU, or if they are logged",
    default=False,
    observers="both",
    fixable=True,
)
def plain_container(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Metrics are kept in a plain list or dict, where Lightning and torch do not see them.

    What it does
    ------------
    Finds attributes of LightningModules that are Python lists, tuples or dicts of metrics that
    nothing else holds and that the class does not move by hand (`metric.to(self.device)`). It is
    off by default: two findings in 240 public repositories, both wrong.

    Why is this bad
    ---------------
    They are not moved to the GPU, not reset and not in any checkpoint. To log one of them raises
    "Could not find the `LightningModule` attribute for the `torchmetrics.Metric` logged". On a CPU
    the other mistakes are silent.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.scores = {"acc": torchmetrics.Accuracy(task="binary")}

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.scores = torch.nn.ModuleDict({"acc": torchmetrics.Accuracy(task="binary")})

    When to ignore
    --------------
    Where the module runs on a CPU alone and resets them itself.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4408
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html#metrics-and-devices
    """
    for owner in facts.modules():
        cared_for = set(_cared_for(facts, owner))
        for held in owner.containers:
            hidden = [
                metric
                for metric in owner.metrics
                if metric.path.startswith(f"{held.attribute}[") and metric.hook == "__init__"
            ]
            single = [one for one in hidden if _is_kept_itself(owner, one)]
            if single and not held.maker and cared_for.isdisjoint(one.path for one in hidden):
                yield self.finding(
                    held.location,
                    f"self.{held.attribute} holds {single[0].class_name} in a plain container: it "
                    "is neither moved to the device nor reset",
                    remedy="use torch.nn.ModuleList or torch.nn.ModuleDict",
                    subject=owner.short_name,
                    fix=registered_container(held),
                )


def _is_kept_itself(owner: ClassFacts, metric: MetricSite) -> bool:
    """Whether it is a metric of torchmetrics in no collection: what a class of somebody's own
    keeps, and where, is not known."""
    container = owner.metric(metric.container)
    collected = container is not None and torchmetrics.is_collection(container.name)
    return torchmetrics.is_metric_class(metric.name) and not collected


def _cared_for(facts: ProjectFacts, owner: ClassFacts) -> Iterator[str]:
    """The metrics that torch is told of, wherever else they are kept, and those that the class
    itself moves."""
    origins = [given for call in facts.calls_in(owner, *REGISTERING) for _, given in call.origins]
    origins += [call.receiver_origin for call in facts.calls_in(owner, *MOVING)]
    for origin in origins:
        yield from (part.metric for part in parts(origin) if isinstance(part, MetricObject))
    moved = {_start(call.location) for call in facts.calls_in(owner, *MOVING)}
    yield from (metric.path for metric in owner.metrics if _start(metric.location) in moved)


def _start(place: Location) -> tuple[str, int, int, int]:
    """Where a chain such as ``F1Score().to(device)`` begins, for each of its calls."""
    return place.path, place.cell, place.line, place.column


AVERAGED = frozenset({"F1Score", "FBetaScore", "Precision", "Recall", "Specificity"})


@rule("LTN206", "average-left-to-torchmetrics", rows=("MET06",), default=False, fixable=True)
def average_left_out(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A multiclass F1, precision or recall without average is the accuracy.

    What it does
    ------------
    Finds `F1Score`, `FBetaScore`, `Precision`, `Recall` and `Specificity` with
    `task="multiclass"` and no `average`.

    Why is this bad
    ---------------
    These default to `average="micro"`, which for one label per sample is the same number for all of
    them: an F1 of .26 was logged beside an accuracy of .26. `MulticlassF1Score` and its sisters
    default to "macro".

    Example
    -------
        def __init__(self):
            super().__init__()
            self.f1 = torchmetrics.F1Score(task="multiclass", num_classes=10)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.f1 = torchmetrics.F1Score(task="multiclass", num_classes=10, average="macro")

    When to ignore
    --------------
    Where the micro average is meant; then write it.

    References
    ----------
    - https://github.com/Lightning-AI/torchmetrics/issues/2280
    """
    for owner in facts.modules():
        for metric in owner.metrics:
            given = by_name(metric.name, metric.arguments)
            known = torchmetrics.is_metric_class(metric.name) and metric.class_name in AVERAGED
            multiclass = given.get("task") == Known("multiclass")
            if known and multiclass and "average" not in given and UNPACKED not in given:
                yield self.finding(
                    metric.location,
                    f"{metric.class_name} without average is the accuracy under another name",
                    remedy='average="macro", or average="micro" if that is meant',
                    subject=owner.short_name,
                    fix=Fix('pass average="macro"', (_macro(metric),)),
                )


def _macro(metric: MetricSite) -> SetArgument:
    return SetArgument(metric.location, "average", '"macro"')


@rule(
    "LTN207",
    "metric-without-task",
    rows=("MET07",),
    status=Status.SUSPECTED,
    condition="with torchmetrics 0.11 or newer",
    calls=FUNCTIONS,
)
def without_task(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric of torchmetrics is made without task=.

    What it does
    ------------
    Finds `Accuracy()`, `F1Score(num_classes=10)` and the other classification metrics that need to
    know the task, and their functions (`torchmetrics.functional.accuracy(preds, target)`), in code
    for Lightning 2 that does not pin torchmetrics below 0.11.

    Why is this bad
    ---------------
    Since torchmetrics 0.11 the task is required: TypeError when the module is built, or when the
    function is called.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy()

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)

    When to ignore
    --------------
    Where torchmetrics is pinned below 0.11.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/classification/accuracy.html
    """
    for owner in facts.modules():
        if target_version(owner) < (2, 0) or owner.location.path in facts.without_task:
            continue
        told = {one.class_name for one in owner.metrics if "task" in dict(one.arguments)}
        for metric in owner.metrics:
            if _lacks_task(metric) and metric.class_name not in told:  # else it knows both
                yield self.finding(
                    metric.location,
                    f"{metric.class_name} needs a task: TypeError since torchmetrics 0.11",
                    remedy=f'{metric.class_name}(task="multiclass", num_classes=...)',
                    subject=owner.short_name,
                )

    known = {call.name.rpartition(".")[2] for call in facts.calls_of(*FUNCTIONS) if _has_task(call)}
    for call in facts.calls_of(*FUNCTIONS):
        old = version_at(facts, call.location) < (2, 0) or call.location.path in facts.without_task
        name = call.name.rpartition(".")[2]
        if not old and name not in known and not _has_task(call):
            yield self.finding(
                call.location,
                f"{name} needs a task: TypeError since torchmetrics 0.11",
                remedy=f'{name}(..., task="multiclass", num_classes=...)',
                subject=call.owner.rpartition(".")[2],
            )


def _has_task(call: CallSite) -> bool:
    return call.gives("task", 2) or not call.complete


def _lacks_task(metric: MetricSite) -> bool:
    given = dict(metric.arguments)
    if not torchmetrics.needs_task(metric.name) or UNPACKED in given or "task" in given:
        return False
    first = given.get("0", Known(None))
    return isinstance(first, Known) and not isinstance(first.value, str)


@rule("LTN208", "metrics-of-lightning", rows=("MET08",), fixable=True)
def metrics_of_lightning(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Metrics are taken from pytorch_lightning.metrics, which is gone.

    What it does
    ------------
    Finds imports of `pytorch_lightning.metrics` and metrics made from it, in code for Lightning 1.5
    and newer.

    Why is this bad
    ---------------
    Since 1.5 the metrics are a library of their own, torchmetrics: the import raises.

    Example
    -------
        from pytorch_lightning.metrics import Accuracy

        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.acc = Accuracy()

    Use instead
    -----------
        from torchmetrics import Accuracy

        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.acc = Accuracy(task="multiclass", num_classes=10)

    When to ignore
    --------------
    Where Lightning is pinned below 1.5.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html
    """
    imports = [found for found in facts.imports if found.name.startswith(OLD_HOME)]
    places = {found.location: found.name for found in imports if not found.optional}
    imported = {found.location.path for found in imports}
    for owner in facts.modules():
        for metric in owner.metrics:
            if metric.name.startswith(OLD_HOME) and metric.location.path not in imported:
                places.setdefault(metric.location, metric.name)
    for place, name in places.items():
        at = version_at(facts, place)
        if at >= (1, 5) or is_guessed(at):
            yield self.finding(
                place,
                f"{name}: Lightning has had no metrics since 1.5",
                remedy="the same name from torchmetrics, mostly with task=",
                fix=_moved(place, name),
            )


def _moved(place: Location, name: str) -> Fix:
    """The import of another library; what it imports may want to be told the task."""
    old = next(home for home in OLD_HOME if name.startswith(home))
    return Fix("import it from torchmetrics", (Rehome(place, old, "torchmetrics"),))
