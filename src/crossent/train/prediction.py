"""A RUN and images to predictions: probabilities for each class, or numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

import crossent
from crossent.errors import TrainingError
from crossent.files import written
from crossent.train import figures, loop
from crossent.train.images import Pixels, UnreadableImageError, decoded
from crossent.train.job import options_of, save_numbers
from crossent.train.listing import class_in, images_below
from crossent.train.prepare import kept_network, target_of
from crossent.train.run import config_of

_AT_ONCE = 500


@dataclass(frozen=True)
class Predicted:
    """What a RUN says of images: ``logits`` over ``classes``, or, of a regression, ``numbers``."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    logits: NDArray[np.float32] | None
    numbers: NDArray[np.float64] | None
    labels: tuple[str, ...] | None
    """The class of each image, where folders or names tell it and the network knows it."""
    unreadable: tuple[str, ...]

    @property
    def probs(self) -> NDArray[np.float32]:
        """The softmax of the logits."""
        found: NDArray[np.float32] = crossent.softmax(self.logits)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as a predictions file; labels that are not known come from a file of their own."""
        if self.numbers is not None:
            save_numbers(Path(path), ids=list(self.ids), numbers=self.numbers)
        elif self.labels is not None:
            crossent.save_predictions(
                path, labels=list(self.labels), logits=self.logits, classes=self.classes, ids=list(self.ids)
            )
        else:
            _save_unlabelled(Path(path), self)


def predict(
    run: str | os.PathLike[str],
    images: Iterable[str | os.PathLike[str]],
    /,
    *,
    network: torch.nn.Module | None = None,
) -> Predicted:
    """What the network of a RUN says of image files and of all images in folders.

    Parameters
    ----------
    run : a RUN folder; it need not be complete.
    images : files and folders.
    network : a network of your own, if one was trained; its weights are read from the RUN.

    Raises
    ------
    TrainingError
        If the folder is no RUN, or no image can be read.
    """
    config = config_of(Path(run))
    best = kept_network(Path(run), config, network).to(loop.device()).eval()
    found = _files(images)
    ids, outputs, unreadable = _asked(best, found)
    if not ids:
        raise TrainingError(
            "; ".join(unreadable) if unreadable else "no images there: name files, or a folder"
        )
    target, classes = target_of(config), tuple(config["classes"])
    if target is not None:
        numbers = outputs[:, 0].astype(np.float64) * target.deviation + target.mean
        return Predicted(tuple(ids), (), None, numbers, None, tuple(unreadable))
    logits = (outputs / (config["temperature"] or 1.0)).astype(np.float32)
    labels = _labels([found[id] for id in ids], classes, options_of(config).class_from_name)
    return Predicted(tuple(ids), classes, logits, None, labels, tuple(unreadable))


def _files(images: Iterable[str | os.PathLike[str]]) -> dict[str, Path]:
    """Files by their id: as they were named, or by their place below the folder that was."""
    found: dict[str, Path] = {}
    for given in images:
        path = Path(given)
        if path.is_dir():
            whole = Path(os.path.abspath(path))
            found |= {image.relative_to(whole).as_posix(): image for image, _ in images_below(whole)}
        elif path.exists():
            found[str(given)] = path
        else:
            raise TrainingError(f"{path}: no such file or folder")
    return found


def _asked(network: torch.nn.Module, files: dict[str, Path]) -> tuple[list[str], figures.Outputs, list[str]]:
    """The outputs for all that can be read, some hundred images in memory at a time; and what cannot."""
    ids: list[str] = []
    unreadable: list[str] = []
    waiting: list[Pixels] = []
    outputs: list[figures.Outputs] = []

    def ask() -> None:
        if waiting:
            outputs.append(figures.outputs(network, np.array(waiting), device=loop.device()))
            waiting.clear()

    for (id, path), image in zip(files.items(), decoded(list(files.values())), strict=True):
        if isinstance(image, UnreadableImageError):
            unreadable.append(f"{path}: {image}")
            continue
        ids.append(id)
        waiting.append(image)
        if len(waiting) == _AT_ONCE:
            ask()
    ask()
    return ids, np.concatenate(outputs) if outputs else np.empty((0, 1), np.float32), unreadable


def _labels(paths: Sequence[Path], classes: Sequence[str], from_name: bool) -> tuple[str, ...] | None:
    tell: Callable[[Path], str | None] = class_in if from_name else (lambda path: path.parent.name)
    named = [tell(path) for path in paths]
    known = tuple(name for name in named if name in classes and name is not None)
    return known if len(known) == len(named) else None


def _save_unlabelled(path: Path, predicted: Predicted) -> None:
    logits = pa.array(list(predicted.logits if predicted.logits is not None else ()), pa.list_(pa.float32()))
    table = pa.table({"id": list(predicted.ids), "logits": logits})
    with written(path) as file:
        pq.write_table(table.replace_schema_metadata({"classes": json.dumps(predicted.classes)}), file)
