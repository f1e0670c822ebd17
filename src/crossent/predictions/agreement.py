"""Do all sources that carry labels carry the same ones: counted over the whole, the first three shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crossent.arrays import precision, sum_tolerance
from crossent.errors import PredictionsError
from crossent.predictions.labels import Labels
from crossent.predictions.reader import Reader, Rows
from crossent.wording import shortened

_SHOWN = 3


class Agreement:
    """Takes aligned rows; `finish` raises if any labels differed from the first source's."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._counts = [0] * len(readers)
        self._shown: list[list[str]] = [[] for _ in readers]

    @property
    def broken(self) -> bool:
        return any(self._counts)

    def add(self, parts: Sequence[Rows]) -> None:
        """The next aligned rows of all sources; those without labels are passed over."""
        labelled = [part for part in parts if part.labels is not None]
        first = labelled[0]
        for i, part in enumerate(labelled[1:], 1):
            if first.labels is None or part.labels is None:
                continue
            differing = np.flatnonzero(_differ(first.labels, part.labels))
            self._counts[i] += len(differing)
            for row in differing[: _SHOWN - len(self._shown[i])]:
                who = parts[0].place.at(int(row)).rsplit(", ", 1)[1]
                if parts[0].ids is not None:
                    who = f"id {shortened(parts[0].ids[int(row)].as_py(), 60)}"
                self._shown[i].append(f"{who}: {self._name(first, row)} and {self._name(part, row)}")

    @property
    def found(self) -> tuple[list[int], list[list[str]]]:
        """What `take` takes: per source how many labels differ, and the first three."""
        return self._counts, self._shown

    def take(self, found: tuple[list[int], list[list[str]]]) -> None:
        """What was found in rows after those seen so far."""
        for i, (count, shown) in enumerate(zip(*found, strict=True)):
            self._counts[i] += count
            self._shown[i] += shown[: _SHOWN - len(self._shown[i])]

    def finish(self) -> None:
        """Raises where labels differed."""
        for i, count in enumerate(self._counts):
            if count:
                here, there = self._readers[0].table.origin, self._readers[i].table.origin
                raise PredictionsError(
                    f"{here} and {there} disagree on {count:,} label{'s' if count > 1 else ''}"
                    f" ({'; '.join(self._shown[i])}): are these the same examples?"
                    " Mend the labels, or keep them in one source alone"
                )

    def _name(self, part: Rows, row: int) -> str:
        assert part.labels is not None
        assert self._readers[0].labels is not None
        if part.labels.ndim == 1:
            return self._readers[0].labels.classes[int(part.labels[row])]
        return "[" + ", ".join(f"{value:.4g}" for value in part.labels[row][:6]) + "]"


def _differ(a: Labels, b: Labels) -> NDArray[np.bool_]:
    """Rows that differ; soft labels by more than what their storage explains."""
    if a.ndim == b.ndim == 1:
        differ: NDArray[np.bool_] = a != b
        return differ
    classes = a.shape[1] if a.ndim == 2 else b.shape[1]
    p, other = _soft(a, classes), _soft(b, classes)
    if np.array_equal(p, other):
        return np.zeros(len(p), np.bool_)
    tolerance = sum_tolerance(max(precision(p), precision(other)))
    far: NDArray[np.bool_] = np.any(np.abs(p - other) > tolerance, axis=1)
    return far


def _soft(labels: Labels, classes: int) -> NDArray[np.float64]:
    if labels.ndim == 2:
        return labels.astype(np.float64, copy=False)
    hard = np.zeros((len(labels), classes))
    hard[np.arange(len(labels)), labels.astype(np.intp)] = 1.0
    return hard
