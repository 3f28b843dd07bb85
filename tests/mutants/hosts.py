"""Healthy modules in which every operator finds its idiom; cases of their own."""

from __future__ import annotations

import itertools

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
    random_split,
)
from torchmetrics import MaxMetric, MeanMetric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy, MulticlassF1Score

import pl_lint


def samples(count: int = 60) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 6, generator=generator)
    return TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long())


def loaders(*stages: str) -> dict[str, DataLoader]:
    return {name: DataLoader(samples(), batch_size=8, shuffle=name == "train") for name in stages}


class Classifier(L.LightningModule):
    """Metric objects, a best-so-far tracker, a schedule of steps, hooks."""

    def __init__(self, width=8, rate=0.01, net=None):
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.rate = rate
        self.body = nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(width, 3)])
        self.out = nn.Linear(3, 3)
        self.net = net or nn.Identity()
        self.train_f1 = MulticlassF1Score(3, average="macro")
        self.val_f1 = MulticlassF1Score(3, average="macro")
        self.val_best = MaxMetric()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        hidden = F.dropout(self.body(x), 0.1, training=self.training)
        return self.out(self.heads[0](hidden))

    def on_train_start(self):
        self.val_best.reset()

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.seen += 1
        self.train_f1(logits, y)
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        self.log("train_step_loss", loss)
        self.log("train_f1", self.train_f1, on_step=False, on_epoch=True)
        return loss * (1 + 1 / self.seen)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.val_f1(logits, y)
        self.log("val_loss", F.cross_entropy(logits, y), sync_dist=True)
        self.log("val/f1", self.val_f1)

    def on_validation_epoch_end(self):
        self.val_best(self.val_f1.compute())
        self.log("val_best", self.val_best.compute())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.rate)
        total = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "interval": "step",
                "monitor": "train_loss",
            },
        }

    def configure_callbacks(self):
        return [ModelCheckpoint(monitor="val/f1", mode="max")]


class Plain(L.LightningModule):
    """Values only, one layer after the other, an optimizer without a schedule."""

    def __init__(self, rate):
        super().__init__()
        self.save_hyperparameters()
        self.rate = rate
        self.first = nn.Linear(6, 5)
        self.second = nn.Linear(5, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("val_loss", loss, sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate)


class Counted(Plain):
    """Sums and lists by hand, collections, checkpoint hooks."""

    def __init__(self, rate, epochs=2):
        super().__init__(rate)
        self.kept = []
        self.epochs = epochs
        self.mean_loss = MeanMetric()
        scores = MetricCollection([MulticlassF1Score(3, average="macro")])
        self.train_scores = scores.clone(prefix="train/")
        self.val_scores = scores.clone(prefix="val/")
        self.auroc = BinaryAUROC()
        self.accuracy = MulticlassAccuracy(3, average="macro")

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.mean_loss.update(loss, len(x))
        self.log("val_mean", self.mean_loss)
        self.val_scores(logits, y)
        self.log_dict(self.val_scores)
        self.auroc.update(torch.sigmoid(logits[:, 0]), y == 0)
        self.log("val_auroc", self.auroc)
        self.accuracy.update(logits, y)
        self.kept.append(loss.detach())

    def on_validation_epoch_end(self):
        self.log("val_accuracy", self.accuracy.compute())
        self.accuracy.reset()
        kept = self.all_gather(torch.stack(self.kept))
        self.log("val_worst", kept.max())
        self.kept.clear()

    def on_save_checkpoint(self, checkpoint):
        checkpoint["epochs"] = self.epochs

    def on_load_checkpoint(self, checkpoint):
        self.epochs = checkpoint["epochs"]

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.rate)
        horizon = self.trainer.max_epochs
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=horizon)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"},
        }


class Manual(Plain):
    """Manual optimization with a scheduler."""

    def __init__(self, rate):
        super().__init__(rate)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        x, y = batch
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        self.manual_backward(F.cross_entropy(self(x), y))
        optimizer.step()
        scheduler.step()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.rate)
        total = int(self.trainer.estimated_stepping_batches)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)]


class Several(Plain):
    """A metric for each validation loader, and objects that no hook computes."""

    def __init__(self, rate):
        super().__init__(rate)
        self.accuracies = nn.ModuleList([MulticlassAccuracy(3) for _ in range(2)])
        self.f1 = MulticlassF1Score(3, average="macro")

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        logits = self(x)
        self.accuracies[dataloader_idx].update(logits, y)
        self.log("val_acc", self.accuracies[dataloader_idx])

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.f1.update(self(x), y)
        self.log("test_f1", self.f1)


class Objects(Plain):
    """An object for each stage, and no hook at all."""

    def __init__(self, rate):
        super().__init__(rate)
        self.val_f1 = MulticlassF1Score(3, average="macro")

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.val_f1.update(self(x), y)
        self.log("val_f1", self.val_f1)


class Shares(IterableDataset):
    """Each rank reads its own share."""

    def __iter__(self):
        rank, ranks = 0, 1
        if torch.distributed.is_initialized():
            rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        yield from itertools.islice(samples(), rank, None, ranks)


class WorkerShares(Shares):
    """Each worker reads its own share of its rank's."""

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        yield from list(super().__iter__())[worker::workers]


class Kept(Dataset):
    """Samples by number."""

    def __init__(self):
        self.samples = samples()

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Split(L.LightningDataModule):
    """A split by a seeded generator, made in setup."""

    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        self.train, self.val = random_split(samples(), [40, 20], generator=generator)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=8)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=8)


@pl_lint.case
def classifier():
    return Classifier(width=7), loaders("train", "val")


@pl_lint.case
def plain():
    return Plain(rate=0.1), loaders("train", "val")


@pl_lint.case
def kept():
    return Plain(rate=0.1), {"train": DataLoader(Kept(), batch_size=8, num_workers=2)}


@pl_lint.case
def shares():
    return Plain(rate=0.1), {"train": DataLoader(WorkerShares(), batch_size=8, num_workers=2)}
