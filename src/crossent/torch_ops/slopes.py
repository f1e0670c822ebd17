"""Derivatives of the two losses of logits that no kernel gives: by soft targets, and second ones.

In PyTorch's own operators, so that they can be derived again. Rows (n, k), at least float32; `target`
is labels (n,) or distributions (n, k).
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossent.torch_ops.measures import centred, log_softmax, minus, softmax


def cross_entropy_by_target(
    logits: Tensor, target: Tensor, class_weights: Tensor | None, label_smoothing: float
) -> Tensor:
    """Of the loss by a soft target."""
    factor = (1 - label_smoothing) * _weights(class_weights, logits)
    costs = -log_softmax(logits)
    charged = factor * target != 0 if label_smoothing == 0 else factor != 0
    return factor * torch.where(torch.isinf(costs) & ~charged, 0, costs)


def cross_entropy_second(
    logits: Tensor, target: Tensor, v: Tensor, class_weights: Tensor | None, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Of sum(v * gradient by the logits), for any v (n, k): by logits, and by a soft target."""
    weights = _weights(class_weights, logits)
    kept = weights[target][:, None] if target.ndim == 1 else (weights * target).sum(1, keepdim=True)
    amounts = (1 - label_smoothing) * kept + label_smoothing * weights.mean()
    q = softmax(logits)
    mean = (q * v).sum(1, keepdim=True)
    return amounts * centred(q, v), (1 - label_smoothing) * weights * (mean - v)


def squared_error_by_target(logits: Tensor, target: Tensor) -> Tensor:
    """Of the loss by a soft target."""
    return -2 * minus(softmax(logits), target)


def squared_error_second(logits: Tensor, target: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Of sum(v * gradient by the logits), for any v (n, k): by logits, and by a soft target."""
    q = softmax(logits)
    d = minus(q, target)
    mean = (q * v).sum(1, keepdim=True)
    by_q = 2 * (v * (d - (q * d).sum(1, keepdim=True)) + v * q - mean * (d + q))
    return centred(q, by_q), 2 * q * (mean - v)


def _weights(class_weights: Tensor | None, logits: Tensor) -> Tensor:
    """What a class's share of the target is multiplied by."""
    if class_weights is None:
        return torch.ones(logits.shape[1], dtype=logits.dtype, device=logits.device)
    return class_weights.to(logits.dtype)
