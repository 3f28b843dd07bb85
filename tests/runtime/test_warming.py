"""What a server finds out before it forks is what each run would find, and leaves no trace."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy
import pytest
import torch

from pl_lint.runtime.isolation.reaper import threads_alive
from pl_lint.runtime.programs import external, warming
from pl_lint.runtime.watching import callsite
from pl_lint.runtime.watching.callsite import own_files


def drawn() -> tuple[object, ...]:
    """What the next random numbers depend on."""
    numbers = numpy.random.get_state()[1].tolist()
    return random.getstate(), numbers, torch.get_rng_state().tolist()


def test_a_small_fit_of_each_lightning_leaves_no_thread_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fitted: list[str] = []
    fit = warming._fit
    monkeypatch.setattr(warming, "_fit", lambda of: [fit(of), fitted.append(of.name)])
    before, threads = drawn(), threads_alive()
    for name in warming.NAMES:
        __import__(name)
    warming.warm()
    assert fitted == list(warming.NAMES)  # to its end: what is raised is not told
    assert (drawn(), threads_alive()) == (before, threads)


def test_no_class_of_optimizers_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    wrapped: list[type] = []
    kind = torch.optim.Optimizer
    monkeypatch.setattr(kind, "_patch_step_function", lambda self: wrapped.append(type(self)))
    warming.warm()
    assert not [each for each in wrapped if each.__module__.startswith("torch.")]


def test_where_a_gpu_may_be_in_sight_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(warming, "_fit", lambda of: pytest.fail("a Trainer was made"))
    warming.warm()


@pytest.fixture
def late(tmp_path: Path) -> Iterator[str]:
    """The file of a module that is imported when all others have been looked at."""
    callsite._at_first.cache_clear()  # tests before this one may have taken their modules out
    own_files()
    module = ModuleType("imported_late")
    module.__file__ = str(tmp_path / "imported_late.py")
    sys.modules["imported_late"] = module
    yield module.__file__
    del sys.modules["imported_late"]


def test_a_module_that_comes_later_is_the_users_again_and_again(late: str) -> None:
    assert late in own_files()
    assert late in own_files()
    assert torch.__file__ not in own_files()


def test_a_module_that_is_taken_out_and_in_again_hides_none(
    late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = callsite._at_first()[0]
    module = sys.modules[last]
    monkeypatch.delitem(sys.modules, last)
    assert own_files().count(late) == 1
    monkeypatch.setitem(sys.modules, last, module)
    assert own_files().count(late) == 1


def test_packages_are_asked_again_where_the_path_has_got_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find(group: str) -> object:
        asked.append(group)
        return metadata.entry_points(group=group)

    found = external.asked_once(find)
    monkeypatch.syspath_prepend(str(tmp_path / "sources"))  # holds no package
    assert (len(found(group="some")), len(found(group="some")), asked) == (0, 0, ["some"])
    info = tmp_path / "installed" / "late-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[some]\nname = late:part\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    assert [each.value for each in found(group="some")] == ["late:part"]
