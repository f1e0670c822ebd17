"""The kernels against `reference`: every type, layout, target and option, few classes and many."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import cases
from crossent import reference
from crossent.kernels import blocks, columns, rows

INF, NAN = float("inf"), float("nan")

CLASSES = (1, 2, 10, 24, columns.FEW, columns.FEW + 1, 100, 3000)
"""On both sides of where kernels change, more than a piece of a row, and no multiple of a vector."""


def units(dtype):
    """Relative error that a result may have, and absolute: 4 units of the arithmetic, then what is stored."""
    arithmetic, smallest = (2.0**-53, 2.0**-1022) if dtype == np.float64 else (2.0**-24, 2.0**-126)
    stored = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}.get(dtype.name, (0.0, 0.0))
    # float64 sums of long rows are not exact as the reference's are
    return (4 if dtype != np.float64 else 16) * arithmetic + stored[0], smallest + stored[1]


def loss_dtype(dtype):
    return np.float64 if dtype == np.float64 else np.float32


def near(got, exact, relative, absolute):
    np.testing.assert_allclose(np.asarray(got, np.float64), exact, rtol=relative, atol=absolute)


def some(k, dtype):
    n = 301 if k < 1000 else 20
    logits, labels = cases.matrix(n, k)
    logits = logits.astype(dtype)
    return logits, labels, logits.astype(np.float64)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_softmax_and_its_kin(k, dtype, layout):
    logits, _, wide = some(k, dtype)
    laid, out = cases.laid_out(logits, layout), np.empty(logits.shape, dtype)
    assert blocks.softmax(laid, out) == -1
    near(out, reference.softmax(wide), *units(dtype))
    assert blocks.softmax(laid, out, logarithm=True) == -1
    near(out, reference.log_softmax(wide), *units(dtype))
    sums = np.empty(len(logits), loss_dtype(dtype))
    assert blocks.logsumexp(laid, sums) == -1
    exact = reference.logsumexp(wide)
    near(sums, exact, 4 * np.finfo(sums.dtype).eps, 4 * np.finfo(sums.dtype).eps)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_cross_entropy_of_labels(k, dtype, layout):
    """Weights, ignored rows and a factor of its own for every row; into an array, and in place."""
    logits, labels, wide = some(k, dtype)
    weights, scale = np.linspace(0.5, 2, k), np.linspace(-1, 2, len(logits))
    marked = labels.copy()
    marked[::7] = -100
    options = {"class_weights": weights, "ignore_index": -100, "scale": scale}
    losses, gradient = np.empty(len(logits), loss_dtype(dtype)), np.empty(logits.shape, dtype)
    laid = cases.laid_out(logits, layout)
    assert blocks.cross_entropy(laid, marked, losses, gradient, **options) == -1
    exact = np.where(marked == -100, 0, reference.softmax_cross_entropy(wide, labels, weights))
    near(losses, exact, 5 * np.finfo(losses.dtype).eps, np.finfo(losses.dtype).tiny)
    slopes = reference.softmax_cross_entropy_grad(wide, labels, weights) * scale[:, None]
    slopes[marked == -100] = 0
    relative, absolute = units(dtype)
    near(gradient, slopes, relative * 1.5, absolute * 4)
    alone = np.empty_like(losses)
    assert blocks.cross_entropy(laid, marked, alone, **options) == -1
    assert alone.tobytes() == losses.tobytes()
    itself = np.array(laid)
    blocks.cross_entropy(itself, marked, alone, itself, **options)
    assert itself.tobytes() == gradient.tobytes()


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_smoothed_and_soft_labels(k, dtype, soft):
    logits, labels, wide = some(k, dtype)
    target = cases.distributions(len(logits), k) if soft else labels
    scale = np.linspace(-1, 2, len(logits))
    losses, gradient = np.empty(len(logits), loss_dtype(dtype)), np.empty(logits.shape, dtype)
    relative, absolute = units(dtype)
    for weights in (None, np.linspace(0.5, 2, k)):
        for smoothing in (0.0, 0.25, 1.0):
            options = {"class_weights": weights, "label_smoothing": smoothing, "scale": scale}
            assert blocks.cross_entropy(logits, target, losses, gradient, **options) == -1
            exact = reference.softmax_cross_entropy(wide, target, weights, smoothing)
            near(losses, exact, 16 * np.finfo(losses.dtype).eps, np.finfo(losses.dtype).tiny)
            slopes = reference.softmax_cross_entropy_grad(wide, target, weights, smoothing) * scale[:, None]
            # q sum(a) - a cancels where they meet: known to a few units of the larger
            near(gradient, slopes, 2 * relative, absolute + 4 * 2.0**-50)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_squared_error(k, dtype, soft):
    logits, labels, wide = some(k, dtype)
    target = cases.distributions(len(logits), k) if soft else labels
    scale = np.linspace(-1, 2, len(logits))
    losses, gradient = np.empty(len(logits), loss_dtype(dtype)), np.empty(logits.shape, dtype)
    assert blocks.squared_error(logits, target, losses, gradient, scale=scale) == -1
    exact = reference.softmax_squared_error(wide, target)
    near(losses, exact, 64 * np.finfo(losses.dtype).eps, np.finfo(losses.dtype).tiny)
    slopes = reference.softmax_squared_error_grad(wide, target) * scale[:, None]
    # 2 q (d - sum of q d) cancels where d meets that sum: known to a few units of 2 q
    relative, absolute = units(dtype)
    bound = absolute * 4 + relative * (np.abs(slopes) + 8 * np.abs(scale)[:, None] * reference.softmax(wide))
    assert (np.abs(gradient.astype(np.float64) - slopes) <= bound).all()


@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
def test_a_row_without_a_result_is_told_and_harms_no_other(k, dtype, wrong):
    logits, labels, _ = some(k, dtype)
    losses, gradient = np.empty(len(logits), loss_dtype(dtype)), np.empty(logits.shape, dtype)
    blocks.cross_entropy(logits, labels, losses, gradient)
    hurt = np.array(logits)
    hurt[13] = wrong
    hurt[200, k - 1] = wrong if wrong != -INF else NAN
    others = np.delete(np.arange(len(logits)), [13, 200])
    after, slopes = np.empty_like(losses), np.empty_like(gradient)
    assert blocks.cross_entropy(hurt, labels, after, slopes) == 13
    assert np.isnan(after[[13, 200]]).all()
    assert np.isnan(slopes[[13, 200]].astype(np.float64)).all()
    assert after[others].tobytes() == losses[others].tobytes()
    assert slopes[others].tobytes() == gradient[others].tobytes()
    for compute in (
        lambda: blocks.softmax(hurt, slopes),
        lambda: blocks.softmax(hurt, slopes, logarithm=True),
        lambda: blocks.softmax(hurt, slopes, temperature=2.0),
        lambda: blocks.logsumexp(hurt, after),
        lambda: blocks.squared_error(hurt, labels, after, slopes),
        lambda: blocks.cross_entropy(hurt, labels, after, slopes, label_smoothing=0.1),
        lambda: blocks.squared_error(hurt, np.full(hurt.shape, 1 / k), after, slopes),
    ):
        after[:], slopes[:] = 0, 0
        assert compute() == 13
        marks = after if after.any() else slopes.astype(np.float64)
        assert np.isnan(marks[[13, 200]]).all()
        assert np.isfinite(marks[5]).all()


@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("label", [-1, 40, 2**62, -(2**63)])
def test_a_label_that_is_no_class_is_told_before_anything_is_read(k, label):
    logits, labels, _ = some(k, np.dtype(np.float32))
    labels = labels.copy()
    labels[100] = label
    losses, gradient = np.empty(len(logits), np.float32), np.empty(logits.shape, np.float32)
    for smoothing in (0.0, 0.1):
        assert blocks.cross_entropy(logits, labels, losses, gradient, label_smoothing=smoothing) == 100
        assert np.isnan(losses[100])
        assert np.isfinite(np.delete(losses, 100)).all()
    assert blocks.squared_error(logits, labels, losses, gradient) == 100


def test_few_classes_go_by_columns_and_many_by_rows(monkeypatch):
    ran = []
    for module in (columns, rows):
        kernel = module.softmaxes
        monkeypatch.setattr(
            module,
            "softmaxes",
            lambda *a, kernel=kernel, name=module.__name__: ran.append(name) or kernel(*a),
        )
    for k in (columns.FEW, columns.FEW + 1):
        blocks.softmax(np.zeros((3, k)), np.empty((3, k)))
    assert ran == ["crossent.kernels.columns", "crossent.kernels.rows"]


@pytest.mark.parametrize("dtype", cases.DTYPES[:3], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(40, 200_000), (2_000_000, 4)])
def test_memory_beyond_the_results_is_bounded(dtype, order, shape):
    """What NumPy allocates, by one thread; inside a kernel there are some blocks of at most 256 examples."""
    logits = np.zeros(shape, dtype, order=order)
    labels, losses = np.zeros(shape[0], np.int64), np.empty(shape[0], np.float32)
    gradient = np.empty(shape, dtype, order=order)
    blocks.cross_entropy(logits[:2], labels[:2], losses[:2], gradient[:2], workers=1)
    tracemalloc.start()
    blocks.cross_entropy(logits, labels, losses, gradient, workers=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 4 * 2**20
