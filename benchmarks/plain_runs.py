"""What Lightning itself says of programs: every warning of plain runs of them, as JSON.

Each program is run in a fork of its own, so that no warning is held back because another program
had it before: fit, validate, test, load from the checkpoint, resume, on the CPU, with what its
``shows_with`` asks for. Standard input is a list of ``{"program": path, "settings": {...}}``.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import lightning as L
import torch

STAGES = {"validate": "val", "test": "test"}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
FORKED = {"devices": 2, "strategy": "ddp_fork"}


class Told(logging.Handler):
    """Writes what is said, one line each, to a file that forked ranks share."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(logging.WARNING)
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.levelname, record.getMessage())

    def warn(self, message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        self.tell(category.__name__, str(message))

    def tell(self, kind: str, text: str) -> None:
        self.file.write(f"{kind}: {' '.join(text.split())}\n")
        self.file.flush()


def main() -> None:
    answers = [said(Path(order["program"]), order["settings"]) for order in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


def said(program: Path, settings: Mapping[str, Any]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        told.touch()
        if not (child := os.fork()):
            try:
                _tell(program, settings, Path(folder), told)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return told.read_text("utf-8").splitlines()


def _tell(program: Path, settings: Mapping[str, Any], folder: Path, told: Path) -> None:
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.chdir(folder)
    torch.set_num_threads(1)
    with told.open("a", encoding="utf-8") as file:
        handler = Told(file)
        logging.getLogger("lightning.pytorch").addHandler(handler)
        warnings.simplefilter("always")
        warnings.showwarning = handler.warn
        try:
            use(program, settings, folder)
        except BaseException as error:
            handler.tell("raised", repr(error))


def use(program: Path, settings: Mapping[str, Any], folder: Path) -> None:
    """What a user does with a module, in the order in which he does it."""
    case = the_case(program)
    settings = {**(FORKED if settings.get("devices") else {}), **settings}
    L.seed_everything(1, workers=True, verbose=False)
    module, data, trainer = prepared(case, settings, folder)
    trainer.fit(module, **supplied(data, "fit"))
    for stage, name in STAGES.items():
        if isinstance(data, Mapping) and name in data:
            getattr(trainer, stage)(module, **supplied(data, stage))
    if trainer.world_size > 1:
        return
    checkpoint = folder / "end.ckpt"
    trainer.save_checkpoint(checkpoint)
    type(module).load_from_checkpoint(checkpoint)
    module, data, trainer = prepared(case, settings, folder, longer=1)
    trainer.fit(module, **supplied(data, "fit"), ckpt_path=checkpoint)


def the_case(program: Path) -> Any:
    """The function marked with ``pl_lint.case``: the last one of the file."""
    spec = importlib.util.spec_from_file_location(program.stem, program)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)
    return [value for value in vars(module).values() if hasattr(value, "__pl_lint_case__")][-1]


def prepared(
    case: Any, settings: Mapping[str, Any], folder: Path, longer: int = 0
) -> tuple[Any, Any, L.Trainer]:
    module, data, own = (*case(), {})[:3]
    epochs = own.get("max_epochs", 2) + longer
    return (
        module,
        data,
        L.Trainer(**QUIET, default_root_dir=folder, **{**own, **settings, "max_epochs": epochs}),
    )


def supplied(data: Any, stage: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        return {"datamodule": data}
    if stage == "fit":
        return {"train_dataloaders": data["train"], "val_dataloaders": data.get("val")}
    return {"dataloaders": data[STAGES[stage]], "verbose": False}


if __name__ == "__main__":
    main()
