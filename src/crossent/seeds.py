"""Several seeds of one recipe as one model: each example costs what its runs cost on average.

From the losses of each run on a block. What the spread between runs says is the business of `recipes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossent.measures import ExampleLosses

T = TypeVar("T", bound="np.generic[Any]")


def in_one(values: Sequence[NDArray[T]]) -> NDArray[T]:
    """What each run has, one run after the other."""
    return values[0] if len(values) == 1 else np.concatenate(values)


def averaged(runs: Sequence[ExampleLosses], into: NDArray[np.float64] | None = None) -> ExampleLosses:
    """The mean losses of several runs on the same rows; ``into`` is where the series (3, n) go.

    ``wrong`` becomes the share of the runs that are wrong, ``predicted`` the class that most of them
    predict (the first of several); a row is tied, or its label has probability 0, where it is in any run.
    """
    return ExampleLosses(
        _most_predicted(np.stack([run.predicted for run in runs])),
        np.mean([run.top for run in runs], axis=0),
        np.any([run.tied for run in runs], axis=0),
        np.any([run.zero for run in runs], axis=0),
        np.mean([run.series for run in runs], axis=0, out=into),
        max(run.resolution for run in runs),
    )


def _most_predicted(predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class named most often in each column of (runs, rows), the first in class order of several."""
    ordered = np.sort(predicted, axis=0)
    votes = np.array([(ordered == one).sum(axis=0) for one in ordered])
    chosen: NDArray[np.int64] = ordered[votes.argmax(axis=0), np.arange(ordered.shape[1])]
    return chosen
