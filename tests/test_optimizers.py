"""Muon sees convolutions as matrices that share their memory; Adam has everything else."""

import pytest
import torch

from hdsr.config import TrainingConfig
from hdsr.network import HDSRNet
from hdsr.optimizers import build_optimizers, matrices


def config(optimizer: str) -> TrainingConfig:
    return TrainingConfig(scale=2, sets=[{"name": "any"}], patch_px=16, steps=1, optimizer=optimizer)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_matrices_are_views_of_each_kernel(layout: torch.memory_format) -> None:
    weight = torch.randn(256, 64, 3, 3).to(memory_format=layout)
    views = matrices(weight)
    assert [view.shape for view in views] == [(64, 576)] * 4
    for view in views:
        assert view.untyped_storage().data_ptr() == weight.untyped_storage().data_ptr()
    assert torch.equal(views[2].sort(dim=1).values, weight[128:192].flatten(1).sort(dim=1).values)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_weight_is_moved_once(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    network = HDSRNet(2).to(memory_format=layout)
    adam, muon = build_optimizers(network, config("muon"))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network(255 * torch.rand(2, 3, 8, 8)).sum().backward()
    for optimizer in (adam, muon):
        optimizer.step()
    assert all(not torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    owned = sum(tensor.numel() for item in (adam, muon) for group in item.param_groups for tensor in group["params"])
    assert owned == sum(parameter.numel() for parameter in network.parameters())


def test_muon_moves_a_kernel_by_an_orthogonal_matrix() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    _, muon = build_optimizers(network, config("muon"))
    weight = network.lower.layers[3].weight
    before = weight.detach().clone()
    network(255 * torch.rand(1, 3, 8, 8)).sum().backward()
    muon.step()
    moved = (weight.detach() - before).flatten(1) / muon.param_groups[0]["lr"]
    singular = torch.linalg.svdvals(moved)
    assert singular.max() < 1.4
    assert singular.median() > 0.6


def test_adam_alone_has_all_and_the_head_is_told_apart() -> None:
    network = HDSRNet(4)
    (adam,) = build_optimizers(network, config("adam"))
    body, head = adam.param_groups
    assert not body["head"]
    assert head["head"]
    upsampler = network.reconstruction.upsampler.parameters()
    assert {id(tensor) for tensor in head["params"]} == {id(tensor) for tensor in upsampler}
