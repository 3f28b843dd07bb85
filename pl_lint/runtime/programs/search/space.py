"""Which runs a search may draw, and what each of them is held against.

Small numbers are the point: a mistake that needs a hundred samples to show is rare, and nobody can
check one by hand. The first field that is drawn shrinks first.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from pl_lint.facts.searches import ACCUMULATE, FIT, DrawnRun

MOST = 9
"""Samples of a run that is drawn."""
SANITY_STEPS = (0, 1, 2, -1)
ONCE = 0
"""The ``interval`` of a fit that validates once, after everything that it trains on."""


def drawn(program: str, accumulates: bool) -> st.SearchStrategy[DrawnRun]:
    """The runs of one program. Lightning refuses ``accumulate_grad_batches`` under manual
    optimization (``accumulates`` is then False)."""
    if program == FIT:
        return _fits(st.integers(1, 3) if accumulates else st.just(1))
    if program == ACCUMULATE:
        return st.builds(
            DrawnRun,
            st.just(program),
            samples=st.integers(1, MOST),
            batch_size=st.integers(1, 4),
            accumulate=st.integers(2, 4),
        )
    return st.builds(
        DrawnRun,
        st.just(program),
        samples=st.integers(1, MOST),
        batch_size=st.integers(1, 5),
        shuffled=st.booleans(),
    )


def certain(program: str) -> tuple[DrawnRun, ...]:
    """The evaluations that are made whatever is drawn: most samples, alone and with a short last
    batch. A model that is seldom wrong is right on all of a few samples, and then every wrong mean
    is right."""
    if program in (FIT, ACCUMULATE):
        return ()
    return tuple(DrawnRun(program, samples=MOST, batch_size=size) for size in (1, 4))


def _fits(accumulate: st.SearchStrategy[int]) -> st.SearchStrategy[DrawnRun]:
    """Each fit validates after its last batch, so that there is something to hold it against."""
    return st.builds(
        _fit,
        samples=st.integers(1, 6),
        batch_size=st.integers(1, 3),
        sanity_steps=st.sampled_from(SANITY_STEPS),
        validations=st.integers(1, 3),
        epochs=st.integers(1, 2),
        interval=st.integers(1, 2),
        accumulate=accumulate,
    )


def _fit(validations: int, interval: int, **settings: int) -> DrawnRun:
    return DrawnRun(FIT, training_batches=interval * validations, interval=interval, **settings)


def reference(run: DrawnRun) -> DrawnRun:
    """The run that tells the truth: all samples in one batch, or the same training with nothing
    before the one validation, or without accumulation."""
    if run.program == FIT:
        return replace(run, interval=ONCE, sanity_steps=0)
    if run.program == ACCUMULATE:
        return replace(run, accumulate=1)
    return replace(run, batch_size=run.samples, shuffled=False, ranks=1)


def other_order(run: DrawnRun) -> DrawnRun:
    """The reference again, in another order: what moves then is no number to hold others
    against."""
    return replace(run, shuffled=not run.shuffled)
