"""The formulas against mpmath, on rows that are proven hard."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cases
from crossent import reference

NORMAL = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Exact:
    """A row's softmax to some hundred digits."""

    q: list[mpmath.mpf]
    costs: list[mpmath.mpf]
    """-ln q."""
    rest: list[mpmath.mpf]
    """Sum of the other q."""


def exact(logits: np.ndarray, digits: int = 700) -> Exact:
    mpmath.mp.dps = digits
    x = [mpmath.mpf(float(value)) for value in logits]
    top = x.index(max(x))
    powers = [mpmath.exp(value - x[top]) for value in x]
    others = mpmath.fsum(powers[:top] + powers[top + 1 :])
    total = 1 + others
    q = [power / total for power in powers]
    return Exact(
        q=q,
        costs=[mpmath.log1p(others) - (value - x[top]) for value in x],
        rest=[others / total if i == top else 1 - share for i, share in enumerate(q)],
    )


def ulps(got: float, true: mpmath.mpf) -> float:
    """Distance in units of the last place; below the normal range in units of its smallest number."""
    if mpmath.isinf(true) or math.isinf(got):
        return 0.0 if float(true) == got else math.inf
    return float(abs(mpmath.mpf(float(got)) - true) / mpmath.mpf(float(np.spacing(abs(float(true))))))


def finite_rows() -> list[str]:
    return [name for name, (logits, _) in cases.ROWS.items() if min(logits) > -cases.INF]


def soft(k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(k), 1)


@pytest.mark.parametrize("name", cases.CONFIDENT)
def test_confident_rows_are_hard(name):
    """The plain formula loses the loss on them: else they would prove nothing."""
    logits, label = cases.row(name)
    plain = np.log(np.exp(logits - logits.max()).sum()) - (logits[0, label[0]] - logits.max())
    assert ulps(plain, exact(logits[0]).costs[label[0]]) > 1e6


def test_some_rows_are_ties_and_some_underflow():
    logits, _ = cases.row("tie at the top")
    assert (logits == logits.max()).sum() == 3
    logits, _ = cases.row("others subnormal")
    assert 0 < np.exp(logits - logits.max()).min() < NORMAL
    logits, label = cases.row("label underflows")
    assert np.exp(logits - logits.max())[0, label[0]] == 0


@pytest.mark.parametrize("name", cases.ROWS)
def test_cross_entropy_of_every_class_within_4_ulp(name):
    logits, _ = cases.row(name)
    true = exact(logits[0])
    got = reference.log_softmax(logits)[0]
    for label, cost in enumerate(true.costs):
        loss = reference.softmax_cross_entropy(logits, np.array([label]))[0]
        assert ulps(loss, cost) <= 4
        assert not np.signbit(loss)
        assert ulps(-got[label], cost) <= 4


@pytest.mark.parametrize("name", finite_rows())
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_cross_entropy_with_every_option_within_4_ulp(name, smoothing, weighted, hard):
    logits, label = cases.row(name)
    k = logits.shape[1]
    weights = np.random.default_rng(k).random(k) * 3 if weighted else None
    target = label if hard else soft(k, 5)
    got = reference.softmax_cross_entropy(logits, target, weights, smoothing)[0]
    amounts = exact_amounts(target, k, weights, smoothing)
    true = exact(logits[0])
    assert ulps(got, mpmath.fsum(a * c for a, c in zip(amounts, true.costs, strict=True))) <= 4


def exact_amounts(target, k, weights, smoothing) -> list[mpmath.mpf]:
    mpmath.mp.dps = 700
    p = np.eye(k)[target[0]] if target.ndim == 1 else target[0]
    w = np.ones(k) if weights is None else weights
    s = mpmath.mpf(smoothing)
    return [
        mpmath.mpf(float(b)) * ((1 - s) * mpmath.mpf(float(a)) + s / k) for a, b in zip(p, w, strict=True)
    ]


@pytest.mark.parametrize("name", ["spread", "equal", "right by 30"])
def test_256000_classes_within_4_ulp(name):
    logits, label = cases.wide(name)
    mpmath.mp.dps = 30
    counts = Counter(logits[0].tolist())  # few different values: an exponential for each will do
    gaps = {x: mpmath.mpf(x) - mpmath.mpf(max(counts)) for x in counts}
    powers = {x: mpmath.exp(gap) for x, gap in gaps.items()}
    others = mpmath.fsum((count - (x == max(counts))) * powers[x] for x, count in counts.items())
    costs = {x: mpmath.log1p(others) - gap for x, gap in gaps.items()}
    x = float(logits[0, 7])
    assert ulps(reference.softmax_cross_entropy(logits, label)[0], costs[x]) <= 4
    rest = others / (1 + others) if x == max(counts) else 1 - powers[x] / (1 + others)
    assert ulps(-reference.softmax_cross_entropy_grad(logits, label)[0, 7], rest) <= 4
    even = np.full(logits.shape, 1 / logits.shape[1])
    true = mpmath.mpf(float(even[0, 0])) * mpmath.fsum(count * costs[x] for x, count in counts.items())
    assert ulps(reference.softmax_cross_entropy(logits, even)[0], true) <= 4


def test_small_terms_beside_large_ones_are_not_lost():
    """Each of 120 small terms is under half an ulp of the large one that NumPy would add it to."""
    others = np.array([0.0] * 8 + [-36.8] * 120)
    logits = np.append(others, 40.0)[None]
    terms = np.exp(others - 40.0)
    assert ulps(terms.sum(), mpmath.fsum(map(mpmath.mpf, terms.tolist()))) > 4
    true = exact(logits[0])
    labels = np.array([128])
    assert ulps(reference.softmax_cross_entropy(logits, labels)[0], true.costs[128]) <= 4
    assert ulps(-reference.softmax_cross_entropy_grad(logits, labels)[0, 128], true.rest[128]) <= 4
    target = np.full((1, 129), 1 / 129)
    amounts = exact_amounts(target, 129, None, 0.0)
    loss = mpmath.fsum(a * c for a, c in zip(amounts, true.costs, strict=True))
    assert ulps(reference.softmax_cross_entropy(logits, target)[0], loss) <= 4


@pytest.mark.parametrize("name", cases.ROWS)
@pytest.mark.parametrize("temperature", [1.0, 0.3, 7.0])
def test_softmax_within_4_ulp(name, temperature):
    """Where the quotient (x - max) / T is rounded, exp makes an error of |x - max| / T half ulps of it."""
    logits, _ = cases.row(name)
    mpmath.mp.dps = 60
    scaled = [mpmath.mpf(float(x)) / mpmath.mpf(temperature) for x in logits[0]]
    powers = [mpmath.exp(x - max(scaled)) for x in scaled]
    got = reference.softmax(logits, temperature)[0]
    logs = reference.log_softmax(logits, temperature)[0]
    for value, log, power, x in zip(got, logs, powers, scaled, strict=True):
        slack = 0.0 if temperature == 1.0 or power == 0 else float(max(scaled) - x)
        assert ulps(value, power / mpmath.fsum(powers)) <= 4 + slack
        if power == 0:
            assert log == -math.inf
    if temperature != 1.0:
        halved = reference.softmax(logits / 2)
        assert np.array_equal(halved, reference.softmax(logits, 2.0))


@pytest.mark.parametrize("name", cases.ROWS)
def test_logsumexp(name):
    logits, _ = cases.row(name)
    mpmath.mp.dps = 60
    true = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(float(x))) for x in logits[0]))
    # max + log1p may cancel, each being off by an ulp of its own.
    sizes = (logits.max(), np.log(logits.shape[1]), float(true))
    allowed = sum(float(np.spacing(abs(size))) for size in sizes)
    assert abs(mpmath.mpf(float(reference.logsumexp(logits)[0])) - true) <= allowed


@pytest.mark.parametrize("name", cases.ROWS)
def test_gradient_of_every_class_within_4_ulp(name):
    logits, _ = cases.row(name)
    true = exact(logits[0])
    for label in range(logits.shape[1]):
        got = reference.softmax_cross_entropy_grad(logits, np.array([label]))[0]
        for j, value in enumerate(got):
            assert ulps(value, -true.rest[j] if j == label else true.q[j]) <= 4
        assert abs(math.fsum(got)) <= 4 * np.spacing(abs(got).max())


@pytest.mark.parametrize("name", cases.ROWS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_gradient_with_every_option(name, smoothing, weighted, hard):
    """Within 4 ulp of the larger of the two terms whose difference it is."""
    logits, label = cases.row(name)
    k = logits.shape[1]
    weights = np.random.default_rng(k).random(k) * 3 if weighted else None
    target = label if hard else soft(k, 6)
    got = reference.softmax_cross_entropy_grad(logits, target, weights, smoothing)[0]
    true = exact(logits[0])
    amounts = exact_amounts(target, k, weights, smoothing)
    for j, value in enumerate(got):
        up = true.q[j] * mpmath.fsum(a for i, a in enumerate(amounts) if i != j)
        down = amounts[j] * true.rest[j]
        error = abs(mpmath.mpf(float(value)) - (up - down))
        assert error <= 4 * mpmath.mpf(float(np.spacing(float(max(up, down)))))


@pytest.mark.parametrize("name", cases.ROWS)
def test_squared_error_of_the_softmax(name):
    logits, _ = cases.row(name)
    true = exact(logits[0])
    k = logits.shape[1]
    for label in range(k):
        labels = np.array([label])
        d = [-true.rest[j] if j == label else true.q[j] for j in range(k)]
        loss = reference.softmax_squared_error(logits, labels)[0]
        assert ulps(loss, mpmath.fsum(value**2 for value in d)) <= 4
        assert not np.signbit(loss)
        check_squared_error_gradient(reference.softmax_squared_error_grad(logits, labels)[0], true, d)
    target = soft(k, 7)
    # q - p, the difference of two rounded numbers, is known to an ulp of 1 - p where both are near 1.
    d = [q - mpmath.mpf(float(p)) for q, p in zip(true.q, target[0], strict=True)]
    assert ulps(reference.softmax_squared_error(logits, target)[0], mpmath.fsum(v**2 for v in d)) <= 8
    check_squared_error_gradient(reference.softmax_squared_error_grad(logits, target)[0], true, d)


def check_squared_error_gradient(got: np.ndarray, true: Exact, d: list[mpmath.mpf]) -> None:
    """Within 8 ulp of 2 q_j times the larger of the terms whose difference it is."""
    k = len(d)
    for j in range(k):
        others = [true.q[i] * d[i] for i in range(k) if i != j]
        own = d[j] * true.rest[j]
        size = 2 * true.q[j] * (abs(own) + mpmath.fsum(abs(value) for value in others))
        slope = 2 * true.q[j] * (own - mpmath.fsum(others))
        assert abs(mpmath.mpf(float(got[j])) - slope) <= 8 * mpmath.mpf(float(np.spacing(float(size))))


def test_squared_error_gradient_of_a_confident_row_keeps_its_digits():
    logits, label = cases.row("right by 40")
    true = exact(logits[0])
    y = label[0]
    rest = true.rest[y]
    slope = -2 * true.q[y] * (rest**2 + mpmath.fsum(q**2 for j, q in enumerate(true.q) if j != y))
    assert ulps(reference.softmax_squared_error_grad(logits, label)[0, y], slope) <= 8


def test_nothing_is_nan_where_classes_are_ruled_out():
    logits, _ = cases.row("ruled out")
    target = np.array([[0.25, 0.0, 0.75, 0.0]])
    assert np.isfinite(reference.softmax_cross_entropy(logits, target)).all()
    for labels in (target, np.array([1])):
        assert np.isfinite(reference.softmax_cross_entropy_grad(logits, labels)).all()
        assert np.isfinite(reference.softmax_squared_error_grad(logits, labels)).all()
    gradient = reference.softmax_cross_entropy_grad(logits, target)[0]
    assert gradient[1] == gradient[3] == 0
    assert reference.softmax_cross_entropy(logits, np.array([1]))[0] == math.inf
    assert reference.softmax_cross_entropy_grad(logits, np.array([1]))[0, 1] == -1
    free = np.array([1.0, 0.0, 1.0, 1.0])
    assert reference.softmax_cross_entropy(logits, np.array([1]), free)[0] == 0
    assert reference.softmax_cross_entropy(logits, target, free, 0.1)[0] == math.inf
    free[3] = 0.0
    assert np.isfinite(reference.softmax_cross_entropy(logits, target, free, 0.1)[0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_gradients_against_differences_of_fourth_order(smoothing, weighted, hard):
    n, k, h = 6, 5, 1e-3
    logits = np.random.default_rng(1).normal(0, 2, (n, k))
    target = cases.matrix(n, k)[1] if hard else cases.distributions(n, k)
    weights = np.linspace(0.2, 2, k) if weighted else None

    def cross_entropy(x):
        return reference.softmax_cross_entropy(x, target, weights, smoothing)

    pairs = [
        (cross_entropy, reference.softmax_cross_entropy_grad(logits, target, weights, smoothing)),
        (
            lambda x: reference.softmax_squared_error(x, target),
            reference.softmax_squared_error_grad(logits, target),
        ),
    ]
    for loss, gradient in pairs:
        for j in range(k):
            step = h * np.eye(k)[j]
            slope = (
                loss(logits - 2 * step)
                - 8 * loss(logits - step)
                + 8 * loss(logits + step)
                - loss(logits + 2 * step)
            ) / (12 * h)
            # Truncation h^4 / 30 times a fifth derivative (below 100 here), and rounding eps * loss / h.
            np.testing.assert_allclose(gradient[:, j], slope, rtol=0, atol=100 * h**4 / 30 + 1e-11)


PROBABILITIES = {
    "sure and right": ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
    "sure and wrong": ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
    "soft": ([0.2, 0.5, 0.3], [0.7, 0.1, 0.2]),
    "zeros in both": ([0.5, 0.0, 0.5], [0.25, 0.0, 0.75]),
    "nearly equal": ([0.2, 0.5, 0.3], [0.2 + 2**-30, 0.5 - 2**-30, 0.3]),
    "nearly sure": ([1.0, 0.0, 0.0], [1 - 2**-50, 2**-50, 0.0]),
    "tiny": ([1e-300, 1.0, 0.0], [1e-310, 1.0, 0.0]),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_losses_of_probabilities(name):
    p, q = (np.array([values]) for values in PROBABILITIES[name])
    mpmath.mp.dps = 400
    terms = [(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(p[0], q[0], strict=True)]
    cross = mpmath.fsum(-a * mpmath.log(b) if b else mpmath.inf for a, b in terms if a)
    assert ulps(reference.cross_entropy(p, q)[0], cross) <= 4
    entropy = mpmath.fsum(-a * mpmath.log(a) for a, _ in terms if a)
    assert ulps(reference.entropy(p)[0], entropy) <= 4
    assert ulps(reference.squared_error(p, q)[0], mpmath.fsum((a - b) ** 2 for a, b in terms)) <= 4
    divergence = reference.kl_divergence(p, q)[0]
    if mpmath.isinf(cross):
        assert divergence == math.inf
    else:
        # Terms of both signs: each is right to 4 ulp of its own.
        sizes = [abs(a * mpmath.log(a / b)) for a, b in terms if a]
        assert abs(mpmath.mpf(float(divergence)) - (cross - entropy)) <= 4 * 2**-52 * mpmath.fsum(sizes)
    assert reference.classification_error(p, q)[0] == (p[0].argmax() != q[0].argmax())
    for loss in (reference.cross_entropy, reference.squared_error, reference.kl_divergence):
        value = loss(p, q)[0]
        assert not np.signbit(value)
        if (p > 0).sum() == 1:
            assert value == loss(p.argmax(axis=1), q)[0]


def test_the_first_largest_is_predicted_and_is_the_label():
    q = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert list(reference.classification_error(np.array([0, 2]), q)) == [0, 1]
    assert list(reference.classification_error(np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]), q)) == [0, 0]


FORMULAS = {
    "softmax": lambda x, t: reference.softmax(x),
    "log_softmax": lambda x, t: reference.log_softmax(x),
    "logsumexp": lambda x, t: reference.logsumexp(x),
    "cross_entropy": reference.softmax_cross_entropy,
    "smoothed": lambda x, t: reference.softmax_cross_entropy(x, t, None, 0.1),
    "cross_entropy_grad": reference.softmax_cross_entropy_grad,
    "smoothed_grad": lambda x, t: reference.softmax_cross_entropy_grad(x, t, None, 0.1),
    "squared_error": reference.softmax_squared_error,
    "squared_error_grad": reference.softmax_squared_error_grad,
}

shapes = st.tuples(st.integers(1, 9), st.integers(1, 40))


@st.composite
def problems(draw):
    shape = draw(shapes)
    values = st.one_of(st.floats(-1e4, 1e4), st.sampled_from([0.0, 1.0, -500.0, 1e4]), st.floats(-3, 3))
    logits = draw(hnp.arrays(np.float64, shape, elements=values))
    labels = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return logits, labels


@settings(deadline=None)
@given(problems(), st.booleans())
def test_a_row_depends_on_itself_alone(problem, hard):
    logits, labels = problem
    target = labels if hard else np.ascontiguousarray(cases.distributions(*logits.shape))
    for formula in FORMULAS.values():
        together = formula(logits, target)
        for i in range(len(logits)):
            alone = formula(logits[i : i + 1].copy(), target[i : i + 1].copy())
            assert alone.tobytes() == together[i : i + 1].tobytes()
        assert formula(logits[::-1].copy(), target[::-1].copy()).tobytes() == together[::-1].tobytes()


@settings(deadline=None)
@given(problems(), st.integers(-1000, 1000))
def test_a_shift_that_is_exact_changes_no_bit(problem, shift):
    logits, labels = problem
    logits = np.round(logits * 64) / 64
    for name, formula in FORMULAS.items():
        if name != "logsumexp":
            assert formula(logits + shift, labels).tobytes() == formula(logits, labels).tobytes()


@settings(deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_classes_in_another_order(problem, random):
    """The others are added in another order: a rounding apart, so two in the loss."""
    logits, labels = problem
    k = logits.shape[1]
    order = np.array(random.sample(range(k), k))
    moved = np.argsort(order)[labels]
    for loss in (reference.softmax_cross_entropy, reference.softmax_squared_error):
        np.testing.assert_array_max_ulp(loss(logits[:, order].copy(), moved), loss(logits, labels), 2)
    np.testing.assert_array_max_ulp(
        reference.softmax(logits[:, order].copy()), reference.softmax(logits)[:, order], 2
    )


def test_arguments_are_not_changed():
    logits, labels = cases.matrix(7, 5)
    p = cases.distributions(7, 5)
    q = reference.softmax(logits)
    q.setflags(write=False)
    for target in (labels, p):
        for formula in FORMULAS.values():
            formula(logits, target)
        for formula in (reference.cross_entropy, reference.squared_error, reference.kl_divergence):
            formula(target, q)
            assert formula(target[:0], q[:0]).shape == (0,)
