"""`crossent.nn` beside PyTorch: values, gradients, second derivatives, dtypes, nan, layouts."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

import cases
from crossent import errors, nn, reference
from crossent.torch_ops import arithmetic

INF, NAN = float("inf"), float("nan")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REDUCTIONS = ("none", "mean", "sum")
SHAPES = ((3,), (4, 3), (2, 3, 4), (2, 3, 2, 2), (2, 3, 1, 2, 1))
WEIGHTS = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)

BOTH = (
    lambda x, t, **options: functional.cross_entropy(x, t, **options),
    lambda x, t, **options: nn.cross_entropy(x, t, **options),
)


def logits(shape, *, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()


def rows(shape):
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def indices(shape, ignored=None):
    """Every class, and the second of the rows (or the one) with the label that is ignored."""
    labels = torch.arange(int(np.prod(rows(shape)))) % 3
    if ignored is not None and len(labels) > 1:
        labels[1] = ignored
    return labels.reshape(rows(shape))


def probabilities(shape, *, seed=1):
    return torch.softmax(logits(shape, seed=seed).detach(), min(1, len(shape) - 1)).requires_grad_()


def upstream(loss):
    """Another one for every loss."""
    return torch.linspace(-1.5, 3.0, loss.numel() + 1, dtype=loss.dtype)[1:].reshape(loss.shape)


def hard_options():
    for weight, smoothing, ignored, reduction in product(
        (None, WEIGHTS), (0.0, 0.3, 1.0), (-100, 1), REDUCTIONS
    ):
        yield {
            "weight": weight,
            "label_smoothing": smoothing,
            "ignore_index": ignored,
            "reduction": reduction,
        }


def soft_options():
    for weight, smoothing, reduction in product((None, WEIGHTS), (0.0, 0.3, 1.0), REDUCTIONS):
        yield {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}


def beside_pytorch(x, target, factor=None, **options):
    """Values and gradients of both, under an upstream gradient that differs from loss to loss."""
    found = []
    for function in BOTH:
        inputs = [x.detach().clone().requires_grad_()]
        given = target.detach().clone().requires_grad_(target.requires_grad)
        inputs += [given] if given.requires_grad else []
        loss = function(inputs[0], given, **options)
        gradient = upstream(loss) if factor is None else torch.full_like(loss, factor)
        found.append((loss.detach(), *torch.autograd.grad(loss, inputs, gradient)))
    for expected, got in zip(*found, strict=True):
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("factor", [1.0, None])
def test_class_indices_with_every_option(shape, factor):
    for options in hard_options():
        beside_pytorch(logits(shape), indices(shape, options["ignore_index"]), factor, **options)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("factor", [1.0, None])
def test_probabilities_with_every_option(shape, factor):
    for options in soft_options():
        target = probabilities(shape)
        beside_pytorch(logits(shape), target, factor, **options)
        beside_pytorch(logits(shape), target.detach(), factor, **options)
        beside_pytorch(logits(shape), (3 * target - 1).detach(), factor, **options)


@pytest.mark.parametrize("options", list(hard_options()), ids=str)
def test_second_derivatives_with_class_indices(options):
    for shape in ((3, 3), (2, 3, 2)):
        labels = indices(shape, options["ignore_index"])

        def function(x, labels=labels):
            return nn.cross_entropy(x, labels, **options)

        assert gradcheck(function, logits(shape), eps=1e-5, atol=1e-8, rtol=1e-6)
        assert gradgradcheck(function, logits(shape), eps=1e-5, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("options", list(soft_options()), ids=str)
def test_second_derivatives_with_probabilities_and_their_weights(options):
    options = dict(options)
    weights = options.pop("weight")
    for shape in ((3, 3), (2, 3, 2)):
        inputs = [logits(shape), probabilities(shape)]
        if weights is not None:
            inputs.append(weights.clone().requires_grad_())

        def function(x, p, weight=None):
            return nn.cross_entropy(x, p, weight, **options)

        assert gradcheck(function, inputs, eps=1e-5, atol=1e-8, rtol=1e-6)
        assert gradgradcheck(function, inputs, eps=1e-5, atol=1e-7, rtol=1e-5)
        held = inputs[1].detach()  # the gradient that forward has made, where the target needs none
        assert gradgradcheck(
            lambda x, held=held: function(x, held), inputs[0], eps=1e-5, atol=1e-7, rtol=1e-5
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignored", [-100, 1])
def test_second_derivatives_of_the_squared_error(reduction, ignored):
    def function(x, target):
        return nn.softmax_squared_error(x, target, ignore_index=ignored, reduction=reduction)

    for shape in SHAPES[:3]:
        for target in (indices(shape, ignored), probabilities(shape)):
            assert gradcheck(function, (logits(shape), target), eps=1e-5, atol=1e-8, rtol=1e-6)
            assert gradgradcheck(function, (logits(shape), target), eps=1e-5, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_squared_error_by_its_definition(reduction):
    for shape in SHAPES:
        labels = indices(shape, -100)
        x = logits(shape)
        axis = min(1, len(shape) - 1)
        hot = functional.one_hot(labels.clamp(min=0), 3).movedim(-1, axis).double()
        each = (torch.softmax(x, axis) - hot).square().sum(axis)
        counts = labels != -100
        expected = {
            "none": each * counts,
            "sum": (each * counts).sum(),
            "mean": (each * counts).sum() / counts.sum(),
        }[reduction]
        got = nn.SoftmaxSquaredErrorLoss(reduction=reduction)(x, labels)
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-15)
        gradients = [torch.autograd.grad(loss, x, upstream(loss))[0] for loss in (got, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-15)
        soft = nn.softmax_squared_error(x, hot, reduction=reduction)
        if counts.all():
            torch.testing.assert_close(soft, expected, rtol=1e-13, atol=1e-15)


def test_third_derivatives():
    labels = indices((4, 3), -100)

    def slope(x):
        (first,) = torch.autograd.grad(nn.cross_entropy(x, labels) ** 2, x, create_graph=True)
        (second,) = torch.autograd.grad((first**2).sum(), x, create_graph=True)
        return second

    assert gradcheck(slope, logits((4, 3)), eps=1e-5, atol=1e-6, rtol=1e-5)


# The gradient that forward leaves for backward


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("factor", [1.0, 0.25, 65536.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_backward_again_and_again_adds_up_and_shares_nothing(dtype, factor, reduction):
    factor = min(factor, 1024.0) if dtype == torch.float16 else factor
    x, labels = logits((4, 3), dtype=dtype), indices((4, 3), -100)

    def loss():
        return nn.cross_entropy(x, labels, reduction=reduction) * factor

    (once,) = torch.autograd.grad(loss(), x)
    assert once.abs().sum() > 0
    kept = loss()
    kept.backward(retain_graph=True)
    assert torch.equal(x.grad, once)
    first = x.grad
    kept.backward(retain_graph=True)
    assert x.grad is first
    assert torch.equal(x.grad, once + once)
    x.grad.zero_()
    kept.backward(retain_graph=True)
    assert torch.equal(x.grad, once)
    results = [torch.autograd.grad(kept, x, retain_graph=True)[0] for _ in range(3)]
    for result in results:
        assert torch.equal(result, once)
        result.fill_(NAN)
    x.grad = None
    kept.backward()
    assert torch.equal(x.grad, once)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        kept.backward()


def test_one_set_of_logits_under_two_losses():
    x, labels = logits((4, 3)), indices((4, 3))
    inner = x * 1.0
    (nn.cross_entropy(inner, labels) + nn.cross_entropy(inner, labels, reduction="sum")).backward()
    expected = torch.autograd.grad(functional.cross_entropy(x, labels, reduction="sum") * 1.25, x)[0]
    torch.testing.assert_close(x.grad, expected, rtol=1e-13, atol=1e-15)


def test_float16_gradients_under_a_loss_scale_do_not_vanish():
    """Rounded before the factor, a gradient of q / n = 1e-8 would be 0."""
    x = torch.zeros(64, 1024, dtype=torch.float16)
    x[:, 0] = 9.0
    x.requires_grad_()
    labels = torch.zeros(64, dtype=torch.int64)
    (nn.cross_entropy(x, labels).float() * 4096.0).backward()
    assert (x.grad > 0).any()
    wide = x.detach().float().requires_grad_()
    (nn.cross_entropy(wide, labels) * 4096.0).backward()
    assert torch.equal(x.grad, wide.grad.half())


def test_gradients_may_be_made_again_while_they_can_still_be_derived():
    x, labels = logits((4, 3)), indices((4, 3))
    loss = nn.cross_entropy(x, labels)
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x, retain_graph=True)
    assert second.abs().sum() > 0.01
    (again,) = torch.autograd.grad(loss, x)
    assert torch.equal(again, first)


def test_writing_into_the_logits_after_the_loss():
    """As PyTorch, which has no more use for them, either."""
    x, labels = logits((4, 3)), indices((4, 3))
    for reduction in ("mean", "sum"):
        gradients = []
        for function in BOTH:
            inner = x * 2.0
            loss = function(inner, labels, reduction=reduction)
            with torch.no_grad():
                inner.fill_(7.0)
            gradients += torch.autograd.grad(loss, x)
        torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-15)


def test_the_gradient_is_made_where_it_is_needed_only(monkeypatch):
    made = []
    passed = arithmetic.losses_and_gradient
    monkeypatch.setattr(arithmetic, "losses_and_gradient", lambda *a, **k: (made.append(a), passed(*a, **k)))
    x, labels = logits((4, 3)), indices((4, 3))
    nn.cross_entropy(x.detach(), labels)
    with torch.no_grad():
        nn.cross_entropy(x, labels)
    nn.cross_entropy(x.detach(), probabilities((4, 3))).backward()
    assert not made
    nn.cross_entropy(x, labels).backward()
    assert len(made) == 1


# Dtypes


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_losses_are_exact_to_the_precision_of_the_result(dtype):
    x, labels = cases.matrix(60, 17)
    narrow = torch.tensor(x).to(dtype).requires_grad_()
    wide = narrow.detach().numpy(force=True) if dtype != torch.bfloat16 else narrow.detach().float().numpy()
    exact = reference.softmax_cross_entropy(wide.astype(np.float64), labels)
    slopes = reference.softmax_cross_entropy_grad(wide.astype(np.float64), labels)
    loss = nn.cross_entropy(narrow, torch.tensor(labels), reduction="none")
    assert loss.dtype == dtype
    torch.testing.assert_close(
        loss.double(), torch.tensor(exact), rtol=2 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).tiny
    )
    mean = nn.cross_entropy(narrow, torch.tensor(labels))
    torch.testing.assert_close(
        mean, torch.tensor(exact.mean()).to(dtype), rtol=torch.finfo(dtype).eps, atol=0
    )
    mean.backward()
    assert narrow.grad.dtype == dtype
    expected = torch.tensor(slopes / len(x)).to(dtype)
    torch.testing.assert_close(
        narrow.grad, expected, rtol=4 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).smallest_normal
    )


def test_result_dtypes_are_those_of_pytorch():
    target = probabilities((4, 3)).detach()
    for own, other, weight in product(FLOATS, FLOATS, (None, torch.int64, torch.bool, *FLOATS)):
        x = logits((4, 3), dtype=own)
        options = {} if weight is None else {"weight": torch.tensor([1, 0, 1]).to(weight)}
        expected, got = (function(x, target.to(other), **options) for function in BOTH)
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, rtol=2e-2, atol=0)
        assert torch.autograd.grad(got, x)[0].dtype == own


def test_autocast():
    labels, target = indices((4, 3)), probabilities((4, 3)).detach()
    with torch.autocast("cpu", torch.bfloat16):
        for own in FLOATS:
            x = logits((4, 3), dtype=own)
            for given in (labels, target.to(own)):
                expected, got = (function(x, given) for function in BOTH)
                assert got.dtype == expected.dtype
                torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)
        narrow = WEIGHTS.bfloat16()
        expected, got = (
            function(logits((4, 3), dtype=torch.float32), labels, weight=narrow) for function in BOTH
        )
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)


def test_uint8_indices():
    x, labels = logits((4, 3)), indices((4, 3)).to(torch.uint8)
    labels[2] = 255
    for options in ({}, {"label_smoothing": 0.2}, {"weight": WEIGHTS, "reduction": "none"}):
        beside_pytorch(x, labels, ignore_index=255, **options)
    got = nn.softmax_squared_error(x, labels, ignore_index=255)
    torch.testing.assert_close(got, nn.softmax_squared_error(x, labels.long(), ignore_index=255))


# What has no softmax, and what is empty


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": WEIGHTS}], ids=str)
@pytest.mark.parametrize("bad", [[NAN, 0.0, 1.0], [INF, 0.0, 1.0], [-INF] * 3, [0.0, NAN, NAN]], ids=str)
def test_nan_goes_where_pytorch_lets_it(bad, options, reduction):
    """Also into the gradient, though not the loss, of rows that are ignored."""
    x = torch.tensor([bad, [1.0, 2.0, 3.0], bad, [1.0, 2.0, 3.0]], dtype=torch.float64)
    for labels in ([0, 1, -100, -100], [2, 1, -100, 1], [-100] * 4):
        found = []
        for function in BOTH:
            leaf = x.clone().requires_grad_()
            loss = function(leaf, torch.tensor(labels), reduction=reduction, **options)
            found.append((loss.detach(), *torch.autograd.grad(loss, leaf, upstream(loss))))
        for expected, got in zip(*found, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14, equal_nan=True)
    target = probabilities((4, 3)).detach()
    beside = [function(x, target, reduction=reduction, **options) for function in BOTH]
    torch.testing.assert_close(beside[1], beside[0], rtol=1e-12, atol=1e-14, equal_nan=True)


def test_nan_in_targets_and_weights():
    x = logits((4, 3)).detach()
    target = probabilities((4, 3)).detach()
    target[1, 2] = NAN
    weight = torch.tensor([1.0, NAN, 1.0], dtype=torch.float64)
    for reduction in REDUCTIONS:
        for given, options in (
            (target, {}),
            (indices((4, 3)), {"weight": weight}),
            (torch.tensor([0, 2, 0, 2]), {"weight": weight}),
            (torch.tensor([0, 2, 0, 2]), {"weight": weight, "label_smoothing": 0.1}),
        ):
            found = []
            for function in BOTH:
                leaf = x.clone().requires_grad_()
                loss = function(leaf, given, reduction=reduction, **options)
                found.append((loss.detach(), *torch.autograd.grad(loss, leaf, upstream(loss))))
            for expected, got in zip(*found, strict=True):
                torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_class_that_is_ruled_out_costs_nothing_where_its_target_is_0(reduction):
    """The first named difference: PyTorch's 0 * inf is nan, and so is its mean."""
    x = torch.tensor([[-INF, 0.5, 1.0], [0.0, -INF, 1.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert functional.cross_entropy(x, target).isnan()
    loss = nn.cross_entropy(x, target, reduction=reduction)
    finite = torch.where(x == -INF, -1e9, x.detach()).requires_grad_()
    held = target.detach().requires_grad_()
    expected = functional.cross_entropy(finite, held, reduction=reduction)
    torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)
    by_x, by_target = torch.autograd.grad(loss, (x, target), upstream(loss))
    by_finite, by_held = torch.autograd.grad(expected, (finite, held), upstream(expected))
    torch.testing.assert_close(by_x, by_finite, rtol=1e-13, atol=1e-300)
    assert by_target[0, 0] == by_target[1, 1] == 0
    allowed = x != -INF
    torch.testing.assert_close(by_target[allowed], by_held[allowed], rtol=1e-13, atol=0)
    weightless = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    ruled_out = torch.tensor([0, 2])
    assert functional.cross_entropy(x, ruled_out, weightless).isnan()
    assert nn.cross_entropy(x, ruled_out, weightless).isfinite()
    beside = [function(x, torch.tensor([0, 2]), reduction=reduction) for function in BOTH]
    torch.testing.assert_close(*beside)  # a label that is ruled out costs inf for both


def test_nothing_to_average():
    for function in BOTH:
        x = logits((4, 3))
        loss = function(x, torch.full((4,), -100))
        assert loss.isnan()
        assert torch.autograd.grad(loss, x)[0].tolist() == [[0.0] * 3] * 4
        loss = function(x, torch.zeros(4, dtype=torch.int64), weight=WEIGHTS * 0)
        assert loss.isnan()
        assert torch.autograd.grad(loss, x)[0].isnan().all()
    x = logits((4, 3))
    loss = nn.softmax_squared_error(x, torch.full((4,), -100))
    assert loss.isnan()
    assert torch.autograd.grad(loss, x)[0].tolist() == [[0.0] * 3] * 4


@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0), (0, 3, 2, 2), (2, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_empty_batches(shape, reduction):
    for target in (torch.full(rows(shape), -100), torch.zeros(shape, dtype=torch.float64)):
        beside_nothing = []
        for function in BOTH:
            x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
            loss = function(x, target, reduction=reduction)
            loss.sum().backward()
            beside_nothing.append((loss.detach(), x.grad))
        torch.testing.assert_close(*beside_nothing, equal_nan=True)
        if 0 not in shape[1:2]:
            x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
            loss = nn.softmax_squared_error(x, target, reduction=reduction)
            assert loss.shape == (rows(shape) if reduction == "none" else ())
            loss.sum().backward()
            assert x.grad.shape == shape


# Layouts and memory


def test_layouts():
    for shape in ((5, 8), (3, 8, 4), (3, 8, 4, 2)):
        x = logits(shape).detach()
        target = torch.arange(int(np.prod(rows(shape)))).reshape(rows(shape)) % 8
        soft = torch.softmax(logits(shape, seed=2).detach(), 1)
        last = x.movedim(1, -1).contiguous().movedim(-1, 1)
        spread = torch.nn.functional.pad(x, (1, 1))[..., 1:-1]
        for moved in (last, spread, x.repeat_interleave(2, 1)[:, ::2], x.flip(0).contiguous().flip(0)):
            for given in (target, soft, target.movedim(0, -1).contiguous().movedim(-1, 0)):
                beside_pytorch(moved.requires_grad_(), given)
                leaf = moved.detach().requires_grad_()
                nn.cross_entropy(leaf, given).backward()
                assert leaf.grad.stride() == torch.empty_like(leaf).stride()
    one = logits((1, 8)).detach()
    beside_pytorch(one.expand(5, 8).requires_grad_(), torch.arange(5))


def test_many_rows_of_images_are_the_rows(monkeypatch):
    """Cut into parts: views where one image is large, copies of a few where images are small."""
    from crossent.torch_ops import parts

    monkeypatch.setattr(parts, "ENTRIES_AT_ONCE", 64)
    monkeypatch.setattr(parts, "LOSSES_AT_ONCE", 16)
    for shape in ((7, 3, 4), (3, 3, 40), (50, 3), (50, 3, 1)):
        for reduction in REDUCTIONS:
            for options in ({}, {"weight": WEIGHTS, "ignore_index": 1}):
                beside_pytorch(
                    logits(shape),
                    indices(shape, -100 if not options else None),
                    reduction=reduction,
                    **options,
                )
            beside_pytorch(logits(shape), probabilities(shape), reduction=reduction)


def test_channels_are_moved_without_a_copy(monkeypatch):
    seen = []
    passed = arithmetic.losses_and_gradient

    def watched(name, problem, scale, losses, gradient, **options):
        seen.append((problem.logits, gradient))
        passed(name, problem, scale, losses, gradient, **options)

    monkeypatch.setattr(arithmetic, "losses_and_gradient", watched)
    for x in (
        torch.randn(1, 5, 30, 20),
        torch.randn(2, 5, 400, 300),
        torch.randn(4, 30, 20, 5).movedim(-1, 1),
        torch.randn(40, 5),
        torch.randn(5, 40).T,
        torch.randn(40, 10)[:, ::2],
    ):
        for dtype in FLOATS:
            seen.clear()
            leaf = x.to(dtype).requires_grad_()
            nn.cross_entropy(leaf, torch.zeros(rows(tuple(x.shape)), dtype=torch.int64)).backward()
            memory = leaf.detach()
            memory = memory.view(torch.int16).numpy() if dtype == torch.bfloat16 else memory.numpy()
            assert seen
            for given, gradient in seen:
                assert np.may_share_memory(given, memory)
                assert gradient.dtype == given.dtype
                assert gradient.base is not None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_more_memory_than_the_gradient():
    code = """
import re, torch
from pathlib import Path
from crossent import nn
def status(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
warm = torch.randn(2000, 100, requires_grad=True)
nn.cross_entropy(warm, torch.zeros(2000, dtype=torch.int64)).backward()
x = torch.randn(200_000, 100, requires_grad=True)
labels = torch.zeros(200_000, dtype=torch.int64)
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = status("VmRSS")
nn.cross_entropy(x, labels).backward()
print(status("VmHWM") - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    gradient = 200_000 * 100 * 4 / 2**20
    assert 0.8 * gradient < float(done.stdout) < gradient + 40


# Modules


def test_modules_are_drop_ins():
    x, labels = logits((4, 3)), indices((4, 3), -100)
    options = {"weight": WEIGHTS, "label_smoothing": 0.1, "reduction": "sum"}
    ours, theirs = nn.CrossEntropyLoss(**options), torch.nn.CrossEntropyLoss(**options)
    assert isinstance(ours, torch.nn.CrossEntropyLoss)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x, labels), theirs(x, labels), rtol=1e-13, atol=0)
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), ours.double()):
        assert torch.equal(other(x, labels), ours(x, labels))
    legacy = nn.CrossEntropyLoss(WEIGHTS, None, 1, None, "none", 0.25)
    assert (legacy.ignore_index, legacy.reduction, legacy.label_smoothing) == (1, "none", 0.25)
    expected = torch.nn.CrossEntropyLoss(WEIGHTS, None, 1, None, "none", 0.25)(x, indices((4, 3)))
    torch.testing.assert_close(legacy(x, indices((4, 3))), expected, rtol=1e-13, atol=0)


def test_positions_of_the_arguments():
    x, labels = logits((4, 3)), indices((4, 3))
    given = (labels, WEIGHTS, None, 1, None, "sum", 0.1)
    expected = functional.cross_entropy(x, *given)
    torch.testing.assert_close(nn.cross_entropy(x, *given), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("function", [nn.cross_entropy, nn.softmax_squared_error])
def test_a_training_step_lowers_the_loss(function):
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3)
    x, labels = torch.randn(200, 5), torch.randint(0, 3, (200,))
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    steps = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = function(layer(x), labels)
        loss.backward()
        optimiser.step()
        steps.append(loss.item())
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0] - 0.01


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is:DeprecationWarning")  # PyTorch's own, inside jvp
@pytest.mark.parametrize("function", [nn.cross_entropy, nn.softmax_squared_error])
def test_what_is_not_supported_says_so(function):
    x, labels = logits((2, 4, 3)).detach(), indices((4, 3))
    transforms = r"^softmax_\w+ under a transform of torch\.func \(vmap, grad, jvp, \.\.\.\) is not supported"
    for call in (
        lambda: torch.vmap(lambda x: function(x, labels))(x),
        lambda: torch.func.grad(lambda x: function(x, labels))(x[0]),
        lambda: torch.func.jvp(lambda x: function(x, labels), (x[0],), (x[1],)),
        lambda: torch.func.hessian(lambda x: function(x, labels))(x[0]),
    ):
        with pytest.raises(NotImplementedError, match=transforms):
            call()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x[0], x[1])
        with pytest.raises(NotImplementedError, match="has no forward-mode derivative: use backward"):
            function(dual, labels)
        assert function(x[0], labels).isfinite()  # no tangent, no complaint


@pytest.mark.parametrize("function", [nn.cross_entropy, nn.softmax_squared_error])
def test_batches_of_upstream_gradients(function):
    for reduction, batch in (
        ("none", torch.eye(4, dtype=torch.float64)),
        ("sum", torch.arange(3.0).double()),
    ):
        leaf = logits((4, 3))
        loss = function(leaf, indices((4, 3)), reduction=reduction)
        expected = torch.stack([torch.autograd.grad(loss, leaf, one, retain_graph=True)[0] for one in batch])
        for _ in range(2):
            (got,) = torch.autograd.grad(loss, leaf, batch, is_grads_batched=True, retain_graph=True)
            torch.testing.assert_close(got, expected, rtol=1e-13, atol=0)


def test_errors_of_the_squared_error():
    x = torch.zeros(4, 3)
    with pytest.raises(errors.ShapeError, match=r"^target has shape \(3,\): input \(4, 3\) takes"):
        nn.softmax_squared_error(x, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(errors.ShapeError, match=r"^input is \(2, 2\) torch\.int64"):
        nn.softmax_squared_error(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(errors.DtypeError, match=r"^target has dtype torch\.float32: class indices"):
        nn.softmax_squared_error(x, torch.zeros(4))
    with pytest.raises(IndexError, match=r"^Target 3 is out of bounds\."):
        nn.softmax_squared_error(x, torch.full((4,), 3))
    with pytest.raises(ValueError, match="bad is not a valid value for reduction"):
        nn.softmax_squared_error(x, torch.zeros(4, dtype=torch.int64), reduction="bad")


def test_without_pytorch():
    code = "import sys; sys.modules['torch'] = None; import crossent.nn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith(
        "MissingExtraError: crossent.nn needs PyTorch: pip install 'crossent[torch]'\n"
    )
