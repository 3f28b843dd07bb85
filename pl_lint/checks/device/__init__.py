"""Would the module run on a GPU?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pl_lint.checks.device.gpu import judge_gpu
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.devices import BATCH, METRIC, MODULE, PARAMETER, TENSOR, Stranger, WrittenDevice
from pl_lint.facts.events import CaseFacts, Note, RunError, sentence
from pl_lint.facts.records import DeviceRecord
from pl_lint.findings import Evidence, Finding, Location

WORLD = "1 process, emulated GPU, fp32"
NO_NUMPY = "can't convert cuda:0 device type tensor to numpy"
CODES: Mapping[str, str] = {MODULE: "LTN655", METRIC: "LTN202", TENSOR: "LTN654", "": "LTN652"}
REMEDIES: Mapping[str, str] = {
    MODULE: "keep modules in torch.nn.ModuleList or torch.nn.ModuleDict",
    METRIC: "keep metrics in torch.nn.ModuleList, torch.nn.ModuleDict or a MetricCollection",
    TENSOR: "register it: self.register_buffer(name, tensor)",
    BATCH: "move it in transfer_batch_to_device, or give the batch's class a method to(device): "
    "Lightning calls it",
    PARAMETER: "make it in __init__ or configure_model, before Lightning moves the module",
    "": "make it there: device=self.device, torch.zeros_like(x), x.new_zeros(...)",
}


@check("device", place=95)
def device(runs: Runs) -> Result:
    """Each stage runs on a GPU: nothing that it computes with stays on the CPU.

    What it promises:
    `fit`, `validate`, `test` and `predict` run on an emulated GPU under Lightning's real Trainer:
    Lightning moves the module and the batches there, and each operation refuses tensors of two
    devices as CUDA does. What stays behind is named with its line: tensors that a step makes
    without a device, batches that nobody moves, plain attributes that should be buffers, metrics
    and modules that are not registered, tensors that go to NumPy without `.cpu()`. Devices that the
    code names (`.cuda()`, `.to("cuda:0")`, `device="cuda"`) are named too, unless the code has
    asked whether there is a GPU and takes the current one.

    How it is judged:
    The device is torch's spare backend; its tensors are computed on the CPU. A CPU tensor without
    dimensions is taken as a number, as CUDA does, unless it is written into; indices, lengths and
    batch sizes may be on the CPU. What is refused is noted and then done all the same, so that one
    run finds all of it. With `--pl-gpus 1` the same stages run on a real GPU as well, and what it
    refuses counts; this has not been tried on a GPU yet.

    When it cannot say:
    A stage that fails on the CPU already, and one that needs what the emulation has not: an
    operation that is not written for it, `torch.cuda` itself. What is slow on a GPU, or rounds
    otherwise there, needs a GPU.

    No script stands under:
    What an emulated GPU refuses: only a machine with a GPU shows it without pl-lint.
    """
    gathering = Gathering()
    failing = runs.smoke().errors
    record, case = runs.on_device(), runs.case()
    if record.error is not None:
        gathering.undecided.append(Note("device", str(record.error)))
        return gathering.result("")
    gathering.findings += _strangers(record, case)
    gathering.findings += _written(record, failing, case)
    for method in record.ran:
        _judge(method, record, failing, case, gathering)
    judge_gpu(runs, gathering)
    _clear(record, gathering)
    return gathering.result("the module has no stage that can be run: no step with data for it")


def _judge(
    method: str,
    record: DeviceRecord,
    failing: Mapping[str, RunError],
    case: CaseFacts,
    into: Gathering,
) -> None:
    """One stage: it ran through, it asks a GPU's tensor for an array, or it cannot be told."""
    error = record.errors.get(method)
    if method in failing:
        into.undecided.append(sentence(f"{method} fails on the CPU already; see fast-dev-run"))
    elif error is None:
        into.passed += 1
    elif NO_NUMPY in error.message and error.location is not None:
        text = f"on a GPU {method} raises {error.kind}: {error.message}"
        remedy = "move it to the CPU before: tensor.detach().cpu()"
        into.findings.append(found(case, "device", text, remedy, error.location))
    else:
        after = "after what is found" if record.strangers else "which is not emulated"
        into.undecided.append(Note(method, f"{error.kind}, {after}: {_first_line(error)}"))


def _first_line(error: RunError) -> str:
    return error.message.splitlines()[0]


def _strangers(record: DeviceRecord, case: CaseFacts) -> Iterator[Finding]:
    """One finding for each thing that stays behind, wherever it is used."""
    first: dict[tuple[str, str, Location | None], Stranger] = {}
    for stranger in record.strangers:
        made = None if stranger.holder == BATCH else stranger.made
        first.setdefault((stranger.holder, stranger.held, made), stranger)
    for stranger in first.values():
        code = CODES.get(stranger.holder, "device")
        at = stranger.location if stranger.holder == BATCH else stranger.made or stranger.location
        yield found(case, code, _told(stranger), REMEDIES[stranger.holder], at)


def _told(stranger: Stranger) -> str:
    used = f"{stranger.operation} at line {stranger.location.line}"
    shape = f"a tensor of shape {stranger.shape}" if stranger.shape else "a tensor"
    what = {
        MODULE: f"{stranger.held} is not registered, and stays on the CPU",
        METRIC: f"the metric {stranger.held} is not registered, and stays on the CPU",
        TENSOR: f"{stranger.held} is a plain attribute, and stays on the CPU",
        BATCH: f"nobody moves {stranger.held} to the GPU",
        PARAMETER: f"{stranger.held} is made after the module was moved, and stays on the CPU",
        "": f"{shape} is made on the CPU",
    }[stranger.holder]
    return f"{what}; on a GPU {used} raises 'Expected all tensors to be on the same device'"


def _written(
    record: DeviceRecord, failing: Mapping[str, RunError], case: CaseFacts
) -> Iterator[Finding]:
    """A device by number is wrong on all but one of several GPUs. The current one is wrong where
    there is none: it is what the CPU run failed with, unless the code asks before."""
    refused = {error.location.line for error in failing.values() if error.location is not None}
    for each in record.written:
        if any(digit.isdigit() for digit in each.text):
            yield found(case, "LTN651", _numbered(each), _OWN_DEVICE, each.location)
        elif each.location.line in refused:
            text = f"{each.text} needs a GPU: on a machine without one it raises"
            yield found(case, "LTN651", text, _OWN_DEVICE, each.location)


def _numbered(written: WrittenDevice) -> str:
    return f"{written.text} is the first GPU, also for a module that is on another one"


def _clear(record: DeviceRecord, into: Gathering) -> None:
    """Lines that made tensors on the CPU, none of which met one of the GPU."""
    if record.errors:
        return
    guilty = {stranger.made for stranger in record.strangers}
    counted = ("refused by a GPU", "to be refused")
    evidence = Evidence("device", 0.0, 0.0, 0.0, world=WORLD, how=_MET_NONE, words=counted)
    for place in record.made:
        if place not in guilty:
            into.clear(("LTN652",), place, evidence, "")


_OWN_DEVICE = "use self.device, or register the tensor with self.register_buffer"
_MET_NONE = "what this line makes never met a tensor of the GPU"
