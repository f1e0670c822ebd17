"""How the benchmark of the functions measures errors, and judges by what was promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ml_dtypes import bfloat16

from benchmarks import exactness, tables, targets, timing
from benchmarks.exactness import Errors
from benchmarks.problems import SHAPES
from benchmarks.targets import Row, Target, judge

INF, NAN = float("inf"), float("nan")


# Errors


def test_ulps_are_spacings_of_the_dtype_at_the_exact_value():
    exact = np.array([1.5, 3e-5, 1000.0])
    for dtype in (np.float16, np.float32, np.float64):
        stored = exact.astype(dtype)
        off = stored + 2 * np.spacing(stored)
        assert exactness.ulps(off, stored.astype(np.float64)) == 2.0
    assert exactness.ulps(np.array([1.5], bfloat16), np.array([1.5 + 2**-8])) == 0.5
    assert exactness.ulps(np.float32([INF, 1]), np.array([INF, 1.0])) == 0.0
    assert exactness.ulps(np.float32([1.0]), np.array([INF])) == INF
    assert exactness.ulps(np.float32([NAN]), np.array([1.0])) == INF
    assert exactness.ulps(np.float32([2**-149]), np.array([0.0])) == 1.0


def test_relative_errors_are_in_half_spacings_at_1():
    assert exactness.relative(np.float32([1 + 2**-23, 0.25]), np.array([1.0, 0.25])) == 2.0
    assert exactness.relative(np.float32([0.0]), np.array([1e-9])) == 2.0**24
    assert exactness.relative(np.float32([1 + 2**-23]), np.array([1.0]), 4.0) == 0.5
    # below the least normal number of the arithmetic results may be flushed to 0, and no further off
    assert exactness.relative(np.float32([0.0, 0.0]), np.array([2.0**-149, 2.0**-127])) == 0.0
    assert exactness.relative(np.float32([0.0]), np.array([2.0**-125])) > 1e6
    assert exactness.relative(np.float32([2.0**-124]), np.array([2.0**-127])) > 1e6
    # 16 bits are computed in float32: there a spacing of theirs is let pass, not more
    assert exactness.relative(np.float16([0.0]), np.array([2.0**-24])) == 0.0
    assert exactness.relative(np.float16([0.0]), np.array([2.0**-20])) > 1e2
    assert exactness.relative(np.float32([NAN]), np.array([1.0])) == INF
    assert exactness.relative(np.array([1.0], bfloat16), np.array([1 + 2**-8])) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        ("softmax", "softmax, of its bound"),
        ("softmax_cross_entropy", "loss, ulp"),
        ("softmax_cross_entropy_and_grad", "gradient's row sum, of its largest entry"),
    ],
)
def test_a_broken_promise_is_found(monkeypatch, broken, promise):
    """Errors of a millionth, such as a careless kernel makes."""
    sound = getattr(exactness.crossent, broken)

    def off(*args, **options):
        found = sound(*args, **options)
        if isinstance(found, tuple):
            return found[0], found[1] + abs(found[1]).max() * 1e-5
        return found * np.float32(1 + 2e-6)

    monkeypatch.setattr(exactness.crossent, broken, off)
    logits, labels = exactness.cases.row("two classes, wrong")
    found = {check.promise: check.kept for check in exactness._of_case("it", np.float32(logits), labels)}
    assert not found.pop(promise)
    assert all(found.values())


@pytest.mark.slow
def test_a_result_that_depends_on_its_place_is_found(monkeypatch):
    def sums(logits):
        return logits.sum(axis=1) + np.float32(len(logits))

    monkeypatch.setattr(exactness.crossent, "logsumexp", sums)
    broken = [check for check in exactness._same_bits() if not check.kept]
    assert {check.case for check in broken} == {"logsumexp, every dtype"}
    assert "rows that are another alone" in {check.promise for check in broken}


# Targets


def row(name, library, ms, into_out=False, shape=SHAPES[3]):
    seconds = ms / 1e3
    return Row(
        shape, name, library, into_out, timing.Spread(seconds, seconds, seconds, 7), Errors(None, None)
    )


ROWS = [
    row("copy, 1 thread", "copy", 20, True),
    row("copy, 2 threads", "copy", 10, True),
    row("crossent, fresh", "crossent", 30),
    row("crossent, into out", "crossent", 15, True),
    row("crossent.nn, backward", "crossent.nn", 40),
    row("PyTorch eager", "PyTorch", 80),
    row("jax.jit", "JAX", 66),
    row("given", "scikit-learn", 31, True),
]


def test_beside_pytorch_nn_counts_and_beside_others_the_bare_call():
    fresh, into_out, copies = judge("gradient", "float32", ROWS)
    assert fresh.figure == pytest.approx(80 / 40)
    assert fresh.beside == "crossent.nn, backward : PyTorch eager"
    assert into_out.figure == pytest.approx(31 / 15)
    assert copies.figure == pytest.approx(15 / 10)
    assert [target.limit for target in (fresh, into_out, copies)] == [1.7, 3.0, 1.8]
    assert [target.met for target in (fresh, into_out, copies)] == [True, False, True]
    without = judge("gradient", "float32", [one for one in ROWS if one.library != "crossent.nn"])[0]
    assert without.figure == pytest.approx(66 / 30)
    assert without.beside == "crossent, fresh : jax.jit"


def test_each_function_has_the_limit_of_its_promise():
    def limits(function, dtype="float32"):
        return [(target.limit, target.strictly, target.least) for target in judge(function, dtype, ROWS)]

    assert limits("loss") == [(1.0, True, True)]
    both = [(1.0, True, True), (2.0, False, True), (1.0, True, True)]
    assert limits("softmax") == limits("log_softmax") == both
    assert limits("squared_error") == [(4.0, False, True)]
    assert limits("gradient", "bfloat16") == [(3.0, False, True)]
    assert limits("logsumexp") == []
    assert set(targets.GRADIENT) == set(SHAPES)


def test_limits_are_strict_where_faster_was_said():
    for figure, least, strictly, met in (
        (1.0, True, True, False),
        (1.0, True, False, True),
        (1.1, True, True, True),
        (0.9, True, False, False),
        (1.0, False, False, True),
        (1.0, False, True, False),
        (1.1, False, False, False),
    ):
        assert Target("", "", figure, 1.0, least, strictly).met is met


def test_16_bits_may_be_as_inexact_as_float32_rounded():
    ours, wide = Errors(0.5, 0.99), Errors(0.6, 1.02)
    assert all(target.met for target in targets.exactness_of_narrow((1, 2), "float16", ours, wide))
    worse = targets.exactness_of_narrow((1, 2), "float16", Errors(5.0, 1.5), wide)
    assert [target.met for target in worse] == [False, False]


def test_figures_have_three_digits():
    for value, text in ((None, "–"), (0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123")):
        assert tables.figure(value) == text
    assert tables.figure(1.6e7) == "1.6e+07"
    assert tables.figure(math.inf) == "inf"
