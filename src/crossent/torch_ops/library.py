"""How an operator comes to PyTorch: its schema, what it computes, its shapes alone, its derivatives.

No formula stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

_LIBRARY: Any = torch.library.Library("crossent", "DEF")  # type: ignore[no-untyped-call]
"""The operators live as long as it does."""

_KEYS = torch._C._dispatch_keys(torch.empty(0, device="cpu"))
"""Of a tensor on the CPU that is no more than that."""


def define(
    schema: str,
    compute: Callable[..., Any],
    shapes: Callable[..., Any],
    backward: Callable[..., Any],
    remember: Callable[[Any, Any, Any], None] | None = None,
) -> Callable[..., Any]:
    """A new operator, by its schema with all tensors first.

    `shapes` gives empty tensors like the results. `backward(ctx, *cotangents)` finds the tensors of the
    call in `ctx.saved_tensors` and what came after them in `ctx.options`, and what `remember(ctx,
    arguments, results)` has put there. It gives one derivative for each tensor.
    """
    name = schema[: schema.index("(")]
    tensors = schema[: schema.index(")")].count("Tensor")
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, compute, "CompositeExplicitAutograd")
    _LIBRARY.impl(name, _refuse_vmap, "FuncTorchBatched")
    torch.library.register_fake(f"crossent::{name}", shapes, lib=_LIBRARY)

    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:tensors])
        ctx.options = inputs[tensors:]
        if remember is not None:
            remember(ctx, inputs, output)

    def derivatives(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        nothing = tuple(None for _ in range(tensors)), tuple(None for _ in ctx.options)
        if all(cotangent is None for cotangent in cotangents):
            return nothing[0] + nothing[1]
        found = backward(ctx, *cotangents)
        return (found if isinstance(found, tuple) else (found,)) + nothing[1]

    torch.library.register_autograd(f"crossent::{name}", derivatives, setup_context=setup, lib=_LIBRARY)
    operator = getattr(torch.ops.crossent, name).default

    def forward(ctx: Any, *arguments: Any) -> Any:
        results = compute(*arguments)
        setup(ctx, arguments, results)
        return results

    plain: Any = type(name, (torch.autograd.Function,), {"forward": forward, "backward": derivatives})

    def call(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return operator(*arguments)
        _refuse_transforms(name, arguments)
        return plain.apply(*arguments) if _are_plain(arguments) else operator(*arguments)

    return call


def _are_plain(arguments: tuple[Any, ...]) -> bool:
    """Whether nothing but autograd wants to see the call, so that it may be spared the dispatcher's 0.1 ms.

    Compilers, other devices, modes and subclasses come with other keys.
    """
    return not torch._C._len_torch_dispatch_stack() and all(
        type(x) in (Tensor, Parameter) and torch._C._dispatch_keys(x) == _KEYS
        for x in arguments
        if isinstance(x, Tensor)
    )


def _refuse_transforms(name: str, arguments: tuple[Any, ...]) -> None:
    """PyTorch would leave the tangent of a dual tensor out without a word."""
    if torch._C._are_functorch_transforms_active() and any(
        isinstance(x, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(x) for x in arguments
    ):
        raise NotImplementedError(
            f"{name} under a transform of torch.func (vmap, grad, jvp, ...) is not supported: pass batches"
            " as rows (n, k), and take derivatives by backward() or torch.autograd.grad"
        )
    if forward_ad._current_level >= 0 and any(isinstance(x, Tensor) and _has_tangent(x) for x in arguments):
        raise NotImplementedError(
            f"{name} has no forward-mode derivative: use backward() or torch.autograd.grad"
        )


def _has_tangent(tensor: Tensor) -> bool:
    return forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


def _refuse_vmap(*_: Any) -> Any:
    raise NotImplementedError(
        "torch.vmap over an operator of crossent is not supported: pass batches as rows (n, k);"
        " for batched gradients pass them one by one"
    )
