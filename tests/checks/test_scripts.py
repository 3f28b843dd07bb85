"""The scripts under failures really run by themselves, and show two things that differ: of the
healthy twin of a fixture the same script shows that they are equal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fixtures_of_checks import FIXTURES, TIMEOUT

from pl_lint.checks.checkpoint import script as checkpoint
from pl_lint.checks.distributed import script as distributed
from pl_lint.checks.event_file import script as event_file
from pl_lint.checks.precision import script as precision
from pl_lint.checks.registry import all_checks
from pl_lint.checks.reproducible import script as reproducible
from pl_lint.checks.schedule import script as schedule
from pl_lint.checks.training import script as training
from pl_lint.facts.building import Building
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

RUN_EACH = """
import os, runpy, sys
import lightning.pytorch, torch.utils.tensorboard
for script in sys.argv[1:]:
    if not os.fork():
        sys.argv = [script]
        file = os.open(script + ".out", os.O_CREAT | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        runpy.run_path(script, run_name="__main__")
        print("exits with 0")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
"""Scripts one after the other, each in a process of its own; what all of them import only once."""


@dataclass(frozen=True)
class Shown:
    """A script's last line says ``left`` and a value, then ``right`` and another one, which differ
    in the ``sick`` case and are equal in the ``healthy`` one; or, ``equal``, the other way round.

    ``script`` makes the script where asking the check for it would cost more than it shows; the
    case has a loader for each of ``stages``, or one loader if there is none.
    """

    check: str
    sick: tuple[str, str]
    left: str
    right: str
    healthy: tuple[str, str] | None = None
    script: Callable[[Building, str], str] | None = None
    equal: bool = False
    stages: tuple[str, ...] = ("train", "validate")
    returned: int = 2
    within: float = 2e-5

    def __str__(self) -> str:
        return f"{self.check}-{self.sick[1]}"

    @property
    def cases(self) -> list[tuple[str, str]]:
        return [self.sick, *([self.healthy] if self.healthy else [])]

    def values(self, output: str) -> tuple[str, str]:
        pattern = rf"{re.escape(self.left)} (.+), {re.escape(self.right)} (.+)"
        found = re.findall(pattern, output)
        assert found, output
        return found[-1]


ALONE, PREDICTED = ("train",), ("train", "validate", "predict")
FIRST, SECOND = "first run", "second run"
SAVED, LOADED = "before it was saved", "loaded"
SHOWN = [
    Shown(
        "reproducible",
        ("sick_unseeded_generator", "unseeded_noise"),
        FIRST,
        SECOND,
        ("healthy_names_and_times", "names_and_times"),
    ),
    Shown(
        "reproducible",
        ("sick_left_behind", "warmed"),
        FIRST,
        SECOND,
        script=lambda *given: reproducible.script_of("LTN409", *given, ""),
        stages=(),
    ),
    Shown(
        "reproducible",
        ("sick_copied_generator", "numpy_generator"),
        "in one process",
        "in two workers",
        ("healthy_worker_draws", "global_draws"),
        lambda *given: reproducible.script_of("LTN405", *given, ""),
        stages=(),
    ),
    Shown(
        "reproducible",
        ("sick_dropout_while_validating", "attended"),
        "with seed 1",
        "with seed 2",
        ("healthy_dropout", "follows"),
        lambda *given: reproducible.script_of("LTN804", *given, "val_loss"),
    ),
    Shown(
        "checkpoint",
        ("sick_plain_attributes", "python_counter"),
        "uninterrupted",
        "resumed",
        ("healthy_buffers", "buffers"),
    ),
    Shown(
        "checkpoint",
        ("sick_lost_argument", "default_comes_back"),
        "built with",
        "loaded with",
        script=lambda *given: checkpoint.argument_lost(*given, "scale"),
    ),
    Shown(
        "checkpoint",
        ("sick_lost_argument", "required_is_missing"),
        "saved a",
        "loaded a",
        ("healthy_buffers", "buffers"),
        checkpoint.load_fails,
    ),
    Shown(
        "checkpoint",
        ("sick_plain_attributes", "moving_average"),
        SAVED,
        LOADED,
        ("healthy_buffers", "buffers"),
        lambda *given: checkpoint.other_output(*given, "predict", "prediction"),
        stages=PREDICTED,
    ),
    Shown(
        "checkpoint",
        ("sick_lost_argument", "default_comes_back"),
        SAVED,
        LOADED,
        ("healthy_buffers", "buffers"),
        lambda *given: checkpoint.other_output(*given, "validate", "val_loss"),
    ),
    Shown(
        "training",
        ("sick_parameters", "detached"),
        "before training",
        "after it",
        equal=True,
    ),
    Shown(
        "training",
        ("sick_parameters", "layers_in_a_list"),
        "held",
        "named by self.parameters()",
        script=training.unnamed("layers"),
        stages=ALONE,
    ),
    Shown(
        "training",
        ("sick_steps", "stepped_twice"),
        "batches",
        "steps of an optimizer",
        ("sick_steps", "maximised"),
        training.steps(),
        stages=ALONE,
    ),
    Shown(
        "training",
        ("sick_modes", "left_in_eval"),
        "all",
        "with backbone in training mode",
        script=training.in_evaluation("backbone"),
    ),
    Shown(
        "training",
        ("sick_steps", "never_zeroed"),
        "first",
        "last",
        ("sick_steps", "maximised"),
        training.left_over(),
        stages=ALONE,
    ),
    Shown(
        "training",
        ("sick_steps", "maximised"),
        "first",
        "last",
        script=training.losses(),
        stages=ALONE,
    ),
    Shown(
        "training",
        ("sick_samples", "softmax_over_the_batch"),
        "beside one sample",
        "beside another",
        ("sick_samples", "centred_predictions"),
        training.mixed("validate", "", False),
    ),
    Shown(
        "training",
        ("sick_samples", "centred_predictions"),
        "beside one sample",
        "beside another",
        script=training.mixed("predict", "", True),
        stages=PREDICTED,
    ),
    Shown(
        "training",
        ("sick_kept", "losses_kept_for_ever"),
        "before the first epoch",
        "before the second",
        script=training.grows("kept"),
    ),
    Shown(
        "training",
        ("sick_kept", "graphs_kept"),
        "after two batches",
        "after five",
        script=training.graphs("kept"),
    ),
    Shown(
        "training",
        ("sick_hooks", "misspelled"),
        "expected at least",
        "counted",
        script=training.calls("on_train_epoch_ends"),
        stages=ALONE,
    ),
    Shown(
        "schedule",
        ("sick_never_stepped", "under_another_key"),
        "at the start",
        "at the end",
        ("sick_never_stepped", "by_both"),
        equal=True,
    ),
    Shown(
        "schedule",
        ("sick_never_stepped", "by_both"),
        "expected",
        "made",
        script=lambda *given: schedule.steps(*given, 0, "StepLR", 12),
        stages=(),
    ),
    Shown("precision", ("sick_lost_value", "lost_value"), "in fp32", "in bf16-mixed", within=0.06),
    Shown(
        "precision",
        ("sick_half_metric_state", "state_like_input"),
        "expected",
        "kept",
        script=lambda *given: precision.states(*given, "bf16-mixed"),
    ),
    Shown(
        "event-file",
        ("sick_logged_twice", "logged_twice"),
        "handed over",
        "in the file",
    ),
    Shown(
        "event-file",
        ("sick_wrong_axis", "batch_index_as_step"),
        "as written",
        "going forward",
        script=lambda *given: event_file.points(*given, "grad_norm", True),
        returned=3,
    ),
    Shown(
        "sync-dist",
        ("sick_local_loss", "local_loss"),
        "rank 1",
        "one process",
        ("healthy_synced_values", "synced_values"),
    ),
    Shown("distributed", ("sick_state_of_each_rank", "counting_buffer"), "rank 0", "rank 1"),
    Shown(
        "distributed",
        ("sick_training_values", "not_gathered"),
        "rank 0",
        "rank 1",
        ("sick_training_values", "ranks_averaged"),
        lambda *given: distributed.logged("train_f1")(*given, 2),
        stages=ALONE,
    ),
]


@pytest.fixture(scope="module")
def outputs(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """What each script prints, by its file."""
    folder = tmp_path_factory.mktemp("scripts")
    for number, shown in enumerate(SHOWN):
        text = shown.script(building(shown), "said") if shown.script else found(shown, runner)
        for case in shown.cases:
            script = folder / f"{number}-{case[1]}.py"
            script.write_text(about(text, shown.sick, case), "utf-8")
    command = [sys.executable, "-c", RUN_EACH, *map(str, sorted(folder.iterdir()))]
    left = tmp_path_factory.mktemp("left")  # scripts are a user's: their folders stay for a look
    environment = os.environ | {"TMPDIR": str(left)}
    subprocess.run(command, cwd=folder, capture_output=True, check=True, env=environment)
    return {Path(file.stem): file.read_text("utf-8") for file in folder.glob("*.out")}


def building(shown: Shown) -> Building:
    """As the check would be told."""
    return Building(
        root=str(FIXTURES / shown.check),
        module=shown.sick[0],
        case=shown.sick[1],
        namespace="lightning.pytorch",
        returned=shown.returned,
        owner="dict" if shown.stages else "loader",
        names={
            stage: {"validate": "val"}.get(stage, stage) for stage in shown.stages or ("train",)
        },
    )


def found(shown: Shown, runner: Runner) -> str:
    """The script of the first failing finding of the check in the sick case."""
    file, case = shown.sick
    ref = CaseRef(str(FIXTURES / shown.check / f"{file}.py"), case)
    check = next(each for each in all_checks() if each.name == shown.check)
    result = check(Battery(runner, ref, TIMEOUT))
    return next(each.script for each in result.findings if each.counts_for_runner)


def about(script: str, sick: tuple[str, str], other: tuple[str, str]) -> str:
    """The same script about another case."""
    script = script.replace(
        f"from {sick[0]} import {sick[1]}", f"from {other[0]} import {other[1]}"
    )
    return script.replace(f"= {sick[1]}()", f"= {other[1]}()")


@pytest.mark.parametrize("number", range(len(SHOWN)), ids=lambda number: str(SHOWN[number]))
def test_a_script_shows_the_mistake(number: int, outputs: dict[Path, str]) -> None:
    shown = SHOWN[number]
    for case in shown.cases:
        output = outputs[Path(f"{number}-{case[1]}.py")]
        assert output.endswith("exits with 0\n"), output
        one, other = shown.values(output)
        alike = are_alike(one, other, shown.within)
        assert alike is (shown.equal is (case == shown.sick)), (one, other)


def are_alike(one: str, other: str, within: float) -> bool:
    """The same text, or numbers that rounding tells apart."""
    try:
        return float(one) == pytest.approx(float(other), rel=within)
    except ValueError:
        return one == other


def test_a_stage_that_fails_shows_its_traceback(runner: Runner, tmp_path: Path) -> None:
    shown = Shown("fast-dev-run", ("sick_later_crash", "crash_in_test"), "", "")
    script = tmp_path / "script.py"
    script.write_text(found(shown, runner), "utf-8")
    command = [sys.executable, str(script)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert re.search(r"sick_later_crash.py\", line \d+, in test_step", done.stderr), done.stderr


def test_a_script_imports_nothing_of_pl_lint() -> None:
    texts = [shown.script(building(shown), "said") for shown in SHOWN if shown.script]
    assert texts
    assert not [text for text in texts if "pl_lint" in text]
