"""What moves the weights: kernels by their orthogonalised momentum, everything else by AdamW."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("lightning")

from crossent.train.optimizer import OTHERS, one_cycle, optimizer_of, orthogonalised


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 16, 2))


def loss_of(net, seed):
    images = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.cross_entropy(net(images), torch.tensor([0, 1, 0, 1]))


def stepped(net, optimizer, seeds):
    for seed in seeds:
        optimizer.zero_grad()
        loss_of(net, seed).backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(16, 27), (32, 16), (128, 1152), (1, 9)])
def test_singular_vectors_stay_and_singular_values_become_nearly_1(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = orthogonalised(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ found @ v.T
    values = turned.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(turned, torch.diag(values), atol=1e-9, rtol=0)


def test_a_kernel_moves_by_its_orthogonalised_momentum():
    net = network()
    loss_of(net, 0).backward()
    kernel = net[0].weight
    before, gradient = kernel.detach().clone(), kernel.grad.clone()
    optimizer_of(net, 0.01).step()
    moved = orthogonalised((1.95 * gradient).flatten(1)).view_as(kernel)
    torch.testing.assert_close(kernel.detach(), before * (1 - 0.01 * 0.5) - 0.01 * moved)


def test_everything_else_is_moved_by_adamw():
    ours, theirs = network(), network()
    adamw = torch.optim.AdamW(
        [
            {"params": [theirs[3].weight], "weight_decay": 0.2},
            {"params": [theirs[0].bias, *theirs[1].parameters(), theirs[3].bias], "weight_decay": 0.0},
        ],
        lr=0.01 * OTHERS,
        fused=True,
    )
    loss_of(ours, 1).backward(), loss_of(theirs, 1).backward()
    optimizer_of(ours, 0.01).step(), adamw.step()
    for name, weight in ours.named_parameters():
        assert name == "0.weight" or torch.equal(weight, dict(theirs.named_parameters())[name]), name


def test_what_was_kept_goes_on_with_the_same_bits():
    whole = network()
    broken = copy.deepcopy(whole)
    stepped(whole, optimizer_of(whole, 0.01), range(6))
    first = optimizer_of(broken, 0.01)
    stepped(broken, first, range(3))
    second = optimizer_of(broken, 0.01)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    stepped(broken, second, range(3, 6))
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_rates_of_all_weights_go_through_one_cycle():
    optimizer = optimizer_of(network(), 0.02)
    schedule = one_cycle(optimizer, 100)
    rates = []
    for _ in range(100):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    kernels, others, _ = np.array(rates).T
    assert kernels.argmax() == 24
    assert kernels.max() == pytest.approx(0.02)
    np.testing.assert_allclose(others, OTHERS * kernels)
    assert kernels[-1] < 1e-5
