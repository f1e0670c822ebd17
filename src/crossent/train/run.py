"""The RUN folder: `config.json`, and the names of what lies beside it.

No torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossent.errors import TrainingError
from crossent.files import written

CONFIG, MODEL, METRICS, PREDICTIONS = "config.json", "model.safetensors", "metrics.csv", "predictions.parquet"
CHECKPOINT = "checkpoint.safetensors"
_KEYS = {"schema", "state", "source", "task", "network", "classes", "options"}
_FIXED = (
    "source",
    "task",
    "network",
    "classes",
    "options",
    "epochs",
    "precision",
    "threads",
    "data",
    "target",
)

Config = dict[str, Any]


def config_of(run: Path) -> Config:
    """What a RUN says of itself.

    Raises
    ------
    TrainingError
        If the folder is none.
    """
    if not run.is_dir():
        raise TrainingError(f"{run}: no such RUN folder; crossent train DIR --out {run} makes one")
    path = run / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        seeds = sorted(folder.name for folder in run.glob("seed-*") if (folder / CONFIG).is_file())
        mend = (
            f"it holds several runs: name one, such as {run / seeds[0]}" if seeds else "it has no config.json"
        )
        raise TrainingError(f"{run} is no RUN folder of crossent train: {mend}") from None
    except (ValueError, OSError) as error:
        raise TrainingError(f"{run} is no RUN folder of crossent train: config.json is unreadable") from error
    if not isinstance(found, dict) or not found.keys() >= _KEYS:
        raise TrainingError(f"{run} is no RUN folder of crossent train: config.json is another program's")
    return found


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Replace a RUN's config at once."""
    with written(run / CONFIG) as file:
        file.write(json.dumps(config, indent=2).encode() + b"\n")


def fingerprint(config: Mapping[str, Any]) -> str:
    """A digest of what a checkpoint has to fit."""
    fixed = {key: config.get(key) for key in _FIXED}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def outputs_of(config: Mapping[str, Any]) -> int:
    """How many numbers the network gives for an image."""
    return len(config["classes"]) or 1
