"""What `crossent.nn.cross_entropy` refuses, beside PyTorch: the same error with the same words."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.nn import functional

from crossent import nn

X = torch.linspace(-2.0, 3.0, 12).reshape(4, 3)
X3, X4 = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4, 5)
LABELS = torch.tensor([0, 1, 2, 1])
P = torch.softmax(X, 1)
W = torch.tensor([0.5, 1.0, 2.0])
OUT = torch.tensor([0, 1, 3, 1])


def zeros(*shape, dtype=torch.int64):
    return torch.zeros(shape, dtype=dtype)


# arguments, options, error, how its message begins
REFUSED = {
    "label too large": ((X, OUT), {}, IndexError, "Target 3 is out of bounds."),
    "label too large, each": ((X, OUT), {"reduction": "none"}, IndexError, "Target 3 is out of bounds."),
    "label too large, weighted": ((X, OUT, W), {}, IndexError, "Target 3 is out of bounds."),
    "label too large, smoothed": ((X, OUT), {"label_smoothing": 0.1}, IndexError, "Target 3 is out of"),
    "label negative": ((X, -LABELS), {}, IndexError, "Target -1 is out of bounds."),
    "label too large, one": ((X[0], torch.tensor(7)), {}, IndexError, "Target 7 is out of bounds."),
    "label too large, images": ((X4, zeros(2, 4, 5) + 9), {}, IndexError, "Target 9 is out of bounds."),
    "byte too large": ((X, (LABELS + 5).to(torch.uint8)), {}, IndexError, "Target 5 is out of bounds."),
    "no class": ((X[:, :0], LABELS), {}, IndexError, "Target 0 is out of bounds."),
    "int32 labels": ((X, LABELS.int()), {}, RuntimeError, "expected target dtype to be Long or Byte"),
    "int8 labels": ((X, LABELS.char()), {}, RuntimeError, "expected target dtype to be Long or Byte"),
    "bool labels": ((X, LABELS.bool()), {}, RuntimeError, "expected target dtype to be Long or Byte"),
    "float labels": ((X, LABELS.float()), {}, RuntimeError, "expected target dtype to be Long or Byte"),
    "bytes for images": ((X3, zeros(2, 4, dtype=torch.uint8)), {}, RuntimeError, "expected scalar type Long"),
    "bytes, weighted and smoothed": (
        (X, LABELS.byte(), W),
        {"label_smoothing": 0.1},
        RuntimeError,
        "gather(): Expected dtype int32/int64 for index",
    ),
    "integers for probabilities": ((X, zeros(4, 3)), {}, RuntimeError, "Expected floating point type for"),
    "complex probabilities": ((X, P.cfloat()), {}, RuntimeError, "Expected floating point type for target"),
    "integer logits": ((zeros(4, 3), LABELS), {}, NotImplementedError, '"log_softmax_lastdim_kernel_impl"'),
    "complex logits": ((X.cfloat(), LABELS), {}, NotImplementedError, '"log_softmax_lastdim_kernel_impl"'),
    "too few labels": ((X, LABELS[:3]), {}, ValueError, "Expected input batch_size (4) to match target"),
    "one label": ((X, torch.tensor(1)), {}, ValueError, "Expected input batch_size (4) to match target"),
    "labels as a column": ((X, LABELS[:, None]), {}, RuntimeError, "0D or 1D target tensor expected"),
    "probabilities of two classes": ((X, P[:, :2]), {}, RuntimeError, "0D or 1D target tensor expected"),
    "two labels for one row": (
        (X[0], LABELS[:2]),
        {},
        ValueError,
        "For 1D input, 1D target must have size 1",
    ),
    "one row, smoothed": (
        (X[0], LABELS[:1]),
        {"label_smoothing": 0.1, "reduction": "none"},
        RuntimeError,
        "output with shape [] doesn't match the broadcast shape [1]",
    ),
    "a number": ((torch.tensor(1.0), torch.tensor(1.0)), {}, IndexError, "Dimension specified as 1 but"),
    "lines of another length": (
        (X3, zeros(2, 5)),
        {},
        RuntimeError,
        "Expected target size [2, 4], got [2, 5]",
    ),
    "lines, another batch": ((X3, zeros(3, 4)), {}, ValueError, "Expected input batch_size (2) to match"),
    "lines, one label": ((X3, zeros(2)), {}, RuntimeError, "Expected target size [2, 4], got [2]"),
    "images of another size": (
        (X4, zeros(2, 4, 4)),
        {},
        RuntimeError,
        "size mismatch (got input: [2, 3, 4, 5]",
    ),
    "images, lines": ((X4, zeros(2, 4)), {}, RuntimeError, "only batches of spatial targets supported"),
    "volumes of another size": (
        (X4[..., None], zeros(2, 4, 5, 2)),
        {},
        RuntimeError,
        "Expected target size [2, 4, 5, 1], got [2, 4, 5, 2]",
    ),
    "too many weights": (
        (X, LABELS, torch.ones(4)),
        {},
        RuntimeError,
        "weight tensor should be defined either",
    ),
    "too many weights, soft": (
        (X, P, torch.ones(4)),
        {},
        RuntimeError,
        "cross_entropy: weight tensor should",
    ),
    "a row of weights": ((X, LABELS, W[None]), {}, RuntimeError, "weight tensor should be defined either"),
    "too many weights, images": (
        (X4, zeros(2, 4, 5), torch.ones(4)),
        {},
        RuntimeError,
        "weight tensor should",
    ),
    "weights of another dtype": ((X, LABELS, W.double()), {}, RuntimeError, "expected scalar type Float but"),
    "wide weights for narrow logits": (
        (X.half(), LABELS, W),
        {},
        RuntimeError,
        "expected scalar type Half but",
    ),
    "weights with a gradient": (
        (X, LABELS, W.clone().requires_grad_()),
        {},
        RuntimeError,
        "The function 'nll_loss_forward' is not differentiable with respect to argument 'weight'",
    ),
    "smoothing above 1": (
        (X, LABELS),
        {"label_smoothing": 2.0},
        RuntimeError,
        "label_smoothing must be between",
    ),
    "smoothing above 1, soft": ((X, P), {"label_smoothing": 2.0}, RuntimeError, "label_smoothing must be"),
    "smoothing in words": (
        (X, LABELS),
        {"label_smoothing": "a"},
        TypeError,
        "cross_entropy_loss(): argument",
    ),
    "ignore_index of probabilities": (
        (X, P),
        {"ignore_index": 1},
        RuntimeError,
        "ignore_index is not supported",
    ),
    "ignore_index 1.5": ((X, LABELS), {"ignore_index": 1.5}, TypeError, "cross_entropy_loss(): argument"),
    "ignore_index None": ((X, LABELS), {"ignore_index": None}, TypeError, "cross_entropy_loss(): argument"),
    "reduction": ((X, LABELS), {"reduction": "bad"}, ValueError, "bad is not a valid value for reduction"),
    "reduction None": (
        (X, LABELS),
        {"reduction": None},
        ValueError,
        "None is not a valid value for reduction",
    ),
    "a list of logits": (([[1.0, 2.0]], LABELS), {}, TypeError, "cross_entropy_loss(): argument 'input'"),
    "a list of labels": ((X, [0, 1, 2, 1]), {}, TypeError, "cross_entropy_loss(): argument 'target'"),
    "a list of weights": ((X, LABELS, [1, 2, 3]), {}, TypeError, "cross_entropy_loss(): argument 'weight'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_by_pytorch(name):
    arguments, options, error, begins = REFUSED[name]
    messages = []
    for function in (functional.cross_entropy, nn.cross_entropy):
        with pytest.raises(error) as caught:
            function(*arguments, **options)
        assert type(caught.value) is error
        messages.append(str(caught.value))
    assert messages[0].startswith(begins)
    assert messages[1] == messages[0]


# arguments, options: odd, and taken by both
TAKEN = {
    "smoothing below 0": ((X, LABELS), {"label_smoothing": -1.0}),
    "smoothing below 0, soft": ((X, P), {"label_smoothing": -1.0}),
    "smoothing nan": ((X, LABELS), {"label_smoothing": float("nan")}),
    "smoothing an integer": ((X, LABELS), {"label_smoothing": 1}),
    "ignore_index negative, soft": ((X, P), {"ignore_index": -5}),
    "weights of integers, soft": ((X, P, torch.tensor([1, 0, 2])), {}),
    "weights that are complex, soft": ((X, P, W.cfloat()), {}),
    "weights below 0": ((X, LABELS, -W), {"label_smoothing": 0.1}),
    "one row, one label": ((X[0], LABELS[:1]), {"reduction": "none"}),
    "one row, ignored": ((X[0], torch.tensor(-100)), {}),
    "one row, ignored, each": ((X[0], torch.tensor(-100)), {"reduction": "none"}),
    "no rows": ((X[:0], LABELS[:0]), {}),
    "no class, ignored": ((X[:, :0], LABELS * 0 - 100), {"reduction": "none"}),
    "one class": ((X[:, :1], LABELS * 0), {"reduction": "sum"}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_odd_but_taken_by_pytorch(name):
    arguments, options = TAKEN[name]
    expected, got = (f(*arguments, **options) for f in (functional.cross_entropy, nn.cross_entropy))
    assert got.dtype == expected.dtype
    torch.testing.assert_close(got, expected, equal_nan=True)


@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize("size_average", [None, True, False])
def test_deprecated_arguments(size_average, reduce):
    results = []
    for function in (functional.cross_entropy, nn.cross_entropy):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = function(X, LABELS, None, size_average, -100, reduce, "none")
        results.append((value, [(w.category, str(w.message)) for w in caught]))
    assert results[0][1] == results[1][1]
    assert bool(results[1][1]) == (size_average is not None or reduce is not None)
    torch.testing.assert_close(results[1][0], results[0][0])
    with pytest.warns(UserWarning, match="reduction='elementwise_mean' is deprecated"):
        mean = nn.cross_entropy(X, LABELS, reduction="elementwise_mean")
    torch.testing.assert_close(mean, functional.cross_entropy(X, LABELS))
