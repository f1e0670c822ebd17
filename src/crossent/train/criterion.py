"""What training makes small, by name; from `crossent.nn`, apart from the squared error of raw outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from crossent import nn
from crossent.errors import OptionError
from crossent.train.options import TrainOptions

Criterion = Callable[[Tensor, Tensor], Tensor]


def criterion(options: TrainOptions, classes: Sequence[str], counts: Sequence[int]) -> Criterion:
    """The mean loss of outputs (n, k) under class indices (n,), or of numbers (n, 1) under numbers (n,).

    ``counts`` are the training images of each class, for balanced weights.
    """
    if options.task == "regression":
        return _squared_error_of_numbers
    weights = class_weights(options, classes, counts)
    smoothing = options.label_smoothing
    if options.trained_on == "cross-entropy":
        return lambda outputs, labels: nn.cross_entropy(
            outputs.float(),
            labels,
            None if weights is None else weights.to(outputs.device),
            label_smoothing=smoothing,
        )
    squared = nn.softmax_squared_error if options.trained_on == "squared-error" else squared_error_of_outputs

    def mean(outputs: Tensor, labels: Tensor) -> Tensor:
        target = torch.nn.functional.one_hot(labels, len(classes)).float()
        target = target * (1 - smoothing) + smoothing / len(classes)
        losses = squared(outputs.float(), target, reduction="none")
        if weights is None:
            return losses.mean()
        of_rows = weights.to(outputs.device)[labels]
        return (losses * of_rows).sum() / of_rows.sum()

    return mean


def squared_error_of_outputs(outputs: Tensor, target: Tensor, *, reduction: str = "none") -> Tensor:
    """Squared error of raw outputs, summed over classes: Hui & Belkin (2020), arXiv 2006.07322."""
    losses = (outputs - target).square().sum(1)
    return losses if reduction == "none" else losses.mean()


def class_weights(options: TrainOptions, classes: Sequence[str], counts: Sequence[int]) -> Tensor | None:
    """The weight of each class, or None where all are 1."""
    chosen = options.class_weights
    if not chosen:
        return None
    if isinstance(chosen, str):
        return torch.tensor([sum(counts) / (len(counts) * max(1, number)) for number in counts])
    for name in chosen:
        if name not in classes:
            raise OptionError(f"--class-weights names {name!r}, which is none of {', '.join(classes)}")
    return torch.tensor([float(chosen.get(name, 1.0)) for name in classes])


def _squared_error_of_numbers(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs.float().squeeze(1) - labels.float()).square().mean()
