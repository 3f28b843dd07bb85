"""Real GPUs. Where there is none, what is asked of Lightning and what is made of its answers; where
there is one, the healthy fixtures on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures_of_checks import Fixture, fixtures, judge

from pl_lint.checks.device.gpu import judge_gpu
from pl_lint.checks.precision.spelling import FULL, Spelling
from pl_lint.checks.registry import Gathering, Verdict
from pl_lint.facts.events import CaseFacts, RunError
from pl_lint.facts.records import DeviceRecord, GpusRecord, SmokeRecord
from pl_lint.findings import Location
from pl_lint.runtime.isolation.request import Request
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.specs import CaseRef, RunSpec
from pl_lint.runtime.worlds import CUDA, World

THERE = torch.cuda.device_count()
CHECKS = ("device", "precision", "distributed") if THERE else ("device",)
HEALTHY = [each for each in fixtures(CHECKS) if each.verdict is Verdict.PASSED]
LINE = Location("models.py", 7)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("runs")) as runner:
        yield runner


@pytest.mark.skipif(THERE < 1, reason="needs a GPU")
@pytest.mark.parametrize("fixture", HEALTHY, ids=str)
def test_what_is_healthy_is_so_on_a_gpu(fixture: Fixture, runner: Runner) -> None:
    result = judge(fixture, runner, gpus=min(THERE, 2))
    assert result.verdict is Verdict.PASSED, (result.findings, result.reason)


@pytest.mark.skipif(THERE > 0, reason="needs a machine without a GPU")
def test_gpus_that_are_not_there_are_not_decided(runner: Runner) -> None:
    healthy = next(each for each in HEALTHY if each.check == "device")
    result = judge(healthy, runner, gpus=2)
    assert result.verdict is Verdict.PASSED
    assert any("sees 0 of the 2 that are asked for" in note for note in result.notes)


def test_a_world_on_gpus_is_lightnings_own(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    world = World(2, "16-mixed", CUDA)
    asked = world.trainer_arguments(Namespace("lightning.pytorch"), 9.0)
    assert (asked["accelerator"], asked["devices"], asked["precision"]) == ("cuda", 2, "16-mixed")
    assert "plugins" not in asked
    assert taken == [1]
    assert str(world) == "2 nccl ranks, CUDA, 16-mixed"


def test_only_runs_on_gpus_see_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = {world: "CUDA_VISIBLE_DEVICES" not in _environment(world) for world in ("CPU", CUDA)}
    assert seen == {"CPU": False, CUDA: True}


def _environment(device: str) -> Mapping[str, str]:
    spec = RunSpec(CaseRef("models.py", "case"), "smoke", World(device=device))
    return Request.of(spec).settings.environment()


def raised(kind: str, line: int = LINE.line) -> RunError:
    return RunError(kind, "no", "fit", Location(LINE.path, line))


def runs(asked: int, names: tuple[str, ...] = (), **errors: RunError) -> Any:
    case = CaseFacts("Model", "models.py", 1, "lightning.pytorch", ("train", "validate"))
    record = DeviceRecord(case=case, ran=("fit", "validate"), errors=errors)
    return SimpleNamespace(
        case=lambda: case,
        smoke=lambda: SmokeRecord(case=case),
        on_gpu=lambda: record,
        gpus=lambda: GpusRecord(names=names, torch="2.13.0"),
        gpus_asked_for=lambda: asked,
        trained_in=lambda: frozenset({"32-true"}),
    )


def judged(*args: Any, **errors: RunError) -> Gathering:
    gathering = Gathering()
    judge_gpu(runs(*args, **errors), gathering)
    return gathering


def test_nothing_is_said_of_gpus_that_nobody_asked_for() -> None:
    assert judged(0) == Gathering()


def test_what_only_a_gpu_refuses_is_found_there() -> None:
    gathering = judged(1, ("H100",), fit=raised("RuntimeError"))
    [finding] = gathering.findings
    assert finding.location == LINE
    assert "fit runs on the CPU, and on H100 raises RuntimeError: no" in finding.message
    assert gathering.passed == 1  # validate


def test_a_gpu_that_is_too_small_is_no_fault_of_the_module() -> None:
    gathering = judged(1, ("H100",), fit=raised("OutOfMemoryError"))
    assert not gathering.findings
    assert len(gathering.undecided) == 1


def test_fp32_is_held_against_the_cpu_on_a_gpu_only() -> None:
    alone, beside = runs(0), runs(1, ("H100",))
    assert not Spelling(FULL, alone, alone.case()).concerns
    spelling = Spelling(FULL, beside, beside.case())
    assert spelling.concerns
    assert spelling.world == "1 process, H100, 32-true"
