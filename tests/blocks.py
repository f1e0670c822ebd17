"""Predictions made of ready blocks, small ones too: for tests of everything after the readers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crossent.predictions import Block, ModelSource


@dataclass
class ReadyPredictions:
    """What `compare_predictions` takes, cut into blocks of ``rows`` rows."""

    outputs: dict
    labels: np.ndarray
    classes: tuple
    kinds: dict
    ids: list | None = None
    step: int = 30
    images: None = None

    def __post_init__(self):
        self.models = tuple(
            ModelSource(name, self.kinds.get(name, "probs"), f"{name}.npz") for name in self.outputs
        )
        self.paired_by = "position" if self.ids is None else "id"
        self.rows = len(self.labels)

    def pending(self):
        for block in self.blocks():
            yield lambda block=block: block

    def blocks(self):
        for index, start in enumerate(range(0, self.rows, self.step)):
            part = slice(start, start + self.step)
            yield Block(
                index,
                None if self.ids is None else pa.array(self.ids[part], pa.string()),
                self.labels[part],
                tuple(np.ascontiguousarray(q[part]) for q in self.outputs.values()),
                tuple(0.0 for _ in self.outputs),
            )


def ready(outputs, labels, *, kind="probs", ids=None, step=30):
    """`ReadyPredictions` of arrays, all models of one kind."""
    outputs = {name: np.asarray(q, np.float64) for name, q in outputs.items()}
    classes = next(iter(outputs.values())).shape[1]
    kinds = dict.fromkeys(outputs, kind)
    names = tuple(f"class {index}" for index in range(classes))
    return ReadyPredictions(outputs, np.asarray(labels), names, kinds, ids, step)
