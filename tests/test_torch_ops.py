"""The public functions on tensors: the NumPy bits, and derivatives of any order."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import cases
from crossent import errors, losses, torch_ops
from crossent.kernels.threads import threads

INF, NAN = float("inf"), float("nan")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

N, K = 4, 3
LABELS = torch.tensor([2, 0, 1, 0])
WEIGHTS = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)
OPTIONS = [
    {"class_weights": weights, "label_smoothing": smoothing, "ignore_index": ignored}
    for weights, smoothing, ignored in product((None, WEIGHTS), (0.0, 0.3, 1.0), (None, 0, -100))
]


def logits(requires_grad=True, *, seed=0, n=N, k=K):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(n, k, generator=generator, dtype=torch.float64)).requires_grad_(requires_grad)


def upstream(n=N):
    """Another one for every row, one of them 0, one negative."""
    return torch.linspace(-1.5, 3.0, n, dtype=torch.float64) * torch.tensor([1.0, 0.0, 1.0, 1.0])[:n]


def derived_twice(function, *inputs):
    """gradcheck and gradgradcheck, with upstream gradients that PyTorch draws at random."""
    assert gradcheck(function, inputs, eps=1e-5, atol=1e-8, rtol=1e-6)
    assert gradgradcheck(function, inputs, eps=1e-5, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("function", [losses.softmax, losses.log_softmax])
def test_softmax_and_its_logarithm(function, axis, temperature):
    derived_twice(lambda x: function(x, axis=axis, temperature=temperature), logits())


@pytest.mark.parametrize("axis", [0, 1])
def test_logsumexp(axis):
    derived_twice(lambda x: losses.logsumexp(x, axis=axis), logits())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("and_grad", [False, True])
def test_cross_entropy_with_labels_and_every_option(options, and_grad):
    if and_grad:
        derived_twice(
            lambda x, u: losses.softmax_cross_entropy_and_grad(x, LABELS, upstream=u, **options),
            logits(),
            upstream().requires_grad_(),
        )
    else:
        derived_twice(lambda x: losses.softmax_cross_entropy(x, LABELS, **options), logits())


@pytest.mark.parametrize("options", [o for o in OPTIONS if o["ignore_index"] is None], ids=str)
@pytest.mark.parametrize("and_grad", [False, True])
def test_cross_entropy_with_distributions_and_every_option(options, and_grad):
    """The labels are a softmax, since no step away from a sum of 1 would be let through."""
    if and_grad:

        def function(x, z, u):
            return losses.softmax_cross_entropy_and_grad(x, torch.softmax(z, 1), upstream=u, **options)

        derived_twice(function, logits(), logits(seed=1), upstream().requires_grad_())
    else:
        derived_twice(
            lambda x, z: losses.softmax_cross_entropy(x, torch.softmax(z, 1), **options),
            logits(),
            logits(seed=1),
        )


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("and_grad", [False, True])
def test_squared_error_of_the_softmax(hard, and_grad):
    def function(x, z, u):
        labels = LABELS if hard else torch.softmax(z, 1)
        if and_grad:
            return losses.softmax_squared_error_and_grad(x, labels, upstream=u)
        return losses.softmax_squared_error(x, labels) * u

    inputs = logits(), logits(not hard, seed=1), upstream().requires_grad_()
    derived_twice(function, *inputs)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("function", [losses.cross_entropy, losses.squared_error, losses.kl_divergence])
def test_losses_of_probabilities(function, hard):
    def composed(x, z):
        return function(p=LABELS if hard else torch.softmax(z, 1), q=torch.softmax(x, 1))

    derived_twice(composed, logits(), logits(not hard, seed=1))


def test_entropy():
    derived_twice(lambda x: losses.entropy(losses.softmax(x)), logits())


def test_one_example():
    derived_twice(lambda x: losses.softmax_cross_entropy(x, 1), logits(n=1)[0].detach().requires_grad_())
    derived_twice(
        lambda x: losses.softmax_cross_entropy_and_grad(x, [0.25, 0.5, 0.25], upstream=3.0),
        logits(n=1)[0].detach().requires_grad_(),
    )
    derived_twice(lambda x: losses.softmax(x), logits(n=1)[0].detach().requires_grad_())
    derived_twice(
        lambda x: losses.cross_entropy(p=2, q=losses.softmax(x)), logits(n=1)[0].detach().requires_grad_()
    )


RULED_OUT = torch.tensor(
    [[False, True, False], [False, False, False], [True, True, False], [False, False, True]]
)
SOFT = torch.tensor(
    [[0.25, 0.0, 0.75], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=torch.float64
)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_classes_that_are_ruled_out(hard, weights):
    """Where their label is 0 they cost nothing, to any order; their logits get the gradient 0."""
    labels = torch.tensor([2, 1, 2, 0]) if hard else SOFT

    def masked(x):
        return torch.where(RULED_OUT, -INF, x)

    derived_twice(lambda x: losses.softmax_cross_entropy(masked(x), labels, class_weights=weights), logits())
    derived_twice(
        lambda x: losses.softmax_cross_entropy_and_grad(masked(x), labels, class_weights=weights), logits()
    )
    derived_twice(lambda x: losses.softmax_squared_error_and_grad(masked(x), labels), logits())
    derived_twice(lambda x: losses.softmax(masked(x)), logits())
    derived_twice(lambda x: losses.logsumexp(masked(x)), logits())
    leaf = masked(logits(False)).requires_grad_()
    losses.softmax_cross_entropy(leaf, labels).sum().backward()
    assert (leaf.grad[RULED_OUT] == 0).all()


def test_distilling_from_a_masked_teacher_has_no_nan():
    """0 * inf: the teacher's own softmax is 0 where the student rules out."""

    def function(student, teacher):
        student, teacher = (torch.where(RULED_OUT, -INF, x) for x in (student, teacher))
        p = losses.softmax(teacher)
        return (
            losses.softmax_cross_entropy(student, p),
            losses.softmax_squared_error(student, p),
            losses.cross_entropy(p=p, q=losses.softmax(student)),
            losses.kl_divergence(p=p, q=losses.softmax(student)),
            losses.entropy(p),
        )

    derived_twice(function, logits(), logits(seed=1))


def test_a_label_that_is_ruled_out_costs_inf_with_a_finite_gradient():
    x = torch.tensor([[-INF, 0.0, 0.0]], requires_grad=True)
    loss = losses.softmax_cross_entropy(x, [0])
    assert loss.tolist() == [INF]
    loss.sum().backward()
    assert x.grad.tolist() == [[-1.0, 0.5, 0.5]]


def test_smoothing_charges_a_class_that_is_ruled_out():
    p = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = losses.softmax_cross_entropy(torch.tensor([[-INF, 0.0]]), p, label_smoothing=0.5)
    assert loss.tolist() == [INF]
    loss.sum().backward()
    assert p.grad.tolist() == [[INF, 0.0]]


def test_derivatives_by_a_probability_that_is_0():
    q = torch.tensor([[0.25, 0.75, 0.0]], dtype=torch.float64)
    expected = {
        losses.kl_divergence: [0.0, 1 - np.log(0.75), 0.0],
        losses.cross_entropy: [np.log(4), -np.log(0.75), 0.0],
        losses.squared_error: [-0.5, 0.5, 0.0],
    }
    for function, slopes in expected.items():
        p = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
        function(p=p, q=q).sum().backward()
        np.testing.assert_allclose(p.grad[0], slopes, rtol=1e-15, atol=0)
    p = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    losses.entropy(p).sum().backward()
    assert p.grad.tolist() == [[0.0, -1.0, 0.0]]


def test_the_hessian_is_not_zero():
    """Saving the gradient and multiplying it by upstream would make it so."""
    x = torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(lambda x: losses.softmax_cross_entropy(x, 1), x)
    q = torch.softmax(x, 0)
    torch.testing.assert_close(hessian, torch.diag(q) - torch.outer(q, q), rtol=1e-13, atol=1e-16)


def test_third_derivatives():
    def slope(x):
        (first,) = torch.autograd.grad(
            (losses.softmax_cross_entropy(x, LABELS) ** 2).sum(), x, create_graph=True
        )
        (second,) = torch.autograd.grad((first**2).sum(), x, create_graph=True)
        return second

    assert gradcheck(slope, logits(), eps=1e-5, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_dtypes(dtype):
    x = logits(False).to(dtype).requires_grad_()
    loss_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    assert losses.softmax(x).dtype == losses.log_softmax(x).dtype == dtype
    loss, gradient = losses.softmax_cross_entropy_and_grad(x, LABELS)
    assert gradient.dtype == dtype
    assert loss.dtype == losses.logsumexp(x).dtype == loss_dtype
    assert losses.softmax_squared_error(x, LABELS).dtype == loss_dtype
    q = losses.softmax(x)
    for measure in (losses.cross_entropy, losses.squared_error, losses.kl_divergence):
        assert measure(p=LABELS, q=q).dtype == loss_dtype
    assert losses.entropy(q).dtype == losses.classification_error(p=LABELS, q=q).dtype == loss_dtype
    loss.sum().backward()
    assert x.grad.dtype == dtype
    assert torch.equal(x.grad, gradient)
    wide = x.detach().double()
    torch.testing.assert_close(loss.double(), losses.softmax_cross_entropy(wide, LABELS), rtol=2**-23, atol=0)
    for integers in (torch.int32, torch.bool, torch.uint8):
        assert losses.softmax(torch.ones(2, 2, dtype=integers)).dtype == torch.float64


@pytest.mark.parametrize("dtype", FLOATS[:3], ids=str)
def test_derivatives_of_narrow_tensors(dtype):
    """Computed in float32 at least, and rounded to the dtype once."""
    weigh = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)  # exact in every dtype

    def derivatives(x, p):
        loss = losses.softmax_cross_entropy(x, p, class_weights=WEIGHTS, label_smoothing=0.1)
        loss = loss + losses.softmax_squared_error(x, p) + losses.logsumexp(x)
        first = torch.autograd.grad((loss * upstream()).sum(), (x, p), create_graph=True)
        second = torch.autograd.grad(sum((weigh * slope).sum() for slope in first), (x, p))
        return *first, *second

    narrow = logits(False).to(dtype).requires_grad_()
    wide = narrow.detach().double().requires_grad_()
    p = torch.softmax(logits(False, seed=1), 1).requires_grad_()
    for got, expected in zip(derivatives(narrow, p), derivatives(wide, p), strict=True):
        # Three losses add up their slopes, each rounded to the dtype; before, some 20 products of at most
        # 2 * upstream * weigh * class weight = 24 are rounded to float32.
        rounded = 1.5 * torch.finfo(dtype).eps * 24 if got.dtype == dtype else 0.0
        assert (got.double() - expected).abs().max() <= rounded + 20 * 24 * 2**-24
        assert expected.abs().max() > 0.1


def test_tensors_get_the_bits_of_numpy():
    x, labels = cases.matrix(40, 17)
    p = cases.distributions(40, 17)
    for dtype in (np.float16, np.float32, np.float64):
        array = x.astype(dtype)
        tensor = torch.tensor(array)
        weights = np.linspace(0, 2, 17)
        for target in (labels, p):
            pairs = [
                (losses.softmax(array, temperature=0.7), losses.softmax(tensor, temperature=0.7)),
                (losses.log_softmax(array), losses.log_softmax(tensor)),
                (losses.logsumexp(array, axis=0), losses.logsumexp(tensor, axis=0)),
                *zip(
                    losses.softmax_cross_entropy_and_grad(
                        array, target, class_weights=weights, label_smoothing=0.1, upstream=0.5
                    ),
                    losses.softmax_cross_entropy_and_grad(
                        tensor, torch.tensor(target), class_weights=weights, label_smoothing=0.1, upstream=0.5
                    ),
                    strict=True,
                ),
                *zip(
                    losses.softmax_squared_error_and_grad(array, target),
                    losses.softmax_squared_error_and_grad(tensor, torch.tensor(target)),
                    strict=True,
                ),
                *(
                    (measure(p=target, q=losses.softmax(array)), measure(p=target, q=losses.softmax(tensor)))
                    for measure in (
                        losses.cross_entropy,
                        losses.squared_error,
                        losses.kl_divergence,
                        losses.classification_error,
                    )
                ),
            ]
            for expected, got in pairs:
                assert isinstance(got, torch.Tensor)
                assert got.numpy().dtype == expected.dtype
                assert got.numpy().tobytes() == expected.tobytes()


def test_layouts():
    x = logits(False, n=6, k=8)
    labels = torch.arange(6)
    expected = losses.softmax_cross_entropy(x, labels)
    for moved in (
        x.T.contiguous().T,
        x.repeat_interleave(2, 1)[:, ::2],
        torch.nn.functional.pad(x, (1, 1))[:, 1:-1],
    ):
        leaf = moved.requires_grad_()
        loss = losses.softmax_cross_entropy(leaf, labels.repeat_interleave(2)[::2])
        assert torch.equal(loss, expected)
        assert torch.equal(losses.softmax(moved), losses.softmax(x))
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        assert torch.equal(gradient, losses.softmax_cross_entropy_and_grad(x, labels)[1])
    one = torch.ones(1, dtype=torch.float64)
    wide = x.requires_grad_()
    (gradient,) = torch.autograd.grad(losses.softmax_cross_entropy(wide, labels), wide, one.expand(6))
    assert torch.equal(gradient, losses.softmax_cross_entropy_and_grad(x.detach(), labels)[1])


def test_few_rows():
    for n, k in ((0, 3), (1, 1)):
        x = torch.zeros(n, k, requires_grad=True)
        loss = losses.softmax_cross_entropy(x, torch.zeros(n, dtype=torch.int64))
        loss.sum().backward()
        assert x.grad.shape == (n, k)
        assert losses.softmax(x).shape == (n, k)
    scalar = losses.softmax_cross_entropy(torch.zeros(2), torch.tensor(1))
    assert scalar.shape == ()


def test_ignored_rows_are_not_looked_at():
    x = torch.tensor([[0.0, 1.0], [NAN, INF], [2.0, 0.0]], requires_grad=True)
    loss = losses.softmax_cross_entropy(x, torch.tensor([0, -100, 1]), ignore_index=-100)
    (gradient,) = torch.autograd.grad(loss, x, torch.tensor([1.0, NAN, 2.0]), create_graph=True)
    assert loss[1] == 0
    assert gradient[1].tolist() == [0.0, 0.0]
    assert torch.isfinite(gradient).all()
    gradient.square().sum().backward()
    assert x.grad[1].tolist() == [0.0, 0.0]
    explicit = losses.softmax_cross_entropy_and_grad(
        x.detach(), torch.tensor([0, -100, 1]), ignore_index=-100, upstream=torch.tensor([1.0, NAN, 2.0])
    )[1]
    assert torch.equal(explicit, gradient)
    nothing = losses.softmax_cross_entropy(x, torch.tensor([7, 7, 7]), ignore_index=7)
    assert nothing.tolist() == [0.0, 0.0, 0.0]
    (gradient,) = torch.autograd.grad(nothing.sum(), x)
    assert not gradient.any()


def test_errors_are_those_of_numpy():
    with pytest.raises(errors.LogitError, match=r"^logits\[1, 0\] is nan"):
        losses.softmax(torch.tensor([[0.0, 0.0], [NAN, 0.0]]))
    with pytest.raises(errors.LabelError, match=r"^labels\[1\] is 2: with 2 classes"):
        losses.softmax_cross_entropy(torch.zeros(2, 2), torch.tensor([0, 2]))
    with pytest.raises(errors.ProbabilityError, match=r"^q\[0\] sums to 1\.5, not 1"):
        losses.cross_entropy(p=[0], q=torch.tensor([[0.75, 0.75]]))
    with pytest.raises(errors.ShapeError, match=r"^upstream has shape \(3,\)"):
        losses.softmax_cross_entropy_and_grad(torch.zeros(2, 2), [0, 1], upstream=torch.ones(3))
    with pytest.raises(errors.DtypeError, match=r"^labels has dtype float32"):
        losses.softmax_cross_entropy(torch.zeros(2, 2), torch.zeros(2))


def test_narrow_probabilities_get_the_tolerance_of_their_digits():
    for dtype in (torch.float16, torch.bfloat16):
        q = losses.softmax(torch.tensor(cases.matrix(300, 40)[0])).to(dtype)
        labels = torch.tensor(cases.matrix(300, 40)[1])
        assert (q.double().sum(1) - 1).abs().max() > 1e-4
        narrow = losses.cross_entropy(p=labels, q=q)
        wide = losses.cross_entropy(p=labels, q=q.double())
        assert torch.equal(wide.float(), narrow)


def test_what_gets_no_gradient_says_so():
    x = torch.zeros(2, 2)
    weights = torch.ones(2, requires_grad=True)
    with pytest.raises(
        errors.OptionError, match=r"^class_weights requires a gradient .* class_weights\.detach\(\)"
    ):
        losses.softmax_cross_entropy(x, [0, 1], class_weights=weights)
    with pytest.raises(errors.OptionError, match=r"^p requires a gradient"):
        losses.cross_entropy(p=torch.full((1, 2), 0.5, requires_grad=True), q=[[0.5, 0.5]])
    with pytest.raises(errors.OptionError, match=r"^upstream requires a gradient"):
        losses.softmax_cross_entropy_and_grad(np.zeros((2, 2)), [0, 1], upstream=weights)
    with pytest.raises(errors.DtypeError, match=r"^temperature is a Tensor"):
        losses.softmax(x, temperature=torch.tensor(1.0))
    q = torch.full((2, 2), 0.5, requires_grad=True)
    assert not losses.classification_error(p=[0, 1], q=q).requires_grad


def test_numpy_comes_back_for_numpy_beside_tensors():
    """The library is that of the logits, or of q."""
    labels = torch.tensor([0, 1])
    assert isinstance(losses.softmax_cross_entropy(np.zeros((2, 2)), labels), np.ndarray)
    assert isinstance(losses.softmax_cross_entropy(torch.zeros(2, 2), [0, 1]), torch.Tensor)
    frozen = cases.distributions(2, 2)
    assert isinstance(losses.softmax_cross_entropy(torch.zeros(2, 2), frozen), torch.Tensor)
    assert isinstance(losses.cross_entropy(p=labels, q=[[0.5, 0.5]] * 2), np.ndarray)
    loss, gradient = losses.softmax_cross_entropy_and_grad(
        np.zeros((2, 2)), labels, class_weights=torch.ones(2), upstream=torch.ones(2)
    )
    assert isinstance(loss, np.ndarray)
    assert isinstance(gradient, np.ndarray)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_out(dtype):
    x = logits(False, n=6, k=4).to(dtype)
    expected = losses.softmax(x)
    out = torch.empty(6, 8, dtype=dtype)[:, ::2]
    assert losses.softmax(x, out=out) is out
    assert torch.equal(out, expected)
    moved = torch.empty_like(x)
    assert torch.equal(losses.log_softmax(x, axis=0, out=moved), losses.log_softmax(x, axis=0))
    loss, gradient = losses.softmax_cross_entropy_and_grad(x, [0] * 6)
    itself = x.clone()
    same_loss, same = losses.softmax_cross_entropy_and_grad(itself, [0] * 6, out=itself)
    assert same is itself
    assert torch.equal(same, gradient)
    assert torch.equal(same_loss, loss)
    memory = torch.zeros(6, 8, dtype=dtype)
    losses.softmax(memory[:3, :4], out=memory[3:, :4])
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        losses.softmax(memory[:3, :4], out=memory[1:4, :4])
    labels = torch.full((6, 4), 0.25, dtype=dtype)
    with pytest.raises(errors.OptionError, match=r"^out overlaps"):
        losses.softmax_cross_entropy_and_grad(x, labels, out=labels)
    with pytest.raises(errors.ShapeError, match=r"^out is \(4, 6\)"):
        losses.softmax(x, out=x.T.contiguous())
    with pytest.raises(errors.DtypeError, match=r"^out is a ndarray"):
        losses.softmax(x, out=np.empty((6, 4)))
    with pytest.raises(errors.DtypeError, match=r"^out is a Tensor"):
        losses.softmax(np.zeros((6, 4)), out=x)


def test_out_and_gradients_exclude_each_other():
    x = logits()
    out = torch.empty(N, K, dtype=torch.float64)
    calls = (
        lambda out: losses.softmax(x, out=out),
        lambda out: losses.softmax_cross_entropy_and_grad(x, LABELS, out=out),
        lambda out: losses.softmax_cross_entropy_and_grad(x.detach(), losses.softmax(x), out=out),
        lambda out: losses.softmax_squared_error_and_grad(
            x.detach(), LABELS, upstream=upstream().requires_grad_(), out=out
        ),
    )
    for call in calls:
        with pytest.raises(errors.OptionError, match=r"^out= with tensors that require a gradient"):
            call(out)
        with torch.no_grad():
            call(out)
    with torch.no_grad(), pytest.raises(errors.OptionError, match=r"^out= with tensors that require"):
        losses.softmax(x, out=out.clone().requires_grad_())


def test_writing_into_a_tensor_that_backward_needs_is_noticed():
    x = logits()
    loss = losses.softmax_cross_entropy(x * 1.0, LABELS) + (saved := x * 2.0).square().sum()
    losses.softmax(saved.detach(), out=saved.detach())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.sum().backward()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is:DeprecationWarning")  # PyTorch's own, inside jvp
def test_vmap_and_forward_mode_are_refused():
    x = logits(False)
    functions = (
        losses.softmax,
        losses.logsumexp,
        lambda x: losses.softmax_cross_entropy(x, 1),
        lambda x: losses.softmax_squared_error(x, 1),
    )
    for function in functions:
        with pytest.raises(RuntimeError):
            torch.vmap(function)(x)
        with pytest.raises(RuntimeError):
            torch.func.jvp(function, (x[0],), (x[1],))
        with torch.autograd.forward_ad.dual_level(), pytest.raises(RuntimeError):
            function(torch.autograd.forward_ad.make_dual(x[0], x[1]))


def test_threads_of_pytorch_are_the_default():
    before = torch.get_num_threads()
    x = torch.randn(3000, 300)
    try:
        torch.set_num_threads(1)
        one = losses.softmax(x)
        with threads(2):
            two = losses.softmax(x)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, two)


def test_a_training_step_lowers_the_loss():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3, dtype=torch.float32)
    x, labels = torch.randn(200, 5), torch.randint(0, 3, (200,))
    labels[::7] = -100
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    steps = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = losses.softmax_cross_entropy(layer(x), labels, ignore_index=-100, label_smoothing=0.1)
        mean = loss.sum() / (labels != -100).sum()
        expected = torch.nn.functional.cross_entropy(layer(x), labels, label_smoothing=0.1)
        torch.testing.assert_close(mean, expected, rtol=1e-6, atol=0)
        mean.backward()
        optimiser.step()
        steps.append(mean.item())
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0] - 0.01


def test_pytorch_is_loaded_only_where_a_tensor_is_passed():
    code = "import sys; from crossent import losses; losses.softmax([0.0]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_loss_and_scaled_gradient_in_one_pass(dtype):
    """What `out` gets is what comes back without it, in any layout, also over the logits themselves."""
    x, labels = (torch.tensor(array) for array in cases.matrix(30, 7))
    x, soft = x.to(dtype), torch.tensor(cases.distributions(30, 7))
    scale = torch.linspace(-1.0, 2.0, 30, dtype=torch.float64)
    hidden = labels.masked_fill(labels == 2, -1)  # ignored
    assert (hidden == -1).any()
    weights = np.linspace(0.0, 2.0, 7)
    for target in (labels, hidden, soft):
        for both in (
            lambda x, t, **o: torch_ops.softmax_cross_entropy_and_grad(x, t, scale, weights, 0.1, **o),
            lambda x, t, **o: torch_ops.softmax_squared_error_and_grad(x, t, scale, **o),
        ):
            loss, gradient = both(x, target)
            exact = both(x.double(), target)[1]
            eps = torch.finfo(dtype).eps
            bound = {"rtol": 4 * eps, "atol": 8 * (eps if dtype == torch.float64 else 2.0**-23)}
            torch.testing.assert_close(gradient.double(), exact, **bound)
            assert not gradient[target == -1].any() if target.ndim == 1 else gradient.any()
            for out in (torch.empty_like(x), torch.empty(7, 30, dtype=dtype).T, x.clone()):
                logits = out if torch.equal(out, x) else x
                again, same = both(logits, target, out=out)
                assert same is out
                assert torch.equal(again, loss)
                assert torch.equal(out, gradient)
