"""Any type and any layout to what kernels take, and back.

A kernel reads C-contiguous rows of float32 or float64. Everything else is copied piece by piece into
such rows; only those of comparisons, `measures` and `sums`, read few classes in any layout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.compiled import kernel
from crossent.kernels.scalar import narrowed, widened

Array = NDArray[Any]


@kernel
def _widen(x: Any, out: Any) -> Any:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = widened(x[i, j])


@kernel
def _narrow(x: Any, out: Any) -> Any:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = narrowed(x[i, j], out[i, j])


def bits_of(array: Array) -> Array:
    """16-bit floats as their bits, in the integers that `scalar.widened` knows; other arrays as they are."""
    if array.dtype == np.float16:
        return array.view(np.uint16)
    return array.view(np.int16) if array.dtype.name == "bfloat16" else array


def is_half(array: Array) -> bool:
    """Whether these are bits of 16-bit floats."""
    return array.dtype in (np.uint16, np.int16)


def number_of(logits: Array) -> type[Any]:
    """What logits of this type are computed in."""
    return np.float64 if logits.dtype.itemsize == 8 else np.float32


def is_plain(array: Array, number: type[Any]) -> bool:
    """Whether a kernel of these numbers can read or write the array where it is."""
    return array.dtype == number and bool(array.flags.c_contiguous and array.flags.aligned)


def copied(rows: Array, number: type[Any]) -> Array:
    """The rows as C-contiguous float32 or float64 in memory of their own."""
    out = np.empty(rows.shape, number)
    if is_half(rows):
        _widen(read_only(rows if rows.flags.aligned else rows.copy()), out)
    else:
        out[...] = rows
    return out


def put(results: Array, out: Array) -> None:
    """Writes rows of float32 or float64 into rows of any type and layout, rounded once."""
    if is_half(out):
        aligned = out if out.flags.aligned else np.empty(out.shape, out.dtype)
        _narrow(results, aligned)
        if aligned is not out:
            out[...] = aligned
    else:
        out[...] = results


def read_only(array: Array) -> Array:
    """A view that cannot be written: arguments come so always, or kernels would be compiled for both."""
    view = array.view()
    view.flags.writeable = False
    return view
