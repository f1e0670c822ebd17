"""PyTorch's contracts on top of the operators: functions and modules to put in place of `torch.nn`'s.

What PyTorch refuses is left to PyTorch to refuse, and so are calls without a single number, so that
messages are its own. Nothing is validated beyond that: this is the room where PyTorch's rules hold, and
not those of `losses`.
"""

from __future__ import annotations

from typing import Any

from crossent.errors import DtypeError, MissingExtraError, ShapeError

try:
    import torch
except ModuleNotFoundError:
    raise MissingExtraError("crossent.nn needs PyTorch: pip install 'crossent[torch]'") from None

from torch import Tensor
from torch.nn import _reduction, functional

from crossent import torch_ops

__all__ = ["CrossEntropyLoss", "SoftmaxSquaredErrorLoss", "cross_entropy", "softmax_squared_error"]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`torch.nn.functional.cross_entropy`, faster and more exact on the CPU.

    Parameters
    ----------
    input : tensor of shape (C,), (N, C) or (N, C, d1, ...), float
        Logits. Not modified.
    target : int64 or uint8 tensor of shape (), (N,) or (N, d1, ...), or float tensor of the shape of input
        Class indices, or probabilities, which are not validated and may require a gradient.
    weight : tensor of shape (C,), optional
        What each class's term is multiplied by.
    size_average, reduce : bool, optional
        Deprecated by PyTorch: see `reduction`.
    ignore_index : int
        Class index of rows that count for nothing.
    reduction : 'mean', 'sum' or 'none'
        The mean is over the weights of the class indices that count, and for probabilities over the
        N d1 ... rows, whatever the weights: PyTorch's two denominators. Nothing to average is nan.
    label_smoothing : float, 0 to 1
        The share of each target that is spread evenly over all classes.

    Returns
    -------
    tensor, device of ``input``, of the dtype PyTorch gives
        A scalar, or with 'none' the shape of ``input`` without C. Devices other than the CPU are computed
        on the CPU.

    Raises
    ------
    NotImplementedError
        For forward-mode derivatives and the transforms of ``torch.func``.
    IndexError, RuntimeError, TypeError, ValueError
        Where PyTorch raises them.

    Notes
    -----
    It differs from PyTorch's in two things. A class that is ruled out (logit -inf) and that the target
    gives 0, or the weight, costs 0 and not nan. And losses are added up in float64, at least float32 for
    each, so a result of 16 bits is rounded once. Derivatives may be taken again; ``torch.compile`` takes
    it without a graph break.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 3.0]], requires_grad=True)
    >>> loss = cross_entropy(logits, torch.tensor([0, 0]))
    >>> print(f"{loss.item():.4f}")
    1.5878
    >>> loss.backward()
    >>> logits.grad
    tensor([[-0.0596,  0.0596],
            [-0.4763,  0.4763]])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    how = _reduction.get_enum(reduction)
    if not _is_plain(input, target, weight, ignore_index, how, label_smoothing):
        return functional.cross_entropy(
            input,
            target,
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    soft = target.shape == input.shape
    dtype = _cast(input)
    if soft:
        dtype = torch.promote_types(dtype, target.dtype)
        if weight is not None:
            dtype = torch.promote_types(dtype, weight.dtype)
    smoothing = float(label_smoothing) if label_smoothing > 0 else 0.0
    if soft and weight is not None and weight.requires_grad and torch.is_grad_enabled():
        # Put into the target, from which the derivative goes on to the weight.
        by_class = weight.reshape(-1, *(1 for _ in input.shape[2:]))
        target = by_class * (target * (1 - smoothing) + smoothing / len(weight))
        weight, smoothing = None, 0.0
    logits, flat = _flat(input, target)
    loss = torch_ops.reduced_softmax_cross_entropy(logits, flat, weight, smoothing, ignore_index, how)
    if how == torch_ops.NONE and input.dim() != 2:
        loss = loss.reshape(() if input.dim() == 1 else (*input.shape[:1], *input.shape[2:]))
    return loss if loss.dtype == dtype else loss.to(dtype)


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """`torch.nn.CrossEntropyLoss` by `cross_entropy`: the same arguments, attributes and state.

    Examples
    --------
    >>> criterion = CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
    >>> print(f"{criterion(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1])).item():.4f}")
    0.0682
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits under class indices or probabilities."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


def softmax_squared_error(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Squared error of the softmax of logits: the sum over classes of ``(q - p)**2``, 0 to 2.

    It is the multi-class Brier score of the softmax, not the squared error of the logits, and not the mean
    over the classes, which is this divided by C.

    Parameters
    ----------
    input, target, ignore_index
        As in `cross_entropy`.
    reduction : 'mean', 'sum' or 'none'
        Over the rows; those that are ignored do not count.

    Returns
    -------
    tensor, device and dtype of ``input``
        A scalar, or with 'none' the shape of ``input`` without C.

    Raises
    ------
    ShapeError, DtypeError
        If the target does not fit the input.
    IndexError
        If a class index is out of bounds.
    NotImplementedError
        For forward-mode derivatives and the transforms of ``torch.func``.

    Examples
    --------
    >>> softmax_squared_error(torch.tensor([[0.0, 0.0], [0.0, -50.0]]), torch.tensor([0, 0]))
    tensor(0.2500)
    """
    how = _reduction.get_enum(reduction)
    if not input.is_floating_point() or input.dim() == 0 or input.shape[min(1, input.dim() - 1)] == 0:
        raise ShapeError(
            f"input is {tuple(input.shape)} {input.dtype}: pass floats of shape (C,), (N, C) or (N, C, ...)"
        )
    rows = (*input.shape[:1], *input.shape[2:]) if input.dim() > 1 else ()
    if target.shape != input.shape and target.shape != rows:
        raise ShapeError(
            f"target has shape {tuple(target.shape)}: input {tuple(input.shape)} takes class indices"
            f" {rows} or probabilities {tuple(input.shape)}"
        )
    if target.dtype not in (torch_ops.FLOATS if target.shape == input.shape else _INDICES):
        raise DtypeError(
            f"target has dtype {target.dtype}: class indices are int64 or uint8, probabilities floats"
        )
    logits, flat = _flat(input, target)
    loss = torch_ops.reduced_softmax_squared_error(logits, flat, ignore_index, how)
    return (loss.reshape(rows) if how == torch_ops.NONE else loss).to(_cast(input))


class SoftmaxSquaredErrorLoss(torch.nn.Module):
    """`softmax_squared_error` as a module.

    Examples
    --------
    >>> criterion = SoftmaxSquaredErrorLoss(reduction="none")
    >>> criterion(torch.tensor([[0.0, 0.0], [0.0, -50.0]]), torch.tensor([0, 1]))
    tensor([0.5000, 2.0000])
    """

    def __init__(self, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__()
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits under class indices or probabilities."""
        return softmax_squared_error(input, target, ignore_index=self.ignore_index, reduction=self.reduction)


_INDICES = (torch.int64, torch.uint8)


def _is_plain(
    input: Any, target: Any, weight: Any, ignore_index: Any, how: int, label_smoothing: Any
) -> bool:
    """Whether PyTorch would take these arguments, and there is something to compute."""
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        return False
    if not isinstance(ignore_index, int) or not isinstance(label_smoothing, int | float):
        return False
    axes = input.dim()
    if axes == 0 or input.numel() == 0 or input.dtype not in torch_ops.FLOATS or label_smoothing > 1:
        return False
    smoothed = label_smoothing > 0
    soft = target.shape == input.shape
    if soft:
        if target.dtype not in torch_ops.FLOATS or ignore_index >= 0:
            return False
    elif target.dtype != torch.int64:
        with_weights = weight is not None and smoothed and how == torch_ops.MEAN
        if target.dtype != torch.uint8 or axes > 2 or with_weights:
            return False
    if not soft:
        rows = (*input.shape[:1], *input.shape[2:]) if axes > 1 else ()
        single = axes == 1 and target.shape == (1,) and not smoothed
        if target.shape != rows and not single:
            return False
    if weight is None:
        return True
    if not isinstance(weight, Tensor) or weight.shape != (input.shape[min(1, axes - 1)],):
        return False
    return not weight.is_complex() if soft else _cast(weight) == _cast(input) and not weight.requires_grad


def _cast(tensor: Tensor) -> torch.dtype:
    """Its dtype, or what `torch.autocast` makes of it for a cross-entropy."""
    dtype = tensor.dtype
    if dtype in torch_ops.NARROW and torch.is_autocast_enabled(tensor.device.type):
        return torch.float32
    return dtype


def _flat(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """As the operators take them: (n, k), or (N, C, D)."""
    axes = input.dim()
    if axes == 2:
        return input, target
    if axes == 1:
        return input[None], target[None] if target.shape == input.shape else target.reshape(1)
    soft = target.shape == input.shape
    return input.flatten(2), target.flatten(2 if soft else 1)
