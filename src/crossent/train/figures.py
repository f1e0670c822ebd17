"""What a network is worth on images whose labels are known: the three measures, and the temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

import crossent
from crossent.train.augment import mean_over_views, view

Outputs = NDArray[np.float32]
_TEMPERATURES = (0.02, 50.0)
_AT_ONCE = 250


def outputs(
    network: torch.nn.Module, images: Any, *, device: str | torch.device, quick: bool = False
) -> Outputs:
    """A network's outputs for decoded images (n, s, s, 3), over all views, or, ``quick``, of one."""
    network.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            some = torch.from_numpy(np.array(images[start : start + _AT_ONCE])).to(device)
            seen = network(view(some, 64, 1.0)) if quick else mean_over_views(network, some)
            found.append(seen.float().cpu().numpy())
    return np.concatenate(found)


def classification(logits: Outputs, labels: NDArray[np.int64]) -> dict[str, float]:
    """The three measures, as means."""
    return {
        "cross_entropy": float(crossent.softmax_cross_entropy(logits, labels).mean()),
        "squared_error": float(crossent.softmax_squared_error(logits, labels).mean()),
        "classification_error": float((logits.argmax(1) != labels).mean()),
    }


def regression(numbers: Outputs, labels: NDArray[np.float64]) -> dict[str, float]:
    """The mean squared error."""
    return {"squared_error": float(np.mean((numbers.astype(np.float64) - labels) ** 2))}


def best_temperature(logits: Outputs, labels: NDArray[np.int64]) -> float:
    """What logits are to be divided by, so that their cross-entropy on these images is lowest."""
    low, high = np.log(_TEMPERATURES)
    wide = logits.astype(np.float64)

    def cost(log_temperature: float) -> float:
        return float(crossent.softmax_cross_entropy(wide / np.exp(log_temperature), labels).mean())

    return float(np.exp(minimize_scalar(cost, bounds=(low, high), method="bounded").x))
