"""The formulas of `reference` as PyTorch operators, under the same names, with derivatives of any order.

Tensors of checked shapes in, tensors on the same device out; the work is done on the CPU, in `arithmetic`.
Each is an operator of `torch.library`, so that `torch.compile` takes it as it is. Backward is made of
operators of this room and of PyTorch's own, so it can be derived again; it runs in at least float32. No
checks of values but labels that would be read out of bounds, no policy: `losses` and `nn` sit on top.

Sides are taken where a derivative has none: 0 where a term is 0 because its weight is (0 log 0).
Forward-mode derivatives and the transforms of `torch.func` are refused in a sentence.
"""

from crossent.torch_ops.forward import MEAN, NONE, SUM
from crossent.torch_ops.fused import (
    reduced_softmax_cross_entropy,
    reduced_softmax_squared_error,
    softmax_cross_entropy,
    softmax_cross_entropy_and_grad,
    softmax_cross_entropy_grad,
    softmax_squared_error,
    softmax_squared_error_and_grad,
    softmax_squared_error_grad,
)
from crossent.torch_ops.measures import (
    classification_error,
    cross_entropy,
    entropy,
    kl_divergence,
    log_softmax,
    logsumexp,
    softmax,
    squared_error,
)
from crossent.torch_ops.tensors import FLOATS, NARROW, beside, check_out, where_kept

__all__ = [
    "FLOATS",
    "MEAN",
    "NARROW",
    "NONE",
    "SUM",
    "beside",
    "check_out",
    "classification_error",
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "log_softmax",
    "logsumexp",
    "reduced_softmax_cross_entropy",
    "reduced_softmax_squared_error",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_and_grad",
    "softmax_cross_entropy_grad",
    "softmax_squared_error",
    "softmax_squared_error_and_grad",
    "softmax_squared_error_grad",
    "squared_error",
    "where_kept",
]
