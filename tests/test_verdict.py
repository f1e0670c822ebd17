"""Sentences that must be true of any input, and outcomes that rounding must not decide."""

import math

import numpy as np
import pytest

from crossent import CompareOptions, compare
from crossent.report.as_markdown import as_markdown
from crossent.report.as_text import as_text

RNG = np.random.default_rng(0)
COUNT = 60
LABELS = np.arange(COUNT) % 2


def binary(q):
    q = np.asarray(q, float)
    return np.stack([1 - q, q], axis=1)


A, B = binary(RNG.uniform(0.1, 0.9, COUNT)), binary(RNG.uniform(0.1, 0.9, COUNT))


def weighted(weights, a=A, b=B, **options):
    columns = {"label": LABELS, "w": weights}
    sources = {"A": {"probs": a, **columns}, "B": {"probs": b, **columns}}
    return compare(sources, options=CompareOptions(weight="w", **options))


def test_a_slice_of_weight_0_is_left_out():
    found = weighted((LABELS == 0).astype(float))
    assert [one.value for one in found.slices] == ["0"]


def test_an_infinite_loss_of_weight_0_costs_nothing():
    weights, zero = np.ones(COUNT), B.copy()
    weights[0], zero[0] = 0, [0, 1]
    found, without = (
        weighted(weights, b=zero),
        compare({"A": A[1:], "B": B[1:]}, labels=LABELS[1:], kind="probs"),
    )
    (pair,), (same,) = found.pairs, without.pairs
    assert pair.finite is None
    assert pair.cross_entropy.difference == pytest.approx(same.cross_entropy.difference)
    assert found.models["B"].zero_probability_examples == 1
    assert "inf" not in as_text(found)


@pytest.mark.parametrize("measure", ["classification_error", "squared_error", "cross_entropy"])
def test_models_that_differ_only_where_nothing_counts_are_equal(measure):
    weights, other = np.ones(COUNT), A.copy()
    weights[:5], other[:5] = 0, A[:5, ::-1]
    pair = weighted(weights, b=other, measure=measure).pairs[0]
    assert (pair.outcome, pair.identical) == ("equal", True)


@pytest.mark.parametrize("changed", range(2, 20))
def test_half_of_a_gap_of_equal_contributions(changed):
    a, b = np.full(20, 0.95), np.full(20, 0.95)
    b[:changed] = 0.55
    found = compare({"A": binary(a), "B": binary(b)}, labels=np.ones(20, int), kind="probs")
    if found.outcome == "worse":
        assert found.pairs[0].half_of_gap == math.ceil(changed / 2)


def test_equal_by_one_measure_names_it():
    labels = RNG.integers(0, 2, 30)
    a, b = binary(np.where(labels == 1, 0.9, 0.1)), binary(np.where(labels == 1, 0.6, 0.4))
    options = CompareOptions(measure="classification_error")
    verdict = compare({"A": a, "B": b}, labels=labels, kind="probs", options=options).verdict
    assert "B is more wrong: on 30 of 30 examples" in verdict
    assert verdict.endswith("Equal by classification error: both are wrong on the same examples.")


@pytest.mark.parametrize("measure", ["classification_error", "squared_error", "cross_entropy"])
def test_the_baseline_itself_is_as_wrong_as_the_baseline(measure):
    options = CompareOptions(measure=measure)
    found = compare({"f": [[2 / 3, 1 / 3]] * 3}, labels=[0, 1, 0], kind="probs", options=options)
    assert found.verdict.startswith("f is as wrong as always giving the class frequencies")
    assert found.baseline.classification_error == 1 / 3


def test_a_model_and_its_own_softmax_are_equal():
    logits = 3 * RNG.normal(size=(2000, 5))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    both = {"A": {"logits": logits}, "B": {"probs": shifted / shifted.sum(axis=1, keepdims=True)}}
    found = compare(both, labels=RNG.integers(0, 5, 2000))
    assert (found.outcome, found.pairs[0].identical) == ("equal", True)


def test_tiny_differences_of_confident_logits_are_kept():
    a = np.array([[40.0, 0.0]] * 30)
    found = compare({"A": a, "B": a - [2.0, 0.0]}, labels=np.zeros(30, int), kind="logits")
    assert found.pairs[0].cross_entropy.difference == pytest.approx(math.exp(-38) - math.exp(-40), rel=1e-12)


def test_small_differences_everywhere_are_on_no_example_by_more_than_the_threshold():
    labels = RNG.integers(0, 2, 30)
    a, b = binary(np.where(labels == 1, 0.9, 0.1)), binary(np.where(labels == 1, 0.88, 0.12))
    verdict = compare({"A": a, "B": b}, labels=labels, kind="probs").verdict
    assert verdict.startswith(
        "Same number of mistakes, but B is more wrong: cross-entropy 0.128 against 0.105"
    )


def test_the_examples_that_differ_most_are_those_of_both_directions():
    labels = np.ones(40, int)
    a, b = np.full(40, 0.6), np.full(40, 0.61)
    b[3], a[8] = 0.55, 1e-9
    found = compare({"A": binary(a), "B": binary(b)}, labels=labels, kind="probs")
    b[:20] = 0.45  # more mistakes for B, larger losses for A
    found = compare({"A": binary(a), "B": binary(b)}, labels=labels, kind="probs")
    assert "The measures disagree" in found.verdict
    assert "they differ most on row 9, row" in found.verdict


def test_soft_labels_speak_of_a_class_of_the_label():
    p, q = [[0.7, 0.3]] * 30, [[0.6, 0.4]] * 30
    found = compare({"A": q, "B": [[1.0, 0.0], *q[1:]]}, labels=p, kind="probs")
    assert "B gave a class of the label probability 0 on 1 example where A did not" in found.verdict
    assert "right class" not in as_text(found)


def test_both_infinite_says_what_the_direction_rests_on():
    wrong = binary(1.0 - LABELS)
    a, b = A.copy(), B.copy()
    a[:5], b[6] = wrong[:5], wrong[6]
    verdict = compare({"A": a, "B": b}, labels=LABELS, kind="probs").verdict
    assert "as far as that can be told: cross-entropy inf for both" in verdict
    assert "A gave the right class probability 0 on 5 examples where B did not and B" in verdict
    assert "cross-entropy favour" not in verdict


def test_several_models_with_an_infinite_one():
    zero = B.copy()
    zero[0] = [0, 1]
    found = compare({"A": A, "B": zero, "C": B}, labels=LABELS, kind="probs")
    assert "B (inf)" not in found.verdict
    assert "Infinite, by probability 0 for what the label says: B on 1 example." in found.verdict


def test_several_models_of_which_two_are_the_same():
    worse = binary(np.where(LABELS == 1, 0.2, 0.8))
    good = binary(np.where(LABELS == 1, 0.8, 0.2) + RNG.uniform(-0.05, 0.05, COUNT))
    found = compare({"A": good, "A2": good.copy(), "C": worse}, labels=LABELS, kind="probs")
    assert found.outcome == "worse"
    assert "Equal to A: A2." in found.verdict


def test_all_infinite_has_no_numbers_of_no_rows():
    zero = binary(1.0 - LABELS)
    text = as_text(compare({"A": A, "B": zero}, labels=LABELS, kind="probs"))
    assert "over the other 0" not in text
    assert "could have shown 0.00" not in text
    assert "an infinite difference has no interval" in text


def test_no_footnote_without_its_star():
    weights = np.zeros(COUNT)
    weights[:19] = 1
    assert "few examples decide" not in as_text(weighted(weights))


@pytest.mark.parametrize("name", ["new\nline", "esc\x1b[31m", "right\u202eleft"])
def test_control_characters_are_spelled_out(name):
    found = compare({name: A, "B": B}, labels=LABELS, kind="probs")
    assert name.encode("unicode_escape").decode() in as_text(found)
    assert name not in as_text(found)
    assert name not in as_markdown(found)


def test_emoji_and_letters_of_any_script_stay():
    name = "犬 👩\u200d🔬 café"
    assert name in as_text(compare({name: A}, labels=LABELS, kind="probs"))


def test_equal_losses_of_unequal_outputs_are_equal_by_that_measure_alone():
    outputs = {"a": [[0.5, 0.3, 0.2]] * 3, "b": [[0.5, 0.25, 0.25]] * 3}
    found = compare(outputs, labels=[0, 0, 0], kind="probs")
    assert "Equal by cross-entropy: every example costs both the same." in str(found)
