"""Worlds: where a module is run. One process, several ranks, another precision, another device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pl_lint.runtime.namespace import Namespace

CPU, EMULATED, CUDA = "CPU", "emulated GPU", "CUDA"
BACKENDS = {CPU: "gloo", CUDA: "nccl"}
EVALUATED = "evaluated-{rank}.json"
"""In a run's directory: a rank's record before its fit."""


@contextmanager
def as_before_meeting() -> Iterator[None]:
    """As if the ranks had not met yet: a script builds its module and its data before the Trainer
    lets them, and data may deal themselves out as soon as there is a group."""
    from torch.distributed import GroupMember

    known, GroupMember.WORLD = GroupMember.WORLD, None
    try:
        yield
    finally:
        GroupMember.WORLD = known


@dataclass(frozen=True)
class World:
    """How many processes, in which precision (Lightning's spelling), and on which device."""

    ranks: int = 1
    precision: str = "32-true"
    device: str = CPU

    def __str__(self) -> str:
        processes = f"{self.ranks} {BACKENDS[self.device]} ranks" if self.ranks > 1 else "1 process"
        precision = "fp32" if self.precision == "32-true" else self.precision
        return f"{processes}, {self.device}, {precision}"

    def join(self, patience: float) -> None:
        """Meet the other ranks, before Lightning does (it keeps a group that it finds): what the
        user's data do on several ranks is asked of them before there is a Trainer. A rank that
        waits for another one longer than ``patience`` seconds raises, and so can tell where."""
        from torch import distributed

        if self.ranks > 1 and not distributed.is_initialized():
            self._take_device()
            backend = BACKENDS[self.device]
            distributed.init_process_group(backend, timeout=timedelta(seconds=patience))

    def _take_device(self) -> None:
        """Each rank has a GPU of its own, and NCCL uses the current one."""
        if self.device != CUDA:
            return
        import torch

        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))

    def trainer_arguments(self, namespace: Namespace, patience: float) -> dict[str, Any]:
        """The Trainer arguments of this world. Several ranks must have been launched already; one
        that waits for the others longer than ``patience`` seconds raises, and so can tell why."""
        return {
            "num_nodes": 1,
            **self._placement(namespace, patience),
            "use_distributed_sampler": False,  # the kit shards, so that it can count
            **self._precision(namespace),
        }

    def _placement(self, namespace: Namespace, patience: float) -> dict[str, Any]:
        if self.device == EMULATED:
            from pl_lint.runtime.emulated import emulated_strategy

            return {"strategy": emulated_strategy(namespace)}
        self._take_device()
        strategy = _strategy(self.ranks, namespace, patience)
        accelerator = "cuda" if self.device == CUDA else "cpu"
        return {"accelerator": accelerator, "devices": self.ranks, "strategy": strategy}

    def _precision(self, namespace: Namespace) -> dict[str, Any]:
        if self.device == CUDA:
            return {"precision": self.precision}
        return _as_on_cuda(self.precision, namespace)


def _strategy(ranks: int, namespace: Namespace, patience: float) -> Any:
    if ranks == 1:
        return "auto"
    # Modules with several optimizers leave parameters unused in some steps.
    ddp = namespace.part("strategies.DDPStrategy")
    return ddp(find_unused_parameters=True, timeout=timedelta(seconds=patience))


def _as_on_cuda(precision: str, namespace: Namespace) -> dict[str, Any]:
    """fp16-mixed on a CPU needs the plugin given explicitly: Lightning replaces '16-mixed' there by
    bf16 with a warning (``trainer/connectors/accelerator_connector.py``, 2.6.6)."""
    if precision.endswith("-mixed"):
        from pl_lint.runtime import cuda_autocast

        cuda_autocast.install()
    if precision != "16-mixed":
        return {"precision": precision}
    import torch

    plugin = namespace.part("plugins.precision.MixedPrecision")
    return {"plugins": [plugin("16-mixed", device="cpu", scaler=torch.amp.GradScaler("cpu"))]}
