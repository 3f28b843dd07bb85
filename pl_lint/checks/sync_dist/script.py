"""A logged value of one process and of several ranks, in a script that runs by itself.

A rank that fails has none: what it raised, and where, is the whole of it.
"""

from __future__ import annotations

from pl_lint.checks.scripts.forked import AS_RANKS, IMPORTS, gathered
from pl_lint.checks.scripts.parts import CHECKPOINT, head, run, script
from pl_lint.facts.building import Building

_OTHERS = ("import torch", "from torch.utils.data import DataLoader, IterableDataset, Subset")
_SHARED = '''\
def some(loader):
    """Up to 48 samples, as many as two ranks and three can share evenly."""
    if isinstance(loader, (list, tuple)):
        return [some(each) for each in loader]
    data = loader.dataset
    data = list(islice(data, 480)) if isinstance(data, IterableDataset) else data
    count = min(48, len(data) // 6 * 6)
    taken = sorted(random.Random(0).sample(range(len(data)), count))
    size = loader.batch_size or 16
    return DataLoader(Subset(data, taken), batch_size=size, collate_fn=loader.collate_fn)
'''
_MAIN = """\
file = Path(tempfile.mkdtemp(), "trained.ckpt")
every = {{"limit_{limit}_batches": 1.0}}


def alone():
    trainer, _ = run("fit")
    trainer.save_checkpoint(file)
    trainer, _ = run("{stage}", ckpt_path=file, **every)
    file.with_suffix(".txt").write_text(repr({value}))


def together():
    trainer, _ = run("{stage}", ckpt_path=file, devices={ranks}, strategy="ddp", **every)
    true = file.with_suffix(".txt").read_text()
{gathered}

as_ranks(1, alone)
as_ranks({ranks}, together)
"""


def shared(building: Building | None, said: str, stage: str, key: str, ranks: int) -> str:
    """A key after an evaluation: on each rank, and in one process."""
    if building is None or "train" not in building.names:
        return ""
    value = f'float(trainer.callback_metrics.get({key!r}, "nan"))'
    main = _MAIN.format(
        limit={"validate": "val"}.get(stage, stage),
        stage=stage,
        ranks=ranks,
        gathered=gathered(ranks, value, f"{key}: {{said}}, one process {{true}}"),
        value=value,
    )
    standard = (
        *IMPORTS,
        "import random",
        "from itertools import islice",
        "from pathlib import Path",
    )
    body = run(building, ("fit", stage), (CHECKPOINT,), cut="some")
    return script(head(building, said, standard, _OTHERS), _SHARED, body, AS_RANKS, main)
