"""Per-example losses of a block, chunk by chunk."""

import math

import numpy as np
import pytest

from crossent.differences import MORE_WRONG, Differences
from crossent.kernels.blocks import ordered
from crossent.measures import example_losses


@pytest.mark.parametrize("classes", [2, 300])
def test_the_top_probability_of_logits_is_the_largest_of_the_softmax_of_each_row(classes):
    rows = 2**17 // classes + 3  # more values than one chunk holds
    logits = np.random.default_rng(0).normal(0, 20, (rows, classes))
    logits[::7, 1:] = -np.inf
    logits[1::7] = 1e4
    labels = np.zeros(rows, np.int64)
    gaps = logits - logits.max(axis=1, keepdims=True)
    # in units of 2^-53: a rounded gap costs at most ln k on average over q, exp 2, the pairwise sum of up
    # to 300 terms 22, the quotient 1; as much again at most for the function itself
    bound = 2 * (math.log(classes) + 25) * 2**-53
    found = example_losses(logits, labels, kind="logits", clip=None)
    np.testing.assert_allclose(found.top, 1 / np.exp(gaps).sum(axis=1), rtol=bound)
    last = example_losses(logits[-1:], labels[-1:], kind="logits", clip=None)
    for name in ("top", "squared_error", "cross_entropy", "tied", "wrong", "zero"):
        assert getattr(last, name)[0] == getattr(found, name)[-1]


def test_probabilities_are_taken_as_they_are():
    q = np.array([[0.2, 0.5, 0.30000001], [0.0, 0.0, 1.0]])
    found = example_losses(q, np.array([1, 0]), kind="probs", clip=None)
    assert found.top.tolist() == [0.5, 1.0]
    assert found.wrong.tolist() == [False, True]
    assert found.zero.tolist() == [False, True]
    assert found.cross_entropy.tolist() == [-math.log(0.5), math.inf]
    np.testing.assert_allclose(found.squared_error, [0.04 + 0.25 + 0.30000001**2, 2.0], rtol=1e-15)


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("classes", [1, 2, 3, 28, 29])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("kind", ["probs", "logits"])
@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_columns_cost_what_rows_cost(stored, soft, kind, classes, rows):
    rng = np.random.default_rng(rows)
    outputs = rng.normal(0, 30, (rows, classes))
    outputs[::5] = np.round(outputs[::5])  # ties
    outputs[1::7, 1:] = -np.inf
    if kind == "probs":
        outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        outputs /= outputs.sum(axis=1, keepdims=True)
    labels = rng.dirichlet(np.ones(classes), rows) if soft else rng.integers(0, classes, rows)
    outputs = outputs.astype(stored)
    by_row = example_losses(outputs.astype(np.float64), labels, kind=kind, clip=None)
    by_column = example_losses(np.asfortranarray(outputs), labels, kind=kind, clip=None)
    for name in ("predicted", "top", "tied", "wrong", "zero", "squared_error", "cross_entropy"):
        assert getattr(by_column, name).tobytes() == getattr(by_row, name).tobytes(), name


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_one_row_of_float32_is_a_row_like_others(rows):
    outputs = np.asfortranarray(np.full((rows, 3), 1 / 3, np.float32))
    expected = (np.float32, False) if rows > 1 else (np.float64, True)  # no kernel of its own for either
    found = ordered(outputs)
    assert (found.dtype, found.flags.c_contiguous) == expected


def test_differences_are_of_the_second_model_less_the_first():
    labels = np.array([0, 0, 0, 0])
    a = example_losses(
        np.array([[0.9, 0.1], [0.2, 0.8], [0.0, 1.0], [0.0, 1.0]]), labels, kind="probs", clip=None
    )
    b = example_losses(
        np.array([[0.2, 0.8], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]]), labels, kind="probs", clip=None
    )
    found = Differences.of(a, b)
    assert found.parts.tolist() == [0, 2, 1, 1]
    assert found.infinite.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert found.more_wrong.tolist() == [2, 1]
    assert found.series[0].tolist() == [1.0, -1.0, -1.0, 0.0]
    assert found.cross_entropy[2] == -math.inf
    assert math.isnan(found.cross_entropy[3])


@pytest.mark.parametrize("weighted", [False, True])
def test_differences_are_counted_by_part(weighted):
    rng = np.random.default_rng(4)
    n = 1000
    labels = rng.integers(0, 3, n)
    q = rng.dirichlet([0.3] * 3, (2, n))
    q[0, ::50] = q[1, ::50]
    for model, first in ((0, 7), (1, 14)):
        q[model, first::21] = np.eye(3)[(labels[first::21] + 1) % 3]  # infinite, at times in both
    weights = rng.choice([0.0, 0.5, 2.0], n) if weighted else None
    a, b = (example_losses(one, labels, kind="probs", clip=None) for one in q)
    found = Differences.of(a, b, weights)
    w = np.ones(n) if weights is None else weights
    with np.errstate(invalid="ignore"):
        d = b.cross_entropy - a.cross_entropy
    d[::50] = np.where(np.isfinite(d[::50]), 0.0, d[::50])
    part = a.wrong + 2 * b.wrong
    finite = np.isfinite(d)
    infinite = [np.isinf(a.cross_entropy) & ~np.isinf(b.cross_entropy)]
    infinite += [np.isinf(b.cross_entropy) & ~np.isinf(a.cross_entropy)]
    infinite += [np.isinf(a.cross_entropy) & np.isinf(b.cross_entropy)]
    for which in range(4):
        assert found.parts[which] == (part == which).sum()
        expected = [(of_kind & (part == which) & (w > 0)).sum() for of_kind in infinite]
        assert found.infinite[which].tolist() == expected
        here = finite & (part == which)
        assert found.gap[which] == pytest.approx((w[here] * d[here]).sum(), rel=1e-12, abs=1e-12)
    assert found.infinite.sum() > 0
    assert found.gap_weight == w[finite].sum()
    assert found.more_wrong.tolist() == [(d < -MORE_WRONG).sum(), (d > MORE_WRONG).sum()]
