"""The Trainer runs that the battery makes of the demo's species classifier, without pl-lint.

As scripts of the user's would do them: the same numbers of samples, epochs and batches, TensorBoard
and checkpoints included, one after another. ``main`` is one plain process; ``again`` repeats the
fit in a process with another hash seed; ``ranks`` is one of several launched processes, as torchrun
starts them. Prints the seconds of each run as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

START = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures" / "demo"))

import lightning as L  # noqa: E402 - the import is part of what is measured
import torch  # noqa: E402
from flowers.data import FlowerData  # noqa: E402
from flowers.species import SpeciesClassifier  # noqa: E402
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402
from lightning.pytorch.loggers import TensorBoardLogger  # noqa: E402
from torch.utils.data import DataLoader, Subset  # noqa: E402

IMPORTED = time.perf_counter() - START

TRAINING, EVALUATED, SHARED = 88, 47, 48
EVALUATIONS = (47, 16, 46, 1, 16, 16)  # batch sizes of the re-batching; half of it comes on top
STAGES = ("validate", "test")
SHARES = [(SHARED // ranks, 8) for ranks in (2, 3) for _ in range(ranks)]


def loader(stage: str, samples: int, batch_size: int = 16) -> DataLoader[Any]:
    data = FlowerData("species")
    data.setup()
    source = {"fit": data.train_set, "validate": data.val_set}.get(stage, data.test_set)
    return DataLoader(Subset(source, range(samples)), batch_size=batch_size, shuffle=stage == "fit")


def trainer(folder: str, **arguments: Any) -> L.Trainer:
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": TensorBoardLogger(folder, name="", version="events"),
        "default_root_dir": folder,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "max_epochs": 2,
        **arguments,
    }
    return L.Trainer(**settings)


def fit(folder: str, resume: str | None = None, **arguments: Any) -> None:
    keeper = ModelCheckpoint(folder, "epoch-{epoch}", save_top_k=-1, auto_insert_metric_name=False)
    trainer(folder, callbacks=[keeper], **arguments).fit(
        SpeciesClassifier(),
        loader("fit", TRAINING),
        loader("validate", EVALUATED),
        ckpt_path=resume,
    )


def evaluate(folder: str, stage: str, samples: int, batch_size: int, **arguments: Any) -> None:
    run = getattr(trainer(folder, **arguments), stage)
    run(SpeciesClassifier(), loader(stage, samples, batch_size), verbose=False)


def smoke(folder: str) -> None:
    data = FlowerData("species")
    for method in ("fit", "validate", "test", "predict"):
        getattr(trainer(folder, fast_dev_run=1), method)(SpeciesClassifier(), datamodule=data)


def reload(folder: str) -> None:
    """The predictions of the trained module and of the loaded one."""
    for module in (
        SpeciesClassifier(),
        SpeciesClassifier.load_from_checkpoint(f"{folder}/epoch-1.ckpt"),
    ):
        trainer(folder).predict(module, loader("predict", EVALUATED))


def rebatched(folder: str) -> None:
    for stage in STAGES:
        for batch_size in EVALUATIONS:
            evaluate(folder, stage, EVALUATED, batch_size)
        evaluate(folder, stage, EVALUATED // 2, 16)


def shared(folder: str) -> None:
    """All samples at once and in batches, twice, and each rank's share."""
    for stage in STAGES:
        for samples, batch_size in ((SHARED, SHARED), (SHARED, 8), (SHARED, 8), *SHARES):
            evaluate(folder, stage, samples, batch_size)


def searched(folder: str) -> None:
    """As many small runs as the search draws, references included (``--pl-examples`` 12)."""
    small = {"logger": False, "enable_checkpointing": False}
    for samples in range(1, 13):
        evaluate(folder, "validate", samples, 4, **small)
        evaluate(folder, "validate", samples, samples, **small)
    for samples in range(2, 13, 2):
        evaluate(folder, "test", samples, 4, **small)
        evaluate(folder, "test", samples, samples, **small)
    for batches in (1, 2, 3) * 8:
        limits = {"limit_train_batches": batches, "limit_val_batches": 1, "max_epochs": 1}
        data = loader("fit", 8 * batches, 8), loader("validate", 6, 4)
        trainer(folder, **small, **limits).fit(SpeciesClassifier(), *data)


def by_heart(folder: str) -> None:
    """One batch, twenty times."""
    twenty = {"limit_val_batches": 0, "max_epochs": 20}
    trainer(folder, **twenty).fit(SpeciesClassifier(), loader("fit", 16))


def precise(folder: str) -> None:
    """fp16 stands for bf16 in both: a plain Trainer replaces it on a CPU."""
    for _ in ("bf16-mixed", "16-mixed"):
        fit(folder, precision="bf16-mixed", max_epochs=1, limit_val_batches=0)
        evaluate(folder, "validate", EVALUATED, 16, precision="bf16-mixed")


def resumed(folder: str) -> None:
    for _ in ("the end of an epoch", "inside one"):
        fit(folder, f"{folder}/epoch-0.ckpt")


def on_ranks(folder: str) -> None:
    """This rank's share of the evaluations; with two ranks, a fit as well."""
    ranks = int(os.environ["WORLD_SIZE"])
    world = {"devices": ranks, "strategy": "ddp_find_unused_parameters_true"}
    for stage in STAGES:
        evaluate(folder, stage, SHARED, 8, **world)
    if ranks == 2:
        fit(folder, **world, limit_train_batches=3, limit_val_batches=2)


MAIN: dict[str, Callable[[str], None]] = {
    "4 fast_dev_runs": smoke,
    "fit, with and without sanity check": lambda folder: (
        fit(folder),
        fit(f"{folder}/without", num_sanity_val_steps=0),
    ),
    "2 resumed fits": resumed,
    "reload, 2 predictions": reload,
    "14 evaluations, re-batched": rebatched,
    "60 runs of the search": searched,
    "14 evaluations, shared": shared,
    "20 steps on one batch": by_heart,
    "2 fits and evaluations in half precision": precise,
}
AGAIN: dict[str, Callable[[str], None]] = {
    "2 fits": lambda folder: (fit(folder), fit(f"{folder}/again")),
}
RANKS: dict[str, Callable[[str], None]] = {"evaluations and a fit": on_ranks}


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    taken = {"import": IMPORTED}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in {"main": MAIN, "again": AGAIN, "ranks": RANKS}[sys.argv[1]].items():
            start = time.perf_counter()
            run(folder)
            taken[name] = time.perf_counter() - start
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
