"""CUDA's autocast on a CPU: the same operations run in half precision, the same ones in fp32.

CPU autocast has lists of its own, which are shorter: ``exp``, ``softmax`` and ``sum`` stay in half
precision there, and overflow where a GPU's do not. Kernels of CUDA's lists take the place of the
CPU's. What the CPU runs in fp32 and CUDA in half precision (``avg_pool3d`` and the like) stays.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

from pl_lint.facts import autocast

HALF = (torch.float16, torch.bfloat16)
KEY = "AutocastCPU"
MEANS = ("mean", "mean.dim")
"""On no list: CUDA sums up in fp32 and rounds the result, a CPU rounds the sum."""
Casts = Callable[[Any, Any], torch.dtype | None]
"""Which type the arguments of a call are cast to, if any."""


@functools.cache
def install() -> torch.library.Library:
    """Register the kernels; once in a process, for good: a library that is let go takes them
    along."""
    library = torch.library.Library("aten", "IMPL")
    lists: dict[Casts, tuple[str, ...]] = {
        _to_half: autocast.LOWER,
        _to_fp32: autocast.FP32,
        _to_fp32_unless_asked: autocast.FP32_UNLESS_ASKED,
        _to_widest: autocast.WIDEST,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each takes the place of another one
        for casts, names in lists.items():
            for name in filter(_is_known, names):
                library.impl(name, _kernel(_operation(name), casts), KEY)
        for name in MEANS:
            library.impl(name, _mean(_operation(name)), KEY)
        library.impl(autocast.REFUSED, _refused, KEY)
    return library


def _operation(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _is_known(name: str) -> bool:
    """Whether this torch has the operation."""
    packet, _, overload = name.partition(".")
    found = getattr(torch.ops.aten, packet, None)
    return found is not None and (overload or "default") in found.overloads()


def _kernel(operation: Any, casts: Casts) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
        with torch._C._ExcludeDispatchKeyGuard(keys):
            dtype = casts(args, kwargs)
            if dtype is not None:
                args, kwargs = tree_map_only(
                    torch.Tensor, functools.partial(_cast, dtype=dtype), (args, kwargs)
                )
            return operation(*args, **kwargs)

    return run


def _mean(operation: Any) -> Callable[..., Any]:
    in_fp32 = _kernel(operation, _to_fp32_unless_asked)

    def run(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        result = in_fp32(tensor, *args, **kwargs)
        return result.to(tensor.dtype) if tensor.dtype in HALF else result

    return run


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Not double: ``is_autocast_eligible`` and ``cached_cast``, ``autocast_mode.h``."""
    eligible = tensor.is_floating_point() and tensor.dtype is not torch.float64
    return tensor.to(dtype) if eligible and tensor.device.type == "cpu" else tensor


def _to_half(args: Any, kwargs: Any) -> torch.dtype:
    return torch.get_autocast_dtype("cpu")


def _to_fp32(args: Any, kwargs: Any) -> torch.dtype:
    return torch.float32


def _to_fp32_unless_asked(args: Any, kwargs: Any) -> torch.dtype | None:
    asked = any(isinstance(value, torch.dtype) for value in tree_leaves((args, kwargs)))
    return None if asked else torch.float32


def _to_widest(args: Any, kwargs: Any) -> torch.dtype:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    half = torch.get_autocast_dtype("cpu")
    return torch.float32 if any(t.dtype is torch.float32 for t in tensors) else half


def _refused(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(autocast.UNSAFE)
