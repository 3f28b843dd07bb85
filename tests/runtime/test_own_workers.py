"""Loader workers of a short fit know the data set that the user's own loader has."""

from __future__ import annotations

import random
from typing import Any

from torch.utils.data import DataLoader, Dataset, Subset, get_worker_info

from pl_lint.runtime.programs.common import describe
from pl_lint.runtime.programs.fitting.own_workers import with_workers


class Coins(Dataset[Any]):
    def __init__(self) -> None:
        self.coins = random.Random(3)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> float:
        assert type(get_worker_info().dataset) is Coins
        return self.coins.random()


def seeded_alike(worker: int) -> None:
    get_worker_info().dataset.coins = random.Random(7)


def short_of(own: DataLoader[Any]) -> DataLoader[Any]:
    return with_workers(own, DataLoader(Subset(own.dataset, range(2)), batch_size=1), 2)


def test_a_worker_seeds_the_generator_of_the_data_set() -> None:
    own = DataLoader(Coins(), num_workers=2, worker_init_fn=seeded_alike)
    drawn = [float(batch) for batch in short_of(own)]
    assert drawn == [random.Random(7).random()] * 2


def test_what_is_raised_in_a_worker_is_told_without_its_stack() -> None:
    own = DataLoader(Coins(), num_workers=1, worker_init_fn=lambda worker: {}["rate"])
    try:
        list(short_of(own))
    except KeyError as error:
        told = describe(error, "fit")
    assert told.message == "'rate' (in DataLoader worker process 0)"
    assert "Original Traceback" in told.traceback
