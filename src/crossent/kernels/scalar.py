"""exp, log and max of one number, in the form that LLVM turns into vector instructions.

Every function is called with float32 or float64 and stays in that type. Multiply-adds are explicit, so
that a number gets the same bits in a vector loop and in its remainder. No arrays, no loops.

An exponential is always taken within the frame of its row, of which the largest entry decides three
numbers. What is subtracted from x (nothing, or the largest entry where that is exact) and the power of
two that all are divided by; so no rounding of `x - max` gets into the exponent, where it would count |x
- max| times.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types

from crossent.kernels.compiled import SCALAR, scalar

intrinsic: Any = extending.intrinsic  # its types are those that the compiler sees, not those of a caller
overload: Any = extending.overload

# Minimax polynomials of (exp(r) - 1 - r) / r**2 for |r| <= ln(2) / 2, by their relative error in exp(r):
# 0.06 of 2**-24, 0.04 of 2**-53.
_EXP32 = (
    np.float32(0.49999993222732986),
    np.float32(0.16666517307205475),
    np.float32(0.04166842717826225),
    np.float32(0.008369118135394102),
    np.float32(0.0013813767016086329),
)
_EXP64 = (
    0.5000000000000011,
    0.16666666666666413,
    0.04166666666653026,
    0.008333333333494336,
    0.0013888888943598646,
    0.00019841269506773866,
    2.4801493135101437e-05,
    2.7557586269487176e-06,
    2.763023433869071e-07,
    2.500007199487882e-08,
)
# The same of (2 atanh(h) - 2h) / h**3 by h**2, for |h| <= 0.2: 0.15 of 2**-53.
_ATANH = (
    0.6666666666667304,
    0.3999999999598438,
    0.28571429427295336,
    0.22222135875819207,
    0.1818646395647309,
    0.15248024968315543,
    0.15385044982082377,
)


@intrinsic
def bits(_context: Any, x: Any) -> Any:
    """The bits of a float as a signed integer of the same width."""
    integer: Any = types.int32 if x == types.float32 else types.int64

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(integer.bitwidth))

    return integer(x), generate


@intrinsic
def from_bits(_context: Any, x: Any) -> Any:
    """The float that has the bits of a signed integer of the same width."""
    number, form = (types.float32, ir.FloatType()) if x == types.int32 else (types.float64, ir.DoubleType())

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], form)

    return number(x), generate


@intrinsic
def multiply_add(_context: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return x(x, x, x), generate


@intrinsic
def larger(_context: Any, x: Any, y: Any) -> Any:
    """The larger of two; either, where one is nan. Only LLVM's own intrinsic becomes a vector reduction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        form = arguments[0].type
        function = builder.module.declare_intrinsic(
            "llvm.maxnum", [form], ir.FunctionType(form, [form, form])
        )
        return builder.call(function, arguments, fastmath=("nnan", "nsz"))

    return x(x, x), generate


# Adding and subtracting this rounds to a whole number, which the low bits of the sum hold.
_ROUND32, _ROUND64 = np.float32(1.5 * 2**23), 1.5 * 2.0**52
_ROUND32_BITS, _ROUND64_BITS = (
    np.int32(_ROUND32.view(np.int32)),
    np.int64(np.float64(_ROUND64).view(np.int64)),
)
_LOG2E32, _LOG2E64 = np.float32(1 / math.log(2)), 1 / math.log(2)
# ln(2) as a sum of two numbers: the remainders to more than the digits that a float64 has.
_LN2_32, _LN2_64 = np.float32(math.log(2)), math.log(2)
_LN2_32_REST, _LN2_64_REST = np.float32(math.log(2) - float(_LN2_32)), 2.3190468138462996e-17
_ONE_BITS = np.int64(np.float64(1).view(np.int64))
_TWO52_BITS = np.int64(np.float64(2**52).view(np.int64))


def frame_of(largest: Any) -> Any:
    """The frame of a row: what is subtracted, the lowest that remains, and, as bits, the power of two."""


def exponential(x: Any, base: Any, floor: Any, power: Any) -> Any:
    """exp(x) within the frame of its row; nan for nan."""


@scalar
def _frame32(largest: Any) -> Any:
    # Beyond 256 all that is near enough to the largest for exp not to be 0 lies within a factor 2 of it.
    base = largest if abs(largest) >= np.float32(256) else np.float32(0)
    exponent = np.int32(bits(multiply_add(np.float32(largest - base), _LOG2E32, _ROUND32)) - _ROUND32_BITS)
    lowest = np.int32(exponent - np.int32(127))
    return base, np.float32(lowest) * _LN2_32, from_bits(np.int32(_ROUND32_BITS + lowest))


@scalar
def _frame64(largest: Any) -> Any:
    base = largest if abs(largest) >= 2048.0 else 0.0
    exponent = bits(multiply_add(largest - base, _LOG2E64, _ROUND64)) - _ROUND64_BITS
    lowest = exponent - np.int64(1023)
    return base, np.float64(lowest) * _LN2_64, from_bits(_ROUND64_BITS + lowest)


@scalar
def _exponential32(x: Any, base: Any, floor: Any, power: Any) -> Any:
    z = x - base
    z = floor if z < floor else z
    rounded = multiply_add(z, _LOG2E32, _ROUND32)
    n = rounded - _ROUND32
    r = multiply_add(n, -_LN2_32_REST, multiply_add(n, -_LN2_32, z))
    square = r * r  # in halves, which need not wait for each other
    p = multiply_add(_EXP32[4], square, multiply_add(_EXP32[3], r, _EXP32[2]))
    p = multiply_add(p, square, multiply_add(_EXP32[1], r, _EXP32[0]))
    p = multiply_add(square, p, r) + np.float32(1)
    return p * from_bits(np.int32(np.int32(bits(rounded) - bits(power)) << np.int32(23)))


@scalar
def _exponential64(x: Any, base: Any, floor: Any, power: Any) -> Any:
    z = x - base
    z = floor if z < floor else z
    rounded = multiply_add(z, _LOG2E64, _ROUND64)
    n = rounded - _ROUND64
    r = multiply_add(n, -_LN2_64_REST, multiply_add(n, -_LN2_64, z))
    p = multiply_add(_EXP64[9], r, _EXP64[8])
    for i in range(7, -1, -1):
        p = multiply_add(p, r, _EXP64[i])
    p = multiply_add(r * r, p, r) + 1.0
    return p * from_bits((bits(rounded) - bits(power)) << np.int64(52))


@overload(frame_of, jit_options=SCALAR)
def _frame_of(largest: Any) -> Any:
    return _frame32.py_func if largest == types.float32 else _frame64.py_func


@overload(exponential, jit_options=SCALAR)
def _exponential(x: Any, base: Any, floor: Any, power: Any) -> Any:
    return _exponential32.py_func if x == types.float32 else _exponential64.py_func


def reciprocal(x: Any, like: Any) -> Any:
    """1 / x of a float64, in two numbers of the type of the other: x times both is 1, without a division."""


@overload(reciprocal, jit_options=SCALAR)
def _reciprocal(x: Any, like: Any) -> Any:
    return _reciprocal32 if like == types.float32 else _reciprocal64


def _reciprocal32(x: Any, like: Any) -> Any:
    exact = 1.0 / x
    nearest = np.float32(exact)
    return nearest, np.float32(exact - np.float64(nearest))


def _reciprocal64(x: Any, like: Any) -> Any:
    nearest = 1.0 / x
    return nearest, multiply_add(-nearest, x, 1.0) * nearest


@scalar
def log_of_share(others: Any, own: Any) -> Any:
    """log((others + own) / own) in float64, for others >= 0 and own > 0; exact for others near 0, too."""
    whole = others + own
    n = (bits(whole) - bits(own) + np.int64(2**51)) >> np.int64(52)
    scale = from_bits(_ONE_BITS - (n << np.int64(52)))
    # (f - 1) / (f + 1) of f = whole / own / 2**n, without the division in the numerator
    h = multiply_add(others, scale, own * (scale - 1.0)) / multiply_add(others, scale, own * (scale + 1.0))
    square = h * h
    p = multiply_add(_ATANH[6], square, _ATANH[5])
    for i in range(4, -1, -1):
        p = multiply_add(p, square, _ATANH[i])
    return multiply_add(from_bits(n | _TWO52_BITS) - 2.0**52, _LN2_64, multiply_add(h * square, p, h + h))


@intrinsic
def widened(_context: Any, x: Any) -> Any:
    """The number that is stored: float16 as its bits in uint16, bfloat16 in int16, or x itself."""
    number = types.float32 if isinstance(x, types.Integer) else x

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if x == types.uint16:
            return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())
        if x == types.int16:
            word = builder.zext(arguments[0], ir.IntType(32))
            return builder.bitcast(builder.shl(word, ir.IntType(32)(16)), ir.FloatType())
        return arguments[0]

    return number(x), generate


@intrinsic
def _to_half(_context: Any, x: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(x), generate


def narrowed(x: Any, like: Any) -> Any:
    """A float32 as the other stores its numbers, rounded to the nearest; `widened` turns it back."""


@overload(narrowed, jit_options=SCALAR)
def _narrowed(x: Any, like: Any) -> Any:
    return {types.uint16: _as_half, types.int16: _as_bfloat}.get(like, _as_it_is)


def _as_half(x: Any, like: Any) -> Any:
    return _to_half(np.float32(x))


def _as_bfloat(x: Any, like: Any) -> Any:
    wide = bits(np.float32(x))
    # half of the last place, less one bit where that place is even: a tie goes to the even neighbour
    half = np.int32(np.int32(0x7FFF) + np.int32(np.int32(wide >> np.int32(16)) & np.int32(1)))
    rounded = np.int32(np.int32(wide + half) >> np.int32(16))
    return np.int16(rounded if x == x else np.int32(0x7FC0))


def _as_it_is(x: Any, like: Any) -> Any:
    return x
