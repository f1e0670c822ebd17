"""From images and options to a RUN that is ready to train: decoded, timed, and its `config.json` settled."""

from __future__ import annotations

import copy
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import crossent
from crossent.errors import OptionError, TrainingError
from crossent.train import loop
from crossent.train.augment import SIZES, VIEWS
from crossent.train.checkpoints import load_tensors
from crossent.train.criterion import criterion
from crossent.train.images import MIDDLE, SIDE
from crossent.train.network import built
from crossent.train.optimizer import usual_rate
from crossent.train.options import MINUTES, TrainOptions
from crossent.train.run import MODEL, Config, config_of, outputs_of, write_config
from crossent.train.store import Data
from crossent.train.training import Order, Rows, Say

_RATES = {"small": 0.01, "course": 5e-3}
_FINE_TUNING = 0.25  # of the rate, where weights are given
_LIBRARIES = ("torch", "lightning", "datasets", "pillow", "numpy", "safetensors")


@dataclass(frozen=True)
class Target:
    """What a regression's labels are shifted and scaled by, so that the network learns numbers around 0."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, labels: Any) -> Target:
        """From the training labels."""
        deviation = float(np.std(labels))
        return cls(float(np.mean(labels)), deviation if deviation > 0 else 1.0)


def prepared(
    run: Path, source: Path, data: Data, options: TrainOptions, network: torch.nn.Module | None, say: Say
) -> Config:
    """Settle a RUN's config, the number of epochs included, and write it."""
    if network is None:
        network = first_network(options, data.classes)
        name: str = options.network
    else:
        name = type(network).__name__
    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    labels = data.labels[data.rows("train")]
    target = Target.of(labels) if options.task == "regression" else None
    order = Order(data.rows("train"), options.seed, devices=options.devices)
    counts = [int((labels == place).sum()) for place in range(len(data.classes))]
    per_size = loop.seconds_per_epoch(
        network, Rows(data, scaled(data, target)), order, criterion(options, data.classes, counts)
    )
    epochs = options.epochs
    if epochs is None:
        epochs = loop.epochs_within(options.minutes or MINUTES, per_size)
    seconds = epochs * loop.mean_epoch(per_size)
    end = time.strftime("%H:%M", time.localtime(time.time() + seconds))
    takes = f"{seconds / 60:.0f} minutes, until {end}" if seconds >= 90 else f"{seconds:.0f} seconds"
    say(f"training on {len(order.rows):,} images, {epochs} epochs of {len(order)} steps: about {takes}")
    usual = _RATES.get(name, usual_rate(network)) * (_FINE_TUNING if options.init else 1)
    rate = options.learning_rate or usual
    config: Config = {
        "schema": 1,
        "crossent": crossent.__version__,
        "state": "training",
        "source": str(source.resolve()),
        "task": options.task,
        "network": name,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "classes": list(data.classes),
        "sizes": {
            "image": SIDE,
            "middle": MIDDLE,
            "crops": [list(size) for size in SIZES],
            "views": [list(seen) for seen in VIEWS],
        },
        "options": options.record(),
        "epochs": epochs,
        "learning_rate": rate,
        "seed": options.seed,
        "precision": loop.precision(),
        "device": loop.device(),
        "threads": threads,
        "target": None if target is None else {"mean": target.mean, "deviation": target.deviation},
        "data": {
            "digest": data.digest,
            "train": len(data.rows("train")),
            "validation": len(data.rows("validation")),
            "test": len(data.rows("test")),
        },
        "temperature": None,
        "test": None,
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
    }
    write_config(run, config)
    return config


def scaled(data: Data, target: Target | None) -> Any:
    """The labels as the network learns them."""
    return data.labels if target is None else (data.labels - target.mean) / target.deviation


def target_of(config: Config) -> Target | None:
    """The scale of a regression's labels, None for classes."""
    said = config["target"]
    return None if said is None else Target(said["mean"], said["deviation"])


def first_network(options: TrainOptions, classes: tuple[str, ...]) -> torch.nn.Module:
    """A new network, with the weights of another run where one is named."""
    network = built(options.network, len(classes) or 1, options.seed)
    if options.init is None:
        return network
    other = config_of(Path(options.init))
    if other["network"] != options.network:
        raise OptionError(
            f"--init {options.init} is a network {other['network']!r}, not {options.network!r}: add --network"
            f" {other['network']}, or train without --init"
        )
    weights = kept_weights(Path(options.init))
    if other["classes"] != list(classes):  # its head knows other classes; what it sees of images is kept
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
    network.load_state_dict(weights, strict=False)
    return network


def kept_network(run: Path, config: Config, network: torch.nn.Module | None = None) -> torch.nn.Module:
    """A RUN's network with the weights that validated best."""
    if network is None:
        if config["network"] not in _RATES:
            raise TrainingError(
                f"{run} holds a network of your own, {config['network']}: in Python, hand it to"
                " crossent.train.predict as network=..."
            )
        network = built(config["network"], outputs_of(config), 0)
    try:
        network.load_state_dict(kept_weights(run))
    except RuntimeError as error:
        raise TrainingError(f"{run / MODEL} does not fit its config.json: it is another network's") from error
    return network


def kept_weights(run: Path) -> dict[str, Tensor]:
    """The tensors of `model.safetensors`."""
    if not (run / MODEL).is_file():
        raise TrainingError(f"{run} has no {MODEL} yet: no epoch was finished; go on with --resume")
    return load_tensors(run / MODEL)[0]


def own_copy(network: torch.nn.Module) -> torch.nn.Module:
    """The caller's network is not trained itself."""
    return copy.deepcopy(network)
