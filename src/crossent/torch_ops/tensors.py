"""Tensors and their memory: NumPy views, dtypes, rows that count, where a result may be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent import arrays
from crossent.errors import DtypeError, OptionError, ShapeError

NARROW = (torch.float16, torch.bfloat16)
FLOATS = (*NARROW, torch.float32, torch.float64)

_LARGE = 2**22
"""From so many bytes on NumPy asks for large pages."""
_WORDS = {torch.float64: np.int64, torch.float32: np.int32, torch.float16: np.int16, torch.bfloat16: np.int16}
"""Integers of the size of each type."""

IGNORED = -1
"""The label of a row that does not count, once `where_kept` has marked it."""


def wide(tensor: Tensor) -> Tensor:
    """At least float32: what losses and everything in backward are computed in."""
    return tensor.float() if tensor.dtype in NARROW else tensor


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """At least float32."""
    return torch.float32 if dtype in NARROW else dtype


def view(tensor: Tensor) -> NDArray[Any]:
    """The same memory as an array, in any strides; bfloat16 as uint16. Copied from another device."""
    if tensor.dtype == torch.bfloat16:
        return tensor.detach().view(torch.int16).numpy(force=True).view(np.uint16)
    array: NDArray[Any] = tensor.numpy(force=True)
    return array


def room(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """New memory on the CPU for a result of one of the four types.

    Large results lie in NumPy's memory, which asks the system for large pages: in PyTorch's own a result
    takes twice as long, since its pages are thousands, and each is zeroed when it is first written to.
    """
    if shape.numel() * dtype.itemsize < _LARGE:
        return torch.empty(shape, dtype=dtype, device="cpu")
    return torch.from_numpy(np.empty(shape, _WORDS[dtype])).view(dtype)


def beside(values: NDArray[Any] | Tensor, tensor: Tensor) -> Tensor:
    """Values on the device of a tensor: themselves where they are a tensor, so that gradients flow on."""
    if isinstance(values, np.ndarray):
        dtype = np.int64 if values.ndim == 1 and values.dtype.kind == "i" else np.float64
        values = torch.from_numpy(np.array(values, dtype))  # a copy: PyTorch warns of read-only memory
    return values.to(tensor.device)


def where_kept(operator: Callable[..., Any], keep: Tensor | None, *rows: Tensor) -> Any:
    """The operator of logits, labels and what else there is for each row; 0 on rows that are not kept."""
    if keep is None:
        return operator(*rows)
    logits, labels, *others = rows
    return operator(logits, labels.masked_fill(~keep, IGNORED), *others)


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
