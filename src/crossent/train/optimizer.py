"""What moves the weights: Muon for the kernels of convolutions, AdamW for everything else.

PyTorch's own Muon takes matrices alone, and computes in bfloat16, which few processors do fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

OTHERS = 0.2
"""The rate of all other weights, as a share of that of the kernels."""
_ADAMW = 1e-3
_MOMENTUM = 0.95
_DECAY_OF_KERNELS, _DECAY = 0.5, 0.2
_WARM_UP = 0.25  # share of the steps in which rates climb
_QUINTIC = (3.4445, -4.7750, 2.0315)  # the odd polynomial that lifts small singular values fastest
_TIMES = 5


class Muon(torch.optim.AdamW):
    """AdamW, but in groups marked ``orthogonal`` each kernel moves by its orthogonalised momentum.

    So all directions that a kernel maps to are learnt at the same pace, not the strongest alone.

    Notes
    -----
    Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; AdamW then passes over kernels, whose gradients are used up."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("orthogonal"):
                for kernel in group["params"]:
                    self._move(kernel, group["lr"], group["weight_decay"])
        super().step()
        return loss

    @torch.no_grad()
    def _move(self, kernel: Tensor, rate: float, decay: float) -> None:
        if kernel.grad is None:
            return
        state = self.state[kernel]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(kernel)
            state["step"] = torch.zeros(())  # which AdamW looks for wherever there is state
        momentum = state["momentum"].mul_(_MOMENTUM).add_(kernel.grad)
        ahead = kernel.grad.add(momentum, alpha=_MOMENTUM).flatten(1)
        high, wide = ahead.shape
        moved = orthogonalised(ahead).view(kernel.shape)
        kernel.mul_(1 - rate * decay).add_(moved, alpha=-rate * max(1.0, high / wide) ** 0.5)
        kernel.grad = None


def optimizer_of(network: torch.nn.Module, rate: float) -> Muon:
    """The optimizer of a network, by the rate of its kernels; biases and norms do not decay."""
    kernels = _kernels(network)
    rest = [p for p in network.parameters() if not any(p is kernel for kernel in kernels)]
    other = rate * OTHERS if kernels else rate
    groups = [
        {"params": kernels, "lr": rate, "weight_decay": _DECAY_OF_KERNELS, "orthogonal": True},
        {"params": [p for p in rest if p.dim() > 1], "lr": other, "weight_decay": _DECAY},
        {"params": [p for p in rest if p.dim() <= 1], "lr": other, "weight_decay": 0.0},
    ]
    return Muon([group for group in groups if group["params"]], fused=True)


def usual_rate(network: torch.nn.Module) -> float:
    """The rate of a network that nothing is known of."""
    return _ADAMW / OTHERS if _kernels(network) else _ADAMW


def _kernels(network: torch.nn.Module) -> list[Tensor]:
    """Those whose channels belong together, which depthwise ones do not."""
    convolutions = (module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    return [convolution.weight for convolution in convolutions if convolution.groups == 1]


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Each group's rate climbs to its own and falls to nearly nothing: Smith and Topin, arXiv 1708.07120."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=max(8, steps),  # it divides by 0 at 4
        pct_start=_WARM_UP,
        final_div_factor=400,
        cycle_momentum=False,
    )


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and singular values near 1: Newton and Schulz's iteration."""
    first, third, fifth = _QUINTIC
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    if tall := x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(_TIMES):
        square = x @ x.T
        x = first * x + (third * square + fifth * square @ square) @ x
    return x.T if tall else x
