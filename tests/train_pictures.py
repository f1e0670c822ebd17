"""Small pictures that a network can tell apart, for the tests of training."""

import numpy as np
from PIL import Image


def picture(level, rng, side=40):
    """Noise, whose red grows and whose blue falls with a level from 0 to 1."""
    values = rng.integers(0, 90, (side, side + 8, 3))
    values[..., 0] += int(150 * level)
    values[..., 2] += int(150 * (1 - level))
    return Image.fromarray(values.astype(np.uint8))


def pictures(folder, *, train=24, test=8, classes=("cat", "dog")):
    """``folder/train/<class>`` and ``folder/test/<class>``, or ``folder/<class>`` without a test."""
    rng = np.random.default_rng(5)
    for part, first, count in (("train", 0, train), ("test", 100, test)):
        for place, name in enumerate(classes if count else ()):
            into = folder / part / name if test else folder / name
            into.mkdir(parents=True)
            for number in range(first, first + count):
                picture(place / (len(classes) - 1), rng).save(into / f"{name}.{number}.png")
    return folder
