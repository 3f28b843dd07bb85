"""Cases: what to run. A case is a function that builds a module and its data afresh.

Nothing here imports torch: the decorator is used in files that the reader reads, and pytest's
process never imports the user's code. ``build`` is called in the child only.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, overload

Factory = TypeVar("Factory", bound=Callable[..., Any])
_OPTIONS = "__pl_lint_case__"


@dataclass(frozen=True)
class CaseOptions:
    """What the author of a case declares about it.

    ``expected_failures`` maps a check's name to the reason why it fails (strict: a check that
    passes in spite of it fails the item). ``batch_dependent`` maps a logged key to the reason why
    its value may depend on how the data are cut into batches. ``tolerances`` maps a logged key to
    the relative difference that is allowed for it. ``recorded`` names what must be among the
    hyper-parameters that loggers hold: ``seed``, ``versions`` (of torch and Lightning),
    ``revision`` (of git).
    """

    expected_failures: Mapping[str, str] = field(default_factory=dict)
    batch_dependent: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    recorded: Sequence[str] = ()


@dataclass(frozen=True)
class Built:
    """A fresh module with its data and Trainer arguments, as the case returned them; ``returned``
    is how many values that were, 0 for a module alone."""

    module: Any
    data: Any
    trainer_arguments: Mapping[str, Any]
    options: CaseOptions
    returned: int = 0


class CaseError(Exception):
    """The case itself is wrong: what it returned, or how it is declared."""


class CaseRaised(Exception):
    """What a case raised before there was a module to run, as ``FileNotFoundError: data.csv``."""


@overload
def case(factory: Factory) -> Factory: ...
@overload
def case(
    *,
    expected_failures: Mapping[str, str] | None = None,
    batch_dependent: Mapping[str, str] | None = None,
    tolerances: Mapping[str, float] | None = None,
    recorded: Sequence[str] | None = None,
) -> Callable[[Factory], Factory]: ...
def case(factory: Any = None, **options: Any) -> Any:
    """Mark a function as a case for ``pytest --pl-check``.

    The function takes no arguments and returns the module, or ``(module, data)``, or ``(module,
    data, trainer_arguments)``. The data are a LightningDataModule, a loader, or a dict of loaders
    by stage (``train``, ``val``, ``test``, ``predict``). It is called afresh for every run, after
    seeding.
    """

    _require_known(options)

    def mark(function: Factory) -> Factory:
        given = {name: value for name, value in options.items() if value is not None}
        setattr(function, _OPTIONS, CaseOptions(**given))
        return function

    return mark if factory is None else mark(factory)


def _require_known(given: Mapping[str, Any]) -> None:
    """Raises TypeError for a misspelled option, with the one that was meant."""
    known = [field.name for field in fields(CaseOptions)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1) or known
            raise TypeError(f"pl_lint.case has no option {name!r}; did you mean {near[0]!r}?")


def options_of(target: Any) -> CaseOptions:
    return getattr(target, _OPTIONS, None) or CaseOptions()


def import_root(path: Path) -> tuple[Path, str]:
    """The directory to put on ``sys.path`` and the dotted name for a file, as pytest's
    ``prepend``."""
    root, names = path.parent, [] if path.name == "__init__.py" else [path.stem]
    while (root / "__init__.py").exists() and root != root.parent:
        names.insert(0, root.name)
        root = root.parent
    return root, ".".join(names)


def import_file(path: str | Path) -> Any:
    """Import the user's file by its dotted name, with its root on ``sys.path``."""
    root, name = import_root(Path(path).resolve())
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(name)


def find_target(module: Any, name: str) -> Any:
    """The case function or module class called ``name`` (dotted for nested classes)."""
    target = module
    for part in name.split("."):
        target = getattr(target, part)
    return target


def _require_no_arguments(target: Callable[..., Any]) -> None:
    """A case looks like a test, and so people give it the fixtures of their tests. (What a class
    asks for is said by the class itself, as it is called.)"""
    if inspect.isclass(target):
        return
    parameters = inspect.signature(target).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [p.name for p in parameters if p.default is p.empty and p.kind not in several]
    if names:
        raise CaseError(
            f"{_name(target)} asks for {', '.join(names)}, but a case is called without "
            "arguments, and pytest's fixtures are not given to it; build everything inside of it"
        )


def _called(target: Callable[..., Any]) -> Any:
    """What a case raises keeps its line; a class that is built without one speaks for itself."""
    if inspect.isclass(target):
        return target()
    try:
        return target()
    except Exception as error:
        said = ": ".join(part for part in (type(error).__qualname__, str(error)) if part)
        raise CaseRaised(said).with_traceback(error.__traceback__) from error


def _name(target: Callable[..., Any]) -> str:
    """An object that can be called, or a partial function, has no name of its own."""
    return str(getattr(target, "__qualname__", type(target).__qualname__))


def build(target: Callable[..., Any]) -> Built:
    """Call the case (or the class with default arguments) and check what it returned."""
    _require_no_arguments(target)
    result = _called(target)
    parts = result if isinstance(result, tuple) else (result,)
    if not 1 <= len(parts) <= 3:
        raise CaseError(
            f"{_name(target)} returned {len(parts)} values; "
            "return the module, the data and optionally a dict of Trainer arguments"
        )
    module, data, arguments = (*parts, None, None)[:3]
    if not hasattr(module, "training_step") or not hasattr(module, "configure_optimizers"):
        raise CaseError(
            f"the first value that {_name(target)} returned is a {type(module).__name__}, "
            "not a LightningModule"
        )
    if arguments is not None and not isinstance(arguments, Mapping):
        raise CaseError(
            f"the third value that {_name(target)} returned is a {type(arguments).__name__}; "
            "it should be a dict of Trainer arguments"
        )
    returned = len(parts) if isinstance(result, tuple) else 0
    return Built(module, data, dict(arguments or {}), options_of(target), returned)
