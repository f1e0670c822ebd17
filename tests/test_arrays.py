"""What is refused, where it is said to be, and what is let through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ml_dtypes import bfloat16
from numpy.lib.stride_tricks import as_strided

import cases
from crossent import arrays, errors, reference
from crossent.arrays import Fault

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([0.0, NAN, 1.0], Fault(2, 1, NAN, "nan")),
        ([INF, NAN, 1.0], Fault(2, 1, NAN, "nan")),
        ([0.0, -INF, INF], Fault(2, 2, INF, "+inf")),
        ([-INF, -INF, -INF], Fault(2, None, -INF, "no finite logit")),
        ([-INF, -1e308, -INF], None),
        ([1e308, -1e308, 0.0], None),
    ],
)
def test_faults_of_logits(row, fault):
    logits = np.array([[0.0, 1.0, 2.0], [0.0, -INF, 2.0], row, [NAN, 0.0, 0.0]])
    assert repr(arrays.logits_fault(logits[:3])) == repr(fault)
    assert arrays.logits_fault(logits).row == (3 if fault is None else 2)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([0.5, NAN, 0.5], Fault(1, 1, NAN, "nan")),
        ([1.5, -0.5, 0.0], Fault(1, 1, -0.5, "negative")),
        ([INF, 0.0, 0.0], Fault(1, 0, INF, "+inf")),
        ([INF, -INF, 0.0], Fault(1, 1, -INF, "negative")),
        ([0.75, 0.5, 0.125], Fault(1, None, 1.375, "sum")),
        ([0.0, 0.0, 0.0], Fault(1, None, 0.0, "sum")),
        ([1e308, 1e308, 0.0], Fault(1, None, INF, "sum")),
        ([1.0, -0.0, 0.0], None),
        ([0.5, 0.5, 9e-7], None),
        ([0.5, 0.5, 2e-6], Fault(1, None, 1.000002, "sum")),
    ],
)
def test_faults_of_probabilities(row, fault):
    probs = np.array([[0.25, 0.25, 0.5], row])
    assert repr(arrays.probs_fault(probs, 1e-6)) == repr(fault)
    assert arrays.probs_fault(probs[:0], 1e-6) is None


def test_tolerance_of_sums():
    assert arrays.sum_tolerance(2.0**-52) == 1e-6
    assert arrays.sum_tolerance(2.0**-10) == 2.0**-8


@pytest.mark.parametrize(
    ("dtype", "eps"),
    [(bfloat16, 2.0**-7), (np.float16, 2.0**-10), (np.float32, 2.0**-23), (np.float64, 2.0**-52)],
)
def test_precision_is_that_of_the_digits(dtype, eps):
    probs = reference.softmax(cases.matrix(50, 20)[0]).astype(dtype)
    assert arrays.precision(probs.astype(np.float64)) == eps
    one_hot = np.eye(3)
    assert arrays.precision(one_hot) == 2.0**-7
    assert arrays.precision(np.array([[2.0**-24, 1 - 2.0**-11]])) == 2.0**-10
    assert arrays.precision(np.empty((0, 3))) == 2.0**-7
    assert arrays.precision(np.array([[0.1, NAN]])) == 2.0**-52


@pytest.mark.parametrize("dtype", [bfloat16, np.float16])
def test_narrow_probabilities_pass_however_they_are_stored(dtype):
    narrow = reference.softmax(cases.matrix(300, 40)[0]).astype(dtype)
    sums = narrow.astype(np.float64).sum(axis=1)
    assert np.abs(sums - 1).max() > 1e-4, "else any tolerance would let them through"
    for stored in (narrow, narrow.astype(np.float32), narrow.astype(np.float64)):
        arrays.check_probs(arrays.as_rows(stored, "q"), "q")
    spoilt = narrow.astype(np.float64)
    spoilt[290] = [0.75, 0.5] * 20
    with pytest.raises(errors.ProbabilityError, match=r"^q\[290\] sums to 25, not 1"):
        arrays.check_probs(arrays.as_rows(spoilt, "q"), "q")


def test_one_value_with_more_digits_takes_the_tolerance_from_all():
    q = np.full((100_000, 2), 0.5)
    q[3, 0] = 0.5 + 2.0**-11
    arrays.check_probs(arrays.as_rows(q, "q"), "q")
    q[99_999] = 0.3, 0.7
    with pytest.raises(errors.ProbabilityError, match=r"^q\[3\] sums to 1\.00048828"):
        arrays.check_probs(arrays.as_rows(q, "q"), "q")


def test_wrong_sum_after_many_blocks_is_found_where_it_is():
    probs = np.full((300_000, 2), 0.5)
    probs[250_001] = 0.6, 0.75
    with pytest.raises(errors.ProbabilityError) as caught:
        arrays.check_probs(arrays.as_rows(probs, "q"), "q")
    assert str(caught.value) == (
        "q[250001] sums to 1.35, not 1: not softmax? crossent never renormalises; divide by the sum, or pass"
        " logits to softmax_cross_entropy"
    )


@pytest.mark.parametrize(
    ("values", "error", "sentence"),
    [
        ([["a"]], errors.DtypeError, "logits has dtype <U1"),
        ([1j], errors.DtypeError, "logits has dtype complex128"),
        ([None, 1.0], errors.DtypeError, "logits has dtype object"),
        ([[1.0], [1.0, 2.0]], errors.ShapeError, "logits is no array"),
        (np.zeros(2, np.longdouble), errors.DtypeError, "logits has dtype"),
        (np.ma.masked_array([1.0, 2.0]), errors.DtypeError, "logits is a masked array"),
        (np.array(["2024-01-01"], "M8[D]"), errors.DtypeError, "logits has dtype datetime64"),
        (torch.zeros(2, dtype=torch.complex64), errors.DtypeError, "logits has dtype complex64"),
        (torch.zeros(2, 2).to_sparse(), errors.DtypeError, "logits is a torch.sparse_coo tensor"),
        (
            torch.zeros(2, dtype=torch.float8_e5m2),
            errors.DtypeError,
            "logits is a torch.strided tensor of torch.float8",
        ),
        (3.0, errors.ShapeError, r"logits has shape \(\)"),
        (np.zeros((1, 1, 1)), errors.ShapeError, r"logits has shape \(1, 1, 1\)"),
        (np.zeros((3, 0)), errors.ShapeError, r"logits has shape \(3, 0\): at least one class"),
        ([], errors.ShapeError, r"logits has shape \(0,\): at least one class"),
    ],
)
def test_what_is_no_array_of_numbers(values, error, sentence):
    with pytest.raises(error, match=f"^{sentence}"):
        arrays.as_rows(values, "logits")


def test_arrays_are_not_copied():
    array = np.zeros((2, 3), np.float32)
    assert arrays.as_array(array, "x") is array
    tensor = torch.zeros(2, 3)
    arrays.as_array(tensor, "x")[0, 0] = 5
    assert tensor[0, 0] == 5
    assert arrays.as_array(torch.ones(2, dtype=torch.bfloat16), "x").dtype == np.float32
    assert arrays.as_array(torch._neg_view(torch.ones(2)), "x").tolist() == [-1, -1]


def test_dtypes_of_results():
    for dtype in cases.DTYPES:
        assert arrays.result_dtype(dtype) == dtype
        assert arrays.loss_dtype(dtype) == (np.float64 if dtype == np.float64 else np.float32)
    for dtype in map(np.dtype, (np.int8, np.uint64, np.bool_)):
        assert arrays.result_dtype(dtype) == arrays.loss_dtype(dtype) == np.float64
    assert arrays.result_dtype(np.dtype(">f4")) == np.dtype("=f4")


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        ([0, 1, 3], errors.LabelError, r"p\[2\] is 3: with 3 classes labels are 0 to 2"),
        ([0, -1, 3], errors.LabelError, r"p\[1\] is -1"),
        (np.array([0, 1, 2**64 - 1], np.uint64), errors.LabelError, r"p\[2\] is 18446744073709551615"),
        ([0.0, 1.0, 2.0], errors.DtypeError, "p has dtype float64"),
        ([True, False, True], errors.DtypeError, "p has dtype bool"),
        ([0, 1], errors.ShapeError, r"p has shape \(2,\): 3 x 3 predictions take shape \(3,\) or \(3, 3\)"),
        ([[0], [1], [2]], errors.ShapeError, r"p has shape \(3, 1\)"),
        (0, errors.ShapeError, r"p has shape \(\)"),
        ([[1, 0, 0], [0, 1, 0], [0, 1, 1]], errors.ProbabilityError, r"p\[2\] sums to 2, not 1"),
        ([[1, 0, 0], [0, 1, 0], [2, -1, 0]], errors.ProbabilityError, r"p\[2, 1\] is -1, but"),
        ([[1, 0, 0], [0, 1, 0], [NAN, 0, 0]], errors.ProbabilityError, r"p\[2, 0\] is nan, but"),
    ],
)
def test_wrong_labels(labels, error, sentence):
    rows = arrays.as_rows(np.zeros((3, 3)), "q")
    with pytest.raises(error, match=f"^{sentence}"):
        arrays.check_labels(arrays.as_target(arrays.as_array(labels, "p"), "p", rows), "p", rows)


def test_labels_of_one_example():
    rows = arrays.as_rows([0.1, 0.9], "q")
    assert arrays.as_target(np.array(1), "p", rows).tolist() == [1]
    assert arrays.as_target(np.array([0, 1]), "p", rows).tolist() == [[0, 1]]
    for labels, sentence in (([1], "one integer or shape"), ([[0, 1]], "one integer or shape")):
        with pytest.raises(errors.ShapeError, match=sentence):
            arrays.as_target(np.array(labels), "p", rows)
    with pytest.raises(errors.LabelError, match=r"^p is 2: with 2 classes"):
        arrays.check_labels(arrays.as_target(np.array(2), "p", rows), "p", rows)
    with pytest.raises(errors.ProbabilityError, match=r"^p\[0\] is -1, but"):
        arrays.as_target(np.array([-1, 2]), "p", rows)


def test_ignored_labels():
    rows = arrays.as_rows(np.zeros((4, 3)), "logits")
    labels = np.array([2, -100, 0, -100], np.int16)
    target = arrays.as_target(labels, "labels", rows, -100)
    assert target.dtype == np.int64
    assert arrays.check_labels(target, "labels", rows, -100).tolist() == [2, -100, 0, -100]
    with pytest.raises(errors.LabelError, match=r"^labels\[1\] is -100"):
        arrays.check_labels(target, "labels", rows, -1)
    with pytest.raises(errors.LabelError, match=r"^labels\[8\] is -100"):
        arrays.check_labels(target[1:2], "labels", rows, first=8)
    with pytest.raises(errors.OptionError, match=r"^ignore_index goes with integer labels"):
        arrays.as_target(np.full((4, 3), 1 / 3), "labels", rows, 0)


@pytest.mark.parametrize("weights", [[1.0, -1.0, 0.0], [1.0, NAN, 0.0], [1.0, INF, 0.0]])
def test_wrong_class_weights(weights):
    with pytest.raises(errors.OptionError, match=r"^class_weights\[1\] is "):
        arrays.as_class_weights(np.array(weights), 3)
    with pytest.raises(errors.ShapeError, match=r"^class_weights has shape \(1, 3\)"):
        arrays.as_class_weights(np.array([weights]), 3)


def test_out():
    logits = np.zeros((4, 6))
    rows = arrays.as_rows(logits, "logits")
    labels = np.full((4, 6), 1 / 6)
    arrays.check_out(logits, rows, labels)
    arrays.check_out(np.empty((4, 6), order="F"), rows, labels)
    memory = np.zeros((4, 12))
    left = arrays.as_rows(memory[:, :6], "logits")
    arrays.check_out(memory[:, 6:], left)
    for out in (memory[:, 1:7], memory[::-1, :6], as_strided(memory, (4, 6), (48, 8))):
        with pytest.raises(errors.OptionError, match=r"^out overlaps"):
            arrays.check_out(out, left)
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        arrays.check_out(labels, rows, labels)
    with pytest.raises(errors.OptionError, match=r"^out is read-only"):
        arrays.check_out(cases.matrix(4, 6)[0], rows)
    with pytest.raises(errors.DtypeError, match=r"^out is a list"):
        arrays.check_out([[0.0] * 6] * 4, rows)
    for wrong in (np.empty((4, 6), np.float32), np.empty((6, 4)), np.empty(24), np.empty((4, 6, 1))):
        with pytest.raises(errors.ShapeError, match=r"^out is "):
            arrays.check_out(wrong, rows)
    one = arrays.as_rows(logits[0], "logits")
    arrays.check_out(logits[0], one)
    with pytest.raises(errors.ShapeError, match=r"^out is \(1, 6\) float64, but the result \(6,\) float64"):
        arrays.check_out(logits[:1], one)
    integers = arrays.as_rows(np.zeros((4, 6), np.int64), "logits")
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        arrays.check_out(integers.view.view(np.float64), integers)


def test_blocks_cover_every_row_once():
    for shape in ((0, 3), (1, 256_000), (5, 2**17), (2**17 + 1, 1), (100_000, 10)):
        cuts = list(arrays.blocks(shape))
        rows = [row for cut in cuts for row in range(cut.start, cut.stop)]
        assert rows == list(range(shape[0]))
        assert all(
            (cut.stop - cut.start) * shape[1] <= max(arrays.ENTRIES_PER_BLOCK, shape[1]) for cut in cuts
        )


def test_widened_is_what_the_formulas_take():
    for dtype in (*cases.DTYPES, np.dtype(">f4"), np.dtype(np.int8), np.dtype(bool)):
        for layout in cases.LAYOUTS:
            array = cases.laid_out(np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype), layout)
            wide = arrays.widened(array)
            assert wide.dtype == np.float64
            assert wide.flags.c_contiguous
            assert wide.flags.aligned
            assert np.array_equal(wide, array.astype(np.float64))
