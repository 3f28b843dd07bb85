"""An exception that comes out of a watcher says so: it need not be the user's."""

from __future__ import annotations

from collections.abc import Callable

import lightning as L
import torch

from pl_lint.runtime.programs.common import describe
from pl_lint.runtime.watching.saved.construction import watched_construction
from pl_lint.runtime.watching.saved.states import training_state


def error_of(action: Callable[[], object]) -> BaseException:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def test_what_a_watcher_raises_may_be_its_own_fault() -> None:
    told = describe(error_of(lambda: training_state(None)), "fit").message
    assert "it comes from pl-lint's own states.py:" in told
    assert "report it" in told


def test_what_others_raise_is_theirs() -> None:
    told = describe(error_of(lambda: torch.zeros(1, 2) @ torch.zeros(1, 2)), "fit").message
    assert "pl-lint" not in told


def test_arguments_that_a_watched_construction_passes_on_are_the_callers() -> None:
    class Width(L.LightningModule):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.width = width

    with watched_construction(Width):
        told = describe(error_of(lambda: Width()), "load").message  # type: ignore[call-arg]
    assert told.endswith("missing 1 required positional argument: 'width'")
