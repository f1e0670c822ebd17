"""Merging in any order, split anywhere, on any number of threads: the same bytes."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks import ready
from crossent.comparison import compare_predictions, estimated
from crossent.options import CompareOptions
from crossent.rule import Rule
from crossent.tally import tally_block
from crossent.wording import MEASURES

OPTIONS = CompareOptions(margin=0.01, top=5)


def hard_predictions(count=1000, models=3, soft=False, seed=0, step=37, unused=0):
    """Losses over thirty orders of magnitude, ties, infinite ones, equal differences; classes that never are."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, count)
    outputs = {}
    for model in range(models):
        logits = rng.normal(size=(count, 5)) * rng.choice([0.01, 1, 30], size=(count, 1))
        q = np.exp(logits - logits.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        q[rng.random(count) < 0.05] = [0.5, 0.5, 0, 0, 0]
        q[: count // 10] = 0.2
        outputs[f"m{model}"] = np.pad(q, [(0, 0), (0, unused)])
    p = rng.dirichlet([0.1] * 5, count) if soft else labels
    return ready(outputs, p, ids=[f"id-{row}" for row in range(count)], step=step)


@pytest.fixture(scope="module", params=[False, True], ids=["hard labels", "soft labels"])
def whole(request):
    predictions = hard_predictions(soft=request.param)
    rule = Rule(predictions.models, predictions.classes, OPTIONS.clip, OPTIONS.top)
    parts = [tally_block(block, rule) for block in predictions.blocks()]
    return predictions, parts, compare_predictions(predictions, OPTIONS).to_json()


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_order_and_any_tree_of_merging_gives_the_same_bytes(whole, data):
    predictions, parts, expected = whole
    parts = [copy.deepcopy(part) for part in data.draw(st.permutations(parts))]
    while len(parts) > 1:
        place = data.draw(st.integers(0, len(parts) - 2))
        parts[place].merge(parts.pop(place + 1))
    assert estimated(predictions, parts[0].finish(), OPTIONS).to_json() == expected


def figures(found):
    """Every number of the measures of each model and pair; -1 where there is none."""
    estimates = [getattr(one, name) for one in (*found.models.values(), *found.pairs) for name in MEASURES]
    numbers = [value for one in estimates for value in vars(one).values() if isinstance(value, float | None)]
    return [-1.0 if value is None else value for value in numbers]


def test_sums_of_the_classes_and_sums_of_the_rows_say_the_same():
    few, many = (compare_predictions(hard_predictions(unused=unused), OPTIONS) for unused in (0, 40))
    assert len(figures(few)) > 50
    assert figures(few) == pytest.approx(figures(many), rel=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_any_number_of_threads_gives_the_same_bytes(whole, threads):
    predictions, _, expected = whole
    options = CompareOptions(margin=0.01, top=5, threads=threads)
    assert compare_predictions(predictions, options).to_json() == expected


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_what_no_longer_reaches_the_bar_is_left_out_and_changes_no_byte(whole, order):
    predictions, parts, expected = whole
    rule = parts[0].rule
    blocks = list(predictions.blocks())
    first, *rest = blocks if order == "forward" else blocks[::-1]
    total = tally_block(first, rule)
    described = 0
    for block in rest:
        part = tally_block(block, rule, total.bar)
        described += sum(len(pair.a_worse.examples) + len(pair.b_worse.examples) for pair in part.pairs)
        total.merge(part)
    assert described < len(rest) * len(rule.pairs) * 2 * OPTIONS.top / 2
    assert estimated(predictions, total.finish(), OPTIONS).to_json() == expected


def test_sizes_that_are_no_longer_among_the_largest_are_left_out_and_change_no_byte(monkeypatch):
    monkeypatch.setattr("crossent.extremes.LARGEST", 40)
    monkeypatch.setattr("crossent.extremes._MOST_PARTS", 3)
    predictions = hard_predictions()
    rule = Rule(predictions.models, predictions.classes, OPTIONS.clip, OPTIONS.top)
    first, *rest = predictions.blocks()
    barred, all_kept = tally_block(first, rule), tally_block(first, rule)
    sizes = []
    for block in rest:
        part, whole = tally_block(block, rule, barred.bar), tally_block(block, rule)
        sizes.append([sum(len(one.a_sizes.parts[0]) for one in each.pairs) for each in (part, whole)])
        barred.merge(part)
        all_kept.merge(whole)
    fewer, more = np.array(sizes).sum(axis=0)
    assert fewer < 0.8 * more
    found, expected = (estimated(predictions, each.finish(), OPTIONS) for each in (barred, all_kept))
    assert found.to_json() == expected.to_json()
    assert found.to_json() == compare_predictions(predictions, OPTIONS).to_json()


def test_a_block_is_not_tallied_twice(whole):
    _, parts, _ = whole
    with pytest.raises(AssertionError, match="twice"):
        copy.deepcopy(parts[0]).merge(copy.deepcopy(parts[0]))


@pytest.mark.parametrize("soft", [False, True])
def test_sums_equal_the_plain_formulas(soft):
    predictions = hard_predictions(count=500, models=2, soft=soft)
    a, b = predictions.outputs.values()
    p = predictions.labels if soft else np.eye(5)[predictions.labels]
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = [np.where(p > 0, -p * np.log(q), 0).sum(axis=1) for q in (a, b)]
    squared = [((p - q) ** 2).sum(axis=1) for q in (a, b)]
    wrong = [q.argmax(axis=1) != p.argmax(axis=1) for q in (a, b)]
    found = compare_predictions(predictions, CompareOptions())
    finite = np.isfinite(losses[0]) & np.isfinite(losses[1])
    for model, w, s, loss in zip(found.models.values(), wrong, squared, losses, strict=True):
        assert model.wrong == w.sum()
        assert model.squared_error.value == pytest.approx(s.mean(), rel=1e-13)
        assert model.cross_entropy.value == math.inf
        assert model.zero_probability_examples == np.isinf(loss).sum()
        assert model.finite.cross_entropy.value == pytest.approx(loss[np.isfinite(loss)].mean(), rel=1e-13)
    (pair,) = found.pairs
    difference = (losses[1] - losses[0])[finite]
    assert pair.finite.examples == finite.sum()
    assert pair.finite.cross_entropy.difference == pytest.approx(difference.mean(), rel=1e-11)
    assert pair.only_a_wrong == (wrong[0] & ~wrong[1]).sum()
    assert pair.only_b_wrong == (wrong[1] & ~wrong[0]).sum()
    with np.errstate(invalid="ignore"):
        all_differences = losses[1] - losses[0]
    assert pair.b_more_wrong == (all_differences > 0.1).sum()
    assert pair.a_more_wrong == (all_differences < -0.1).sum()
    frequencies = p.mean(axis=0)
    assert found.baseline.squared_error == pytest.approx(
        ((p - frequencies) ** 2).sum(axis=1).mean(), rel=1e-12
    )
    given_classes = frequencies[frequencies > 0]
    assert found.baseline.cross_entropy == pytest.approx(
        -(given_classes * np.log(given_classes)).sum(), rel=1e-12
    )
    always = frequencies.argmax()
    assert found.baseline.classification_error == (p.argmax(axis=1) != always).mean()
    if soft:
        entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(axis=1).mean()
        assert found.label_entropy == pytest.approx(entropy, rel=1e-12)
    else:
        assert found.label_entropy is None


@pytest.mark.parametrize("kind", ["probs", "logits"])
@pytest.mark.parametrize("soft", [False, True])
def test_clipping_charges_no_more_than_the_clip_and_says_so(kind, soft):
    q = np.array([[0.999, 0.001, 0.0], [0.25, 0.5, 0.25]])
    with np.errstate(divide="ignore"):
        outputs = q if kind == "probs" else np.log(q)
    labels = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]) if soft else np.array([2, 1])
    predictions = ready({"m": outputs}, labels, kind=kind)
    model = compare_predictions(predictions, CompareOptions(clip=0.01)).models["m"]
    assert model.cross_entropy.value == pytest.approx((-math.log(0.01) + math.log(2)) / 2, rel=1e-14)
    assert model.zero_probability_examples == 1
    assert model.finite is None
    exact = compare_predictions(predictions, CompareOptions()).models["m"]
    assert exact.cross_entropy.value == math.inf


def test_confusion_counts_labels_by_row():
    predictions = hard_predictions(count=500, models=1)
    (q,) = predictions.outputs.values()
    table = np.zeros((5, 5), int)
    np.add.at(table, (predictions.labels, q.argmax(axis=1)), 1)
    confusion = compare_predictions(predictions, OPTIONS).models["m0"].confusion
    assert {cell: table[cell] for cell in zip(*np.nonzero(table), strict=True)} == confusion


def test_the_most_different_examples_are_the_first_of_a_stable_sort():
    predictions = hard_predictions(count=1000, models=2)
    a, b = predictions.outputs.values()
    rows = np.arange(1000)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = -np.log(b[rows, predictions.labels]) + np.log(a[rows, predictions.labels])
    (pair,) = compare_predictions(predictions, CompareOptions(top=50)).pairs
    for side, sizes in ((pair.b_worse, difference), (pair.a_worse, -difference)):
        sizes = np.where(np.isnan(sizes), 0, sizes)
        expected = [row for row in np.argsort(-sizes, kind="stable") if sizes[row] > 0][:50]
        assert [int(example.id[3:]) for example in side] == expected
        assert len(side) == 50


def test_half_of_the_gap_is_the_smallest_number_of_examples():
    losses = np.array([8.0, 4.0, 2.0, 1.0, 1.0] + [0.1] * 95)
    q = np.exp(-losses)
    a = np.full((100, 2), 0.5)
    labels = np.zeros(100, int)
    b = np.stack([q * 0.5, 1 - q * 0.5], axis=1)  # each costs exactly its loss more than 0.5 does
    (pair,) = compare_predictions(ready({"a": a, "b": b}, labels), CompareOptions()).pairs
    assert pair.outcome == "worse"
    assert pair.half_of_gap == 3  # 8 + 4 is less than half of 25.5, 8 + 4 + 2 is more
    assert compare_predictions(ready({"b": b, "a": a}, labels), CompareOptions()).pairs[0].half_of_gap == 3
