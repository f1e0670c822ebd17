"""The 1,797 handwritten digits that come with crossent, in fixed parts, and a network for them.

Source and licence of the digits stand in ``data/DIGITS.txt``. No loss and no training in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

CLASSES = tuple("0123456789")
HIDDEN = 32
_PIXELS = 64
_INK = 16  # the largest value of a pixel

# The labels run fourteen times through the same sheet of some 128 digits; both cuts lie between two sheets,
# so that no sheet lends digits to two parts.
_VALIDATION_FROM = 776
_TEST_FROM = 1029


@dataclass(frozen=True)
class Digits:
    """Some of the digits.

    Attributes
    ----------
    ids : `digit-0000` to `digit-1796`, by the place in the data set.
    images : float64 array (n, 64), each pixel between 0 and 1.
    labels : int64 array (n,), the digit.
    """

    ids: tuple[str, ...]
    images: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Parts:
    """What networks learn from, what chooses between them, and what they are compared on."""

    train: Digits
    validation: Digits
    test: Digits


def scans() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The data as it is stored: images (1797, 8, 8) of 0 to 16, and labels (1797,)."""
    with (
        (files("crossent") / "data" / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["images"], arrays["labels"]


def parts() -> Parts:
    """776 digits to learn from, the next 253 to choose by, the last 768 to test on."""
    images, labels = scans()
    pixels = images.reshape(-1, _PIXELS) / _INK

    def rows(start: int, stop: int) -> Digits:
        ids = tuple(f"digit-{row:04}" for row in range(start, stop))
        return Digits(ids, pixels[start:stop], labels[start:stop].astype(np.int64))

    return Parts(rows(0, _VALIDATION_FROM), rows(_VALIDATION_FROM, _TEST_FROM), rows(_TEST_FROM, len(labels)))


@dataclass(frozen=True)
class Network:
    """Pixels, one hidden layer of tanh units, and one logit for each digit."""

    weights: tuple[NDArray[np.float64], NDArray[np.float64]]
    biases: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def start(cls, random: np.random.Generator) -> Network:
        """Random weights, of a size that neither swells nor shrinks what passes through them."""
        first = random.normal(0, _PIXELS**-0.5, (_PIXELS, HIDDEN))
        second = random.normal(0, HIDDEN**-0.5, (HIDDEN, len(CLASSES)))
        return cls((first, second), (np.zeros(HIDDEN), np.zeros(len(CLASSES))))

    def _hidden(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.tanh(images @ self.weights[0] + self.biases[0])

    def logits(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        """One row of ten for each image."""
        return self._hidden(images) @ self.weights[1] + self.biases[1]

    def step(self, images: NDArray[np.float64], gradient: NDArray[np.float64], rate: float) -> Network:
        """The network one step further down the slope, from the loss's gradient by the logits."""
        hidden = self._hidden(images)
        by_hidden = (gradient @ self.weights[1].T) * (1 - hidden**2)
        (first, second), (first_bias, second_bias) = self.weights, self.biases
        return Network(
            (first - rate * images.T @ by_hidden, second - rate * hidden.T @ gradient),
            (first_bias - rate * by_hidden.sum(axis=0), second_bias - rate * gradient.sum(axis=0)),
        )
