"""Bytes to what a network sees: random crops while it trains, fixed views when it is asked.

Random numbers are drawn on the CPU from a generator that is handed in, so every device sees the same images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossent.train.images import MIDDLE, SIDE

SIZES = ((0.3, 32), (0.7, 48), (1.0, 64))
"""Up to which share of the epochs crops have how many pixels: small ones teach nearly as much for less."""
VIEWS = (
    (64, 1.0, 0, 0),
    (80, 1.0, 0, 0),
    (64, 0.9, 0, 0),
    (64, 1.0, -1, 0),
    (64, 1.0, 1, 0),
    (64, 1.0, 0, -1),
    (64, 1.0, 0, 1),
)
"""Pixels, how much of the middle square's side they show, and where: 0 is the middle, -1 and 1 the ends.

Each is also mirrored, and all are averaged.
"""
_INNER = MIDDLE / SIDE
_SMALLEST = 0.6  # share of the middle square's side that a crop shows at least
_TURN = 0.25  # radians, about 14 degrees


def size_of(epoch: int, epochs: int) -> int:
    """The pixels along a crop in an epoch, which counts from 0."""
    return next(size for until, size in SIZES if (epoch + 0.5) / epochs <= until)


def generator(*places: int) -> torch.Generator:
    """Random numbers that hang on these integers alone, such as seed, epoch and step."""
    return torch.Generator().manual_seed(mixed(*places))


def mixed(*places: int) -> int:
    """One seed from several integers."""
    return int(np.random.SeedSequence(places).generate_state(1, np.uint64)[0] >> np.uint64(1))


def augmented(images: Tensor, size: int, random: torch.Generator) -> Tensor:
    """A random crop of each image's middle (n, s, s, 3), turned (corners lie beside it), or mirrored."""
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=random) * (high - low) + low

    scale, turn = _INNER * uniform(_SMALLEST, 1.0), uniform(-_TURN, _TURN)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    across, down = (uniform(-1, 1) * (_INNER - scale) for _ in range(2))
    cos, sin = scale * torch.cos(turn), scale * torch.sin(turn)
    rows = torch.stack([mirror * cos, -sin, across, mirror * sin, cos, down], dim=1)
    return _sampled(images, rows.view(n, 2, 3), size)


def view(images: Tensor, size: int, share: float, across: float = 0, down: float = 0) -> Tensor:
    """A square of each image (n, s, s, 3), as `VIEWS` has them."""
    side = _INNER * share
    rows = torch.tensor([[side, 0.0, across * (1 - side)], [0.0, side, down * (1 - side)]])
    return _sampled(images, rows.expand(len(images), 2, 3), size)


def mean_over_views(network: torch.nn.Module, images: Tensor) -> Tensor:
    """A network's outputs, averaged over `VIEWS` and their mirror images."""
    outputs = []
    for place in VIEWS:
        seen = view(images, *place)
        outputs += [network(seen).float(), network(seen.flip(3)).float()]
    return torch.stack(outputs).mean(0)


def _sampled(images: Tensor, rows: Tensor, size: int) -> Tensor:
    values = images.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(rows.to(values.device), [len(images), 3, size, size], align_corners=False)
    seen = functional.grid_sample(values, grid, padding_mode="reflection", align_corners=False)
    return (seen / 63.75 - 2).contiguous(memory_format=torch.channels_last)
