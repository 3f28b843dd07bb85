"""What the tables call removed cannot be had from the Lightning that is installed, the newest."""

from __future__ import annotations

import importlib
from functools import cache

import lightning.pytorch as pl
import pytest

from pl_lint.facts import lightning, removed
from pl_lint.rules.loops.migration import ATTRIBUTES, METHODS

NAMES: dict[str, list[object]] = removed._data()["names"]
MEMBERS: dict[str, dict[str, list[int]]] = removed._data()["members"]

pytestmark = pytest.mark.skipif(
    tuple(map(int, pl.__version__.split(".")[:2])) != lightning.LATEST,
    reason="the tables end with another version",
)


@cache
def module(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def there(dotted: str) -> bool:
    home, _, name = dotted.rpartition(".")
    return module(dotted) is not None or hasattr(module(home), name)


def test_no_name_that_is_gone_can_be_imported() -> None:
    assert not [name for name in NAMES if there(name)]


def test_what_takes_its_place_can() -> None:
    assert not [new for _, new in NAMES.values() if new and not there(str(new))]


def test_no_member_that_is_gone_is_there() -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    assert not [name for name in MEMBERS["Trainer"] if hasattr(trainer, name)]
    assert not [name for name in MEMBERS["LightningModule"] if name in dir(pl.LightningModule)]
    assert set(METHODS) | set(ATTRIBUTES) <= set(MEMBERS["Trainer"])


@pytest.mark.parametrize(
    ("name", "instead", "since"),
    [
        ("loggers.base.LightningLoggerBase", "loggers.Logger", (1, 9)),
        ("utilities.seed.seed_everything", "seed_everything", (2, 0)),
        ("plugins.DDPPlugin", "strategies.DDPStrategy", (1, 8)),
        ("core.decorators.auto_move_data", "", (1, 5)),
        ("metrics.whatever.there.was", "", (1, 5)),
    ],
)
@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_the_answer_has_the_package_of_the_question(
    package: str, name: str, instead: str, since: tuple[int, int]
) -> None:
    gone = removed.name(f"{package}.{name}")
    assert gone is not None
    assert gone.version == since
    assert gone.instead == (f"{package}.{instead}" if instead else "")


@pytest.mark.parametrize(
    "name",
    [
        "lightning.pytorch.Trainer",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.never.was",
        "torch.utils.seed",
        "pytorch_lightning",
    ],
)
def test_what_is_there_or_never_was_is_not_gone(name: str) -> None:
    assert removed.name(name) is None
