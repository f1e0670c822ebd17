"""The networks: a residual one that learns from some thousand images, and the classic one of courses.

Plain PyTorch. What goes in is float images (n, 3, h, w) within ±2, what comes out (n, outputs).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from crossent.train.options import NetworkName


class Residual(nn.Module):
    """Two convolutions beside a shortcut; the second begins as 0, so that a new block only passes on."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.second_norm.weight)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels or stride > 1:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(channels_in, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) to (n, channels, h / stride, w / stride)."""
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class Small(nn.Module):
    """Residual, 0.7 million parameters: six blocks of 16 to 128 channels at ever lower resolution."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            Residual(16, 16, stride=1),
            Residual(16, 32, stride=2),
            Residual(32, 64, stride=2),
            Residual(64, 64, stride=1),
            Residual(64, 128, stride=2),
            Residual(128, 128, stride=1),
        )
        self.head = nn.Linear(128, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, outputs); any size from 16 pixels up."""
        outputs: Tensor = self.head(self.blocks(self.stem(x)).mean((2, 3)))
        return outputs


class Course(nn.Module):
    """Two convolutions of 32 filters, two poolings, one hidden layer of 128: many a course's first."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.hidden = nn.Linear(32 * 14 * 14, 128)
        self.head = nn.Linear(128, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 64, 64) to (n, outputs); images of another size are scaled to it."""
        if x.shape[-2:] != (64, 64):
            x = nn.functional.interpolate(x, (64, 64), mode="bilinear")
        outputs: Tensor = self.head(torch.relu(self.hidden(self.features(x).flatten(1))))
        return outputs


NETWORKS: dict[NetworkName, type[Small] | type[Course]] = {"small": Small, "course": Course}


def built(name: NetworkName, outputs: int, seed: int) -> nn.Module:
    """A network with new weights, the same for the same seed; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = NETWORKS[name](outputs)
    convert: Any = network.to  # typed without memory formats
    convert(memory_format=torch.channels_last)  # convolutions on a CPU are faster so
    return network
