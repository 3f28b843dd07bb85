"""The stages on a real GPU, where somebody asks for one: what the emulation cannot say."""

from __future__ import annotations

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.facts.events import Note, RunError

SHORT_OF = ("OutOfMemoryError", "AcceleratorError")
"""What a GPU raises that is too small or broken: nothing that a module has to answer for."""


def judge_gpu(runs: Runs, into: Gathering) -> None:
    """Each stage runs through there, or raises; one that fails on the CPU already is left out."""
    asked, gpus = runs.gpus_asked_for(), runs.gpus()
    if not asked:
        return
    if len(gpus.names) < asked:
        seen = f"torch {gpus.torch} sees {len(gpus.names)} of the {asked} that are asked for"
        into.undecided.append(Note("GPUs", seen))
    if gpus.names:
        _judge_stages(runs, gpus.names[0], into)


def _judge_stages(runs: Runs, name: str, into: Gathering) -> None:
    record, failing = runs.on_gpu(), runs.smoke().errors
    told = {finding.location for finding in into.findings}
    for method in (method for method in record.ran if method not in failing):
        error = record.errors.get(method)
        if error is None:
            into.passed += 1
        elif error.kind in SHORT_OF:
            into.undecided.append(Note(f"{method} on {name}", str(error)))
        elif error.location not in told:
            into.findings.append(
                found(runs.case(), "device", _raised(method, name, error), _SEE, error.location)
            )


def _raised(method: str, name: str, error: RunError) -> str:
    return f"{method} runs on the CPU, and on {name} raises {error.kind}: {error.message}"


_SEE = "see the operation at this line"
