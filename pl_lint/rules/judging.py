"""Questions that several rules ask of facts."""

from __future__ import annotations

from pl_lint.facts import lightning, torchmetrics
from pl_lint.facts.lightning import LATEST, Version
from pl_lint.facts.origins import FunctionCall, Pairs
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, ProjectFacts, TrainerSite
from pl_lint.facts.values import Value, must_be
from pl_lint.findings import Location

CLI = "lightning.pytorch.cli.LightningCLI"


def averaged(log: LogSite) -> bool:
    """Whether Lightning surely averages what each batch logs over the epoch."""
    whole_epoch = must_be(log.on_epoch, True) and must_be(log.reduce_fx, "mean")
    return log.in_step and whole_epoch and not log.sampled


def by_name(name: str, pairs: Pairs) -> dict[str, object]:
    """Arguments by parameter name, as the tables of torchmetrics want them."""
    positional = [value for key, value in pairs if key.isdigit()]
    keywords: dict[str, Value] = {key: value for key, value in pairs if not key.isdigit()}
    return torchmetrics.bind(name, positional, keywords)


def is_linear(metric: MetricSite) -> bool | None:
    """Whether the mean of a metric's values per batch is its value over all data."""
    return torchmetrics.is_linear(metric.name, by_name(metric.name, metric.arguments))


def linearity_of_call(call: FunctionCall) -> bool | None:
    """The same for a function."""
    return torchmetrics.functional_linearity(call.name, by_name(call.name, call.arguments))


def target_version(owner: ClassFacts) -> Version:
    """The Lightning version that a class is judged by."""
    return version(owner.lightning)


def version(text: str) -> Version:
    """The version that a text means; nothing is written where any version will do."""
    if not text:
        return LATEST
    major, minor, *_ = (*text.split("."), "0")
    return int(major), int(minor)


def defines(facts: ProjectFacts, owner: ClassFacts, method: str) -> bool:
    """Whether a Lightning class or one that it inherits from defines a method of its own."""
    names = {owner.name, *owner.ancestors}
    found = (one for known in facts.classes if known.name in names for one in known.own_methods)
    return any(one.name == method for one in found)


def uses_cli(facts: ProjectFacts) -> bool:
    """Whether the project is run by LightningCLI, for a rule that asks for calls of ``CLI``."""
    return bool(facts.calls_of(CLI))


def in_tests(location: Location) -> bool:
    """Whether a place is in a file of tests, where odd settings are the point."""
    *folders, name = location.path.replace("\\", "/").split("/")
    file_of_tests = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return file_of_tests or not {"test", "tests", "testing"}.isdisjoint(folders)


def single_device(facts: ProjectFacts) -> bool:
    """Whether every Trainer of the project surely uses one device."""
    return bool(facts.trainers) and all(map(_uses_one_device, facts.trainers))


def _uses_one_device(trainer: TrainerSite) -> bool:
    one: tuple[object, ...] = (1, "1", (0,))
    return any(must_be(trainer.argument(name), x) for name in ("devices", "gpus") for x in one)


GUESSED: Version = (1, 5)
"""What undated old code is judged by (``static/versions.py``): not to be told what 1.5 refuses."""


def version_at(facts: ProjectFacts, location: Location) -> Version:
    """The Lightning version that a script is judged by."""
    return version(facts.lightning_at(location))


def is_whole(owner: ClassFacts) -> bool:
    """Whether a module inherits from the LightningModule itself, and all between was read.

    A class that Lightning brings along for demonstrations has hooks of its own.
    """
    outside = [base for base in owner.ancestors if lightning.kind_of(base) == "LightningModule"]
    return (
        not owner.open
        and bool(outside)
        and all(lightning.canonical(base) == lightning.MODULE for base in outside)
    )
