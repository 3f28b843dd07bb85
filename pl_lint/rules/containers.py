"""Plain containers of modules, and what takes their place."""

from __future__ import annotations

from pl_lint.facts.sites import ContainerSite
from pl_lint.fixes import Assigned, Fix, Import, Wrap

TAKEN = frozenset(
    "add_module apply bfloat16 buffers children clear compile copy cpu cuda double dump_patches "
    "eval extra_repr float forward get_buffer get_parameter get_submodule half ipu items keys "
    "load_state_dict modules named_buffers named_children named_modules named_parameters "
    "parameters pop register_buffer register_module register_parameter requires_grad_ "
    "share_memory state_dict to to_empty train training type update values xpu zero_grad".split()
)
"""Attributes of torch.nn.ModuleDict, which it refuses as keys."""


def registered_container(held: ContainerSite) -> Fix:
    """A container that torch and Lightning see, around what is written out."""
    place = held.location
    wrapped = Wrap(Assigned(place), "torch.nn.ModuleList", "torch.nn.ModuleDict", TAKEN)
    title = "use torch.nn.ModuleList or torch.nn.ModuleDict"
    return Fix(title, (wrapped, Import(place, "torch", "import torch")))
