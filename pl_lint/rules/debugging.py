"""Settings that help while looking for an error, and were left on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.facts.values import Known, Made, Several, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import DropArgument, Fix
from pl_lint.places import SETTINGS
from pl_lint.rules.judging import CLI, uses_cli
from pl_lint.rules.registry import Rule, rule

SHORT = 1000
"""More batches than this are a budget, not a quick look."""
FEW = 100
"""So many steps train nothing."""
TRYING = ("debug", "dev", "test", "smoke", "dry", "quick", "sanity", "overfit", "profil", "tune")
"""Words of functions and conditions that are there for trying things out."""
LOGGING_CALLBACKS = ("LearningRateMonitor", "DeviceStatsMonitor")


def trainers(facts: ProjectFacts) -> Iterator[CallSite]:
    """The Trainers that a script makes for good: not in tests, not where something is tried out."""
    for call in facts.calls_of(lightning.TRAINER):
        words = " ".join((call.function, *call.guards)).lower()
        tried = any(word in words for word in TRYING) or _settings_to_try(call)
        if not facts.in_tests(call.location) and not tried:
            yield call


def _settings_to_try(call: CallSite) -> bool:
    """Whether a Trainer stands in settings whose names say so: `debug.yaml`, `smoke/cpu.yaml`."""
    path = PurePosixPath(call.location.path)
    names = (path.parent.name, path.stem) if path.suffix in SETTINGS else ()
    words = (word for name in names for word in re.split(r"[^a-z]+", name.lower()))
    return any(word.startswith(TRYING) for word in words)


def _without(call: CallSite, name: str) -> Fix:
    return Fix(f"remove {name}", (DropArgument(call.location, name),))


@rule(
    "LTN951",
    "fast-dev-run-left-on",
    rows=("DBG01",),
    status=Status.SUSPECTED,
    condition="if this script is to train",
    calls=(lightning.TRAINER, CLI),
    fixable=True,
)
def fast_dev_run(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer runs one batch and stops: fast_dev_run was left on.

    What it does
    ------------
    Finds `Trainer(fast_dev_run=True)`, or 1, written into the code or into settings, in files whose
    other Trainers do not train for good. Tests, functions for trying out and settings that are
    named for it (`debug.yaml`) are left alone, and so is what stands under `__name__ == "__main__"`
    in a file whose classes others train. Who writes another number chose how many batches to run,
    as examples do, and is left alone too.

    Why is this bad
    ---------------
    The run logs nothing, saves no checkpoint and switches all loggers and EarlyStopping off. It
    ends without an error, and there is no model.

    Example
    -------
        L.Trainer(max_epochs=20, fast_dev_run=True)

    Use instead
    -----------
        L.Trainer(max_epochs=20)

    When to ignore
    --------------
    In scripts that are there to see whether the code runs.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#fast-dev-run
    """
    real = {
        call.location.path
        for call in facts.calls_of(lightning.TRAINER)
        if not _quick(call.argument("fast_dev_run"))
    }
    for call in trainers(facts):
        left_on = must_be(call.argument("fast_dev_run"), True)  # and 1, its equal
        if left_on and call.location.path not in real and not _tries_a_part(facts, call):
            yield self.finding(
                call.location,
                "fast_dev_run is on: one batch, no logger, no checkpoint",
                remedy="remove fast_dev_run, or take it from the command line",
                fix=_without(call, "fast_dev_run"),
            )


def _tries_a_part(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether a file whose classes others train tries them where it is started by itself."""
    path = call.location.path
    holds = any(one.location.path == path for one in facts.classes)
    used = len(facts.lightning) > 1 and path not in facts.alone
    fits = any(one.method == "fit" and one.location.path != path for one in facts.trainer_calls)
    return "__name__" in call.guards and holds and used and (fits or uses_cli(facts))


def _quick(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, int) and value.value > 0


@rule(
    "LTN952",
    "part-of-the-data",
    rows=("DBG02",),
    status=Status.SUSPECTED,
    default=False,
    condition="if the numbers are to be reported",
    calls=(lightning.TRAINER,),
    fixable=True,
)
def part_of_the_data(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer sees only some of the batches.

    What it does
    ------------
    Finds `limit_train_batches`, `limit_val_batches`, `limit_test_batches`, `limit_predict_batches`,
    `overfit_batches` and `max_steps` with a fraction or a small number written into the code,
    outside tests and functions for trying out.

    Why is this bad
    ---------------
    Metrics are those of a part of the data, the same first part each time, and nothing says so.
    `overfit_batches` also turns off the shuffling.

    Example
    -------
        L.Trainer(limit_val_batches=10)

    Use instead
    -----------
        L.Trainer()

    When to ignore
    --------------
    Where the data set is so large that a part of it is an epoch.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#limit-train-batches
    """
    names = [f"limit_{stage}_batches" for stage in ("train", "val", "test", "predict")]
    for call in trainers(facts):
        for name in (*names, "overfit_batches", "max_steps"):
            given = call.argument(name)
            largest = FEW if name == "max_steps" else SHORT
            if isinstance(given, Known) and _is_part(given.value, largest):
                yield self.finding(
                    call.location,
                    f"{name}={given.value!r}: the numbers of this run are those of a part of the "
                    "data",
                    remedy=f"remove {name}",
                    fix=_without(call, name),
                )


def _is_part(limit: object, largest: int) -> bool:
    if type(limit) is int:
        return 0 < limit <= largest
    return isinstance(limit, float) and 0 < limit < 1


@rule(
    "LTN953",
    "slow-for-debugging",
    rows=("DBG03",),
    default=False,
    calls=(lightning.TRAINER,),
    fixable=True,
)
def slow_for_debugging(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer looks for errors in every step.

    What it does
    ------------
    Finds `Trainer(detect_anomaly=True)` and `profiler="advanced"` or `"pytorch"`, or an object of
    these classes, outside tests and functions for trying out.

    Why is this bad
    ---------------
    Training takes two to ten times as long.

    Example
    -------
        L.Trainer(detect_anomaly=True)

    Use instead
    -----------
        L.Trainer()

    When to ignore
    --------------
    While looking for the step that makes the NaN.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#detect-anomaly
    """
    for call in trainers(facts):
        slow = must_be(call.argument("detect_anomaly"), True)
        profiled = _looks_into_calls(call.argument("profiler"))
        if slow or profiled:
            name = "detect_anomaly" if slow else "the profiler"
            yield self.finding(
                call.location,
                f"{name} slows every step down",
                remedy=f"remove {name}",
                fix=_without(call, "detect_anomaly" if slow else "profiler"),
            )


def _looks_into_calls(profiler: Value) -> bool:
    """Whether a profiler follows every call, which the simple one does not."""
    if isinstance(profiler, Made):
        return profiler.name.endswith((".AdvancedProfiler", ".PyTorchProfiler"))
    return profiler in (Known("advanced"), Known("pytorch"))


@rule(
    "LTN954",
    "no-sanity-check",
    rows=("DBG04",),
    default=False,
    calls=(lightning.TRAINER,),
    fixable=True,
)
def no_sanity_check(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer does not try validation before it trains.

    What it does
    ------------
    Finds `Trainer(num_sanity_val_steps=0)`.

    Why is this bad
    ---------------
    An error in the validation code shows after the first epoch, which may be hours.

    Example
    -------
        L.Trainer(num_sanity_val_steps=0)

    Use instead
    -----------
        L.Trainer()

    When to ignore
    --------------
    Where validation is costly or keeps state that the sanity check would disturb.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#num-sanity-val-steps
    """
    for call in trainers(facts):
        if must_be(call.argument("num_sanity_val_steps"), 0):
            yield self.finding(
                call.location,
                "an error in validation shows only after the first epoch of training",
                remedy="remove num_sanity_val_steps=0",
                fix=_without(call, "num_sanity_val_steps"),
            )


@rule(
    "LTN955", "callback-without-its-part", rows=("DBG05",), calls=(lightning.TRAINER,), fixable=True
)
def callback_without_its_part(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer has a callback, and what the callback needs is switched off.

    What it does
    ------------
    Finds `enable_checkpointing=False` beside a ModelCheckpoint, and `logger=False` beside a
    LearningRateMonitor or a DeviceStatsMonitor.

    Why is this bad
    ---------------
    Lightning raises a MisconfigurationException, for a missing logger when the fit begins.

    Example
    -------
        L.Trainer(enable_checkpointing=False, callbacks=[ModelCheckpoint(monitor="val_loss")])

    Use instead
    -----------
        L.Trainer(callbacks=[ModelCheckpoint(monitor="val_loss")])

    When to ignore
    --------------
    Never: the run does not begin.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#enable-checkpointing
    """
    for call in facts.calls_of(lightning.TRAINER):
        if facts.in_tests(call.location):
            continue
        names = [lightning.canonical(one.name) or "" for one in _callbacks(call)]
        short = {name.rpartition(".")[2] for name in names}
        for setting, needing in (
            ("enable_checkpointing", ("ModelCheckpoint",)),
            ("logger", LOGGING_CALLBACKS),
        ):
            stuck = sorted(short & set(needing))
            if stuck and must_be(call.argument(setting), False):
                yield self.finding(
                    call.location,
                    f"{setting}=False, but {stuck[0]} needs it: Lightning raises an error",
                    remedy=f"drop {setting}=False or the callback",
                    subject=stuck[0],
                    fix=_without(call, setting),
                )


def _callbacks(call: CallSite) -> tuple[Made, ...]:
    given = call.argument("callbacks")
    items = given.items if isinstance(given, Several) else (given,)
    return tuple(one for one in items if isinstance(one, Made))
