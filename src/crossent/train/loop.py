"""Lightning's Trainer, set up for a RUN: precision, devices, loggers; and how long an epoch takes."""

from __future__ import annotations

import copy
import logging
import math
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from crossent.train.augment import SIZES, augmented, generator
from crossent.train.checkpoints import SafetensorsIO
from crossent.train.optimizer import optimizer_of
from crossent.train.run import CHECKPOINT
from crossent.train.training import Order, Rows, Training

_TIMED = 20  # steps
_RESERVE = 0.75  # of the minutes: validation and test are not timed, and machines slow down
MOST_EPOCHS = 200
"""However many minutes there are."""


def precision() -> str:
    """Lightning's word for bfloat16 beside float32 where the device has it, else for float32 alone."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16-mixed" if known.get("avx512_bf16") or known.get("amx_bf16") else "32-true"


def device() -> str:
    """What Lightning's 'auto' takes."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def seconds_per_epoch(network: torch.nn.Module, rows: Rows, order: Order, criterion: Any) -> list[float]:
    """How long an epoch of each size of crop takes, from 20 steps of a copy; the run begins after it."""
    network = copy.deepcopy(network).to(device()).train()
    optimizer = optimizer_of(network, 1e-6)
    cuda = device() == "cuda"
    found = []
    batch = next(iter(order))
    for _, size in SIZES:
        times = []
        for step in range(_TIMED // len(SIZES)):
            began = time.perf_counter()
            images, labels = (tensor.to(device()) for tensor in rows[batch])
            with torch.autocast("cuda" if cuda else "cpu", torch.bfloat16, enabled=precision() != "32-true"):
                loss = criterion(network(augmented(images, size, generator(step))), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            times.append(time.perf_counter() - began)
        found.append(statistics.median(times) * len(order))

    return found


def epochs_within(minutes: float, per_size: list[float]) -> int:
    """As many epochs as fit, one at least."""
    return max(1, min(MOST_EPOCHS, math.floor(minutes * 60 * _RESERVE / mean_epoch(per_size))))


def mean_epoch(per_size: list[float]) -> float:
    """Seconds of an epoch, over all of a run."""
    shares = [until - before for (until, _), before in zip(SIZES, (0, *(s for s, _ in SIZES)), strict=False)]
    return sum(share * seconds for share, seconds in zip(shares, per_size, strict=True))


def trained(
    module: Training, rows: Rows, order: Order, *, run: Path, config: dict[str, Any], fingerprint: str
) -> None:
    """Train to the end of the plan, from the RUN's checkpoint where there is one."""
    checkpoint = run / CHECKPOINT
    keeper = ModelCheckpoint(
        run,
        checkpoint.stem,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    keeper.FILE_EXTENSION = checkpoint.suffix
    callbacks: list[Any] = [keeper]
    drawn = sys.stderr.isatty()
    if drawn:
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    devices = config["options"]["devices"]
    with _quiet():
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            precision=config["precision"],
            max_epochs=config["epochs"],
            logger=TensorBoardLogger(run, name="tensorboard", version=""),
            callbacks=callbacks,
            plugins=[SafetensorsIO(fingerprint)],
            enable_progress_bar=drawn,
            enable_model_summary=False,
            log_every_n_steps=min(20, len(order)),
            use_distributed_sampler=False,
        )
        loader = torch.utils.data.DataLoader(rows, sampler=order, batch_size=None)
        trainer.fit(module, loader, ckpt_path=checkpoint if checkpoint.exists() else None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice and greetings; what goes wrong is raised."""
    talker = logging.getLogger("lightning.pytorch")
    before = talker.level
    talker.setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            talker.setLevel(before)
