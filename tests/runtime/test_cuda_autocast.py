"""CUDA's autocast on a CPU: its lists are those of the installed torch, and are obeyed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pl_lint.facts import autocast

HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
APPENDED = {"norm.Scalar", "norm.ScalarOpt_dim"}
"""Those that the header lists with their signatures (``fp32_append_dtype``)."""
LISTS = {
    "AT_FORALL_LOWER_PRECISION_FP": set(autocast.LOWER),
    "AT_FORALL_FP32": set(autocast.FP32) - APPENDED,
    "AT_FORALL_FP32_SET_OPT_DTYPE": set(autocast.FP32_UNLESS_ASKED),
    "AT_FORALL_PROMOTE": set(autocast.WIDEST),
}
OBEYED = """
import torch
from torch.nn import functional as F
from pl_lint.runtime import cuda_autocast

cuda_autocast.install()
x = torch.full((4, 4), 200.0, requires_grad=True)
with torch.autocast("cpu", dtype=torch.float16):
    half = F.linear(x, torch.eye(4))
    in_half = [half, half * half, half @ half, half.mean(), torch.einsum("ij,jk->ik", half, half)]
    in_fp32 = [half.exp(), half.sum(), half.pow(2), half.norm(), F.softmax(half, -1)]
    in_fp32 += [F.layer_norm(half, (4,)), F.mse_loss(half, half), torch.addcmul(half, half, x)]
    assert half.sum(dtype=torch.float16).dtype is torch.float16
    assert half.double().exp().dtype is torch.float64
    assert torch.full((4, 4000), 100.0).half().mean() == 100.0
    try:
        F.binary_cross_entropy(torch.sigmoid(half), torch.zeros(4, 4))
    except RuntimeError as error:
        assert "unsafe to autocast" in str(error)
    else:
        raise AssertionError("binary cross entropy was not refused")
assert {each.dtype for each in in_half} == {torch.float16}
assert {each.dtype for each in in_fp32} == {torch.float32}
half.pow(2).sum().backward()
assert torch.equal(x.grad, torch.full((4, 4), 400.0))
"""


@pytest.mark.skipif(not HEADER.exists(), reason="this torch comes without its headers")
@pytest.mark.parametrize("name", LISTS)
def test_the_lists_are_those_of_the_installed_torch(name: str) -> None:
    body = re.search(rf"#define {name}\(_\)(.*?)\n\n", HEADER.read_text("utf-8"), re.DOTALL)
    assert body is not None
    listed = re.findall(r"_\(([\w, ]+)\)", body[1])
    assert {".".join(map(str.strip, each.split(","))) for each in listed} == LISTS[name]


def test_the_lists_are_obeyed() -> None:
    """In a process of its own, which has these kernels for good."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OBEYED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
