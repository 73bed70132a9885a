"""Means of dilated kernels stay as they are, whatever moves the weights."""

import pytest
import torch

from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.optimizers import KeptMeans, build_optimizers, center_kernels


def test_kernels_without_a_mean_answer_a_constant_with_nothing() -> None:
    network = HDSRNet(2)
    center_kernels(network)
    for block in network.upper.blocks:
        answer = block.dilated(torch.full((1, 64, 9, 9), 7.0))
        assert answer[..., 2:-2, 2:-2].abs().max() < 1e-4


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("clip_value", [None, 1e-3])
def test_training_leaves_kept_means_alone(optimizer: str, clip_value: float | None) -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    kept = KeptMeans(network)
    weight = network.upper.blocks[0].dilated.weight
    before = weight.detach().clone()
    optimizers = build_optimizers(
        network,
        TrainingConfig(
            scale=2, sets=[{"name": "any"}], patch_px=16, steps=1, optimizer=optimizer, learning_rate=1e-2
        ),
    )
    for group in (group for item in optimizers for group in item.param_groups):
        group["lr"] = torch.tensor(group["peak"])
    lr = 255 * torch.rand(2, 3, 16, 16)
    for _ in range(3):
        network(lr).square().mean().backward()
        # or else an optimizer would remember means, and go by them
        assert weight.grad.mean(dim=(2, 3)).abs().max() < 1e-5 * weight.grad.abs().max()
        if clip_value:
            torch.nn.utils.clip_grad_value_(network.parameters(), clip_value)
        kept.before_step()
        for item in optimizers:
            item.step()
        kept.after_step()
        network.zero_grad()
    moved = weight.detach() - before
    assert moved.abs().max() > 1e-3
    assert moved.mean(dim=(2, 3)).abs().max() < 1e-6
