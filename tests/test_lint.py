"""Each warning once where it is due, and not where it is not."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossent
from blocks import ready
from crossent.comparison import compare_predictions
from crossent.options import CompareOptions

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 3, 200)
LOGITS = RNG.normal(size=(200, 3)) + 2.5 * np.eye(3)[LABELS]
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
SOFT = RNG.dirichlet([1, 1, 1], 200)
ONE_HOT = np.eye(3)[(LABELS + (RNG.random(200) < 0.1)) % 3]


def warnings(*models, labels=LABELS, kind="probs", ids=None, step=67):
    predictions = ready(
        {f"NN{i + 1}": q for i, q in enumerate(models)}, labels, kind=kind, ids=ids, step=step
    )
    return list(compare_predictions(predictions, CompareOptions()).warnings)


def test_clean_predictions_give_no_warning():
    assert warnings(PROBS) == []
    assert warnings(LOGITS, kind="logits") == []
    assert warnings(SOFT, labels=SOFT[::-1]) == []


def test_rows_whose_printed_digits_leave_their_sum_open(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("label,prob_dog,prob_cat\ndog,0.4,0.7\ncat,0.5,0.5\n")
    said = "a: rows sum to 1 only within 0.1, as few digits are printed; write more digits"
    assert said in crossent.compare([path]).warnings
    assert said not in crossent.compare([path], options=CompareOptions(renormalize=True)).warnings
    path.write_text("label,prob_dog,prob_cat\ndog,0.404,0.597\ncat,0.505,0.494\n")
    assert not [warning for warning in crossent.compare([path]).warnings if "sum" in warning]


def test_permuted_columns():
    (said,) = warnings(PROBS[:, [1, 2, 0]])
    assert said == (
        "NN1: columns look permuted: reading column 'class 2' as 'class 0', 'class 0' as 'class 1', "
        "'class 1' as 'class 2' lowers the error from 0.96 to 0.07; check the order of the classes"
    )


def test_permuted_columns_of_two_classes():
    (said,) = warnings(PROBS[:, :2][:, ::-1] / PROBS[:, :2].sum(axis=1, keepdims=True), labels=LABELS % 2)
    assert "columns look permuted" in said


@pytest.mark.parametrize("wrong", [0.45, 0.6])
def test_a_bad_model_whose_columns_are_in_order_is_not_permuted(wrong):
    guess = np.where(RNG.random(200) < wrong, RNG.integers(0, 3, 200), LABELS)
    q = 0.2 + 0.4 * np.eye(3)[guess] + RNG.random((200, 3)) * 1e-3
    assert warnings(q / q.sum(axis=1, keepdims=True)) == []


def test_softmax_twice():
    assert warnings(PROBS, kind="logits") == [
        "NN1: all logits lie in [0, 1] and every row sums to 1: was softmax applied already? "
        "Then these are probabilities (--kind probs)"
    ]
    once_outside = np.vstack([PROBS[:-1], [[0.5, 0.6, -0.1]]])
    assert warnings(once_outside, kind="logits") == []


def test_p_and_q_swapped():
    assert warnings(ONE_HOT, labels=SOFT) == [
        "NN1: p and q look swapped: every q is one-hot and the labels are not"
    ]
    assert not [said for said in warnings(ONE_HOT) if "swapped" in said]


def test_labels_leaked():
    assert warnings(np.eye(3)[LABELS]) == [
        "NN1: every q is its own label: were the labels written as predictions?"
    ]
    assert warnings(SOFT, labels=SOFT) == []
    one_off = np.eye(3)[LABELS]
    one_off[150] = [0.2, 0.3, 0.5]
    assert warnings(one_off) == ["NN1: rounded to 1 decimal; export logits, or more digits"]


def test_constant_output():
    constant = np.tile([0.21, 0.42, 0.37], (200, 1))
    assert warnings(constant) == ["NN1: the same output for all 200 examples"]
    almost = constant.copy()
    almost[150] = [0.213456, 0.416544, 0.37]
    assert warnings(almost) == []


def test_constant_within_blocks_only():
    steps = np.repeat([[0.2123456, 0.4176544, 0.37], [0.3123456, 0.3176544, 0.37]], 100, axis=0)
    assert warnings(steps, step=100) == []


def test_same_predictions_twice():
    assert warnings(PROBS, PROBS.copy()) == ["NN1 and NN2 are the same predictions"]
    other = PROBS.copy()
    other[150, :2] = other[150, 1::-1]
    assert warnings(PROBS, other) == []


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounded_input_says_its_digits_whatever_the_storage(digits, dtype):
    first = np.round(PROBS[:, :2], digits)
    q = np.column_stack([first, np.round(1 - first.sum(axis=1), digits)]).astype(dtype)
    noun = "decimal" if digits == 1 else "decimals"
    said = [one for one in warnings(q) if "tied" not in one]
    assert said == [f"NN1: rounded to {digits} {noun}; export logits, or more digits"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounded_columns_of_a_file_say_their_digits(tmp_path, dtype):
    first = np.round(PROBS[:, 0], 2).astype(dtype)
    labels = np.arange(len(first)) % 2
    table = pa.table({"label": labels, "prob_a": first, "prob_b": np.round(1 - first, 2)})
    pq.write_table(table, tmp_path / "nn.parquet")
    said = crossent.compare({"NN1": tmp_path / "nn.parquet"}, classes=["a", "b"]).warnings
    assert "NN1: rounded to 2 decimals; export logits, or more digits" in said


def test_a_rounded_zero_on_a_right_class_says_so_also_for_few_examples():
    said = warnings([[0.99, 0.01], [1.0, 0.0], [0.3, 0.7]], labels=[0, 1, 1])
    assert said == ["NN1: rounded to 2 decimals; export logits, or more digits"]
    assert warnings([[0.99, 0.01], [1.0, 0.0], [0.3, 0.7]], labels=[0, 0, 1]) == []


def test_five_digits_are_enough():
    first = np.round(PROBS[:, :2], 5)
    assert warnings(np.column_stack([first, np.round(1 - first.sum(axis=1), 5)])) == []


def test_tied_rows_are_counted():
    q = PROBS.copy()
    q[:3] = [0.4, 0.4, 0.2]
    assert warnings(q) == ["NN1: 3 rows tied at the top; the first of the largest counts as predicted"]


@pytest.mark.parametrize(
    "ids",
    [
        [f"patient{row // 4}_{row % 4}" for row in range(200)],
        [f"dog{row // 2}-{'ab'[row % 2]}.jpg" for row in range(200)],
        [f"animal {row // 5}/{row % 5}.png" for row in range(200)],
    ],
)
def test_ids_that_repeat_up_to_a_suffix(ids):
    (said,) = warnings(PROBS, ids=ids)
    assert "--cluster COLUMN" in said


@pytest.mark.parametrize(
    "ids",
    [
        [f"{row:05d}" for row in range(200)],
        [f"cat.{row}.jpg" if row % 2 else f"dog.{row}.jpg" for row in range(200)],
        [f"test_{row}" for row in range(200)],
        [f"n{1000 + row // 100}/img_{row}" for row in range(200)],
        [str(row * 7919) for row in range(200)],
    ],
)
def test_ordinary_ids_suggest_no_clusters(ids):
    assert warnings(PROBS, ids=ids) == []
