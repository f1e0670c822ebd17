"""The public functions on NumPy arrays and lists: the whole contract."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16

import cases
from crossent import errors, losses, reference
from crossent.kernels.threads import threads

INF, NAN = float("inf"), float("nan")

P = [[1, 0], [0, 1], [1, 0]]
NN1 = [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]]
NN2 = [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]

OF_PROBABILITIES = (
    losses.cross_entropy,
    losses.squared_error,
    losses.classification_error,
    losses.kl_divergence,
)
WITH_GRADIENT = (losses.softmax_cross_entropy_and_grad, losses.softmax_squared_error_and_grad)
ALONG_AXIS = (losses.softmax, losses.log_softmax)


@pytest.mark.parametrize("p", [P, [0, 1, 0], np.array(P, bool), np.array(P, np.float16), np.uint8([0, 1, 0])])
def test_the_worked_example(p):
    figures = {
        losses.classification_error: (1 / 3, 1 / 3),
        losses.squared_error: (0.25333333333333335, 0.7066666666666667),
        losses.cross_entropy: (0.37567058772993583, 1.0566952202329229),
    }
    for measure, (nn1, nn2) in figures.items():
        assert measure(p=p, q=NN1).mean() == pytest.approx(nn1, rel=1e-15)
        assert measure(p=p, q=NN2).mean() == pytest.approx(nn2, rel=1e-15)


def test_why_to_train_on_cross_entropy():
    """DESIGN's figures for a right class that climbs from 0.000001 to 0.001."""
    low, high = ([math.log(q), math.log1p(-q)] for q in (1e-6, 1e-3))
    squared = losses.softmax_squared_error([low, high], [0, 0])
    assert squared[0] - squared[1] == pytest.approx(0.004, rel=2e-3)
    assert losses.softmax_squared_error_and_grad(low, 0)[1][0] == pytest.approx(-4e-6, rel=1e-5)
    cross = losses.softmax_cross_entropy([low, high], [0, 0])
    assert cross[0] - cross[1] == pytest.approx(math.log(1000))
    assert losses.softmax_cross_entropy_and_grad(low, 0)[1][0] == pytest.approx(-1, rel=1e-5)


@pytest.mark.parametrize("function", OF_PROBABILITIES)
def test_p_and_q_must_be_named(function):
    with pytest.raises(TypeError) as caught:
        function([0], [[0.5, 0.5]])
    assert isinstance(caught.value, errors.CrossentError)
    assert str(caught.value) == (
        f"{function.__name__}(p=labels, q=predictions): name them, the order matters"
    )
    assert list(inspect.signature(function).parameters) == ["p", "q"]


def test_one_example_gives_a_scalar():
    for p in ([1, 0], 0, np.int8(0)):
        loss = losses.cross_entropy(p=p, q=[0.9, 0.1])
        assert isinstance(loss, np.float64)
        assert loss == -np.log(0.9)
    assert isinstance(losses.cross_entropy(p=0, q=np.float16([0.5, 0.5])), np.float32)
    assert losses.entropy([0.5, 0.5]) == math.log(2)
    assert losses.logsumexp([0.0, 0.0]) == math.log(2)
    assert losses.softmax([0.0, 0.0]).tolist() == [0.5, 0.5]
    loss, gradient = losses.softmax_cross_entropy_and_grad([0.0, 0.0], 1)
    assert loss == math.log(2)
    assert gradient.tolist() == [0.5, -0.5]
    assert losses.softmax_squared_error([0.0, 0.0], [0, 1]) == 0.5


def every_call(logits, labels):
    """Each public function on the same logits, named."""
    weights = np.linspace(0.5, 2, logits.shape[1])
    upstream = np.linspace(-1, 2, len(logits))
    q = losses.softmax(logits)
    return {
        "softmax": q,
        "log_softmax": losses.log_softmax(logits),
        "cold": losses.softmax(logits, temperature=0.7),
        "logsumexp": losses.logsumexp(logits),
        "cross_entropy": losses.softmax_cross_entropy(logits, labels),
        "weighted": losses.softmax_cross_entropy(logits, labels, class_weights=weights, label_smoothing=0.1),
        "gradient": losses.softmax_cross_entropy_and_grad(logits, labels, upstream=upstream)[1],
        "squared_error": losses.softmax_squared_error(logits, labels),
        "squared gradient": losses.softmax_squared_error_and_grad(logits, labels, upstream=upstream)[1],
        **{function.__name__ + " of q": function(p=labels, q=q) for function in OF_PROBABILITIES},
    }


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_layout_changes_no_bit(dtype, layout, soft):
    """Read-only, too: every array of `cases` is."""
    logits, labels = cases.matrix(23, 37)
    logits = logits.astype(dtype)
    labels = cases.distributions(23, 37) if soft else labels
    plain = every_call(logits, labels)
    moved = every_call(
        cases.laid_out(logits, layout),
        cases.laid_out(labels[:, None], layout)[:, 0] if not soft else cases.laid_out(labels, layout),
    )
    for name, values in plain.items():
        assert values.dtype == moved[name].dtype
        assert values.tobytes() == moved[name].tobytes(), name


def assert_near(got, exact, relative, smallest):
    """Within a relative error of float64's values, or of the smallest normal number of the arithmetic."""
    got, exact = np.asarray(got, np.float64), np.asarray(exact, np.float64)
    finite = np.isfinite(exact)
    assert got[~finite].tolist() == exact[~finite].tolist()
    got, exact, smallest = got[finite], exact[finite], np.broadcast_to(smallest, finite.shape)[finite]
    assert (np.abs(got - exact) <= relative * np.abs(exact) + smallest).all()


@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
@pytest.mark.parametrize("name", cases.ROWS)
def test_every_dtype_keeps_its_promise(dtype, name):
    """What is computed is known to 4 units of the arithmetic's last place, and rounded once more to 16 bits."""
    logits, labels = cases.row(name)
    logits = logits.astype(dtype)
    wide = logits.astype(np.float64)
    unit, smallest = (2.0**-53, 2.0**-1022) if dtype == np.float64 else (2.0**-24, 2.0**-126)
    stored = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}.get(dtype.name, (0.0, 0.0))
    entries = 4 * unit + stored[0], smallest + stored[1]
    assert_near(losses.softmax(logits), reference.softmax(wide), *entries)
    assert_near(losses.log_softmax(logits), reference.log_softmax(wide), *entries)
    gradient = losses.softmax_cross_entropy_and_grad(logits, labels)[1]
    assert_near(gradient, reference.softmax_cross_entropy_grad(wide, labels), *entries)
    cross = losses.softmax_cross_entropy(logits, labels), reference.softmax_cross_entropy(wide, labels)
    squared = losses.softmax_squared_error(logits, labels), reference.softmax_squared_error(wide, labels)
    for got, exact in (cross, squared):
        finest = np.spacing(np.where(np.isfinite(exact), exact, 0).astype(got.dtype)).astype(np.float64)
        assert_near(got, exact, 0.0, 4 * finest)


def test_float32_meets_the_promise():
    """Relative error of the softmax at most (4 + |x - max|) 2^-24; losses within 4 ulp; rows sum to 0."""
    for logits, labels in (
        cases.matrix(50, 1000, spread=20.0),
        cases.wide("spread"),
        cases.wide("right by 30"),
    ):
        narrow = logits.astype(np.float32)
        wide = narrow.astype(np.float64)
        true = reference.softmax(wide)
        bound = (4 + wide.max(axis=1, keepdims=True) - wide) * 2.0**-24
        normal = true >= np.finfo(np.float32).tiny
        assert (np.abs(losses.softmax(narrow) - true) <= bound * true)[normal].all()
        loss, gradient = losses.softmax_cross_entropy_and_grad(narrow, labels)
        exact = reference.softmax_cross_entropy(wide, labels)
        assert (np.abs(loss - exact) <= 4 * np.spacing(exact.astype(np.float32))).all()
        sums = gradient.astype(np.float64).sum(axis=1)
        assert (np.abs(sums) <= 1e-6 * np.abs(gradient).max(axis=1)).all()


@pytest.mark.parametrize("narrow", [np.float16, bfloat16, np.float32])
def test_the_same_values_stored_wider_give_the_same_loss(narrow):
    logits, labels = cases.matrix(40, 9)
    logits = logits.astype(narrow)
    q = losses.softmax(logits)
    calls = (
        lambda x, q: losses.softmax_cross_entropy(x, labels),
        lambda x, q: losses.softmax_squared_error(x, labels),
        lambda x, q: losses.logsumexp(x),
        lambda x, q: losses.cross_entropy(p=labels, q=q),
        lambda x, q: losses.squared_error(p=labels, q=q),
    )
    for call in calls:
        as_stored, wider = call(logits, q), call(logits.astype(float), q.astype(float))
        assert as_stored.dtype == np.float32
        assert_near(as_stored, wider, 0.0, 4 * np.spacing(np.abs(as_stored)).astype(np.float64))
        assert as_stored.tobytes() == call(logits.astype(np.float32), q.astype(np.float32)).tobytes()


def test_integers_and_booleans_are_float64():
    for dtype in (np.int8, np.uint16, np.int64, bool):
        logits = np.array([[1, 0, 1]], dtype)
        assert losses.softmax(logits).dtype == np.float64
        assert losses.softmax_cross_entropy(logits, [0]).dtype == np.float64
        assert losses.softmax(logits).tolist() == losses.softmax(logits.astype(float)).tolist()
    assert losses.cross_entropy(p=[[0, 1]], q=[[0, 1]]).dtype == np.float64


def test_zero_probability_costs_exactly_inf_in_every_dtype():
    for dtype in cases.DTYPES:
        q = np.array([[0.0, 1.0], [1.0, 0.0]], dtype)
        assert losses.cross_entropy(p=[0, 0], q=q).tolist() == [INF, 0.0]
        assert losses.cross_entropy(p=[[0.0, 1.0], [1.0, 0.0]], q=q).tolist() == [0.0, 0.0]
        logits = np.array([[-INF, 1.0]], dtype)
        loss, gradient = losses.softmax_cross_entropy_and_grad(logits, [0])
        assert loss.tolist() == [INF]
        assert gradient.tolist() == [[-1.0, 1.0]]
        assert losses.softmax_cross_entropy(logits, [[0.0, 1.0]]).tolist() == [0.0]


def test_no_loss_is_minus_zero():
    for labels in ([0], [[1.0, 0.0]]):
        for loss in (
            losses.softmax_cross_entropy([[0.0, -INF]], labels),
            losses.softmax_squared_error([[0.0, -INF]], labels),
            *(function(p=labels, q=[[1.0, 0.0]]) for function in OF_PROBABILITIES),
            losses.entropy([[1.0, 0.0]]),
        ):
            assert loss.tolist() == [0.0]
            assert not np.signbit(loss).any()


@pytest.mark.parametrize("function", ALONG_AXIS)
def test_axis(function):
    logits, _ = cases.matrix(6, 4)
    assert np.array_equal(function(logits, axis=0), function(logits.T).T)
    assert np.array_equal(function(logits, axis=-2), function(logits, axis=0))
    assert np.array_equal(function(logits, axis=1), function(logits))
    assert np.array_equal(function(logits[0], axis=0), function(logits)[0])
    out = np.empty((6, 4))
    assert function(logits, axis=0, out=out) is out
    assert np.array_equal(out, function(logits, axis=0))
    for axis in (2, -3, 0.0, True, None, (0,)):
        with pytest.raises(errors.OptionError, match=r"^axis is "):
            function(logits, axis=axis)
    with pytest.raises(errors.OptionError, match=r"^axis is 1: logits have 1 axes"):
        function(logits[0], axis=1)
    with pytest.raises(errors.LogitError, match=r"^logits\.T\[3, 2\] is nan"):
        function(np.where(np.arange(24).reshape(6, 4) == 11, NAN, 0.0), axis=0)
    with pytest.raises(errors.ShapeError, match=r"^logits\.T has shape \(4, 0\)"):
        function(logits[:0], axis=0)


def test_logsumexp_along_the_first_axis():
    logits, _ = cases.matrix(6, 4)
    assert np.array_equal(losses.logsumexp(logits, axis=0), losses.logsumexp(logits.T))


@pytest.mark.parametrize("function", ALONG_AXIS)
def test_temperature(function):
    logits, _ = cases.matrix(6, 4)
    np.testing.assert_allclose(function(logits, temperature=4), function(logits / 4), rtol=2e-14)
    np.testing.assert_allclose(
        function(logits, temperature=np.float32(0.5)), function(logits * 2), rtol=2e-14
    )
    if function is losses.softmax:
        cold = function([[1.0, 3.0, 3.0, -INF]], temperature=5e-324)
        assert cold.tolist() == [[0.0, 0.5, 0.5, 0.0]]
        assert function([[1e300, -1e300]], temperature=1e300)[0, 0] == pytest.approx(1 / (1 + math.exp(-2)))
    for temperature in (0.0, -1.0, INF, NAN):
        with pytest.raises(errors.OptionError, match=r"^temperature is "):
            function(logits, temperature=temperature)
    for temperature in ("1", None, True, np.ones(4)):
        with pytest.raises(errors.DtypeError, match=r"^temperature is a "):
            function(logits, temperature=temperature)


def test_logits_that_would_overflow_when_subtracted():
    logits = np.array([[1.7e308, -1.7e308, 0.0]])
    assert losses.softmax(logits).tolist() == [[1.0, 0.0, 0.0]]
    loss, gradient = losses.softmax_cross_entropy_and_grad(logits, [0])
    assert loss.tolist() == [0.0]
    assert np.abs(gradient).max() == 0


def results(function, logits, **options):
    labels = np.arange(len(logits)) % logits.shape[1]
    return function(logits, **options) if function in ALONG_AXIS else function(logits, labels, **options)[1]


@pytest.mark.parametrize("function", ALONG_AXIS + WITH_GRADIENT)
@pytest.mark.parametrize("dtype", cases.DTYPES, ids=str)
def test_out(function, dtype):
    logits = cases.matrix(7, 5)[0].astype(dtype)
    plain = results(function, logits)
    assert plain.dtype == dtype
    memory = np.zeros((9, 12), dtype)
    out = memory[1:8, 1:11:2]
    assert results(function, logits, out=out) is out
    assert np.array_equal(out, plain)
    out[...] = 0
    assert not memory.any(), "written beside out"
    itself = logits.copy()
    assert results(function, itself, out=itself) is itself
    assert np.array_equal(itself, plain)
    before = memory.copy()
    memory[:7, :5] = logits
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        results(function, memory[:7, :5], out=memory[1:8, :5])
    with pytest.raises(errors.OptionError, match=r"^out is read-only"):
        results(function, logits, out=cases.laid_out(logits, "contiguous"))
    memory[:7, :5] = 0
    assert np.array_equal(before, memory)


@pytest.mark.parametrize("function", WITH_GRADIENT)
def test_out_is_left_alone_where_the_call_is_refused(function):
    logits = np.zeros((100_000, 4))
    logits[99_999, 2] = NAN
    with pytest.raises(errors.LogitError):
        function(logits, np.zeros(100_000, int), out=logits)
    assert not logits[:99_999].any()
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        function(np.zeros((2, 2)), labels := np.eye(2), out=labels)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("k", [1, 2])
def test_few_rows_and_few_classes(n, k):
    logits, labels = cases.matrix(n, k)
    for name, values in every_call(logits, labels).items():
        assert len(values) == n, name
        assert np.isfinite(values).all()
    if k == 1:
        loss, gradient = losses.softmax_cross_entropy_and_grad(logits, labels)
        assert not loss.any()
        assert not gradient.any()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.25, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_every_combination_of_options(soft, smoothing, weighted, ignored):
    n, k = 12, 5
    logits, labels = cases.matrix(n, k)
    target = cases.distributions(n, k) if soft else labels.copy()
    weights = [0.0, 1.0, 2.5, 0.5, 1.0] if weighted else None
    upstream = np.linspace(-1, 2, n)
    options = {"class_weights": weights, "label_smoothing": smoothing}
    w = np.ones(k) if weights is None else np.array(weights)
    p = target if soft else np.eye(k)[labels]
    t = (1 - smoothing) * p + smoothing / k
    terms = w * t * -reference.log_softmax(logits)
    amounts = w * t
    slopes = (reference.softmax(logits) * amounts.sum(1, keepdims=True) - amounts) * upstream[:, None]
    expected = terms.sum(axis=1)
    if ignored and soft:
        with pytest.raises(errors.OptionError, match=r"^ignore_index goes with integer labels"):
            losses.softmax_cross_entropy(logits, target, ignore_index=-1, **options)
        return
    if ignored:
        options["ignore_index"] = -1
        target[[0, 7]] = -1
        logits = logits.copy()
        logits[0] = NAN
        logits[7] = INF
        upstream[7] = NAN
        expected[[0, 7]] = slopes[[0, 7]] = 0
    loss, gradient = losses.softmax_cross_entropy_and_grad(logits, target, upstream=upstream, **options)
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-13, atol=1e-14)
    assert loss.tobytes() == losses.softmax_cross_entropy(logits, target, **options).tobytes()


@pytest.mark.parametrize("k", [2, 40])
def test_ignored_rows_are_not_looked_at(k):
    logits, labels = np.zeros((200_000, k)), np.zeros(200_000, int)
    logits[[5, 199_999]] = NAN
    labels[[5, 199_999]] = -1
    assert losses.softmax_cross_entropy(logits, labels, ignore_index=-1)[[5, 6, 199_999]].tolist() == [
        0,
        pytest.approx(math.log(k)),
        0,
    ]
    logits[199_998, 1] = INF
    with pytest.raises(errors.LogitError, match=r"^logits\[199998, 1\] is \+inf"):
        losses.softmax_cross_entropy(logits, labels, ignore_index=-1)


def test_all_rows_ignored():
    logits = np.full((3, 2), NAN, np.float16)
    loss, gradient = losses.softmax_cross_entropy_and_grad(logits, [9, 9, 9], ignore_index=9)
    assert loss.dtype == np.float32
    assert loss.tolist() == [0, 0, 0]
    assert gradient.dtype == np.float16
    assert not gradient.any()
    out = np.ones((3, 2), np.float16)
    losses.softmax_cross_entropy_and_grad(logits, [9, 9, 9], ignore_index=9, out=out)
    assert not out.any()
    assert losses.softmax_cross_entropy([NAN, NAN], 9, ignore_index=9) == 0


def test_a_class_can_be_the_one_to_ignore():
    loss = losses.softmax_cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1], ignore_index=0)
    assert loss.tolist() == [0.0, math.log(2)]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"label_smoothing": 1.5}, errors.OptionError, "label_smoothing is 1.5: it must lie between 0 and 1"),
        ({"label_smoothing": NAN}, errors.OptionError, "label_smoothing is nan"),
        ({"label_smoothing": None}, errors.DtypeError, "label_smoothing is a NoneType: pass a number"),
        ({"class_weights": [1.0]}, errors.ShapeError, r"class_weights has shape \(1,\)"),
        ({"class_weights": 1.0}, errors.ShapeError, r"class_weights has shape \(\)"),
        ({"class_weights": [1.0, -1.0]}, errors.OptionError, r"class_weights\[1\] is -1"),
        ({"ignore_index": 0.0}, errors.OptionError, "ignore_index is 0.0"),
        ({"ignore_index": True}, errors.OptionError, "ignore_index is True"),
        (
            {"upstream": [1.0, 2.0]},
            errors.ShapeError,
            r"upstream has shape \(2,\): pass a number, or one for each of 3",
        ),
        ({"upstream": "1"}, errors.DtypeError, "upstream has dtype <U1"),
        (
            {"out": np.empty((3, 2), np.float32)},
            errors.ShapeError,
            r"out is \(3, 2\) float32, but the result",
        ),
    ],
)
def test_wrong_options(options, error, sentence):
    with pytest.raises(error, match=f"^{sentence}"):
        losses.softmax_cross_entropy_and_grad(np.zeros((3, 2)), [0, 1, 0], **options)


@pytest.mark.parametrize("function", OF_PROBABILITIES)
def test_probabilities_are_never_guessed_to_be_logits(function):
    with pytest.raises(errors.ProbabilityError, match=r"^q\[1, 0\] is -3, but .* softmax_cross_entropy$"):
        function(p=[0, 1], q=[[0.5, 0.5], [-3.0, 4.0]])
    with pytest.raises(errors.ProbabilityError, match=r"^q\[3\] sums to 1\.35, not 1: not softmax\?"):
        function(p=[0, 0, 0, 0], q=[[0.5, 0.5]] * 3 + [[0.6, 0.75]])
    with pytest.raises(errors.ProbabilityError, match=r"^q sums to 1\.35"):
        function(p=0, q=[0.6, 0.75])


def test_swapped_p_and_q_do_not_fit():
    with pytest.raises(errors.CrossentError, match=r"^p has shape \(3, 2\): 1 x 3 predictions take"):
        losses.cross_entropy(p=NN1, q=[0, 1, 0])


def test_labels_are_checked_before_anything_is_indexed():
    with pytest.raises(errors.LabelError, match=r"^labels\[1\] is 2: with 2 classes labels are 0 to 1"):
        losses.softmax_cross_entropy([[0.0, 0.0]] * 2, [0, 2])
    with pytest.raises(errors.LabelError, match=r"^labels\[0\] is -1"):
        losses.softmax_cross_entropy([[0.0, 0.0]] * 2, [-1, 0])


def test_soft_labels_follow_their_own_digits():
    even = np.full((1, 3), 1 / 3, np.float16)
    assert abs(even.astype(float).sum() - 1) > 1e-6, "else it proves nothing"
    assert losses.softmax_cross_entropy(np.zeros((1, 3)), even)[0] == pytest.approx(math.log(3), rel=1e-3)
    with pytest.raises(errors.ProbabilityError, match=r"^labels\[0\] sums to 1\.1, not 1: crossent never"):
        losses.softmax_cross_entropy(np.zeros((1, 3)), [[0.1, 0.5, 0.5]])


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_gradient_against_differences_of_fourth_order(squared, soft):
    """Class by class, with an upstream gradient of its own for every row."""
    n, k, h = 9, 6, 1e-3
    logits = np.random.default_rng(3).normal(0, 2, (n, k))
    labels = cases.distributions(n, k) if soft else cases.matrix(n, k)[1]
    upstream = np.linspace(-2, 3, n)
    loss = losses.softmax_squared_error if squared else losses.softmax_cross_entropy
    gradient = WITH_GRADIENT[squared](logits, labels, upstream=upstream)[1]
    for j in range(k):
        step = h * np.eye(k)[j]
        parts = [loss(logits + c * step, labels) for c in (-2, -1, 1, 2)]
        slope = upstream * (parts[0] - 8 * parts[1] + 8 * parts[2] - parts[3]) / (12 * h)
        # Truncation h^4 / 30 times a fifth derivative below 100, times 3 upstream, and rounding.
        np.testing.assert_allclose(gradient[:, j], slope, rtol=0, atol=10 * h**4 + 1e-11)


def test_upstream_of_one_number():
    logits, labels = cases.matrix(5, 3)
    plain = losses.softmax_cross_entropy_and_grad(logits, labels)[1]
    for upstream in (0.25, np.float32(0.25), np.array(0.25), [0.25] * 5):
        loss, gradient = losses.softmax_cross_entropy_and_grad(logits, labels, upstream=upstream)
        assert np.array_equal(gradient, plain * 0.25)
        assert np.array_equal(loss, losses.softmax_cross_entropy(logits, labels))


def test_narrow_gradients_are_scaled_before_they_are_rounded():
    logits = np.float16([[0.0, 12.0]])
    gradient = losses.softmax_cross_entropy_and_grad(logits, [1], upstream=2.0**-10)[1]
    assert gradient[0, 0] == np.float16(2.0**-10 / (1 + math.exp(12)))
    assert losses.softmax_cross_entropy_and_grad(logits, [0], upstream=1e6)[1].tolist() == [[-INF, INF]]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(1, 2000), st.booleans(), st.randoms(use_true_random=False))
def test_neither_threads_nor_neighbours_change_a_bit(n, k, soft, random):
    logits, labels = cases.matrix(n, k)
    labels = cases.distributions(n, k) if soft else labels
    with threads(1):
        one = every_call(logits, labels)
    with threads(2):
        two = every_call(logits, labels)
    i = random.randrange(n)
    alone = every_call(logits[i : i + 1], labels[i : i + 1])
    for name, values in one.items():
        assert values.tobytes() == two[name].tobytes(), name
        if "gradient" not in name:  # those carry an upstream gradient that depends on the place
            assert values[i : i + 1].tobytes() == alone[name].tobytes(), name


def test_no_warning_and_no_error_whatever_the_caller_set():
    logits, labels = cases.row("others subnormal")
    with np.errstate(all="raise"):
        losses.softmax_cross_entropy_and_grad(logits, labels)
        losses.softmax(logits.astype(np.float32))


def test_256000_classes_with_labels_of_both_kinds():
    """One-hot distributions cost to the last bit what labels cost."""
    logits, labels = cases.wide("right by 30")
    soft = np.zeros(logits.shape)
    soft[0, labels] = 1.0
    hard = losses.softmax_cross_entropy(logits, labels)
    assert losses.softmax_cross_entropy(logits, soft).tobytes() == hard.tobytes()
    assert 0 < hard[0] < 1e-6
