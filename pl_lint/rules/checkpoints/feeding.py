"""What may put a value under a key that is watched or shown."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MonitorSite, ProjectFacts
from pl_lint.facts.spelling import nearest_key
from pl_lint.facts.values import Known, OneOf, Unknown, Value, may_be
from pl_lint.rules.judging import target_version


def text_of(key: Value) -> str | None:
    return key.value if isinstance(key, Known) and isinstance(key.value, str) else None


def well_known(modules: tuple[ClassFacts, ...]) -> bool:
    """Whether all that the modules log was seen, and they do log.

    Before 1.1 the dicts that steps return were monitored too.
    """
    return bool(modules) and all(
        module.logs and not module.open and target_version(module) >= (1, 1) for module in modules
    )


def fed(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool:
    """Whether anything may put a value under the key."""
    if key in lightning.free_monitors(f"lightning.pytorch.callbacks.{monitor.watcher}"):
        return True
    if key.startswith("lr-"):  # LearningRateMonitor writes into callback_metrics
        return True
    if any(may_be(stray.key, key) for stray in facts.stray_logs):
        return True
    trained = facts.trained_with(monitor)
    if any(log.feeds(key) for module in trained for log in module.logs):
        return True
    inherited = {name for module in trained for name in module.ancestors}  # seen by its heirs
    others = (log for one in facts.classes if one.name not in inherited for log in one.logs)
    return any(not isinstance(log.key, Unknown) and log.feeds(key) for log in others)


def nearest(key: str, modules: tuple[ClassFacts, ...]) -> str | None:
    """The logged key that was probably meant."""
    logged = {name for module in modules for log in module.logs for name in _names(log.key)}
    return nearest_key(key, sorted(logged))


def _names(key: Value) -> Iterator[str]:
    match key:
        case Known(str(name)):
            yield name
        case OneOf(names):
            yield from (name for name in names if isinstance(name, str))
