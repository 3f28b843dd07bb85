"""All that a training holds beside its weights, in words: to name what a checkpoint has lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pl_lint.facts.records import unsaved
from pl_lint.runtime.watching.callsite import of_library
from pl_lint.runtime.watching.saved.attributes import (
    hidden_layers,
    own_attributes,
    plain_attributes,
    printed_tensor,
    private_attributes,
)


def training_state(trainer: Any) -> dict[str, str]:
    """The module's plain attributes and non-persistent buffers, the user's own callbacks, the
    optimizers and schedulers; in the order in which a difference explains the others."""
    module = trainer.lightning_module
    return {
        **module_state(module),
        **dict(_callbacks(trainer.callbacks)),
        **dict(_optimizers(trainer.optimizers)),
        **dict(_schedulers(trainer.lr_scheduler_configs)),
        "mode of self": _mode(module),
        **dict(_modes("", module)),
    }


def module_state(module: torch.nn.Module) -> dict[str, str]:
    """What ``state_dict`` leaves out of a module."""
    plain = {**plain_attributes(module), **private_attributes(module)}
    named = {f"self.{name}": text for name, text in plain.items()}
    hidden = {f"layers in self.{name}": text for name, text in hidden_layers(module).items()}
    return {**hidden, **named, **dict(_left_out_buffers(module))}


def _left_out_buffers(module: torch.nn.Module) -> Iterator[tuple[str, str]]:
    for name, buffer in unsaved_buffers(module).items():
        if buffer.layout is torch.strided and buffer.numel():
            yield unsaved(name), printed_tensor(buffer)


def unsaved_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The buffers that are registered with ``persistent=False``."""
    kept = module.state_dict().keys()
    return {name: buffer for name, buffer in module.named_buffers() if name not in kept}


def _modes(name: str, module: torch.nn.Module) -> Iterator[tuple[str, str]]:
    """Submodules whose mode is not that of the module that holds them: frozen in a hook, say."""
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if child.training != module.training:
            yield f"mode of {path}", _mode(child)
        yield from _modes(path, child)


def _mode(module: torch.nn.Module) -> str:
    return "training" if module.training else "evaluation"


def _callbacks(callbacks: Any) -> Iterator[tuple[str, str]]:
    for callback in callbacks:
        if of_library(callback):
            continue
        kind = type(callback).__name__
        for name, text in own_attributes(callback).items():
            yield f"callback {kind}.{name}", text


def _optimizers(optimizers: Any) -> Iterator[tuple[str, str]]:
    for number, optimizer in enumerate(optimizers):
        optimizer = getattr(optimizer, "optimizer", optimizer)
        label = f"optimizer {number} ({type(optimizer).__name__})"
        state = optimizer.state_dict()  # empty for what Lightning takes where there is none
        yield f"{label}: state", _fingerprint(state.get("state"))
        for place, group in enumerate(state.get("param_groups", ())):
            yield f"{label}: lr of group {place}", str(group.get("lr"))
            yield f"{label}: settings of group {place}", _fingerprint(group)
        if not of_library(optimizer):
            for name, text in own_attributes(optimizer).items():
                yield f"{label}: attribute {name}", text


def _schedulers(configs: Any) -> Iterator[tuple[str, str]]:
    for number, config in enumerate(configs):
        scheduler = config.scheduler
        if type(scheduler) is ReduceLROnPlateau:
            continue  # stepped after the checkpoint of its epoch (FitLoop.on_advance_end)
        label = f"scheduler {number} ({type(scheduler).__name__})"
        yield f"{label}: state", _fingerprint(scheduler.state_dict())
        if not of_library(scheduler):
            for name, text in own_attributes(scheduler).items():
                yield f"{label}: attribute {name}", text


def _fingerprint(value: Any) -> str:
    found = hashlib.blake2b(digest_size=4)
    for piece in _pieces(value):
        found.update(piece.encode())
    return f"a state#{found.hexdigest()}"


def _sums(tensor: torch.Tensor) -> str:
    """Two sums cost a tenth of a fingerprint of all bytes, and optimizers hold two tensors for each
    weight."""
    numbers = tensor.detach().reshape(-1).float()
    return f"{tuple(tensor.shape)} {numbers.sum().item()!r} {numbers.abs().sum().item()!r}"


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, torch.Tensor):
        yield _sums(value)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield str(name)
            yield from _pieces(value[name])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, (bool, int, float, str)):
        yield repr(value)
