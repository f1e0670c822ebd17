"""The operators in the hands of PyTorch's compiler: no graph break, and every promise checked."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from crossent import nn, torch_ops

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),  # PyTorch's own
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec:FutureWarning"),
]

LABELS = torch.tensor([2, 0, -100, 1])
W = torch.tensor([0.5, 1.0, 2.0])
OPERATORS = torch.ops.crossent


def logits(*shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(shape, generator=generator)).to(dtype).requires_grad_()


P = torch.softmax(logits(4, 3).detach() / 2, 1)

OF_LOGITS = {
    "labels": (logits(4, 3), LABELS, W, 0.1, -100, torch_ops.MEAN, True),
    "each row": (logits(4, 3), LABELS, None, 0.0, -100, torch_ops.NONE, False),
    "images": (logits(2, 3, 5), torch.arange(10).reshape(2, 5) % 3, W, 0.0, 1, torch_ops.SUM, True),
    "images, each": (logits(2, 3, 5), torch.arange(10).reshape(2, 5) % 3, None, 0.0, 1, torch_ops.NONE, True),
    "probabilities": (logits(4, 3), P.clone().requires_grad_(), W, 0.2, -100, torch_ops.MEAN, True),
    "bfloat16": (logits(4, 3, dtype=torch.bfloat16), LABELS, None, 0.0, -100, torch_ops.MEAN, True),
    "columns together": (
        logits(3, 4).detach().T.requires_grad_(),
        LABELS,
        None,
        0.0,
        -100,
        torch_ops.SUM,
        True,
    ),
}


@pytest.mark.parametrize(
    ("loss", "name"),
    [("softmax_cross_entropy", name) for name in OF_LOGITS]
    + [("softmax_squared_error", name) for name in ("each row", "images, each", "bfloat16")],
)
def test_promises_of_the_losses_of_logits(loss, name):
    x, target, weights, *options = OF_LOGITS[name]
    torch.library.opcheck(getattr(OPERATORS, loss), (x, target, weights, *options))
    operator = getattr(OPERATORS, f"{loss}_and_grad")
    for scale in (
        None,
        torch.rand_like(getattr(OPERATORS, loss)(x, target, weights, *options)).requires_grad_(),
    ):
        torch.library.opcheck(operator, (x, target, weights, scale, *options))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_promises_of_the_softmax(name):
    torch.library.opcheck(getattr(OPERATORS, name), (logits(4, 3), 0.7))


@pytest.mark.parametrize("name", ["logsumexp", "entropy"])
def test_promises_of_functions_of_rows(name):
    torch.library.opcheck(getattr(OPERATORS, name), (P.clone().requires_grad_(),))


@pytest.mark.parametrize("name", ["cross_entropy", "squared_error", "kl_divergence"])
def test_promises_of_losses_of_probabilities(name):
    q = torch.softmax(logits(4, 3).detach(), 1).requires_grad_()
    torch.library.opcheck(getattr(OPERATORS, name), (P.clone().requires_grad_(), q))
    torch.library.opcheck(getattr(OPERATORS, name), (LABELS.clamp(min=0), q))


@pytest.fixture
def compiled():
    torch._dynamo.reset()
    # All of the compiler but the C++ that it writes for what is not ours, which takes most of the time.
    yield lambda function, **options: torch.compile(
        function, fullgraph=True, **{"backend": "aot_eager", **options}
    )
    torch._dynamo.reset()


CALLS = {
    "mean": lambda x, t: nn.cross_entropy(x, t),
    "each": lambda x, t: nn.cross_entropy(x, t, W, label_smoothing=0.1, reduction="none"),
    "sum": lambda x, t: 3 * nn.cross_entropy(x * 2, t, reduction="sum", ignore_index=1),
    "probabilities": lambda x, t: nn.cross_entropy(x, torch.softmax(x.detach(), 1), W, label_smoothing=0.1),
    "derived target": lambda x, t: nn.cross_entropy(x, torch.softmax(2 * x, 1)),
    "module": nn.CrossEntropyLoss(W),
    "squared error": lambda x, t: nn.softmax_squared_error(x, t),
    "squared error, each": lambda x, t: nn.softmax_squared_error(
        x, torch.softmax(2 * x, 1), reduction="none"
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_graph_break_forward_or_backward(compiled, name):
    function = CALLS[name]
    fast = compiled(function)
    for shape in ((4, 3), (2, 3, 4)):
        x = logits(*shape)
        target = (
            torch.arange(shape[0] * (shape[2] if len(shape) > 2 else 1)).reshape(shape[:1] + shape[2:]) % 3
        )
        expected, got = function(x, target), fast(x, target)
        torch.testing.assert_close(got, expected)
        upstream = torch.linspace(-1, 2, got.numel()).reshape(got.shape)
        gradients = [torch.autograd.grad(y, x, upstream)[0] for y in (got, expected)]
        torch.testing.assert_close(*gradients)
        with torch.no_grad():
            torch.testing.assert_close(fast(x, target), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_narrow_logits(compiled, dtype):
    fast = compiled(lambda x, t: nn.cross_entropy(x, t) * 256.0)
    x = logits(4, 3, dtype=dtype)
    got, expected = fast(x, LABELS), nn.cross_entropy(x, LABELS) * 256.0
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(y, x)[0] for y in (got, expected)))


def test_any_number_of_rows(compiled):
    graphs = []

    def counted(graph, example):
        graphs.append(graph)
        return graph.forward

    fast = compiled(lambda x, t: nn.cross_entropy(x, t), dynamic=True, backend=counted)
    for n in (5, 7, 12, 100):
        x = logits(n, 3)
        labels = torch.arange(n) % 3
        torch.testing.assert_close(fast(x, labels), functional.cross_entropy(x, labels))
    assert len(graphs) == 1
    assert "crossent.softmax_cross_entropy_and_grad" in graphs[0].code
    for n in (5, 9):
        x = logits(n, 3)
        labels = torch.arange(n) % 3
        loss = compiled(lambda x, t: nn.cross_entropy(x, t), dynamic=True)(x, labels)
        expected = torch.autograd.grad(functional.cross_entropy(x, labels), x)
        torch.testing.assert_close(torch.autograd.grad(loss, x), expected)


def test_a_training_step_is_one_graph(compiled):
    layer = torch.nn.Linear(5, 3)
    x, labels = torch.randn(20, 5), torch.arange(20) % 3

    def step(x, labels):
        return nn.cross_entropy(layer(x), labels)

    compiled(step, backend="inductor")(x, labels).backward()
    got = layer.weight.grad.clone()
    layer.weight.grad = None
    functional.cross_entropy(layer(x), labels).backward()
    torch.testing.assert_close(got, layer.weight.grad)


def test_labels_out_of_bounds_are_noticed_when_it_runs(compiled):
    fast = compiled(lambda x, t: nn.cross_entropy(x, t))
    with pytest.raises(IndexError, match=r"Target 3 is out of bounds\."):
        fast(logits(4, 3), torch.tensor([0, 1, 3, 1]))


def test_who_watches_operators_sees_them():
    """Plain tensors are spared the dispatcher, unless someone looks on."""
    seen = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            seen.append(str(function))
            return function(*arguments, **(options or {}))

    x = logits(4, 3)
    expected = nn.cross_entropy(x, LABELS)
    with Watch():
        got = nn.cross_entropy(x, LABELS)
    assert "crossent.softmax_cross_entropy_and_grad.default" in seen
    assert torch.equal(got, expected)
    assert torch.equal(*(torch.autograd.grad(loss * 0.3, x)[0] for loss in (got, expected)))
    with torch.inference_mode():
        assert torch.equal(nn.cross_entropy(x, LABELS), expected)
    with torch.device("meta"):
        assert torch.equal(nn.cross_entropy(x, LABELS), expected)
    shapes = nn.cross_entropy(x.detach().to("meta"), LABELS.to("meta"), reduction="none")
    assert (shapes.device.type, shapes.shape) == ("meta", (4,))
