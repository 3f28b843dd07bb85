"""What may put a value under a key that is watched or shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MonitorSite, ProjectFacts
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
    """The logged key that was probably meant: one that differs in signs alone, one that shortens it
    (``val_acc`` of ``val_accuracy``) or is shortened by it, or else one that is spelled alike."""
    logged = sorted({name for module in modules for log in module.logs for name in _names(log.key)})
    wanted = _letters(key)
    same = [name for name in logged if _letters(name) == wanted]
    short = [name for name in logged if _is_short_for(_letters(name), wanted)]
    close = difflib.get_close_matches(key, logged, n=1, cutoff=0.7)
    longest_first = sorted(short, key=len, reverse=True)
    return next(iter([*same, *longest_first, *close]), None)


def _letters(key: str) -> str:
    return re.sub(r"\W|_", "", key).lower()


def _is_short_for(one: str, other: str) -> bool:
    """Whether one is the beginning of the other, and most of it."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and len(short) > len(long) / 2


def _names(key: Value) -> Iterator[str]:
    match key:
        case Known(str(name)):
            yield name
        case OneOf(names):
            yield from (name for name in names if isinstance(name, str))
