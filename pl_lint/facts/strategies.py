"""Strategies that Lightning 2.0 removed, by the names that a Trainer took.

Gathered from the strategy registries of 1.9 and of 2.0 (trainer/connectors/accelerator_connector.py
and strategies/__init__.py): what the one has and the other refuses with "You selected an invalid
strategy name".
"""

from __future__ import annotations

from collections.abc import Mapping

REMOVED: Mapping[str, str] = {
    "dp": "ddp",
    "ddp2": "ddp",
    "ddp_cpu": 'ddp with accelerator="cpu"',
    "horovod": "ddp",
    "bagua": "ddp",
    "collaborative": "ddp",
    "hivemind": "ddp",
    "colossalai": "fsdp or deepspeed",
    "fairscale": "fsdp",
    "ddp_fully_sharded": "fsdp",
    "ddp_sharded": "fsdp or deepspeed",
    "ddp_sharded_spawn": "fsdp or deepspeed",
    "ddp_sharded_find_unused_parameters_false": "fsdp or deepspeed",
    "ddp_sharded_spawn_find_unused_parameters_false": "fsdp or deepspeed",
    "fsdp_native": "fsdp",
    "fsdp_native_full_shard_offload": "fsdp_cpu_offload",
    "tpu_spawn": "xla",
    "tpu_spawn_debug": "xla_debug",
}
NO_ACCELERATORS = frozenset({"ddp", "ddp_spawn", *REMOVED})
"""Names of strategies that ``accelerator=`` took before 1.7."""
