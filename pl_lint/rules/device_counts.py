"""On how many devices a Trainer runs, as far as its arguments say."""

from __future__ import annotations

from pl_lint.facts.lightning import Version
from pl_lint.facts.sites import TrainerSite
from pl_lint.facts.values import Known, OneOf, Several, Value, must_be

COUNTS = ("devices", "gpus", "tpu_cores", "ipus", "num_processes")
"""The arguments of a Trainer that say on how many devices it runs."""
KINDS = ("accelerator", "strategy", "distributed_backend", "plugins")
"""Those that can bring a number with them."""
ONE_PROCESS = "dp"
"""The strategy of Lightning 1 that splits each batch over devices, within one process."""
SINGLE = ("cpu", "mps")
"""The accelerators of Lightning 2 that count themselves as one (``auto_device_count``)."""


def uses_one_device(trainer: TrainerSite, version: Version) -> bool:
    """Whether a Trainer surely runs one process.

    Where no number is said, Lightning 1 takes one process on the CPU, and Lightning 2 all that the
    accelerator has.
    """
    if trainer.one_gpu or any(_is_one(trainer.argument(name)) for name in ("devices", "gpus")):
        return True
    if splits_batches(trainer):
        return True
    if version < (2, 0):
        counts = (trainer.argument(name) for name in COUNTS)
        kinds = (trainer.argument(name) for name in KINDS)
        return all(map(_is_one_at_most, counts)) and all(map(_brings_no_number, kinds))
    devices = trainer.argument("devices")
    kind = trainer.argument("accelerator")
    unsaid = must_be(devices, None) or must_be(devices, "auto")
    return unsaid and any(must_be(kind, name) for name in SINGLE)


def splits_batches(trainer: TrainerSite) -> bool:
    """Whether it has one process for all its devices."""
    named = ("strategy", "accelerator", "distributed_backend")
    return any(must_be(trainer.argument(name), ONE_PROCESS) for name in named)


def _is_one(value: Value) -> bool:
    match value:
        case Known(tuple(items)):
            return len(items) == 1 and items != (-1,)
        case Several(items):
            return len(items) == 1
        case OneOf(values):
            counts = [each for each in values if each != 0]  # ``min(1, device_count())``
            return bool(counts) and all(_is_one(Known(each)) for each in counts)
    return must_be(value, 1) or must_be(value, "1")


def _brings_no_number(kind: Value) -> bool:
    return any(must_be(kind, name) for name in (None, "cpu"))


def _is_one_at_most(value: Value) -> bool:
    if isinstance(value, OneOf):
        return all(_is_one_at_most(Known(each)) for each in value.values)
    return _is_one(value) or must_be(value, 0) or must_be(value, None)
