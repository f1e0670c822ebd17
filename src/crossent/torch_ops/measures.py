"""The softmax, its logarithm, log-sum-exp, and the losses of probabilities, as operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent import reference
from crossent.kernels import threads
from crossent.torch_ops import arithmetic
from crossent.torch_ops.library import define
from crossent.torch_ops.tensors import room, view, wide, wide_dtype


def softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """`reference.softmax`, in the dtype of the logits."""
    result: Tensor = _softmax(logits, temperature)
    return result


def log_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """`reference.log_softmax`, in the dtype of the logits."""
    result: Tensor = _log_softmax(logits, temperature)
    return result


def logsumexp(logits: Tensor) -> Tensor:
    """`reference.logsumexp`, at least in float32."""
    result: Tensor = _logsumexp(logits)
    return result


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """`reference.cross_entropy`, at least in float32; p labels (n,) or distributions (n, k)."""
    result: Tensor = _cross_entropy(p, q)
    return result


def squared_error(p: Tensor, q: Tensor) -> Tensor:
    """`reference.squared_error`, at least in float32; p labels (n,) or distributions (n, k)."""
    result: Tensor = _squared_error(p, q)
    return result


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """`reference.kl_divergence`, at least in float32; p labels (n,) or distributions (n, k)."""
    result: Tensor = _kl_divergence(p, q)
    return result


def entropy(p: Tensor) -> Tensor:
    """`reference.entropy`, at least in float32."""
    result: Tensor = _entropy(p)
    return result


def classification_error(p: Tensor, q: Tensor) -> Tensor:
    """`reference.classification_error`: a step, so it has no derivative and asks for none."""
    result: Tensor = _classification_error(p.detach(), q.detach())
    return result


def centred(q: Tensor, slopes: Tensor) -> Tensor:
    """Slopes by the softmax q turned into slopes by the logits."""
    return q * (slopes - (q * slopes).sum(1, keepdim=True))


def minus(q: Tensor, target: Tensor) -> Tensor:
    """q minus the target, labels (n,) or distributions (n, k)."""
    if target.ndim == 1:
        return q.scatter_add(1, target[:, None], torch.full_like(q[:, :1], -1))
    return q - target


def _workers() -> int:
    return threads.count(torch.get_num_threads())


def _filled(
    formula: Callable[..., NDArray[np.float64]], *rows: Tensor, dtype: torch.dtype, shape: torch.Size
) -> Tensor:
    """The formula on the NumPy views of the tensors, on the device of the last."""
    out = room(shape, dtype)
    views = [view(tensor) for tensor in rows]
    arithmetic.filled(formula, view(out), *views, workers=_workers())
    return out.to(rows[-1].device)


def _of_each_entry(name: str, backward: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, float], Any]:
    """The operator of a formula that gives a value for each logit, at a temperature."""

    def compute(logits: Tensor, temperature: float) -> Tensor:
        out = room(logits.shape, logits.dtype)
        options: dict[str, Any] = {"logarithm": name == "log_softmax", "temperature": temperature}
        arithmetic.softmax(view(logits), view(out), **options, workers=_workers())
        return out.to(logits.device)

    def shapes(logits: Tensor, temperature: float) -> Tensor:
        return logits.new_empty(logits.shape)

    def derivatives(ctx: Any, slopes: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        (temperature,) = ctx.options
        by_gaps = backward(softmax(wide(logits), temperature), wide(slopes))
        by_logits: Tensor = (by_gaps / temperature).to(logits.dtype)
        return by_logits

    return define(f"{name}(Tensor logits, float temperature) -> Tensor", compute, shapes, derivatives)


def _of_each_row(
    name: str, arguments: str, slopes: Callable[..., tuple[Tensor | None, ...]]
) -> Callable[..., Any]:
    """The operator of a formula that gives a value for each row of its last argument."""

    def compute(*rows: Tensor) -> Tensor:
        formula = getattr(reference, name)
        if name == "logsumexp":
            out = torch.empty(rows[0].shape[:1], dtype=wide_dtype(rows[0].dtype), device="cpu")
            arithmetic.logsumexp(view(rows[0]), view(out), workers=_workers())
            return out.to(rows[0].device)
        return _filled(formula, *rows, dtype=wide_dtype(rows[-1].dtype), shape=rows[-1].shape[:1])

    def shapes(*rows: Tensor) -> Tensor:
        return rows[-1].new_empty(rows[-1].shape[:1], dtype=wide_dtype(rows[-1].dtype))

    def derivatives(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.saved_tensors
        scale = upstream[:, None]
        return tuple(
            (scale * by).to(tensor.dtype) if needed and by is not None else None
            for tensor, by, needed in zip(
                rows, slopes(*(wide(tensor) for tensor in rows)), ctx.needs_input_grad, strict=False
            )
        )

    return define(f"{name}({arguments}) -> Tensor", compute, shapes, derivatives)


def _entropy_slopes(p: Tensor) -> tuple[Tensor]:
    zero = p == 0
    return (torch.where(zero, 0, -torch.log(torch.where(zero, 1, p)) - 1),)


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
    by_q = 2 * minus(q, p)
    return (None if p.ndim == 1 else -by_q), by_q


def _no_slopes(p: Tensor, q: Tensor) -> tuple[None, None]:
    return None, None


_softmax = _of_each_entry("softmax", centred)
_log_softmax = _of_each_entry("log_softmax", lambda q, slopes: slopes - q * slopes.sum(1, keepdim=True))
_logsumexp = _of_each_row("logsumexp", "Tensor logits", lambda logits: (softmax(logits),))
_entropy = _of_each_row("entropy", "Tensor p", _entropy_slopes)
_cross_entropy = _of_each_row("cross_entropy", "Tensor p, Tensor q", _cross_entropy_slopes)
_squared_error = _of_each_row("squared_error", "Tensor p, Tensor q", _squared_error_slopes)
_kl_divergence = _of_each_row("kl_divergence", "Tensor p, Tensor q", _kl_divergence_slopes)
_classification_error = _of_each_row("classification_error", "Tensor p, Tensor q", _no_slopes)
