"""A drawn run in words that can be checked by hand."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.logged_values.reporting import STAGE_WORDS
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.searches import ACCUMULATE, FIT, DrawnRun, SmallestRun


def smallest_in_words(smallest: SmallestRun) -> str:
    """``'val_f1' lies in 3 samples, batch size 2: logged 0.75, true 0.667``."""
    lie = smallest.lie
    assert lie is not None
    return (
        f"{lie.key!r} lies in {'; '.join(_settings(smallest.run))}: "
        f"logged {shown(lie.logged)}, true {shown(lie.true)}"
    )


def run_in_words(smallest: SmallestRun) -> str:
    run = smallest.run
    if run.program == FIT:
        return "a fit, its last validation"
    if run.program == ACCUMULATE:
        return "an epoch of training with the weights held"
    if run.ranks > 1:
        return f"{STAGE_WORDS[run.program]} on {run.ranks} ranks, {run.samples // run.ranks} each"
    assert smallest.cut is not None
    sizes = ", ".join(map(str, smallest.cut.batching.sizes))
    return f"{STAGE_WORDS[run.program]} in batches of {sizes}"


def reference_in_words(run: DrawnRun) -> str:
    if run.program == FIT:
        return "the same fit with that validation only"
    if run.program == ACCUMULATE:
        return "the same batches without accumulation"
    return "all samples in one batch" + " of one process" * (run.ranks > 1)


def _settings(run: DrawnRun) -> Iterator[str]:
    yield f"{run.samples} sample{'s' * (run.samples != 1)}, batch size {run.batch_size}"
    if run.shuffled:
        yield "in another order"
    if run.ranks > 1:
        yield f"{run.ranks} ranks"
    if run.program == ACCUMULATE:
        yield f"accumulate_grad_batches={run.accumulate}"
    if run.program == FIT:
        yield from _fit_settings(run)


def _fit_settings(run: DrawnRun) -> Iterator[str]:
    batches = f"{run.training_batches} training batch{'es' * (run.training_batches != 1)}"
    yield f"{batches}, {run.epochs} epoch{'s' * (run.epochs != 1)}"
    if run.validations > 1:
        yield f"val_check_interval={run.interval}"
    yield f"num_sanity_val_steps={run.sanity_steps}"
    if run.accumulate > 1:
        yield f"accumulate_grad_batches={run.accumulate}"
