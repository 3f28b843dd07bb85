"""A module that is watched while it is built loads as one that is not."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from pl_lint.runtime.watching.saved.construction import watched_construction


class Base(L.LightningModule):
    def __init__(self, width: int = 2, rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["rate"])
        self.net = torch.nn.Linear(width, 1)


class FewerArguments(Base):
    def __init__(self) -> None:
        super().__init__(width=3)


class Noted(Base):
    def __init__(self, width: int = 2) -> None:
        super().__init__(width)
        self.save_hyperparameters({"note": "distilled"})


class Anything(Base):
    def __init__(self, width: int = 2, **others: Any) -> None:
        super().__init__(width)
        self.save_hyperparameters()


class Required(Base):
    def __init__(self, net: torch.nn.Module, width: int) -> None:
        super().__init__(width)
        self.save_hyperparameters(ignore="net")


class Inherited(Base):
    pass


def _plain(init: Any) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)

    return __init__


class Decorated(Base):
    @_plain
    def __init__(self, width: int = 2) -> None:
        super().__init__(width)


class Narrow(Base):
    """Its own way of saving has no further arguments."""

    def save_hyperparameters(self, ignore: Any = None) -> None:
        super().save_hyperparameters(ignore=ignore)


KINDS = [
    pytest.param(FewerArguments, {}, id="fewer arguments"),
    pytest.param(Noted, {"width": 4}, id="by dict"),
    pytest.param(Anything, {"width": 4, "depth": 5}, id="any arguments"),
    pytest.param(Required, {"net": torch.nn.Identity(), "width": 4}, id="left out"),
    pytest.param(Inherited, {"width": 4}, id="inherited"),
    pytest.param(Decorated, {"width": 4}, id="decorated"),
    pytest.param(Narrow, {"width": 4}, id="own save_hyperparameters"),
]


def _loaded(kind: type[Base], path: Path) -> object:
    try:
        return dict(kind.load_from_checkpoint(path).hparams)
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_loading_is_not_changed(kind: Any, arguments: dict[str, Any], tmp_path: Path) -> None:
    bare = kind(**arguments)
    with watched_construction(kind) as built:
        module = kind(**arguments)
    assert built.arguments.items() >= arguments.items()
    assert "rate" in built.ignored
    assert dict(module.hparams) == dict(bare.hparams)
    path = tmp_path / "saved.ckpt"
    saved = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save(saved | {"pytorch-lightning_version": L.__version__}, path)
    expected = _loaded(kind, path)
    with watched_construction(kind):
        assert _loaded(kind, path) == expected
        assert inspect.getfullargspec(kind.__init__) == inspect.getfullargspec(type(bare).__init__)
    assert "__init__" not in vars(Inherited)


def test_instances_of_subclasses_are_not_watched() -> None:
    with watched_construction(Base) as built:
        other = Noted(5)
    assert not built.arguments
    assert dict(other.hparams) == dict(Noted(5).hparams)
