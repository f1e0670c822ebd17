"""The Lightning module: a step, what is noted after each epoch, and which weights are kept.

All that is random hangs on seed, epoch and step alone, so that a run that goes on sees the same images.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent.files import written
from crossent.train import figures
from crossent.train.augment import augmented, generator, mixed, size_of
from crossent.train.checkpoints import save_tensors
from crossent.train.criterion import Criterion
from crossent.train.optimizer import one_cycle, optimizer_of
from crossent.train.run import METRICS, MODEL
from crossent.train.store import Data

BATCH = 64

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How a run goes: what its `config.json` settles before the first step."""

    run: Path
    epochs: int
    seed: int
    rate: float
    patience: int | None
    task: str
    own_temperature: bool
    """Whether validation is by the cross-entropy after the temperature that fits it, as raw outputs need."""


class Rows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Decoded images and labels by lists of rows, read from the memory map at once."""

    def __init__(self, data: Data, labels: NDArray[Any]) -> None:
        self.data, self.labels = data, torch.from_numpy(labels)

    def __getitem__(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.data.images[rows]), self.labels[rows]


class Order(torch.utils.data.Sampler[NDArray[np.intp]]):
    """Rows in batches, in an order by seed and epoch alone; each of several devices takes its share."""

    def __init__(self, rows: NDArray[np.intp], seed: int, *, rank: int = 0, devices: int = 1) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 0
        self.rank, self.devices = rank, devices
        self.batch = min(BATCH, len(rows))

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.rows) // self.batch

    def __iter__(self) -> Iterator[NDArray[np.intp]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        for start in range(0, len(self) * self.batch, self.batch):
            yield order[start : start + self.batch][self.rank :: self.devices]


class Training(lightning.LightningModule):
    """Trains a network by a plan, keeps the weights that validate best and the figures of every epoch."""

    def __init__(
        self, network: torch.nn.Module, criterion: Criterion, data: Data, plan: Plan, say: Say
    ) -> None:
        super().__init__()
        self.network, self.criterion = network, criterion
        self._data, self._plan, self._say = data, plan, say
        self._validation = data.rows("validation")
        self.history: list[dict[str, float]] = []
        self._began, self._losses, self._right, self._seen, self._rate = 0.0, 0.0, 0.0, 0, 0.0

    @property
    def best(self) -> dict[str, float]:
        """The epoch that validated best."""
        return min(self.history, key=lambda row: row["validation"])

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        if len(self.history) >= self._plan.epochs:
            return True
        patience = self._plan.patience
        return (
            bool(self.history) and patience is not None and len(self.history) - self.best["epoch"] >= patience
        )

    def configure_optimizers(self) -> Any:
        """The rates of all weights go through one cycle."""
        optimizer = optimizer_of(self, self._plan.rate)
        schedule = one_cycle(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Whatever the network itself draws, such as dropout, hangs on seed and epoch too."""
        torch.manual_seed(mixed(self._plan.seed, self.current_epoch, self.global_rank))
        self._began, self._losses, self._right, self._seen = time.monotonic(), 0.0, 0.0, 0

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        """The loss of a batch of augmented images."""
        images, labels = batch
        random = generator(self._plan.seed, self.current_epoch, step, self.global_rank)
        size = size_of(self.current_epoch, self._plan.epochs)
        outputs = self.network(augmented(images, size, random))
        loss = self.criterion(outputs, labels)
        self._rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self._seen += len(labels)
        self._losses += loss.item() * len(labels)
        self.log("loss", self._losses / self._seen, prog_bar=True)
        if self._plan.task == "classification":
            self._right += int((outputs.argmax(1) == labels).sum())
            self.log("accuracy", self._right / self._seen, prog_bar=True)
        return loss

    def on_train_epoch_end(self) -> None:
        """Validate, note, keep the weights if they are the best so far; the checkpoint comes after."""
        found = self._validated()
        row = {"epoch": self.current_epoch + 1, "train_loss": self._losses / max(1, self._seen)}
        if self._plan.task == "classification":
            row["train_accuracy"] = self._right / max(1, self._seen)
        row |= {f"validation_{name}": value for name, value in found.items()}
        row["learning_rate"] = self._rate
        row["seconds"] = round(time.monotonic() - self._began, 2)
        leading = found.get("cross_entropy", found["squared_error"])
        row["validation"] = leading if np.isfinite(leading) else float("inf")
        self.history.append(row)
        self.log_dict({name: value for name, value in row.items() if name.startswith("validation_")})
        if self.trainer.is_global_zero:
            self._keep(row)
        if self.finished:
            self.trainer.should_stop = True

    def _validated(self) -> dict[str, float]:
        rows = self._validation
        outputs = figures.outputs(self.network, self._data.images[rows], device=self.device, quick=True)
        self.network.train()
        loader = self.trainer.train_dataloader
        assert loader is not None
        labels = loader.dataset.labels.numpy()[rows]
        if self._plan.task == "regression":
            found = figures.regression(outputs[:, 0], labels)
        elif not np.isfinite(outputs).all():
            found = dict.fromkeys(("cross_entropy", "squared_error", "classification_error"), float("nan"))
        else:
            temperature = figures.best_temperature(outputs, labels) if self._plan.own_temperature else 1.0
            found = figures.classification(outputs / np.float32(temperature), labels)
        return self.trainer.strategy.broadcast(found)  # the devices' running means differ by one step

    def _keep(self, row: dict[str, float]) -> None:
        if self.best is row:
            weights = self.network.state_dict()
            save_tensors(self._plan.run / MODEL, weights, {"epoch": row["epoch"]})
        columns = [name for name in row if name != "validation"]
        table = io.StringIO(newline="")
        rows = csv.DictWriter(table, columns, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        rows.writerows(self.history)
        with written(self._plan.run / METRICS) as file:
            file.write(table.getvalue().encode())
        share = row.get("validation_classification_error")
        self._say(
            f"epoch {row['epoch']} of {self._plan.epochs}: training loss {row['train_loss']:.3f}, validation"
            f" {'squared error' if share is None else 'cross-entropy'} {row['validation']:.3f}"
            + ("" if share is None else f", {share:.1%} wrong")
            + f", {row['seconds']:.0f} s"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The figures of the epochs so far go with it; random numbers hang on the epoch, which is in it."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The figures of the epochs before."""
        self.history = list(checkpoint["history"])
