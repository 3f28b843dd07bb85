"""What is watched: a key that exists, in the right direction, at the right moment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MonitorSite, ProjectFacts
from pl_lint.facts.values import Known, OneOf, Unknown, Value, may_be
from pl_lint.findings import Finding
from pl_lint.rules.judging import target_version
from pl_lint.rules.registry import Rule, rule


@rule("LTN302", "monitored-key-never-logged", rows=("CKP02",), observers="both")
def never_logged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor watches a key that the module never logs.

    What it does
    ------------
    Compares the key of ModelCheckpoint, EarlyStopping or a scheduler with every key that the
    modules trained with it can log, across files. It is silent wherever something is not known: a
    key that is computed, a base class that was not read, values passed on to other code, a
    callback of another package beside it.

    Why is this bad
    ---------------
    The run stops with an error at the end of its first epoch. Without a validation loop there is
    only a warning, and with `every_n_train_steps` nothing at all: the run ends and no checkpoint
    exists.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    When to ignore
    --------------
    Where code that cannot be seen logs the key.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3811
    """
    for monitor in facts.monitors:
        key = _text(monitor.key)
        modules = facts.trained_with(monitor)
        if key is None or not _well_known(modules) or _fed(facts, monitor, key):
            continue
        near = _nearest(key, modules)
        hint = f"; did you mean {near!r}?" if near else ""
        names = " and ".join(sorted({module.short_name for module in modules}))
        yield self.finding(
            monitor.location,
            f"{monitor.watcher} watches {key!r}, which {names} never logs{hint}",
            remedy=f"watch {near!r}, or log {key!r}" if near else f"log {key!r} with self.log",
            subject=monitor.watcher,
        )


def _text(key: Value) -> str | None:
    return key.value if isinstance(key, Known) and isinstance(key.value, str) else None


def _well_known(modules: tuple[ClassFacts, ...]) -> bool:
    """Whether all that the modules log was seen, and they do log.

    Before 1.1 the dicts that steps return were monitored too.
    """
    return bool(modules) and all(
        module.logs and not module.open and target_version(module) >= (1, 1) for module in modules
    )


def _fed(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool:
    """Whether anything may put a value under the key."""
    if key in lightning.free_monitors(f"lightning.pytorch.callbacks.{monitor.watcher}"):
        return True
    if key.startswith("lr-"):  # LearningRateMonitor writes into callback_metrics
        return True
    if any(may_be(stray.key, key) for stray in facts.stray_logs):
        return True
    if any(log.feeds(key) for module in facts.trained_with(monitor) for log in module.logs):
        return True
    others = (log for owner in facts.classes for log in owner.logs)
    return any(not isinstance(log.key, Unknown) and log.feeds(key) for log in others)


def _nearest(key: str, modules: tuple[ClassFacts, ...]) -> str | None:
    """The logged key that was probably meant."""
    logged = {name for module in modules for log in module.logs for name in _names(log.key)}
    alike = {re.sub(r"\W|_", "", name).lower(): name for name in sorted(logged)}
    same = alike.get(re.sub(r"\W|_", "", key).lower())
    close = difflib.get_close_matches(key, sorted(logged), n=1, cutoff=0.7)
    return same or next(iter(close), None)


def _names(key: Value) -> Iterator[str]:
    match key:
        case Known(str(name)):
            yield name
        case OneOf(names):
            yield from (name for name in names if isinstance(name, str))
