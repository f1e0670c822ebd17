"""Calibration against known figures, SciPy and hand examples; temperatures where there is none."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.optimize import minimize_scalar

import crossent.calibration as calibration
from crossent.calibration import (
    calibration_error,
    reliability_bins,
    temperature_gap,
    temperature_of,
)
from crossent.kernels.cooling import slopes
from crossent.kernels.layout import read_only
from crossent.measures import probs_of
from crossent.predictions import Block
from crossent.reliability import BINS, Reliability
from crossent.sample import Sample, SampledRows, row_hashes
from crossent.statistics import wilson

REAL = Path(__file__).parents[2] / "shared" / "data" / "predictions"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real predictions are not at {REAL}")


def drawn_from(labels, *outputs):
    """A sample of all these rows."""
    outputs = tuple(np.array(q, np.float64) for q in outputs)
    block = Block(0, None, np.asarray(labels), outputs, (0.0,) * len(outputs))
    return Sample.of(block, outputs[0].shape[1]).drawn()


def fitted(labels, outputs, kind="logits"):
    return temperature_of(drawn_from(labels, outputs), 0, kind=kind, confidence=0.95)


def cost(logits, labels, temperature):
    """Mean cross-entropy, by SciPy."""
    logs = special.log_softmax(logits / temperature, axis=1)
    if labels.ndim == 1:
        return -logs[np.arange(len(logits)), labels].mean()
    return -np.where(labels > 0, labels * logs, 0).sum(axis=1).mean()


def best(logits, labels):
    """The temperature that SciPy finds; a minimum is known to the square root of a rounding."""
    found = minimize_scalar(
        lambda t: cost(logits, labels, math.exp(t)), bounds=(math.log(0.05), math.log(20)),
        method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return math.exp(found.x)


def overconfident(count=600, classes=4, sharpness=3.0, seed=0, soft=False, spread=1.0):
    """Logits ``sharpness`` times as large as those that the labels were drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (count, classes))
    q = special.softmax(logits, axis=1)
    labels = (q.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    if soft:
        hard = np.eye(classes)[labels]
        labels = q * rng.gamma(1.0, size=q.shape)
        labels /= labels.sum(axis=1, keepdims=True)
        labels[::3] = hard[::3]
    return sharpness * logits, labels


# --- reliability and calibration error


def test_the_worked_example_to_the_last_bit():
    labels = np.array([0, 1, 0])
    for q, expected in (
        ([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], 0.26666666666666666),
        ([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]], (0.4 + 0.3 + 0.9) / 3),
    ):
        q = np.array(q)
        found = calibration_error(Reliability.of(q.max(axis=1), q.argmax(axis=1) == labels))
        assert found.value == expected
        assert (found.low, found.high, found.method, found.few_decide) == (None, None, "none", False)


@real_data
@pytest.mark.parametrize(("which", "percent"), [("brier", "1.82"), ("focal", "1.55")])
def test_the_known_calibration_error_of_real_predictions(which, percent):
    data = np.load(REAL / f"cifar10_resnet50_{which}.npz")
    logits = data["logits"].astype(np.float64)
    correct = logits.argmax(axis=1) == data["labels"]
    for kind, outputs in (("logits", logits), ("probs", special.softmax(logits, axis=1))):
        found = calibration_error(Reliability.of(probs_of(outputs, kind).max(axis=1), correct))
        assert f"{100 * found.value:.2f}" == percent


def test_calibration_error_is_the_plain_double_sum():
    rng = np.random.default_rng(3)
    top = rng.random(5_000)
    correct = rng.random(5_000) < top**2
    expected = 0.0
    for low in range(BINS):
        within = (top > low / BINS) & (top <= (low + 1) / BINS)
        expected += within.mean() * abs(correct[within].mean() - top[within].mean())
    # 5,000 additions of numbers up to 1, in each of both ways
    found = calibration_error(Reliability.of(top, correct)).value
    assert found == pytest.approx(expected, abs=2 * 5_000 * 2**-53)


def test_bins_carry_counts_means_and_wilsons_band():
    top = np.array([0.9, 0.92, 0.61, 1.0, 0.999])
    bins = reliability_bins(Reliability.of(top, np.array([True, False, False, True, True])), 0.9)
    assert len(bins) == BINS
    assert [(one.low, one.high) for one in bins] == [(i / 15, (i + 1) / 15) for i in range(15)]
    assert [one.examples for one in bins] == [0] * 9 + [1, 0, 0, 0, 2, 2]
    assert bins[9].confidence == 0.61
    assert bins[13].confidence == pytest.approx(0.91, abs=2**-52)
    assert bins[13].accuracy == wilson(1, 2, 0.9)
    assert bins[14].accuracy == wilson(2, 2, 0.9)
    assert bins[14].accuracy.high == 1.0 > bins[14].accuracy.low
    assert bins[9].accuracy.value == 0.0 < bins[9].accuracy.high
    for one in bins:
        assert (one.confidence is None) == (one.accuracy is None) == (one.examples == 0)


# --- temperature


@real_data
@pytest.mark.parametrize("which", ["brier", "focal"])
def test_the_temperature_of_real_predictions_is_the_one_that_scipy_finds(which):
    data = np.load(REAL / f"cifar10_resnet50_{which}.npz")
    logits, labels = data["logits"].astype(np.float64), data["labels"].astype(np.int64)
    found = fitted(labels, logits)
    assert found.value == pytest.approx(best(logits, labels), abs=1e-6)
    assert found.reason is None
    assert found.examples == 10_000
    assert found.cross_entropy_before == pytest.approx(cost(logits, labels, 1.0), rel=1e-12)
    assert found.cross_entropy < found.cross_entropy_before
    # fitted to other examples, so no better than the best that any temperature can do on these
    assert found.cross_entropy >= cost(logits, labels, found.value)
    assert found.calibration_error.value < found.calibration_error_before.value
    assert sum(one.examples for one in found.bins) == 10_000


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("sharpness", [0.2, 1.0, 3.0, 12.0])
@pytest.mark.parametrize("classes", [2, 4, 50])
def test_the_slope_is_zero_at_the_temperature(sharpness, classes, soft):
    logits, labels = overconfident(classes=classes, sharpness=sharpness, soft=soft)
    value = fitted(labels, logits).value
    p = labels if soft else np.eye(classes)[labels]

    def slope(inverse):  # of the cross-entropy by 1/T, by its formula
        return ((special.softmax(logits * inverse, axis=1) - p) * logits).sum(axis=1).mean()

    # the sign turns within 1e-8 of it
    assert slope(1 / (value - 1e-8)) > 0 > slope(1 / (value + 1e-8))
    assert value == pytest.approx(best(logits, labels), rel=1e-6)


def test_soft_labels_that_sum_to_one_only_nearly_are_weighted_as_they_are():
    logits, labels = overconfident(soft=True)
    labels *= np.linspace(0.99, 1.01, len(labels))[:, None]
    assert fitted(labels, logits).value == pytest.approx(best(logits, labels), rel=1e-6)


def cross_validated(logits, labels):
    """Costs and top probabilities by SciPy, each fold at the temperature of the others, within the bounds."""
    fold = (row_hashes(np.arange(len(logits))) % np.uint64(5)).astype(int)
    costs, top = np.empty(len(logits)), np.empty(len(logits))
    for held in range(5):
        temperature = best(logits[fold != held], labels[fold != held])
        logs = special.log_softmax(logits[fold == held] / temperature, axis=1)
        costs[fold == held] = -logs[np.arange(len(logs)), labels[fold == held]]
        top[fold == held] = np.exp(logs).max(axis=1)
    return costs, top


def test_cross_validation_is_what_it_says():
    logits, labels = overconfident(count=400)
    found = fitted(labels, logits)
    costs, top = cross_validated(logits, labels)
    # SciPy's temperatures are good to 1e-6, and no row's cost or probability has a slope above 1 in them
    assert found.cross_entropy == pytest.approx(costs.mean(), abs=1e-6)
    after = Reliability.of(top, logits.argmax(axis=1) == labels)
    assert found.calibration_error.value == pytest.approx(calibration_error(after).value, abs=1e-6)
    expected = reliability_bins(after, 0.95)
    assert [(b.examples, b.accuracy) for b in found.bins] == [(b.examples, b.accuracy) for b in expected]


@given(st.sampled_from([0.1, 0.25, 1 / 3, 2.0, 5.0]), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_logits_times_c_have_a_temperature_times_c(factor, seed):
    logits, labels = overconfident(count=300, sharpness=1.5, seed=seed)
    one, other = fitted(labels, logits), fitted(labels, factor * logits)
    assert other.value == pytest.approx(factor * one.value, rel=1e-9)
    assert other.cross_entropy == pytest.approx(one.cross_entropy, rel=1e-9)
    assert other.calibration_error.value == pytest.approx(one.calibration_error.value, rel=1e-9)


def test_logits_shifted_by_row_change_nothing():
    logits, labels = overconfident()
    shifted = logits + np.random.default_rng(0).normal(0, 100, (len(logits), 1))
    assert fitted(labels, shifted).value == pytest.approx(fitted(labels, logits).value, rel=1e-9)


def test_probabilities_have_the_temperature_of_their_logits():
    logits, labels = overconfident()
    a = fitted(labels, logits)
    b = fitted(labels, special.softmax(logits, axis=1), kind="probs")
    assert b.value == pytest.approx(a.value, rel=1e-9)
    assert b.cross_entropy_before == pytest.approx(a.cross_entropy_before, rel=1e-12)
    assert b.cross_entropy == pytest.approx(a.cross_entropy, rel=1e-9)
    assert b.calibration_error.value == pytest.approx(a.calibration_error.value, rel=1e-9)


@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("soft", [False, True])
def test_a_class_that_is_ruled_out_stays_so(kind, soft):
    logits, labels = overconfident(classes=3, soft=soft)
    wide = np.full((len(logits), 5), -np.inf)
    wide[:, [0, 2, 3]] = logits
    if soft:
        placed = np.zeros(wide.shape)
        placed[:, [0, 2, 3]] = labels
    else:
        placed = np.array([0, 2, 3])[labels]
    outputs = wide if kind == "logits" else special.softmax(wide, axis=1)
    found, narrow = fitted(placed, outputs, kind=kind), fitted(labels, logits)
    assert found.value == pytest.approx(narrow.value, rel=1e-9)
    assert found.cross_entropy == pytest.approx(narrow.cross_entropy, rel=1e-9)


def test_confident_and_wrong_where_softmax_underflows():
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 200, (500, 3))
    labels = np.where(rng.random(500) < 0.9, logits.argmax(axis=1), 0)
    scaled = logits / 50
    assert fitted(labels, scaled).value == pytest.approx(best(scaled, labels), rel=1e-6)
    # costs of hundreds of nats, weights down to exp(-40,000)
    assert fitted(labels, logits / 8).value == pytest.approx(best(logits / 8, labels), rel=1e-6)


def test_far_gaps_count_at_high_temperatures():
    logits, labels = overconfident(classes=50, spread=3.0, sharpness=12.0)
    assert (logits.max(axis=1) - logits.min(axis=1)).max() > 200
    assert fitted(labels, logits).value == pytest.approx(best(logits, labels), rel=1e-6)


def test_nearly_separable_data_whose_steps_would_crawl():
    """One example is wrong by little, all others are right by far: the slope is flat nearly everywhere."""
    logits = np.zeros((1000, 2))
    logits[:, 0] = 40.0
    logits[0, 0] = -0.5
    evaluations = []
    plain = calibration._slope

    def counted(*args):
        evaluations.append(args[2])
        return plain(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "_slope", counted)
        value = fitted(np.zeros(1000, np.int64), logits).value

    # 1/T is where 999 · 40/(1 + exp(40/T)) = 0.5/(1 + exp(−0.5/T))
    def slope(inverse):
        return 0.5 / (1 + math.exp(-0.5 * inverse)) - 999 * 40 / (1 + math.exp(40 * inverse))

    assert slope(1 / (value - 1e-8)) > 0 > slope(1 / (value + 1e-8))
    assert len(evaluations) < 6 * 25


@pytest.mark.parametrize("margin", [1.0, 30.0, 1_000.0, 1e5])
def test_separable_data_are_at_the_bound(margin):
    labels = np.arange(200) % 3
    found = fitted(labels, margin * np.eye(3)[labels])
    assert (found.value, found.cross_entropy, found.bins) == (None, None, None)
    assert found.reason == "at the bound: 0.05 or less fits best"
    assert found.cross_entropy_before == pytest.approx(math.log1p(2 * math.exp(-margin)), rel=1e-12)


@pytest.mark.parametrize("margin", [1e-3, 1.0, 1e5])
def test_always_wrong_is_at_the_other_bound(margin):
    labels = np.arange(200) % 3
    found = fitted((labels + 1) % 3, margin * np.eye(3)[labels])
    assert found.value is None
    assert found.reason == "at the bound: 20 or more fits best"


@pytest.mark.parametrize(("wanted", "there"), [(19.9, True), (20.1, False), (0.0501, True), (0.0499, False)])
def test_where_the_bounds_are(wanted, there):
    logits, labels = overconfident(sharpness=1.0)
    at_one = logits / fitted(labels, logits).value
    found = fitted(labels, wanted * at_one)
    assert (found.value is not None) == there
    if there:
        assert found.value == pytest.approx(wanted, rel=1e-9)
        # some folds fit best beyond the bound, and are held at it
        costs, _ = cross_validated(wanted * at_one, labels)
        assert found.cross_entropy == pytest.approx(costs.mean(), abs=1e-6)


def test_fewer_than_a_hundred_examples():
    logits, labels = overconfident(count=100)
    assert fitted(labels, logits).value is not None
    found = fitted(labels[:99], logits[:99])
    assert (found.value, found.cross_entropy, found.calibration_error, found.bins) == (None,) * 4
    assert found.reason == "fewer than 100 examples"
    assert found.examples == 99
    assert found.cross_entropy_before == pytest.approx(cost(logits[:99], labels[:99], 1.0), rel=1e-12)


def test_more_classes_than_the_sample_can_hold_is_not_blamed_on_the_examples():
    rows, classes = 32, 2**19
    outputs = np.zeros((rows, classes), np.float32)
    labels = np.zeros(rows, np.int64)
    drawn = SampledRows(row_hashes(np.arange(rows)), np.arange(rows), labels, (outputs,))
    found = temperature_of(drawn, 0, kind="logits", confidence=0.95)
    assert found.reason == "more than 167,772 classes: the sample holds fewer than 100 examples"


@pytest.mark.parametrize(("count", "said"), [(1, "1 sampled example"), (7, "7 sampled examples")])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_the_right_class_with_probability_zero(kind, count, said):
    q = special.softmax(overconfident(count=300)[0], axis=1)
    labels = q.argmax(axis=1)
    labels[::5] = 0
    q[:count] = [0, 0.5, 0.25, 0.25]
    labels[:count] = 0
    with np.errstate(divide="ignore"):
        found = fitted(labels, q if kind == "probs" else np.log(q), kind=kind)
    assert (found.value, found.cross_entropy) == (None, None)
    assert found.cross_entropy_before == math.inf
    assert found.reason == f"the right class has probability 0 on {said}"
    assert math.isfinite(found.calibration_error_before.value)


@pytest.mark.parametrize("row", [[0.2] * 5, [0.5, 0.5, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
def test_outputs_that_no_temperature_changes(row):
    found = fitted(np.zeros(150, np.int64), np.tile(row, (150, 1)), kind="probs")
    assert found.value is None
    assert found.reason == "in every example all possible classes are equally probable"


def test_the_same_output_everywhere_still_has_a_temperature():
    q = np.tile([0.7, 0.2, 0.1], (200, 1))
    labels = np.repeat([0, 1, 2], [100, 60, 40])
    found = fitted(labels, q, kind="probs")
    assert found.value == pytest.approx(best(np.log(q), labels), rel=1e-6)
    assert found.value > 1


def test_logits_near_the_end_of_float64_warn_of_nothing():
    logits, labels = overconfident(count=200)
    logits[:20] = [[0.0, -1e308, 1e308, 5.0]]
    labels[:20] = 0
    assert fitted(labels, logits).reason == "at the bound: 20 or more fits best"
    labels[:20] = 1
    assert fitted(labels, logits).reason == "the right class has probability 0 on 20 sampled examples"


def test_an_empty_fold_is_no_trouble():
    logits, labels = overconfident(count=200)
    drawn = drawn_from(labels, logits)
    drawn = replace(drawn, hashes=drawn.hashes - drawn.hashes % np.uint64(5))
    found = temperature_of(drawn, 0, kind="logits", confidence=0.95)
    # all rows are held out at once, so nothing is left to fit to
    assert found.value == pytest.approx(best(logits, labels), rel=1e-6)
    assert math.isfinite(found.cross_entropy)


def test_more_rows_than_one_chunk_holds():
    logits, labels = overconfident(count=3_000, classes=100)
    assert fitted(labels, logits).value == pytest.approx(best(logits, labels), rel=1e-6)


def test_the_sample_is_not_changed():
    logits, labels = overconfident()
    for kind, outputs in (("logits", logits), ("probs", special.softmax(logits, axis=1))):
        drawn = drawn_from(labels, outputs)
        for array in (drawn.hashes, drawn.labels, *drawn.outputs):
            array.setflags(write=False)
        temperature_of(drawn, 0, kind=kind, confidence=0.95)


# --- pairs


def test_what_one_temperature_each_removes_of_the_gap():
    logits, labels = overconfident(sharpness=1.0, count=2_000)
    drawn = drawn_from(labels, logits, 4 * logits)
    a, b = (temperature_of(drawn, model, kind="logits", confidence=0.95) for model in (0, 1))
    gap = temperature_gap(a, b)
    assert gap.examples == 2_000
    assert gap.before == pytest.approx(cost(4 * logits, labels, 1) - cost(logits, labels, 1), rel=1e-12)
    # but for their temperature these two are the same
    assert gap.after == pytest.approx(0, abs=1e-9)
    assert gap.removed == gap.before - gap.after
    back = temperature_gap(b, a)
    assert (back.before, back.after, back.removed) == (-gap.before, -gap.after, -gap.removed)


def test_no_temperature_no_split():
    logits, labels = overconfident()
    drawn = drawn_from(labels, logits, 100 * np.eye(4)[labels])
    a, b = (temperature_of(drawn, model, kind="logits", confidence=0.95) for model in (0, 1))
    assert a.value is not None
    assert b.value is None
    assert temperature_gap(a, b) is temperature_gap(b, a) is None


@pytest.mark.parametrize("classes", [1, 2, 10, 3000])
@pytest.mark.parametrize("rows", [0, 1, 700])
@pytest.mark.parametrize("inverse", [0.03, 1.0, 30.0])
def test_slopes_are_those_of_the_plain_formula(classes, rows, inverse):
    rng = np.random.default_rng(rows)
    gaps = rng.normal(0, 5, (rows, classes))
    gaps[::3, 1:] = -np.inf
    gaps[1::3, 1:] -= 1e6
    gaps -= gaps.max(axis=1, keepdims=True)
    mass, label_gaps = rng.random(rows), rng.normal(0, 5, rows)
    deep = np.maximum(gaps, -40_000)
    weights = np.exp(deep * inverse)
    weights /= weights.sum(axis=1, keepdims=True)
    mean, square = (weights * deep).sum(axis=1), (weights * deep**2).sum(axis=1)
    slope, curvature = slopes(*map(read_only, (gaps, mass, label_gaps)), inverse)
    size = np.abs(mass * mean).sum() + np.abs(label_gaps).sum()
    assert slope == pytest.approx((mass * mean - label_gaps).sum(), rel=0, abs=1e-12 * size)
    assert curvature == pytest.approx((mass * (square - mean**2)).sum(), rel=1e-9, abs=1e-12)
