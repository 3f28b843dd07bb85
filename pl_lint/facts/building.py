"""How a case is built, for a script of one's own that builds it without pl-lint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Building:
    """What a script has to write to have the module, its data and its Trainer's arguments.

    ``root`` is the folder to import ``module`` from, ``beside`` are others that modules of the
    project were imported from, by pytest's ``pythonpath`` for one. ``returned`` is how many values
    the case returns, 0 for a module alone. ``owner`` is who serves the data: the ``datamodule``,
    the ``module`` itself, a ``dict`` of loaders or one ``loader``; ``names`` are the hooks or the
    keys by stage. ``arguments`` are the Trainer arguments of the case that are kept.
    """

    root: str
    module: str
    case: str
    namespace: str
    returned: int
    owner: str
    names: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
