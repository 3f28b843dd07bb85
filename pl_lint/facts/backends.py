"""What can be set of torch's backends, in one torch or another, and where people look for it."""

from __future__ import annotations

from pl_lint.facts.spelling import nearest

CUDNN = "torch.backends.cudnn"
SETTINGS = ("enabled", "deterministic", "benchmark", "benchmark_limit", "allow_tf32")
"""Of cuDNN; its other names are set by nobody, or are none that these could be slips of."""
ELSEWHERE = {
    "deterministic": f"{CUDNN}.deterministic",
    "benchmark": f"{CUDNN}.benchmark",
    "allow_tf32": "torch.backends.cuda.matmul.allow_tf32",
}
"""What is set on a module that has no such setting, and where it stands."""
NEIGHBOURS = ("torch.backends.cuda", "torch.backends", "torch.cuda", "torch")


def meant(name: str) -> str | None:
    """The setting that is meant by a name that torch does not have, both with their modules; None
    for names that torch has, and where it is not clear which one is meant."""
    owner, _, attribute = name.rpartition(".")
    if owner == CUDNN:
        near = nearest(attribute, SETTINGS) if attribute not in SETTINGS else None
        return near and f"{CUDNN}.{near}"
    near = nearest(attribute, ELSEWHERE) if owner in NEIGHBOURS else None
    return near and ELSEWHERE[near]
