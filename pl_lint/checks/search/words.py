"""A drawn run in words that can be checked by hand."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.logged_values.reporting import STAGE_WORDS
from pl_lint.checks.values.numbers import shown, sizes_in_words
from pl_lint.facts.searches import ACCUMULATE, FIT, RETURNED, DrawnRun, SmallestRun


def smallest_in_words(smallest: SmallestRun) -> str:
    """``'val_f1' is wrong in 3 samples, batch size 2: logged 0.75, true 0.667``."""
    lie = smallest.lie
    assert lie is not None
    settings, true = "; ".join(_settings(smallest.run)), shown(lie.true)
    if lie.key == RETURNED:
        return f"{RETURNED} is {shown(lie.logged)} and not {true} in {settings}"
    return f"{lie.key!r} is wrong in {settings}: logged {shown(lie.logged)}, true {true}"


def run_in_words(smallest: SmallestRun) -> str:
    run = smallest.run
    if run.program == FIT:
        fit = f"a fit on {_training(run)} of {run.batch_size} in each epoch"
        if _is_of_training(smallest):
            return f"{fit}, the mean of its last one"
        return f"{fit}, its last validation, {sizes_in_words(run.sizes)}"
    if run.program == ACCUMULATE:
        return f"an epoch of training with the weights held, {sizes_in_words(run.sizes)}"
    if run.ranks > 1:
        each = f"{run.samples // run.ranks} samples each, in batches of {run.batch_size}"
        return f"{STAGE_WORDS[run.program]} on {run.ranks} ranks, {each}"
    assert smallest.cut is not None
    sizes = ", ".join(map(str, smallest.cut.batching.sizes))
    return f"{STAGE_WORDS[run.program]} in batches of {sizes}"


def reference_in_words(smallest: SmallestRun) -> str:
    run = smallest.run
    if run.program == FIT and _is_of_training(smallest):
        return "the same training, validated at its end"
    if run.program == FIT:
        return "the same fit with that validation only"
    if run.program == ACCUMULATE:
        return "the same batches without accumulation"
    return "all samples in one batch" + " of one process" * (run.ranks > 1)


def _is_of_training(smallest: SmallestRun) -> bool:
    return smallest.lie is not None and smallest.lie.stage == "train"


def _samples(run: DrawnRun) -> str:
    return f"{run.samples} sample{'s' * (run.samples != 1)}"


def _training(run: DrawnRun) -> str:
    return f"{run.training_batches} training batch{'es' * (run.training_batches != 1)}"


def _settings(run: DrawnRun) -> Iterator[str]:
    yield f"{_samples(run)}, batch size {run.batch_size}"
    if run.shuffled:
        yield "in another order"
    if run.ranks > 1:
        yield f"{run.ranks} ranks"
    if run.program == ACCUMULATE:
        yield f"accumulate_grad_batches={run.accumulate}"
    if run.program == FIT:
        yield from _fit_settings(run)


def _fit_settings(run: DrawnRun) -> Iterator[str]:
    yield f"{_training(run)}, {run.epochs} epoch{'s' * (run.epochs != 1)}"
    if run.validations > 1:
        yield f"val_check_interval={run.interval}"
    yield f"num_sanity_val_steps={run.sanity_steps}"
    if run.accumulate > 1:
        yield f"accumulate_grad_batches={run.accumulate}"
