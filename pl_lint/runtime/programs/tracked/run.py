"""A few batches under TensorBoard and CSV files, and under each other logger that is asked for.

Where the user's code asks for its logger, the same is tried with a CSV logger alone and with none:
nothing else can make a difference to it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from pl_lint.facts.events import RunError
from pl_lint.facts.loggers import (
    CSV,
    MLFLOW,
    NONE,
    OPTIONAL,
    TENSORBOARD,
    TOGETHER,
    WANDB,
    LoggedRun,
)
from pl_lint.facts.records import LoggersRecord
from pl_lint.findings import Location
from pl_lint.runtime.programs.common import Subject, caught, fresh, make_trainer
from pl_lint.runtime.programs.tracked.csv_files import CSVStore
from pl_lint.runtime.programs.tracked.mlflow_runs import MLflowStore
from pl_lint.runtime.programs.tracked.stores import Ledger, Store, flat
from pl_lint.runtime.programs.tracked.tensorboard import TensorBoardStore
from pl_lint.runtime.programs.tracked.wandb_runs import WandbStore
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.callsite import caller, is_library

STORES: Mapping[str, type[Store]] = {
    TENSORBOARD: TensorBoardStore,
    CSV: CSVStore,
    WANDB: WandbStore,
    MLFLOW: MLflowStore,
}
BATCHES = {"limit_train_batches": 2, "limit_val_batches": 2, "limit_test_batches": 2}


def run(spec: RunSpec, directory: Path, rank: int) -> LoggersRecord:
    """``options``: ``loggers``, the names of those that are there together; ``others``, what is
    tried instead of them where the code asks for its logger."""
    names = spec.options["loggers"]
    missing = [OPTIONAL[each] for each in names if each in OPTIONAL and not _there(OPTIONAL[each])]
    if missing:
        return LoggersRecord(rank=rank, missing=tuple(missing))
    asked: list[bool] = []
    subject = fresh(spec)
    facts = subject.facts()
    runs = list(_together(names, subject, directory, asked))
    if asked:
        runs += [_under(each, fresh(spec), directory, asked) for each in spec.options["others"]]
    broken = runs[0].error is not None and not _runs_at_all(spec, directory)
    return LoggersRecord(
        rank=rank,
        case=facts,
        runs=tuple(runs),
        broken=broken,
        asked=bool(asked),
        origins=_origins(subject),
    )


def _there(package: str) -> bool:
    """A folder of that name, in which a logger writes, is no package."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def _together(
    names: Sequence[str], subject: Subject, directory: Path, asked: list[bool]
) -> Iterator[LoggedRun]:
    """A run with all of them at once. Where that fails, one with the first alone comes before it:
    code that writes images to each of its loggers is right with one."""
    run = _under(names, subject, directory, asked)
    if run.error is None or len(names) == 1:
        yield run
        return
    alone = _under(names[:1], fresh(subject.spec), directory, asked)
    yield alone
    if alone.error is None:
        yield replace(run, first=TOGETHER.join(names))


def _under(names: Sequence[str], subject: Subject, directory: Path, asked: list[bool]) -> LoggedRun:
    """A fit and a test under these loggers."""
    folder = directory / "-".join(["under", *names])
    ledgers = [Ledger(STORES[name](subject.namespace, folder)) for name in names]
    errors: list[RunError] = []
    lines: dict[str, Location] = {}
    with ExitStack() as stack:
        stack.enter_context(noting_asked(subject, asked))
        stack.enter_context(noting_lines(subject, lines))
        for ledger in ledgers:
            stack.enter_context(ledger.store.watching(ledger.note))
        loggers = [ledger.store.logger for ledger in ledgers]
        _tried(subject, folder, errors, ledgers, logger=loggers or False)
    for ledger in ledgers:
        ledger.store.close()
    return LoggedRun(
        first=names[0] if names else NONE,
        error=errors[0] if errors else None,
        held=() if errors else tuple(ledger.held() for ledger in ledgers),
        lines=lines,
        changed=changed(subject.module),
    )


def _tried(
    subject: Subject,
    folder: Path,
    errors: list[RunError],
    ledgers: Sequence[Ledger] = (),
    **arguments: Any,
) -> None:
    """Two epochs, so that axes show: an epoch is no step."""
    with caught(errors, "fit"):
        trainer = make_trainer(subject, folder, max_epochs=2, **BATCHES, **arguments)
        for ledger in ledgers:
            ledger.trainer = trainer
        trainer.fit(subject.module, **subject.supply.arguments("fit"))
    if "test" in subject.stages and not errors:
        with caught(errors, "test"):
            data = subject.supply.arguments("test")
            trainer.test(subject.module, **data, verbose=False)


def _runs_at_all(spec: RunSpec, directory: Path) -> bool:
    """Whether so short a run works with loggers that take anything."""
    errors: list[RunError] = []
    _tried(fresh(spec), directory / "under-anything", errors)
    return not errors


def changed(module: Any) -> dict[str, tuple[str, str]]:
    """Hyper-parameters that are not any more what the loggers were told. Those that a tuner sets
    before training are: Lightning copies them when they are saved (``core/mixins/
    hparams_mixin.py``, 2.6.6)."""
    if not getattr(module, "_log_hyperparams", False):
        return {}
    told, now = flat(module.hparams_initial), flat(module.hparams)
    return {name: (told[name], now[name]) for name in told.keys() & now if told[name] != now[name]}


@contextmanager
def noting_lines(subject: Subject, lines: dict[str, Location]) -> Iterator[None]:
    """Within, ``lines`` fills with the places where keys are logged. ``log_dict`` calls ``log``."""
    owner = subject.namespace.LightningModule
    log = owner.log

    def noted(module: Any, name: str, *args: Any, **kwargs: Any) -> None:
        lines.setdefault(name, caller())
        log(module, name, *args, **kwargs)

    with patch.object(owner, "log", noted):
        yield


@contextmanager
def noting_asked(subject: Subject, asked: list[bool]) -> Iterator[None]:
    """Within, ``asked`` fills when a line of the user's asks the module or Trainer for loggers."""
    with ExitStack() as stack:
        for owner in (subject.namespace.LightningModule, subject.namespace.Trainer):
            for name in ("logger", "loggers"):
                own = vars(owner)[name]
                noted = property(_noted(own.fget, asked), own.fset)
                stack.enter_context(patch.object(owner, name, noted))
        yield


def _noted(get: Callable[[Any], Any], asked: list[bool]) -> Callable[[Any], Any]:
    def got(owner: Any) -> Any:
        if not asked and not is_library(sys._getframe(1).f_code.co_filename):
            asked.append(True)
        return get(owner)

    return got


def _origins(subject: Subject) -> dict[str, str]:
    """What a record of where a run comes from would say, as far as the case asks for one."""
    wanted, found = subject.options.recorded, {}
    if "versions" in wanted:
        top = sys.modules[subject.namespace.name.partition(".")[0]]
        found |= {"torch": torch.__version__, top.__name__: top.__version__}
    if "revision" in wanted:
        folder = Path(subject.spec.case.file).parent
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        found["revision"] = told.stdout.strip()
    return found
