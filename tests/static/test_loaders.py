"""Which loader feeds which stage, and which data sets are streams."""

from __future__ import annotations

import ast

import pytest

from pl_lint.config import Config
from pl_lint.facts.origins import FunctionCall, parts
from pl_lint.facts.sites import LoaderSite, ProjectFacts, made_of
from pl_lint.facts.values import Known, Made, Named
from pl_lint.static.project import gather
from pl_lint.static.sources import SourceFile
from pl_lint.static.suppressions import Suppressions

HEAD = """
import lightning.pytorch as pl
from torch.utils.data import DataLoader, IterableDataset
from torch_geometric.loader import DataLoader as GraphLoader
from torchvision.transforms import Compose, RandomCrop
from digits import Digits
"""


def facts(body: str, *watched: str) -> ProjectFacts:
    text = HEAD + body
    source = SourceFile("data.py", text, ast.parse(text), Suppressions(text))
    return gather([source], Config(), frozenset(watched))


def loaders(body: str) -> dict[str, LoaderSite]:
    return {site.stage: site for site in facts(body).loaders}


def test_what_the_hooks_return():
    found = loaders(
        """
class Data(pl.LightningDataModule):
    def setup(self, stage):
        self.val_set = Digits(train=False)
    def _loader(self, data, shuffle=False):
        return DataLoader(data, batch_size=32, shuffle=shuffle)
    def train_dataloader(self):
        return self._loader(self.train_set, shuffle=True)
    def val_dataloader(self):
        return [DataLoader(self.val_set), GraphLoader(self.graphs)]
    def test_dataloader(self):
        return {"one": DataLoader(self.val_set)}
"""
    )
    assert found.keys() == {"train", "validate", "test"}
    assert found["train"].argument("shuffle", 2) == Known(True)
    assert found["train"].source == "" and found["train"].owner == "data.Data"
    assert found["test"].source == "self.val_set"
    assert isinstance(found["test"].dataset, Made)


@pytest.mark.parametrize("name", ["train_dataloaders=", "train_dataloader=", ""])
def test_what_a_trainer_is_given(name: str):
    found = loaders(
        f"""
def main():
    train, held_out = DataLoader(a, shuffle=True), DataLoader(b)
    trainer = pl.Trainer()
    trainer.fit(Model(), {name}train, val_dataloaders=held_out)
    trainer.test(Model(), held_out)
"""
        if name
        else """
def main():
    train, held_out = DataLoader(a, shuffle=True), DataLoader(b)
    trainer = pl.Trainer()
    trainer.fit(Model(), train, held_out)
    trainer.test(Model(), held_out)
"""
    )
    assert found.keys() == {"train", "validate", "test"}
    assert found["validate"].source == found["test"].source == "main:b"
    assert found["train"].by == "fit"


def test_streams_and_what_they_talk_about():
    (stream,) = facts(
        """
def part_of(items):
    return items[get_rank() :: world_size]
class Lines(IterableDataset):
    def __iter__(self):
        yield from part_of(self.lines)
class Plain:
    def __iter__(self):
        yield 1
"""
    ).streams
    assert stream.name == "data.Lines"
    assert {"get_rank", "world_size", "lines"} <= stream.words


def test_what_an_object_is_made_of():
    found = loaders(
        """
class Data(pl.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(Digits(transform=Compose([RandomCrop(3)])))
"""
    )
    names = [one.name.rpartition(".")[2] for one in made_of(found["train"].dataset)]
    assert names == ["Compose", "RandomCrop"] or names[1:] == ["Compose", "RandomCrop"]


def test_any_call_with_a_keyword():
    found = facts("import torchvision\ntorchvision.datasets.MNIST('.', download=True)", "download=")
    (site,) = found.calls_of("download=")
    assert site.name == "torchvision.datasets.MNIST" and site.argument("download") == Known(True)


def test_the_index_of_the_batch_has_a_name():
    found = facts(
        """
class Model(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        helper = self._draw
        helper(batch_idx)
    def _draw(self, step):
        self.logger.experiment.add_scalar("a", 1, step)
""",
        ".add_scalar",
    )
    (site,) = found.calls
    assert site.argument("global_step", 2) == Named("batch_idx")


def test_what_a_method_talks_about():
    (owner,) = facts(
        """
class Model(pl.LightningModule):
    def configure_optimizers(self):
        return len(self.data) // self.trainer.world_size
"""
    ).classes
    assert {"world_size", "trainer", "data"} <= owner.own_methods[0].words


def test_what_is_looked_for_in_the_list_of_loggers():
    (owner,) = facts(
        """
class Model(pl.LightningModule):
    def on_fit_end(self):
        self.loggers.experiment[0].add_text("a", "b")
        self.loggers[0].experiment.add_text("a", "b")
"""
    ).classes
    assert [read.attribute for read in owner.reads if "loggers." in read.attribute] == [
        "loggers.experiment"
    ]


def test_what_a_loader_is_made_of_and_who_is_given_its_module():
    """A split that a data module draws, through a helper, and the calls that run the module."""
    found = facts(
        """
from torch.utils.data import random_split

class Data(pl.LightningDataModule):
    def setup(self, stage):
        self.train_set, self.test_set = random_split(self.data, [0.8, 0.2])
    def _loader(self, data):
        return DataLoader(data)
    def test_dataloader(self):
        return self._loader(self.test_set)

def main(model, other):
    data = Data()
    trainer = pl.Trainer()
    trainer.fit(model, data)
    trainer.test(model, datamodule=data)
    trainer.test(model, datamodule=other)
"""
    )
    (loader,) = found.loaders
    names = [part.name for part in parts(loader.origin) if isinstance(part, FunctionCall)]
    assert names == ["torch.utils.data.random_split"]
    assert [call.data for call in found.trainer_calls] == [("data.Data",), ("data.Data",), ()]
