"""As many devices as there are: ``torch.cuda.device_count()``, which a Trainer calls -1."""

from __future__ import annotations

from pl_lint.plain import replace
from pl_lint.static.interpreter.abstract import Abstract, Const, Reference, join, options
from pl_lint.static.interpreter.context import Arguments, Context, Frame

ALL = Reference("torch.cuda.device_count()")
COUNTS = ("devices", "gpus")


def counted(context: Context, arguments: Arguments, frame: Frame) -> Abstract:
    """``torch.cuda.device_count()``."""
    return ALL


def are_meant(values: tuple[Abstract, ...]) -> bool:
    """Whether numbers are all devices there are, but for constants: ``max(1, device_count())``."""
    return ALL in values and all(one == ALL or isinstance(one, Const) for one in values)


def as_a_trainer_says(arguments: Arguments) -> Arguments:
    """The arguments of a Trainer, with -1 for all devices there are."""
    given = {name: _spelled(name, value) for name, value in arguments.keywords.items()}
    return replace(arguments, keywords=given)


def _spelled(name: str, value: Abstract) -> Abstract:
    if name not in COUNTS or ALL not in options(value):
        return value
    return join(*(Const(-1) if one == ALL else one for one in options(value)))
