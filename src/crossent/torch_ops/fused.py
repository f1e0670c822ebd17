"""The two losses of logits as operators: loss and gradient in one pass.

For each there are two. One gives the loss alone. The other gives the loss, and the gradient of
``(loss * scale).sum()`` by the logits; so the first derivative of either is the second operator, with the
incoming gradient as its scale. That one has a formula for the gradients of both its results: a gradient
that was only saved and multiplied would have the derivative 0.

Logits are (n, k), or (N, C, D) with the classes on the second axis; the loss has the shape without that
axis, or none where it is reduced. The gradient lies in memory as the logits do. Who calls the operators
themselves must not keep the gradient that came with a reduced loss: backward gives it away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent.torch_ops import slopes
from crossent.torch_ops.arithmetic import Name
from crossent.torch_ops.forward import MEAN, NONE, Options, computed, loss_shape
from crossent.torch_ops.library import define
from crossent.torch_ops.tensors import IGNORED, beside, room, wide, wide_dtype


def softmax_cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weights: NDArray[np.float64] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """`reference.softmax_cross_entropy`, at least in float32."""
    weights = None if class_weights is None else beside(class_weights, logits)
    loss: Tensor = _CROSS_ENTROPY.loss(logits, target, weights, label_smoothing, *_BY_ROW)
    return loss


def softmax_cross_entropy_and_grad(
    logits: Tensor,
    target: Tensor,
    scale: Tensor | None = None,
    class_weights: NDArray[np.float64] | None = None,
    label_smoothing: float = 0.0,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same and, in one pass, its gradient times the scale of the row, in the dtype of the logits.

    With `out`, where the gradient goes, nothing can be derived.
    """
    weights = None if class_weights is None else beside(class_weights, logits)
    return _CROSS_ENTROPY.both(logits, target, weights, scale, label_smoothing, out)


def softmax_cross_entropy_grad(*arguments: Any, **options: Any) -> Tensor:
    """The gradient of `softmax_cross_entropy_and_grad` alone."""
    return softmax_cross_entropy_and_grad(*arguments, **options)[1]


def softmax_squared_error(logits: Tensor, target: Tensor) -> Tensor:
    """`reference.softmax_squared_error`, at least in float32."""
    loss: Tensor = _SQUARED_ERROR.loss(logits, target, None, 0.0, *_BY_ROW)
    return loss


def softmax_squared_error_and_grad(
    logits: Tensor, target: Tensor, scale: Tensor | None = None, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As `softmax_cross_entropy_and_grad`."""
    return _SQUARED_ERROR.both(logits, target, None, scale, 0.0, out)


def softmax_squared_error_grad(*arguments: Any, **options: Any) -> Tensor:
    """The gradient of `softmax_squared_error_and_grad` alone."""
    return softmax_squared_error_and_grad(*arguments, **options)[1]


def reduced_softmax_cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    label_smoothing: float,
    ignore_index: int,
    reduction: int,
) -> Tensor:
    """PyTorch's reduction of the losses, at least in float32, and its rule for nan in ignored rows."""
    return _CROSS_ENTROPY.reduced(logits, target, class_weights, label_smoothing, ignore_index, reduction)


def reduced_softmax_squared_error(
    logits: Tensor, target: Tensor, ignore_index: int, reduction: int
) -> Tensor:
    """As `reduced_softmax_cross_entropy`."""
    return _SQUARED_ERROR.reduced(logits, target, None, 0.0, ignore_index, reduction)


_BY_ROW = (IGNORED, NONE, False)


class _Call(NamedTuple):
    """The arguments of a call, as backward finds them."""

    logits: Tensor
    target: Tensor
    class_weights: Tensor | None
    scale: Tensor | None
    options: Options

    @property
    def hard(self) -> bool:
        return self.target.ndim < self.logits.ndim


class _Operators:
    """The two operators of one loss."""

    def __init__(self, name: Name, by_target: Callable[..., Tensor], second: Callable[..., Any]) -> None:
        """With its derivatives by a soft target and its second ones, as in `slopes`."""
        self._name, self._slopes_by_target, self._second_slopes = name, by_target, second
        tensors = "Tensor logits, Tensor target, Tensor? class_weights"
        options = "float label_smoothing, int ignore_index, int reduction, bool nan_in_ignored"
        self.loss = define(
            f"{name}({tensors}, {options}) -> Tensor", self._loss, _loss_like, self._loss_backward
        )
        self._both = define(
            f"{name}_and_grad({tensors}, Tensor? scale, {options}) -> (Tensor, Tensor)",
            self._loss_and_gradient,
            lambda logits, *others: (_loss_like(logits, *others), torch.empty_like(logits)),
            self._both_backward,
            _keep_gradient,
        )

    def both(
        self,
        logits: Tensor,
        target: Tensor,
        class_weights: Tensor | None,
        scale: Tensor | None,
        label_smoothing: float,
        out: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Loss and scaled gradient of each row."""
        if out is None:
            both: tuple[Tensor, Tensor] = self._both(
                logits, target, class_weights, scale, label_smoothing, *_BY_ROW
            )
            return both
        into = out if out.device.type == "cpu" else torch.empty_like(out, device="cpu")
        options = Options(label_smoothing, *_BY_ROW)
        loss = computed(self._name, logits, target, class_weights, scale, options, into)
        return loss, out if into is out else out.copy_(into)

    def reduced(self, logits: Tensor, target: Tensor, class_weights: Tensor | None, *options: Any) -> Tensor:
        """The loss, and with it the gradient where backward will want just that."""
        *_, reduction = options
        if reduction != NONE and logits.requires_grad and torch.is_grad_enabled():
            loss: Tensor = self._both(logits, target, class_weights, None, *options, True)[0]
        else:
            loss = self.loss(logits, target, class_weights, *options, True)
        return loss

    def _loss(self, logits: Tensor, target: Tensor, class_weights: Tensor | None, *options: Any) -> Tensor:
        return computed(self._name, logits, target, class_weights, None, Options(*options))

    def _loss_and_gradient(
        self,
        logits: Tensor,
        target: Tensor,
        class_weights: Tensor | None,
        scale: Tensor | None,
        *options: Any,
    ) -> tuple[Tensor, Tensor]:
        gradient = (
            room(logits.shape, logits.dtype)
            if logits.is_contiguous()
            else torch.empty_like(logits, device="cpu")
        )
        loss = computed(self._name, logits, target, class_weights, scale, Options(*options), gradient)
        return loss, gradient.to(logits.device)

    def _loss_backward(self, ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, class_weights = ctx.saved_tensors
        call = _Call(logits, target, class_weights, None, Options(*ctx.options))
        by_logits, by_target, _ = ctx.needs_input_grad[:3]
        return (
            self._gradient(call, upstream) if by_logits else None,
            self._by_target(call, upstream).to(call.target.dtype) if by_target else None,
            None,
        )

    def _both_backward(self, ctx: Any, upstream: Tensor | None, v: Tensor | None) -> tuple[Any, ...]:
        needs_logits, needs_target, _, needs_scale = ctx.needs_input_grad[:4]
        if v is None and upstream is not None and needs_logits and not needs_target:
            gradient = self._left_by_forward(ctx, upstream)
            if gradient is not None:
                return gradient, None, None, None
        logits, target, class_weights, scale = ctx.saved_tensors
        call = _Call(logits, target, class_weights, scale, Options(*ctx.options))
        by_scale = None
        by_logits: list[Tensor] = []
        by_target: list[Tensor] = []
        if v is not None:
            call = call._replace(logits=wide(logits))  # so that their sum is rounded once
            for terms, found in zip((by_logits, by_target), self._second(call, wide(v)), strict=True):
                terms += [] if found is None else [found]
            if needs_scale and scale is not None:
                products = wide(v) * self._gradient(call, None)
                by_scale = (products.sum() if scale.ndim == 0 else products.sum(1)).to(scale.dtype)
        if upstream is not None and needs_logits:
            by_logits.append(self._gradient(call, upstream))
        if upstream is not None and needs_target:
            by_target.append(self._by_target(call, upstream))
        return (
            _total(by_logits, logits.dtype) if needs_logits else None,
            _total(by_target, target.dtype) if needs_target else None,
            None,
            by_scale,
        )

    def _left_by_forward(self, ctx: Any, upstream: Tensor) -> Tensor | None:
        """The gradient that forward has made, times upstream; None where that would not do.

        It would not where it is to be derived again, since what was kept has no history, nor for a factor
        that float16 cannot bear after rounding. It is given away once: then it may be anyone's `.grad`,
        and who comes again gets the same made anew.
        """
        if not ctx.reduced or torch.is_grad_enabled():
            return None
        gradient: Tensor | None = ctx.gradient
        narrowest = ctx.dtype == torch.float16
        factor = _number(upstream)
        if factor is None:
            return None if gradient is None or narrowest else (gradient * upstream).to(ctx.dtype)
        if not math.isfinite(factor) or (narrowest and factor != 1):
            return None
        ctx.gradient = None
        if gradient is None:
            gradient = self._both(*ctx.saved_tensors, *ctx.options)[1]
        return gradient if factor == 1 else gradient.mul_(factor)

    def _gradient(self, call: _Call, scale: Tensor | None) -> Tensor:
        gradient: Tensor = self._both(*call[:3], scale, *call.options)[1]
        return gradient

    def _taken(self, call: _Call) -> tuple[Any, ...]:
        if self._name == "softmax_squared_error":
            return ()
        return call.class_weights, call.options.label_smoothing

    def _by_target(self, call: _Call, upstream: Tensor) -> Tensor:
        rows = _as_rows(wide(call.logits)), _as_rows(wide(call.target))
        by_target = self._slopes_by_target(*rows, *self._taken(call))
        return _as_logits(_row_factors(call, upstream) * by_target, call.target.shape)

    def _second(self, call: _Call, v: Tensor) -> tuple[Tensor, Tensor | None]:
        """Derivatives of ``(v * gradient).sum()``; rows that are ignored have none, whatever they hold."""
        factor = _row_factors(call, call.scale)
        x, v = _as_rows(call.logits), _as_rows(v)
        if call.hard:
            kept, labels = _kept(call)
            x, v = (torch.where(kept[:, None], rows, 0) for rows in (x, v))
            by_logits, _ = self._second_slopes(x, labels, v, *self._taken(call))
            by_logits = torch.where(kept[:, None], factor * by_logits, 0)
            return _as_logits(by_logits, call.logits.shape), None
        by_logits, by_target = self._second_slopes(x, _as_rows(wide(call.target)), v, *self._taken(call))
        shape = call.logits.shape
        return _as_logits(factor * by_logits, shape), _as_logits(factor * by_target, shape)


def _loss_like(logits: Tensor, *others: Any) -> Tensor:
    options = Options(*others[-len(Options._fields) :])
    return logits.new_empty(loss_shape(logits, options), dtype=wide_dtype(logits.dtype))


def _keep_gradient(ctx: Any, arguments: tuple[Any, ...], results: tuple[Tensor, Tensor]) -> None:
    """Where the loss is reduced and has no scale, backward will want just this gradient.

    Not among the saved tensors: whoever gets it may write into it, and they would complain.
    """
    ctx.reduced = Options(*ctx.options).reduction != NONE and arguments[3] is None
    ctx.dtype = arguments[0].dtype
    ctx.gradient = results[1].detach() if ctx.reduced else None


def _number(upstream: Tensor) -> float | None:
    """None where there is none to look at: in a compiler's hands, or in a batch of gradients."""
    if type(upstream) is not Tensor or upstream.device.type != "cpu":
        return None
    try:
        return float(upstream.item())
    except RuntimeError:
        return None


def _total(terms: list[Tensor], dtype: torch.dtype) -> Tensor | None:
    return sum(terms[1:], terms[0]).to(dtype) if terms else None


def _kept(call: _Call) -> tuple[Tensor, Tensor]:
    """Which rows count, and their labels; 0 for the others."""
    labels = call.target.reshape(-1).long()
    kept = labels != call.options.ignore_index
    return kept, torch.where(kept, labels, 0)


def _row_factors(call: _Call, scale: Tensor | None) -> Tensor:
    """What the loss of each row counts in the objective, (n, 1) or one number."""
    factor = torch.ones((), dtype=wide_dtype(call.logits.dtype), device=call.logits.device)
    if call.options.reduction == MEAN:
        factor = factor / _denominator(call)
    if scale is not None:
        factor = factor * scale.to(factor.dtype)
    return factor.reshape(-1, 1)


def _denominator(call: _Call) -> Tensor | int:
    if not call.hard:
        return call.target.numel() // call.target.shape[1]
    kept, labels = _kept(call)
    if call.class_weights is None:
        return kept.sum()
    return torch.where(kept, call.class_weights[labels], 0).sum()


def _as_rows(tensor: Tensor) -> Tensor:
    return tensor if tensor.ndim == 2 else tensor.movedim(1, 2).reshape(-1, tensor.shape[1])


def _as_logits(rows: Tensor, shape: torch.Size) -> Tensor:
    return rows if len(shape) == 2 else rows.reshape(shape[0], shape[2], shape[1]).movedim(2, 1)


_CROSS_ENTROPY = _Operators(
    "softmax_cross_entropy", slopes.cross_entropy_by_target, slopes.cross_entropy_second
)
_SQUARED_ERROR = _Operators(
    "softmax_squared_error", slopes.squared_error_by_target, slopes.squared_error_second
)
