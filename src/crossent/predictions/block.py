"""What every reader delivers and everything after it consumes: blocks of aligned rows.

No reading, no checking, no arithmetic in here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossent.wording import Kind as Kind

Outputs = NDArray[np.float64] | NDArray[np.float32]

if TYPE_CHECKING:
    from crossent.predictions.images import ImageColumn

Run = TypeVar("Run")


def rows_per_block(classes: int) -> int:
    """Rows of one block, from the number of classes alone, so that every engine cuts alike."""
    return min(65_536, max(1, 2**22 // classes))


@dataclass(frozen=True)
class Block:
    """Rows ``[index * B, index * B + n)`` of all sources, aligned and checked; B is `rows_per_block`.

    Attributes
    ----------
    index : position of the block, from 0.
    ids : Arrow string array of length n, or None where rows are paired by position.
    labels : int64 array (n,) of class indices, or float64 array (n, k) of label distributions.
    outputs : one array (n, k) per run, in the order of the models, whose runs follow each other: logits or
        probabilities, as the model's `ModelSource.kind` says. Float64 and C-contiguous; of few classes that
        a file holds in columns, the other way round, and float32 where the file has that.
    deviations : per run the largest |sum of a row - 1| before any renormalising; 0.0 for logits.
    weights : float64 array (n,), finite and >= 0, or None where every row counts alike.
    clusters : Arrow string array of length n that says which rows belong together, or None.
    slices : Arrow string array of length n, the value by which results are also given, or None.
    """

    index: int
    ids: Any | None
    labels: NDArray[np.int64] | NDArray[np.float64]
    outputs: tuple[Outputs, ...]
    deviations: tuple[float, ...]
    weights: NDArray[np.float64] | None = None
    clusters: Any | None = None
    slices: Any | None = None


@dataclass(frozen=True)
class ModelSource:
    """What is known of one model before its first row is read.

    Attributes
    ----------
    name : the model's name, unique among the models.
    kind : what its outputs are.
    origin : the file, or 'array', as messages name it.
    binary : True where one single column was given and the other class follows from it.
    seeds : names of its runs where it is several seeds of one recipe; empty for a model of one run.
    """

    name: str
    kind: Kind
    origin: str
    binary: bool = False
    seeds: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        return max(1, len(self.seeds))

    @property
    def run_names(self) -> tuple[str, ...]:
        """What messages call each run."""
        return tuple(f"{self.name}/{seed}" for seed in self.seeds) or (self.name,)


def by_model(runs: Sequence[Run], models: Sequence[ModelSource]) -> Iterator[tuple[Run, ...]]:
    """What there is of each run, taken together by model; runs stand in the models' order."""
    start = 0
    for model in models:
        yield tuple(runs[start : start + model.runs])
        start += model.runs


class Predictions(Protocol):
    """Aligned predictions of one or several models over the same examples."""

    @property
    def models(self) -> tuple[ModelSource, ...]:
        """The models, in the order given."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs' columns."""

    @property
    def paired_by(self) -> Literal["id", "position"]:
        """What says which rows belong together."""

    @property
    def rows(self) -> int | None:
        """Number of examples where the sources know it beforehand, for the progress bar."""

    @property
    def images(self) -> ImageColumn | None:
        """The column of images, where a source has one."""

    def blocks(self) -> Iterator[Block]:
        """Blocks in order; may be called once more for another pass (in-memory and file sources)."""

    def pending(self) -> Generator[Callable[[], Block]]:
        """The same blocks, read but not yet checked: any thread may do that by calling them."""
