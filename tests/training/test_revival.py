"""Dead blocks begin anew without a change of what the network does; kept means stay kept."""

import pytest
import torch

from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.optimizers import build_optimizers
from hdsr.training.revival import GAIN, center_kernels, keep_means, revive


@pytest.fixture
def network() -> HDSRNet:
    """Its blocks 1 and 3 (from 0) are dead: no input of theirs is negative, and every weight is."""
    torch.manual_seed(0)
    network = HDSRNet(2)
    with torch.no_grad():
        for block in network.upper.blocks:
            block.dynamic.bias += 1.0
        for index in (1, 3):
            weight = network.upper.blocks[index].dilated.weight
            weight.copy_(-weight.abs())
    return network


@pytest.fixture
def lr() -> torch.Tensor:
    return 255 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def live_channels(network: HDSRNet, lr: torch.Tensor) -> list[int]:
    counts = []
    features = network.upper.entry(lr - network.mean).relu()
    for block in network.upper.blocks:
        counts.append(int((block.dilated(features).amax(dim=(0, 2, 3)) > 0).sum()))
        features = block(features)
    return counts


def test_the_dead_blocks_and_no_others_begin_anew(network: HDSRNet, lr: torch.Tensor) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert revive(network, lr) == [1, 3]
    assert live_channels(network, lr) == [64] * 5
    fresh = ("dilated.weight", "dynamic.weight", "squeeze.weight", "excite.weight")
    for name, value in network.state_dict().items():
        anew = name.startswith(("upper.blocks.1.", "upper.blocks.3.")) and name.endswith(fresh)
        assert torch.equal(value, before[name]) != anew, name
    assert revive(network, lr) == []


def test_a_revived_block_goes_on_giving_nearly_its_constant(network: HDSRNet, lr: torch.Tensor) -> None:
    with torch.no_grad():
        before = network.upper(lr - network.mean)
        revive(network, lr, unit_range=True)
        change = network.upper(lr - network.mean) - before
    assert 0 < change.abs().mean() < 0.2 * before.abs().mean()
    dynamic = network.upper.blocks[1].dynamic
    assert dynamic.weight.abs().max() <= GAIN / 24
    assert dynamic.attention.squeeze.weight.abs().max() > 255 / 16


def test_kernels_without_a_mean_answer_a_constant_with_nothing(network: HDSRNet) -> None:
    center_kernels(network)
    for block in network.upper.blocks:
        answer = block.dilated(torch.full((1, 64, 9, 9), 7.0))
        assert answer[..., 2:-2, 2:-2].abs().max() < 1e-4


def test_training_leaves_kept_means_alone(network: HDSRNet, lr: torch.Tensor) -> None:
    keep_means(network)
    weight = network.upper.blocks[0].dilated.weight
    before = weight.detach().clone()
    optimizers = build_optimizers(
        network, TrainingConfig(scale=2, sets=[{"name": "any"}], patch_px=16, steps=1, optimizer="muon")
    )
    for _ in range(3):
        network(lr).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        network.zero_grad()
    moved = weight.detach() - before
    assert moved.abs().max() > 1e-3
    assert moved.mean(dim=(2, 3)).abs().max() < 0.01 * moved.abs().max()
