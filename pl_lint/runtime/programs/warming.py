"""What every run would find out anew is found out once, in the process that all are forked from.

Which packages are installed, and in which version; what is an instance of which abstract class;
which of some three thousand modules are the user's, and which file is whose. The memory in which
Python keeps that is then shared, too, and not copied by each run.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from pl_lint.runtime.namespace import NAMES, Namespace
from pl_lint.runtime.programs.external import without_needless_work
from pl_lint.runtime.programs.loggers import points_logger, tensorboard_logger
from pl_lint.runtime.watching.callsite import own_files


def warm() -> None:
    """Leaves no trace but what Lightning and Python remember: no thread, no file, no random number
    that was drawn. What cannot be found out here, each run finds out."""
    own_files()
    inspect.stack()  # asks for the module of each file, as Lightning does to load a checkpoint
    if os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        return  # a Trainer asks the driver for GPUs: what has done so is not forked from
    for name in NAMES:
        if name in sys.modules:
            with contextlib.suppress(Exception), _unnoticed():
                _fit(Namespace(name))


@contextlib.contextmanager
def _unnoticed() -> Iterator[None]:
    drawn = random.getstate(), numpy.random.get_state()
    try:
        with torch.random.fork_rng(devices=()), warnings.catch_warnings(), without_needless_work():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(drawn[0])
        numpy.random.set_state(drawn[1])


def _fit(namespace: Namespace) -> None:
    """A fit without a gradient: autograd starts its threads for the devices that there are, and a
    run may have another one (``emulated.py``). And without an optimizer: of each class that one is
    made of, torch wraps ``step``, and a user's own ``step`` that calls it would count twice."""

    class Module(namespace.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.layer = torch.nn.Linear(1, 2)
            self.accuracy = MulticlassAccuracy(2)

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.log("loss", self.layer(batch).mean())

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.accuracy(self.layer(batch), torch.ones(len(batch), dtype=torch.long))
            self.log("accuracy", self.accuracy)

        def configure_optimizers(self) -> None:
            """None: see above."""

    loader = DataLoader(torch.ones(2, 1))
    with tempfile.TemporaryDirectory() as folder:
        tensorboard_logger(namespace, Path(folder))  # made only: to write, it would start a thread
        trainer = namespace.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            default_root_dir=folder,
            logger=[points_logger(namespace, [])],
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), loader, loader)
