"""What half precision does not run: what a GPU would refuse too, and what only this CPU does."""

from __future__ import annotations

from collections.abc import Sequence

from pl_lint.checks.precision.spelling import Spelling
from pl_lint.checks.proving import suspected_at
from pl_lint.checks.registry import Gathering
from pl_lint.facts.events import TIME_LIMIT, Note, RunError

NO_KERNEL = {
    "not implemented for": "the CPU has no kernel for it",
    "could not create a primitive": "the CPU has no kernel for it",
    "mkldnn": "the CPU has no kernel for it",
    "Half": "the CPU runs other operations in half precision than a GPU",
    "BFloat16": "the CPU runs other operations in half precision than a GPU",
    "dtype": "the CPU runs other operations in half precision than a GPU",
}
"""What in a RuntimeError's message says that a GPU might have run this, and why."""
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
SCALER = "torch.amp.grad_scaler"
UNSAFE = "unsafe to autocast"
NEVER_SCALED = "Attempted unscale_ but _scale is None"


def judge_error(
    spelling: Spelling, error: RunError, in_fp32: Sequence[RunError], into: Gathering
) -> None:
    """The error that a run in half precision ended with; ``in_fp32`` are those of evaluations of
    the same samples there."""
    if error.kind == TIME_LIMIT:
        text = f"too slow on this CPU; fp32 took less ({error.message})"
        into.undecided.append(Note(spelling.name, text))
        return
    reason = "" if _is_known(error) else _undecidable(error)
    if any((one.kind, one.location) == (error.kind, error.location) for one in in_fp32):
        reason = "fp32 raises it too, with batches of other sizes"
    if reason:
        into.undecided.append(Note(spelling.name, f"{reason} ({error.message})"))
        return
    text = f"runs in fp32, and under {spelling} raises {error.kind}: {error.message}"
    code, remedy = _mistake(error)
    place = suspected_at(spelling.runs, code, error.location)
    finding = spelling.found(code, text, remedy, place)
    into.findings.append(finding)
    if not finding.counts_for_runner:
        into.undecided.append(Note(spelling.name, "the run ends there, and nothing else is judged"))


def _is_known(error: RunError) -> bool:
    return UNSAFE in error.message or NEVER_SCALED in error.message


def _mistake(error: RunError) -> tuple[str, str]:
    if UNSAFE in error.message:
        return "LTN603", "leave the sigmoid out and use binary_cross_entropy_with_logits"
    if NEVER_SCALED in error.message:
        return "LTN602", "write self.manual_backward(loss) in place of loss.backward()"
    return "precision", "see the operation at this line"


def _undecidable(error: RunError) -> str:
    """Why an error says nothing of the module in half precision; empty if it does.

    Lightning refuses what does not go together (``AMP and the LBFGS optimizer``, ``plugins/
    precision/amp.py``, 2.6.6), and here nobody has asked for it. A GradScaler asserts that an
    optimizer has a gradient (``GradScaler.step``, torch 2.13); fp32 makes the step without.
    """
    by_lightning = error.raised_in.partition(".")[0] in LIGHTNING
    if by_lightning and error.kind == "MisconfigurationException":
        return "Lightning refuses it"
    if error.raised_in == SCALER and error.kind == "AssertionError":
        return "an optimizer makes a step, and none of its parameters has a gradient; see training"
    if error.kind in ("RuntimeError", "NotImplementedError"):
        return next((why for sign, why in NO_KERNEL.items() if sign in error.message), "")
    return ""
