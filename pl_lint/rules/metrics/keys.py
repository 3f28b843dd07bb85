"""The keys of metrics whose value is a dict."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.sites import ClassFacts, MetricItemSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, shown


@rule("LTN223", "key-never-computed", rows=())
def key_never_computed(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A key is asked for that a metric's value never has.

    What it does
    ------------
    Finds `self.map.compute()["mar"]` under no condition, and `get("mar", 0)` with any number
    that nobody compares, also under a local name, of a MeanAveragePrecision, whose keys are `map`,
    `map_50`, `mar_1`, `mar_100` and others, and never `mar`. Silent where the dict has been given
    other keys, or to a function or a method of the class.

    Why is this bad
    ---------------
    It raises KeyError when the first epoch ends. `get("mar", 0)` is worse: what is logged is 0 in
    every epoch, whatever was detected.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.map = torchmetrics.detection.MeanAveragePrecision()

        def on_validation_epoch_end(self):
            result = self.map.compute()
            self.log("val/recall", result.get("mar", 0))
            self.map.reset()

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.map = torchmetrics.detection.MeanAveragePrecision()

        def on_validation_epoch_end(self):
            result = self.map.compute()
            self.log("val/recall", result["mar_100"])
            self.map.reset()

    When to ignore
    --------------
    Never: there is no such value.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/detection/mean_average_precision.html
    """
    for owner in facts.classes:
        for item in owner.metric_items:
            name = _lacking(owner, item)
            if name:
                is_lost = "what is used is always the default" if item.asked else "KeyError"
                held = not item.metric.startswith("<")
                told = attribute_text(item.metric) if held else f"this {name}"
                yield self.finding(
                    item.location,
                    f"{told} never gives {shown(item.key)}: {is_lost}",
                    remedy=f"take a key that {name} has, such as 'map', 'map_50' or 'mar_100'",
                    subject=owner.short_name,
                )


def _lacking(owner: ClassFacts, item: MetricItemSite) -> str:
    """The class of a metric that has no such key, however it is made; empty where one may."""
    made = [one for one in owner.metrics if one.path == item.metric]
    match item.key:
        case Known(str(key)) if made and all(torchmetrics.lacks_key(one.name, key) for one in made):
            return made[0].class_name
    return ""
