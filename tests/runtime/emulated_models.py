"""Healthy models of many kinds, each fitted on the CPU and on the emulated GPU.

`python emulated_models.py FOLDER` prints, for each, what was logged in both worlds and what was
refused, as JSON. The device is there for good once it is installed, so this runs in a process of
its own.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torchmetrics
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

from pl_lint.runtime import emulated
from pl_lint.runtime.namespace import Namespace

CLASSES, WIDTH = 3, 16


class Samples(Dataset):
    """Images, tokens, numbers and labels; nested, as batches are."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(3)
        self.images = torch.randn(24, 1, 8, 8, generator=g)
        self.tokens = torch.randint(0, 11, (24, 6), generator=g)
        self.labels = torch.randint(0, CLASSES, (24,), generator=g)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        text = {"tokens": self.tokens[i], "length": 2 + i % 4}
        return {"image": self.images[i], "text": text, "pair": (self.labels[i], f"name {i}")}


class Base(L.LightningModule):
    def forward(self, batch: Any) -> Tensor:
        return self.net(batch["image"])

    def loss_of(self, batch: Any) -> Tensor:
        return F.cross_entropy(self(batch), batch["pair"][0])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss_of(batch)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss_of(batch))

    test_step = validation_step

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class Conv(Base):
    """Convolutions, every norm layer, pooling, dropout, upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.GELU(),
            nn.GroupNorm(2, 4),
            nn.MaxPool2d(2),
            nn.ConvTranspose2d(4, 4, 2, stride=2),
            nn.InstanceNorm2d(4, affine=True),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.LayerNorm(16),
            nn.Linear(16, CLASSES),
        )


class Recurrent(Base):
    """LSTM and GRU, packed and not."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, WIDTH, padding_idx=0)
        self.lstm = nn.LSTM(WIDTH, WIDTH, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(2 * WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, batch: Any) -> Tensor:
        x = self.embedding(batch["text"]["tokens"])
        lengths = batch["text"]["length"].cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(self.gru(x)[0].mean(1))


class Attention(Base):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.register_buffer("positions", torch.arange(6))
        self.place = nn.Embedding(6, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, batch: Any) -> Tensor:
        tokens = batch["text"]["tokens"]
        x = self.embedding(tokens) + self.place(self.positions)
        mask = tokens == 0
        mask[:, 0] = False
        x = checkpoint(self.encoder, x, None, mask, use_reentrant=False)
        query = F.scaled_dot_product_attention(x, x, x)
        return self.head((x + query).mean(1))


class Tied(Base):
    """One weight under two names, and steps by hand with clipping and a scheduler."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.embedding = nn.Embedding(11, WIDTH)
        self.head = nn.Linear(WIDTH, 11, bias=False)
        self.head.weight = self.embedding.weight

    def loss_of(self, batch: Any) -> Tensor:
        tokens = batch["text"]["tokens"]
        logits = self.head(self.embedding(tokens[:, :-1]))
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    def forward(self, batch: Any) -> Tensor:
        return self.head(self.embedding(batch["text"]["tokens"]))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self.loss_of(batch)
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
        optimizer.step()
        self.lr_schedulers().step()
        self.log("loss", loss)
        assert self.head.weight is self.embedding.weight

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)]


class Gan(Base):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
        self.critic = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

    def forward(self, batch: Any) -> Tensor:
        noise = torch.randn(len(batch["image"]), 4, device=self.device)
        return self.critic(self.generator(noise))

    def loss_of(self, batch: Any) -> Tensor:
        made = self(batch)
        return F.binary_cross_entropy_with_logits(made, torch.ones_like(made))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for optimizer, sign in zip(self.optimizers(), (1, -1), strict=True):
            self.toggle_optimizer(optimizer)
            loss = sign * self.loss_of(batch) + self.critic(batch["image"]).mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            self.untoggle_optimizer(optimizer)
        self.log("loss", loss)

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.AdamW(part.parameters(), lr=0.01) for part in (self.generator, self.critic)
        ]


def classification() -> dict[str, torchmetrics.Metric]:
    kinds = torchmetrics.classification
    names = (
        "Accuracy Precision Recall F1Score Specificity AUROC AveragePrecision CalibrationError "
        "CohenKappa ConfusionMatrix JaccardIndex MatthewsCorrCoef StatScores HammingDistance"
    )
    return {name: getattr(kinds, f"Multiclass{name}")(CLASSES) for name in names.split()}


def regression() -> dict[str, torchmetrics.Metric]:
    names = (
        "MeanSquaredError MeanAbsoluteError R2Score PearsonCorrCoef SpearmanCorrCoef "
        "ExplainedVariance LogCoshError MeanMetric SumMetric MaxMetric MinMetric CatMetric"
    )
    return {name: getattr(torchmetrics, name)() for name in names.split()}


class Metrics(Base):
    """Twenty-six classes of torchmetrics, with sums and with lists for states."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
        self.scores = nn.ModuleDict({"classes": nn.ModuleDict(classification())})
        self.values = nn.ModuleDict(regression())
        self.together = torchmetrics.MetricCollection(classification(), prefix="all_")
        self.tracked = torchmetrics.RunningMean(window=2)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        logits, labels = self(batch), batch["pair"][0]
        for metric in self.scores["classes"].values():
            metric.update(logits, labels)
        for name, metric in self.values.items():
            first = logits[:, 0]
            single = name.endswith("Metric")
            metric.update(*((first,) if single else (first, labels.float())))
        self.together.update(logits, labels)
        self.log("running", self.tracked(logits.mean()))

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        for name, metric in {**self.scores["classes"], **self.values}.items():
            self.log(name, metric.compute().float().mean())
            metric.reset()
        for name, value in self.together.compute().items():
            self.log(name, value.float().mean())
        self.together.reset()

    on_test_epoch_end = on_validation_epoch_end


MODELS: dict[str, Callable[[], L.LightningModule]] = {
    kind.__name__.lower(): kind for kind in (Conv, Recurrent, Attention, Tied, Gan, Metrics)
}


def run(name: str, folder: Path, pinned: bool, **placement: Any) -> dict[str, float]:
    """Fit, save, load, test and predict; what each of them said."""
    L.seed_everything(7, verbose=False)
    module = MODELS[name]()
    saving = L.pytorch.callbacks.ModelCheckpoint(folder, name, save_weights_only=False)
    trainer = L.Trainer(
        max_epochs=2,
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **placement,
    )
    loaders = [DataLoader(Samples(), batch_size=10, pin_memory=pinned) for _ in range(2)]
    trainer.fit(module, *loaders)
    values = {key: float(value) for key, value in trainer.callback_metrics.items()}
    (tested,) = trainer.test(module, loaders[1], ckpt_path=saving.best_model_path, verbose=False)
    values |= {f"test {key}": value for key, value in tested.items()}
    predicted = torch.cat(trainer.predict(module, loaders[1]))
    weights = torch.load(saving.best_model_path, weights_only=False)["state_dict"].values()
    assert {tensor.device.type for tensor in weights} == {"cpu"}
    return values | {"predicted": float(predicted.float().square().mean())}


@contextlib.contextmanager
def refusals() -> Iterator[list[str]]:
    refused: list[str] = []
    with emulated.Emulation(lambda operation, tensors: refused.append(str(operation))):
        yield refused


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    emulated.install()  # before any backward: the engine counts devices once
    told: dict[str, Any] = {}
    for name in MODELS:
        told[name] = {"cpu": run(name, folder / "cpu", False, accelerator="cpu")}
        placement = {"strategy": emulated.emulated_strategy(Namespace("lightning.pytorch"))}
        with refusals() as refused:
            told[name]["emulated"] = run(name, folder / "emulated", True, **placement)
        told[name]["refused"] = refused
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
