"""Having hypothesis draw and shrink outside of a test, the same in every session."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, Verbosity, given, settings, strategies
from hypothesis.internal.conjecture import providers
from hypothesis.strategies import SearchStrategy


def hypothesis_draws(
    strategy: SearchStrategy[Any],
    examples: int,
    visit: Callable[[Any], None],
    phases: tuple[Phase, ...],
) -> None:
    """Have hypothesis draw runs: the same ones in every session, wherever it is started."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    @given(strategy)
    def example(run: Any) -> None:
        visit(run)

    example()


@contextmanager
def quick_draws() -> Iterator[None]:
    """Draws that cost milliseconds, and are the same whatever else the project's files hold.

    Hypothesis reads the numbers in all modules that are no installed package, to draw them now and
    then (``internal/conjecture/providers.py``), and looks once through all objects of the process
    for who holds numpy's generator (``register_random``): half a second each, with torch loaded.
    No setting turns that off, so it is done by its internals, which may be renamed in any release:
    draws are slower then, not wrong, and ``tests/runtime/test_drawing.py`` fails.
    """
    with ExitStack() as patches:
        if hasattr(providers, "_get_local_constants"):  # not in every release
            none = providers.Constants()
            patches.enter_context(patch.object(providers, "_get_local_constants", lambda: none))
        with patch.object(gc, "collect"), patch.object(gc, "get_referrers", lambda *one: [one]):
            hypothesis_draws(strategies.none(), 1, lambda nothing: None, (Phase.generate,))
        yield
