"""What the project says of processes: how many there are, and which one is meant."""

from __future__ import annotations

from collections.abc import Iterable

from pl_lint.facts.sites import ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, Made, Value
from pl_lint.rules.processes import splits_batches

RANK_WORDS = ("rank", "is_global_zero", "main_process", "is_master", "world_size", "is_main")
COUNT_WORDS = frozenset(
    "device_count world_size get_world_size num_devices num_processes is_distributed distributed "
    "is_initialized is_available_and_initialized".split()
)
STRATEGIES = ("ddp", "fsdp", "deepspeed")
STRATEGY_CLASSES = ("DDPStrategy", "FSDPStrategy", "DeepSpeedStrategy", "DDPPlugin")


def for_one_rank(guards: Iterable[str]) -> bool:
    """Whether a condition or a decorator asks which process this is."""
    return any(word in guard.lower() for guard in guards for word in RANK_WORDS)


def for_one_count(guards: Iterable[str]) -> bool:
    """Whether a condition asks how many processes or devices there are: each branch is written for
    its number of them."""
    return not COUNT_WORDS.isdisjoint(guards)


def several_devices(facts: ProjectFacts) -> bool:
    """Whether some Trainer of the project surely runs several processes."""
    return any(map(uses_several, facts.trainers))


def uses_several(trainer: TrainerSite) -> bool:
    if splits_batches(trainer):
        return False
    counts = (trainer.argument(name) for name in ("devices", "gpus", "num_nodes"))
    named = (trainer.argument(name) for name in ("strategy", "accelerator", "distributed_backend"))
    return any(map(_counts_several, counts)) or any(map(_names_several, named))


def _counts_several(value: Value) -> bool:
    match value:
        case Known(int(number)) if not isinstance(number, bool):
            return number > 1 or number == -1
        case Known(tuple(items)):
            return len(items) > 1
    return False


def _names_several(value: Value) -> bool:
    match value:
        case Known(str(text)):
            return text.startswith(STRATEGIES)
        case Made(name):
            return name.endswith(STRATEGY_CLASSES)
    return False
