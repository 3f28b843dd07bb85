"""Fingerprints of all bits of a tensor: whether there is a difference, not where one begins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch


def digest(tensor: torch.Tensor) -> str:
    """A short fingerprint of a tensor's exact bits."""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def digests_of(state: Mapping[str, Any]) -> dict[str, str]:
    """A fingerprint for each tensor of a state dict."""
    return {name: digest(value) for name, value in state.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout is torch.strided and value.numel() > 0
