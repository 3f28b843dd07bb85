"""What CUDA refuses and what it takes, one operation at a time; printed as JSON.

Both lists follow ``aten/src/ATen/TensorIterator.cpp`` (``compute_types``) and what CUDA's kernels
check.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from pl_lint.runtime import emulated


def operations(x: torch.Tensor, cpu: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """``x`` and ``cpu`` are (2, 3)."""
    number, labels, weight = torch.tensor(2.0), torch.tensor([0, 2]), torch.ones(3)
    refused = {
        "add": lambda: x + cpu,
        "add to a number of the device": lambda: cpu + x.sum(),
        "write into a number of the CPU": lambda: number.add_(x.sum()),
        "matmul": lambda: x @ cpu.T,
        "cat": lambda: torch.cat([x, cpu]),
        "stack numbers": lambda: torch.stack([x.sum(), number]),
        "where": lambda: torch.where(cpu > 0, x, x),
        "cross entropy": lambda: F.cross_entropy(x, labels),
        "weight of a loss": lambda: F.cross_entropy(x, labels.to(x.device), weight=weight),
        "embedding": lambda: F.embedding(labels, x.T),
        "index of the CPU by the device": lambda: cpu.T[labels.to(x.device)],
        "gather": lambda: x.gather(1, torch.zeros(2, 1, dtype=torch.long)),
        "layer": lambda: nn.Linear(3, 3)(x),
        "masked fill": lambda: x.masked_fill(cpu > 0, 0.0),
        "under inference mode": torch.inference_mode()(lambda: x * cpu),
    }
    accepted = {
        "number of the CPU": lambda: x * number,
        "number of Python": lambda: x * 2.0,
        "numpy's number": lambda: x * numpy.float32(2.0),
        "index by the CPU": lambda: x[labels % 2],
        "mask of the CPU": lambda: x[cpu > 0],
        "write by index": lambda: x.clone().index_put_((labels % 2,), x),
        "copy to the device": lambda: torch.zeros_like(x).copy_(cpu),
        "copy from the device": lambda: torch.zeros(2, 3).copy_(x),
        "move": lambda: x.cpu() + cpu,
        "fill by a number": lambda: x.masked_fill(x > 0, number),
        "clamp by a number": lambda: x.clamp(min=0.0),
    }
    return {f"refused {k}": v for k, v in refused.items()} | {
        f"accepted {k}": v for k, v in accepted.items()
    }


def facts(x: torch.Tensor) -> dict[str, bool]:
    layer, before = nn.Linear(3, 2), nn.Linear(3, 2)
    before.weight = layer.weight
    both = nn.ModuleList([layer, before]).to(emulated.NAME)
    saved = io.BytesIO()
    torch.save(both.state_dict(), saved)
    saved.seek(0)
    loaded = torch.load(saved, weights_only=True)
    copied = copy.deepcopy(both)
    changed = nn.Parameter(x.detach().clone())
    changed.data = torch.ones_like(x)
    return {
        "tied weights stay tied": both[0].weight is both[1].weight,
        "a parameter stays a parameter": isinstance(both[0].weight, nn.Parameter),
        "a checkpoint is of the CPU": {v.device.type for v in loaded.values()} == {"cpu"},
        "a copy is on the device": copied[0].weight.device == x.device,
        "a copy is another one": copied[0].weight is not both[0].weight,
        "its data can be set": bool((changed == 1).all()),
        "it prints": "emulated" in repr(x) and f"{x.sum():.1f}" == f"{x.sum().item():.1f}",
        "it is a list": x.tolist() == x.cpu().tolist(),
        "it makes others like it": x.new_zeros(2).device == x.device,
        "factories obey": torch.arange(3, device=emulated.NAME).device == x.device,
        "numbers go there": torch.tensor([1, 2], device=x.device).device == x.device,
        "numbers come back": torch.tensor([x[0, 0], x[0, 1]]).device.type == "cpu",
        "views share memory": _shared(x.clone()),
        "numpy refuses it": _refused_by_numpy(x),
        "random numbers are the CPU's": _same_draws(x.device),
    }


def _shared(x: torch.Tensor) -> bool:
    x.view(-1)[:2].zero_()
    return x[0, 0].item() == 0.0


def _refused_by_numpy(x: torch.Tensor) -> bool:
    for convert in (numpy.asarray, lambda tensor: tensor.numpy()):
        try:
            convert(x)
        except TypeError:
            continue
        return False
    return True


def _same_draws(device: torch.device) -> bool:
    torch.manual_seed(3)
    first = torch.randn(4)
    torch.manual_seed(3)
    return torch.equal(first, torch.randn(4, device=device).cpu())


def main() -> None:
    emulated.install()
    refused: list[str] = []
    with emulated.Emulation(lambda operation, tensors: refused.append(str(operation))):
        cpu = torch.randn(2, 3)
        told: dict[str, Any] = {"refused": [], "accepted": [], "facts": facts(cpu.to("emulated"))}
        names = operations(cpu.to(emulated.NAME), cpu)
        for name, operate in names.items():
            refused.clear()
            operate()
            told["refused" if refused else "accepted"].append(name)
    for kind in ("refused", "accepted"):
        told[f"expected to be {kind}"] = [name for name in names if name.startswith(kind)]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
