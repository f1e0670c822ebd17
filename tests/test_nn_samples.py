"""PyTorch's own sample inputs for its cross-entropy, all of them: value, gradient, second derivatives."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from crossent import nn

pytest.importorskip("expecttest", reason="PyTorch's sample inputs need expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

(INFO,) = (info for info in op_db if info.name == "nn.functional.cross_entropy")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def samples(dtype):
    torch.manual_seed(0)
    found = list(INFO.sample_inputs("cpu", dtype, requires_grad=True))
    assert len(found) == 21
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradients(dtype):
    """Narrow ones against float64 on the same values, since PyTorch's own are less exact."""
    for sample in samples(dtype):
        x, target = sample.input, sample.args[0]
        got = nn.cross_entropy(x, target, **sample.kwargs)
        assert got.dtype == functional.cross_entropy(x, target, **sample.kwargs).dtype
        inputs = [tensor for tensor in (x, target) if tensor.requires_grad]
        upstream = torch.linspace(0.5, 2.0, got.numel(), dtype=torch.float64).reshape(got.shape)
        gradients = torch.autograd.grad(got, inputs, upstream.to(got.dtype))

        wide = {key: v.double() if isinstance(v, torch.Tensor) else v for key, v in sample.kwargs.items()}
        held = [tensor.detach().double().requires_grad_() for tensor in inputs]
        expected = functional.cross_entropy(held[0], held[1] if len(held) == 2 else target, **wide)
        expectations = torch.autograd.grad(expected, held, upstream.to(got.dtype).double())
        for value, exact in zip((got, *gradients), (expected, *expectations), strict=True):
            assert value.dtype == dtype
            close = TOLERANCE[dtype]
            torch.testing.assert_close(value.double(), exact, rtol=close, atol=close)


def test_second_derivatives():
    for sample in samples(torch.float64):
        target = sample.args[0]

        def function(x, target=target, sample=sample):
            return nn.cross_entropy(x, target, **sample.kwargs)

        inputs = (sample.input, target) if target.requires_grad else (sample.input,)
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)
