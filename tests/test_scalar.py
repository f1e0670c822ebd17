"""exp and log of one number, against long double; 16-bit floats, every one of them."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from ml_dtypes import bfloat16

from crossent.kernels import rows
from crossent.kernels.compiled import KERNEL
from crossent.kernels.scalar import frame_of, log_of_share, narrowed, widened


@numba.njit(**KERNEL)
def exponentials(x, largest, out):
    rows.exponentials(x, frame_of(largest), out)


@numba.njit(**KERNEL)
def logs(others, own, out):
    for i in range(out.shape[0]):
        out[i] = log_of_share(others[i], own[i])


@numba.njit(**KERNEL)
def widen(x, out):
    for i in range(out.shape[0]):
        out[i] = widened(x[i])


@numba.njit(**KERNEL)
def narrow(x, out):
    for i in range(out.shape[0]):
        out[i] = narrowed(x[i], out[i])


@pytest.mark.parametrize(("number", "reach"), [(np.float32, 80.0), (np.float64, 600.0)])
@pytest.mark.parametrize("largest", [0.0, 3.7, -200.3, 255.9, 256.1, -3000.2, 1e4, 1e30, -1e30])
def test_exponentials_are_within_an_ulp_and_a_half_wherever_the_largest_lies(number, reach, largest):
    """They share one factor; so their ratio to the largest's is what counts, known as well as both."""
    top = number(largest)
    gaps = np.linspace(-reach, 0, 100_001)
    x = np.unique(np.append((float(top) + gaps).astype(number), top))
    out = np.empty_like(x)
    exponentials(x, top, out)
    exact = np.exp(x.astype(np.longdouble) - np.longdouble(top))
    relative = np.abs(out / out[-1].astype(np.longdouble) / exact - 1)
    assert relative.max() <= 3 * np.finfo(number).eps


@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_exponentials_of_what_lies_far_below_are_0_and_nan_stays_nan(number):
    x = np.array([-math.inf, np.finfo(number).min, -1e4, 0.0, math.nan], number)
    out = np.empty_like(x)
    exponentials(x, number(0), out)
    assert out[:4].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert math.isnan(out[4])


def test_logs_are_exact_from_next_to_nothing_to_next_to_everything():
    generator = np.random.default_rng(0)
    others = 10.0 ** generator.uniform(-300, 12, 200_000)
    own = generator.uniform(2.0**-126, 1.5, 200_000)
    others[:3], own[:3] = [0.0, 1e-320, 1.0], [0.7, 1.0, 1.0]
    out = np.empty_like(others)
    logs(others, own, out)
    share = others.astype(np.longdouble) / own
    exact = np.log1p(share)
    assert (np.abs(out - exact) <= 2.5 * np.spacing(exact.astype(np.float64))).all()
    assert out[0] == 0
    assert out[2] == math.log(2)


def test_every_16_bit_float_is_widened_to_itself():
    stored = np.arange(65_536, dtype=np.uint16)
    out = np.empty(65_536, np.float32)
    widen(stored, out)
    assert np.array_equal(out, stored.view(np.float16).astype(np.float32), equal_nan=True)
    widen(stored.view(np.int16), out)
    assert np.array_equal(out, stored.view(bfloat16).astype(np.float32), equal_nan=True)


def test_narrowing_rounds_to_the_nearest_and_ties_to_even():
    generator = np.random.default_rng(0)
    any_bits = generator.integers(0, 2**32, 1_000_000, dtype=np.uint32)
    ties = generator.integers(0, 2**16, 100_000, dtype=np.uint32) << 16 | 0x8000
    wide = np.concatenate([any_bits, ties, np.arange(65_536, dtype=np.uint32) << 13]).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        halves, brain = wide.astype(np.float16), wide.astype(bfloat16)
    out = np.empty(len(wide), np.uint16)
    narrow(wide, out)
    assert np.array_equal(out.view(np.float16), halves, equal_nan=True)
    out = np.empty(len(wide), np.int16)
    narrow(wide, out)
    same = out.view(bfloat16).astype(np.float32), brain.astype(np.float32)
    assert np.array_equal(*same, equal_nan=True)
