"""What the project says of processes: how many there are, and which one is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pl_lint.facts.lightning import Version
from pl_lint.facts.sites import ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, Made, OneOf, Value, must_be
from pl_lint.facts.words import MAY_GATHER
from pl_lint.rules.device_counts import COUNTS, splits_batches, uses_one_device

RANK_WORDS = ("rank", "is_global_zero", "main_process", "is_master", "world_size", "is_main")
OF_RANK = re.compile(
    r"((global|local|node|world|process|ddp|dist|trainer|my|cur|current)_?)?rank|"
    r".*(rank_zero|zero_rank|rank_?0|global_zero|main_process|master_process|main_rank|master_rank)|"
    r"rank_zero_only|get_((global|local|node)_)?rank|rank_id|is_(main|master)",
    re.IGNORECASE,
)
"""What asks which process this is, beyond doubt: ``lora_rank`` and ``ranking`` do not."""
COUNT_WORDS = frozenset(
    "device_count world_size get_world_size num_devices num_processes is_distributed distributed "
    "is_initialized is_available_and_initialized".split()
)
OF_DATA = frozenset({"any", "numel", "isnan", "isfinite", "isinf", "nonzero", "unique"})
"""What a condition asks of the data, which are others on each process."""
STRATEGIES = ("ddp", "fsdp", "deepspeed")
NAMING = ("strategy", "accelerator", "distributed_backend")
"""The arguments of a Trainer that name a strategy; the last two in Lightning 1."""
FORKED = ("spawn", "fork", "notebook")
HARDWARE = (Known("gpu"), Known("cpu"), Known("auto"))
"""Accelerators that say nothing of processes."""
COUNTED_TEXTS: Version = (1, 5, 0)
"""Since then ``gpus="3"`` is three of them; before it was the one with this number. Code without a
date is judged by this version, and says neither."""
STRATEGY_CLASSES = ("DDPStrategy", "FSDPStrategy", "DeepSpeedStrategy", "DDPPlugin")


def for_one_rank(guards: Iterable[str]) -> bool:
    """Whether a condition or a decorator asks which process this is."""
    return any(word in guard.lower() for guard in guards for word in RANK_WORDS)


def asks_which_process(guards: Iterable[str]) -> bool:
    """Whether a condition is surely true for some processes and false for others. (What only might
    be one is enough to keep silent: ``for_one_rank``.)"""
    guards = tuple(guards)
    return any(map(OF_RANK.fullmatch, guards)) and "world_size" not in guards


def asks_for_data(guards: Iterable[str]) -> bool:
    """Whether a condition asks what stands in the batch, and the processes do not agree on it."""
    guards = tuple(guards)
    return not OF_DATA.isdisjoint(guards) and not any(map(_agrees, guards))


def _agrees(guard: str) -> bool:
    """Whether something makes one answer of those of all processes."""
    return "broadcast" in guard or MAY_GATHER.search(guard) is not None


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
    named = (trainer.argument(name) for name in NAMING)
    return any(map(_counts_several, counts)) or any(map(_names_several, named))


SAMPLER = ("use_distributed_sampler", "replace_sampler_ddp")
"""The argument of a Trainer that keeps Lightning's sampler out, today and in 1.x."""


def deals_out(trainer: TrainerSite) -> bool:
    """Whether Lightning deals the samples out to the processes, by a sampler that shuffles those
    of training."""
    return not any(must_be(trainer.argument(name), False) for name in SAMPLER)


def starts_scripts(trainer: TrainerSite, version: Version) -> bool:
    """Whether a Trainer surely has several processes, each of which runs the script anew: none that
    are forked out of it, as they are in a notebook, and in Lightning 1 where no strategy is named.
    """
    in_one = forks(trainer, version) or trainer.location.path.endswith(".ipynb")
    return uses_several(trainer) and not in_one and not uses_one_device(trainer, version)


def forks(trainer: TrainerSite, version: Version) -> bool:
    """Whether the processes of a Trainer that has several are made out of the one that fits: it
    says so, or it says nothing in Lightning 1."""
    named = [trainer.argument(name) for name in NAMING]
    texts = [one.value for one in named if isinstance(one, Known)]
    said = any(isinstance(text, str) and text.endswith(FORKED) for text in texts)
    unsaid = all(must_be(one, None) or one in HARDWARE for one in named)
    return said or (unsaid and version < (2, 0))


def may_use_several(trainer: TrainerSite, version: Version) -> bool:
    """Whether what is written lets a Trainer run several processes: it says so, or it asks for all
    devices there are.

    To say nothing is no such word, although Lightning 2 then takes all: most of these projects have
    one GPU, and half of what LTN106 and LTN211 said in 215 of them rested on that alone. Nor is a
    number that only a setting or the command line knows: there the two rules were right in 37
    public projects, wrong in 6 and undecided in 12; elsewhere right in 111 and wrong in 4. A
    strategy that is one of two ("ddp" if there are several) was right 13 times and wrong 11.
    """
    if uses_one_device(trainer, version):
        return False
    counts = [one for name in (*COUNTS, "num_nodes") for one in _options(trainer, name)]
    if version <= COUNTED_TEXTS:
        counts = [one for one in counts if not _is_number_in_text(one)]
    named = [trainer.argument(name) for name in NAMING]
    together = must_be(trainer.argument("sync_batchnorm"), True)
    said = any(map(_may_count_several, counts)) or any(map(_names_several, named))
    return together or said


def takes_all(trainer: TrainerSite, version: Version) -> bool:
    """Whether nothing is written of how many devices a Trainer has: in Lightning 2, all of them."""
    unsaid = all(must_be(trainer.argument(name), None) for name in COUNTS)
    return unsaid and not uses_one_device(trainer, version)


def _is_number_in_text(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, str) and value.value.isdigit()


def _options(trainer: TrainerSite, name: str) -> list[Value]:
    value = trainer.argument(name)
    return [Known(each) for each in value.values] if isinstance(value, OneOf) else [value]


def _may_count_several(value: Value) -> bool:
    match value:
        case Known(str(text)):
            counted = text.isdigit() and int(text) > 1
            return text in ("auto", "-1") or counted or "," in text.strip(", ")
        case Known((-1,)):
            return True
    return _counts_several(value)


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
