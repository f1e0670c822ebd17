"""The formulas of `reference` as PyTorch operators, under the same names, with derivatives of any order.

Checked 2-D tensors in, a tensor on the same device out. Forward is the NumPy path, block by block, on
the CPU. Backward is made of operators of this room and of PyTorch's own, so it can be derived again; it
runs in at least float32. No checks of values, no policy: `losses` and `nn` sit on top.

Sides are taken where a derivative has none: 0 where a term is 0 because its weight is (0 log 0).
Forward-mode derivatives and vmap are not offered: PyTorch refuses them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent import arrays, reference
from crossent.errors import DtypeError, OptionError, ShapeError
from crossent.kernels import threads

_NARROW = (torch.float16, torch.bfloat16)
_FLOATS = (*_NARROW, torch.float32, torch.float64)


def beside(values: NDArray[Any] | Tensor, tensor: Tensor) -> Tensor:
    """Values on the device of a tensor: themselves where they are a tensor, so that gradients flow on."""
    if isinstance(values, np.ndarray):
        dtype = np.int64 if values.ndim == 1 and values.dtype.kind == "i" else np.float64
        values = torch.from_numpy(np.array(values, dtype))  # a copy: PyTorch warns of read-only memory
    return values.to(tensor.device)


def softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """`reference.softmax`, in the dtype of the logits."""
    return _call(_Normalised, reference.softmax, logits, temperature)


def log_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """`reference.log_softmax`, in the dtype of the logits."""
    return _call(_Normalised, reference.log_softmax, logits, temperature)


def logsumexp(logits: Tensor) -> Tensor:
    """`reference.logsumexp`, at least in float32."""
    return _call(_LogSumExp, logits)


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """`reference.cross_entropy`, at least in float32; p labels (n,) or distributions (n, k)."""
    return _call(_Measure, reference.cross_entropy, _cross_entropy_slopes, p, q)


def squared_error(p: Tensor, q: Tensor) -> Tensor:
    """`reference.squared_error`, at least in float32; p labels (n,) or distributions (n, k)."""
    return _call(_Measure, reference.squared_error, _squared_error_slopes, p, q)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """`reference.kl_divergence`, at least in float32; p labels (n,) or distributions (n, k)."""
    return _call(_Measure, reference.kl_divergence, _kl_divergence_slopes, p, q)


def entropy(p: Tensor) -> Tensor:
    """`reference.entropy`, at least in float32."""
    return _call(_Entropy, p)


def classification_error(p: Tensor, q: Tensor) -> Tensor:
    """`reference.classification_error`: a step, so it has no derivative and asks for none."""
    return _filled(reference.classification_error, p, q, like=q, dtype=_wide(q).dtype, shape=q.shape[:1])


def softmax_cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weights: NDArray[np.float64] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """`reference.softmax_cross_entropy`, at least in float32."""
    return _call(_Fused, _cross_entropy_rule(class_weights, label_smoothing), logits, target)


def softmax_cross_entropy_grad(
    logits: Tensor,
    target: Tensor,
    class_weights: NDArray[np.float64] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """`reference.softmax_cross_entropy_grad`, at least in float32."""
    return _call(_FusedGrad, _cross_entropy_rule(class_weights, label_smoothing), logits, target)


def softmax_squared_error(logits: Tensor, target: Tensor) -> Tensor:
    """`reference.softmax_squared_error`, at least in float32."""
    return _call(_Fused, _SQUARED_ERROR, logits, target)


def softmax_squared_error_grad(logits: Tensor, target: Tensor) -> Tensor:
    """`reference.softmax_squared_error_grad`, at least in float32."""
    return _call(_FusedGrad, _SQUARED_ERROR, logits, target)


def where_kept(operator: Callable[..., Tensor], keep: NDArray[np.bool_] | None, *rows: Tensor) -> Tensor:
    """The operator on the rows that count, 0 on the others, which it never sees."""
    if keep is None:
        return operator(*rows)
    kept = beside(np.flatnonzero(keep), rows[0])
    values = operator(*(tensor[kept] for tensor in rows))
    return values.new_zeros((len(keep), *values.shape[1:])).index_copy(0, kept, values)


def check_out(out: Any, rows: arrays.Rows, *others: Any) -> None:
    """Refuses what cannot take a result of the rows' shape, dtype and device, or overlaps an argument."""
    if not isinstance(out, Tensor):
        raise DtypeError(f"out is a {type(out).__name__}: for tensors it must be a tensor")
    logits: Tensor = rows.values
    shape = tuple(rows.like(rows.values).shape[rows.single :])
    if (tuple(out.shape), out.dtype, out.device) != (shape, logits.dtype, logits.device):
        raise ShapeError(
            f"out is {tuple(out.shape)} {out.dtype} on {out.device}, but the result {shape} {logits.dtype}"
            f" on {logits.device}"
        )
    needed = [values for values in others if isinstance(values, Tensor)]
    derived = any(values.requires_grad for values in [logits, *needed])
    if out.requires_grad or (derived and torch.is_grad_enabled()):
        raise OptionError("out= with tensors that require a gradient: leave it out, or use torch.no_grad()")
    itself = rows.like(out).is_set_to(logits)
    if any(_overlap(out, values) for values in ([] if itself else [logits]) + needed):
        raise OptionError("out overlaps an argument: it may be the logits themselves, or memory of its own")


def _overlap(a: Tensor, b: Tensor) -> bool:
    def extent(tensor: Tensor) -> tuple[int, int]:
        steps = zip(tensor.shape, tensor.stride(), strict=True)
        last = sum((size - 1) * stride for size, stride in steps)
        return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()

    if a.device != b.device or 0 in (a.numel(), b.numel()):
        return False
    (a_start, a_end), (b_start, b_end) = extent(a), extent(b)
    return a_start < b_end and b_start < a_end


def _call(function: type[torch.autograd.Function], *args: Any) -> Tensor:
    result: Tensor = function.apply(*args)  # type: ignore[no-untyped-call]  # PyTorch leaves it untyped
    return result


def _wide(tensor: Tensor) -> Tensor:
    """At least float32: what losses and everything in backward are computed in."""
    return tensor.float() if tensor.dtype in _NARROW else tensor


def _filled(
    formula: Callable[..., NDArray[np.float64]],
    *rows: Tensor,
    like: Tensor,
    dtype: torch.dtype,
    shape: tuple[int, ...],
) -> Tensor:
    """The formula on the NumPy views of the tensors, rounded once to the dtype."""
    out = np.empty(shape, {torch.float64: np.float64, torch.float16: np.float16}.get(dtype, np.float32))
    views = [arrays.as_array(tensor, "tensor") for tensor in rows]
    threads.fill(out, formula, *views, workers=threads.count(torch.get_num_threads()))
    return torch.from_numpy(out).to(like.device, dtype)


def _centred(q: Tensor, slopes: Tensor) -> Tensor:
    """Slopes by the softmax q turned into slopes by the logits."""
    return q * (slopes - (q * slopes).sum(1, keepdim=True))


class _Normalised(torch.autograd.Function):
    """The softmax or its logarithm."""

    @staticmethod
    def forward(ctx: Any, formula: Any, logits: Tensor, temperature: float) -> Tensor:
        ctx.save_for_backward(logits)
        ctx.formula, ctx.temperature = formula, temperature
        formula = partial(formula, temperature=temperature)
        return _filled(formula, logits, like=logits, dtype=logits.dtype, shape=logits.shape)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        (logits,) = ctx.saved_tensors
        wide = _wide(slopes[0])
        q = softmax(_wide(logits), ctx.temperature)
        by_gaps = (
            _centred(q, wide) if ctx.formula is reference.softmax else wide - q * wide.sum(1, keepdim=True)
        )
        return None, (by_gaps / ctx.temperature).to(logits.dtype), None


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        return _filled(
            reference.logsumexp, logits, like=logits, dtype=_wide(logits).dtype, shape=logits.shape[:1]
        )

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        (logits,) = ctx.saved_tensors
        return (slopes[0][:, None] * softmax(_wide(logits))).to(logits.dtype)


class _Measure(torch.autograd.Function):
    """A loss of p and q, from its formula and its slopes by p and q."""

    @staticmethod
    def forward(ctx: Any, formula: Any, slopes: Any, p: Tensor, q: Tensor) -> Tensor:
        ctx.save_for_backward(p, q)
        ctx.slopes = slopes
        return _filled(formula, p, q, like=q, dtype=_wide(q).dtype, shape=q.shape[:1])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        p, q = ctx.saved_tensors
        by_p, by_q = ctx.slopes(_wide(p), _wide(q))
        scale = upstream[0][:, None]
        return (
            None,
            None,
            (scale * by_p).to(p.dtype) if ctx.needs_input_grad[2] else None,
            (scale * by_q).to(q.dtype) if ctx.needs_input_grad[3] else None,
        )


class _Entropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor) -> Tensor:
        ctx.save_for_backward(p)
        return _filled(reference.entropy, p, like=p, dtype=_wide(p).dtype, shape=p.shape[:1])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        (p,) = ctx.saved_tensors
        wide = _wide(p)
        zero = wide == 0
        by_p = torch.where(zero, 0, -torch.log(torch.where(zero, 1, wide)) - 1)
        return (upstream[0][:, None] * by_p).to(p.dtype)


def _cross_entropy_slopes(p: Tensor, q: Tensor) -> tuple[Tensor | None, Tensor]:
    if p.ndim == 1:
        return None, torch.zeros_like(q).scatter(1, p[:, None], -1 / q.gather(1, p[:, None]))
    # The inner `where` keeps 0 / 0 out of the second derivative, too.
    by_q = torch.where(p == 0, 0, -p / torch.where(p == 0, 1, q))
    ruled_out = (p == 0) & (q == 0)
    return torch.where(ruled_out, 0, -torch.log(torch.where(ruled_out, 1, q))), by_q


def _kl_divergence_slopes(p: Tensor, q: Tensor) -> tuple[Tensor | None, Tensor]:
    _, by_q = _cross_entropy_slopes(p, q)
    if p.ndim == 1:
        return None, by_q
    zero = p == 0
    logs = torch.log(torch.where(zero, 1, p)) - torch.log(torch.where(zero, 1, q))
    return torch.where(zero, 0, logs + 1), by_q


def _squared_error_slopes(p: Tensor, q: Tensor) -> tuple[Tensor | None, Tensor]:
    by_q = 2 * _minus(q, p)
    return (None if p.ndim == 1 else -by_q), by_q


def _minus(q: Tensor, target: Tensor) -> Tensor:
    if target.ndim == 1:
        return q.scatter_add(1, target[:, None], torch.full_like(q[:, :1], -1))
    return q - target


class _Rule(NamedTuple):
    """A loss of logits and target: its formulas, and what PyTorch has to add for second derivatives."""

    loss: Callable[..., NDArray[np.float64]]
    grad: Callable[..., NDArray[np.float64]]
    """By the logits."""
    by_target: Callable[[Tensor, Tensor], Tensor]
    """Slopes of the loss by a soft target."""
    second: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    """Slopes of sum(v * grad) by logits and soft target, for any v (n, k)."""


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rule: _Rule, logits: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(logits, target)
        ctx.rule = rule
        return _filled(
            rule.loss, logits, target, like=logits, dtype=_wide(logits).dtype, shape=logits.shape[:1]
        )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        logits, target = ctx.saved_tensors
        scale = upstream[0][:, None]
        by_logits = by_target = None
        if ctx.needs_input_grad[1]:
            by_logits = (scale * _call(_FusedGrad, ctx.rule, logits, target)).to(logits.dtype)
        if ctx.needs_input_grad[2]:
            by_target = (scale * ctx.rule.by_target(_wide(logits), _wide(target))).to(target.dtype)
        return None, by_logits, by_target


class _FusedGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rule: _Rule, logits: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(logits, target)
        ctx.rule = rule
        return _filled(rule.grad, logits, target, like=logits, dtype=_wide(logits).dtype, shape=logits.shape)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        logits, target = ctx.saved_tensors
        by_logits, by_target = ctx.rule.second(_wide(logits), _wide(target), slopes[0])
        return (
            None,
            by_logits.to(logits.dtype) if ctx.needs_input_grad[1] else None,
            by_target.to(target.dtype) if ctx.needs_input_grad[2] else None,
        )


def _cross_entropy_rule(class_weights: NDArray[np.float64] | None, label_smoothing: float) -> _Rule:
    def factors(logits: Tensor) -> Tensor:
        """What a class's share of the target is multiplied by."""
        weights = np.ones(logits.shape[1]) if class_weights is None else class_weights
        return torch.as_tensor(weights, dtype=logits.dtype, device=logits.device)

    def amounts(logits: Tensor, target: Tensor) -> Tensor:
        weights = factors(logits)
        if target.ndim == 1:
            kept = (1 - label_smoothing) * weights[target][:, None]
        else:
            kept = (1 - label_smoothing) * (weights * target).sum(1, keepdim=True)
        return kept + label_smoothing * weights.mean()

    def by_target(logits: Tensor, target: Tensor) -> Tensor:
        factor = (1 - label_smoothing) * factors(logits)
        costs = -log_softmax(logits)
        charged = factor * target != 0 if label_smoothing == 0 else factor != 0
        return factor * torch.where(torch.isinf(costs) & ~charged, 0, costs)

    def second(logits: Tensor, target: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        q = softmax(logits)
        mean = (q * v).sum(1, keepdim=True)
        return (
            amounts(logits, target) * _centred(q, v),
            (1 - label_smoothing) * factors(logits) * (mean - v),
        )

    def with_options(formula: Callable[..., NDArray[np.float64]]) -> Callable[..., NDArray[np.float64]]:
        return partial(formula, class_weights=class_weights, label_smoothing=label_smoothing)

    return _Rule(
        with_options(reference.softmax_cross_entropy),
        with_options(reference.softmax_cross_entropy_grad),
        by_target,
        second,
    )


def _squared_error_second(logits: Tensor, target: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    q = softmax(logits)
    d = _minus(q, target)
    mean = (q * v).sum(1, keepdim=True)
    by_q = 2 * (v * (d - (q * d).sum(1, keepdim=True)) + v * q - mean * (d + q))
    return _centred(q, by_q), 2 * q * (mean - v)


_SQUARED_ERROR = _Rule(
    reference.softmax_squared_error,
    reference.softmax_squared_error_grad,
    lambda logits, target: -2 * _minus(softmax(logits), target),
    _squared_error_second,
)
