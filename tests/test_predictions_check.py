"""Sums are held to the digits that are there; labels are read one way over the whole column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent.errors import PredictionsError
from crossent.predictions.check import checked_probs
from crossent.predictions.rounding import decimals
from predictions_files import read


def at(row, column):
    return f"x, row {row + 1}"


@given(st.integers(0, 9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_decimals_of_printed_numbers(digits, numbers):
    texts = [f"{number / 10**digits:.{digits}f}" for number in numbers]
    needed = max(len(text.rstrip("0").partition(".")[2]) for text in texts)
    values = np.array([float(text) for text in texts])
    assert decimals(values) <= needed
    if all(abs(value) < 10 for value in values):  # few enough digits for float32 to tell
        assert needed > 6 or decimals(values) == needed


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [1 / 3, 0.5e-12], [1e-13]])
def test_values_on_no_grid(values):
    assert decimals(np.array(values)) is None


def test_minus_infinity_lies_on_any_grid():
    assert decimals(np.array([[-np.inf, 0.25]])) == 2


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("classes", [2, 3, 9, 10])
def test_text_may_be_off_by_half_a_unit_per_class_and_no_more(digits, classes):
    unit = 10.0**-digits
    q = np.zeros(classes)
    q[0] = unit  # keeps the grid where it is
    allowed = int(classes * 0.5)  # in units; the sum of 1e-6 is below one unit
    q[1] = round(1 - unit - allowed * unit, digits)
    text_rows = np.array([q])
    assert checked_probs(text_rows, at, text=True)[1] == pytest.approx(allowed * unit)
    with pytest.raises(PredictionsError, match="row 1: the probabilities sum to"):
        checked_probs(text_rows, at, text=False)
    q[1] = round(q[1] - unit, digits)
    if q[1] >= 0:
        with pytest.raises(PredictionsError, match="row 1: the probabilities sum to"):
            checked_probs(np.array([q]), at, text=True)


def test_whole_numbers_are_not_taken_for_rounded_ones():
    assert checked_probs(np.eye(2), at, text=True)[1] == 0
    with pytest.raises(PredictionsError, match="row 2: the probabilities sum to 2, not 1; not softmax"):
        checked_probs(np.array([[0.0, 1.0], [1.0, 1.0]]), at, text=True)


@pytest.mark.parametrize(("dtype", "off", "fits"), [
    (np.float64, 0.9e-6, True), (np.float64, 1.1e-6, False), (np.float32, 0.9e-6, True), (np.float32, 1.2e-6, False),
    (np.float16, 3 * 2.0**-10, True), (np.float16, 5 * 2.0**-10, False),
])  # fmt: skip
def test_tolerance_follows_the_digits_not_the_dtype_that_stores_them(dtype, off, fits):
    q = np.array([[1 / 3, 0.0], [0.7, 0.0]], dtype)
    q[:, 1] = (1 - q[:, 0].astype(np.float64)).astype(dtype)
    q[1, 1] = dtype(1 + off - float(q[1, 0]))
    for stored in (dtype, np.float64):
        values = q.astype(stored).astype(np.float64)
        if fits:
            checked_probs(values, at, text=False)
        else:
            with pytest.raises(PredictionsError, match="row 2: the probabilities sum to"):
                checked_probs(values, at, text=False)


def test_renormalising_divides_by_the_sum_and_keeps_the_deviation():
    q = np.array([[0.3, 0.3], [0.5, 0.5], [2.0, 1.0]])
    values, deviation = checked_probs(q, at, text=False, renormalize=True)
    np.testing.assert_array_equal(values, [[0.5, 0.5], [0.5, 0.5], [2 / 3, 1 / 3]])
    assert deviation == 2.0


@pytest.mark.parametrize("row", [[0.0, 0.0], [1e308, 1e308]])
def test_what_no_division_mends(row):
    with pytest.raises(
        PredictionsError, match=r"row 1: the probabilities sum to (0|inf), which no division mends"
    ):
        checked_probs(np.array([row]), at, text=False, renormalize=True)


@pytest.mark.parametrize("row", [[np.nan, 1.0], [-0.5, 1.5], [np.inf, 0.0]])
def test_renormalising_mends_no_wrong_entry(row):
    with pytest.raises(PredictionsError, match="but probabilities lie between 0 and 1"):
        checked_probs(np.array([row]), at, text=False, renormalize=True)


@pytest.mark.parametrize(("classes", "values", "labels"), [
    ("12", "1,2", [0, 1]), ("12", "2,1", [1, 0]), ("12", "0,1", [0, 1]), ("12", "1,0", [1, 0]),  # one reading fits
    ("01", "1,0", [1, 0]), ("ab", "1,0", [1, 0]), ("ab", "b,a", [1, 0]),
    ("a0", "a,0", [0, 1]), ("79", "9,7", [1, 0]), ("79", "1,0", [1, 0]),
])  # fmt: skip
def test_names_or_indices_by_the_whole_column(tmp_path, classes, values, labels):
    rows = "".join(f"{value},1,0\n" for value in values.split(","))
    (tmp_path / "a.csv").write_text(f"label,prob_{classes[0]},prob_{classes[1]}\n{rows}")
    (block,) = read(tmp_path / "a.csv")
    assert block.labels.tolist() == labels


def test_the_last_row_of_many_settles_the_reading(tmp_path):
    (tmp_path / "a.csv").write_text("label,prob_1,prob_2\n" + "1,1,0\n" * 70_000 + "2,0,1\n")
    labels = np.concatenate([block.labels for block in read(tmp_path / "a.csv")])
    assert labels[0] == 0
    assert labels[-1] == 1
    (tmp_path / "b.csv").write_text("label,prob_1,prob_2\n" + "1,1,0\n" * 70_000 + "0,0,1\n")
    labels = np.concatenate([block.labels for block in read(tmp_path / "b.csv")])
    assert labels[0] == 1
    assert labels[-1] == 0


@pytest.mark.parametrize(("label_is", "label"), [("name", 0), ("index", 1)])
def test_what_both_fit_is_declared(tmp_path, label_is, label):
    (tmp_path / "a.csv").write_text("label,prob_1,prob_2\n1,1,0\n1,1,0\n")
    (block,) = read(tmp_path / "a.csv", label_is=label_is)
    assert block.labels.tolist() == [label, label]


@pytest.mark.parametrize(("label_is", "labels"), [(None, [1, 0]), ("index", [1, 0]), ("name", None)])
def test_typed_integers_are_indices_unless_declared(label_is, labels):
    source = {"label": [1, 0], "prob_1": [1.0, 0.0], "prob_0": [0.0, 1.0]}
    (block,) = read(source, label_is=label_is)
    assert block.labels.tolist() == (labels or [0, 1])


def test_indices_count_the_file_s_own_list_of_classes():
    own = {"probs": np.eye(2), "labels": [0, 1], "classes": ["b", "a"]}
    other = {"prob_a": [0.0, 1.0], "prob_b": [1.0, 0.0]}
    (block,) = read(other, own)
    assert block.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(block.outputs[0], block.outputs[1])


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("classes", [1, 2, 10, 28, 29])
@pytest.mark.parametrize("renormalize", [False, True])
def test_columns_are_checked_as_rows_are(classes, rows, renormalize):
    rng = np.random.default_rng(rows)
    q = rng.dirichlet(np.ones(classes), rows).astype(np.float32).astype(np.float64)
    by_row, by_column = (
        checked_probs(probs, at, text=False, renormalize=renormalize) for probs in (q, np.asfortranarray(q))
    )
    assert by_row[0].tobytes() == by_column[0].tobytes()
    assert by_row[1] == by_column[1]
    assert by_row[1] == pytest.approx(np.abs(q.sum(axis=1) - 1).max(), abs=1e-15 * classes)


@pytest.mark.parametrize("value", [-1e-9, np.nan])
@pytest.mark.parametrize("row", [0, 255, 256, 299])
@pytest.mark.parametrize("classes", [3, 40])
def test_one_entry_that_is_no_probability_is_found_in_any_layout(classes, row, value):
    q = np.full((300, classes), 1 / classes)
    q[row, 1] = value
    for probs in (q, np.asfortranarray(q)):
        with pytest.raises(PredictionsError, match=f"x, row {row + 1}: "):
            checked_probs(probs, at, text=False)
