"""Muon sees convolutions as matrices that share their memory; Adam has everything else."""

import pytest
import torch

from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.optimizers import Rates, StackedMuon, build_optimizers, matrices, scale_to_unit_range


def config(optimizer: str, **changes: object) -> TrainingConfig:
    return TrainingConfig(
        scale=2, sets=[{"name": "any"}], patch_px=16, steps=1, optimizer=optimizer, **changes
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_matrices_are_views_of_each_kernel(layout: torch.memory_format) -> None:
    weight = torch.randn(256, 64, 3, 3).to(memory_format=layout)
    views = matrices(weight)
    assert [view.shape for view in views] == [(64, 576)] * 4
    for view in views:
        assert view.untyped_storage().data_ptr() == weight.untyped_storage().data_ptr()
    assert torch.equal(views[2].sort(dim=1).values, weight[128:192].flatten(1).sort(dim=1).values)


@pytest.mark.parametrize("upsampler", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_weight_is_moved_once(layout: torch.memory_format, upsampler: bool) -> None:
    torch.manual_seed(0)
    network = HDSRNet(2).to(memory_format=layout)
    adam, muon = build_optimizers(network, config("muon", muon_upsampler=upsampler))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network(255 * torch.rand(2, 3, 8, 8)).sum().backward()
    Rates([adam, muon], torch.device("cpu")).set(1.0, head_only=False)
    for optimizer in (adam, muon):
        optimizer.step()
    assert all(not torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    owned = sum(
        tensor.numel() for item in (adam, muon) for group in item.param_groups for tensor in group["params"]
    )
    assert owned == sum(parameter.numel() for parameter in network.parameters())


def test_muon_moves_a_kernel_by_an_orthogonal_matrix() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    _, muon = build_optimizers(network, config("muon"))
    Rates([muon], torch.device("cpu")).set(1.0, head_only=False)
    weight = network.lower.layers[3].weight
    before = weight.detach().clone()
    network(255 * torch.rand(1, 3, 8, 8)).sum().backward()
    muon.step()
    moved = (weight.detach() - before).flatten(1) / muon.param_groups[0]["peak"]
    singular = torch.linalg.svdvals(moved)
    assert singular.max() < 1.4
    assert singular.median() > 0.6


def test_muon_has_the_upsampler_as_its_head_if_told_so() -> None:
    network = HDSRNet(3)
    _, without = build_optimizers(network, config("muon"))
    assert [group["head"] for group in without.param_groups] == [False]
    _, muon = build_optimizers(network, config("muon", muon_upsampler=True))
    body, head = sorted(muon.param_groups, key=lambda group: group["head"])
    assert (len(body["params"]), body["head"]) == (len(without.param_groups[0]["params"]), False)
    assert (len(head["params"]), head["head"]) == (9, True)
    upsampler = network.reconstruction.upsampler[0].weight
    storage = {matrix.untyped_storage().data_ptr() for matrix in head["params"]}
    assert storage == {upsampler.untyped_storage().data_ptr()}


def test_adam_alone_has_all_and_the_head_is_told_apart() -> None:
    network = HDSRNet(4)
    (adam,) = build_optimizers(network, config("adam"))
    body, head = adam.param_groups
    assert not body["head"]
    assert head["head"]
    upsampler = network.reconstruction.upsampler.parameters()
    assert {id(tensor) for tensor in head["params"]} == {id(tensor) for tensor in upsampler}


def test_unit_range_is_the_training_of_the_same_network_on_images_in_0_to_1() -> None:
    torch.manual_seed(0)
    plain = HDSRNet(2)
    scaled = HDSRNet(2)
    scaled.load_state_dict(plain.state_dict())
    scale_to_unit_range(scaled)
    image = 255 * torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        for block in plain.upper.blocks:  # the attention goes by means in 0..255 all the same
            block.dynamic.attention.squeeze.weight *= 255
        small = plain((image - plain.mean) / 255 + plain.mean) - plain.mean
        torch.testing.assert_close(scaled(image) - scaled.mean, 255 * small, rtol=1e-4, atol=1e-3)
    (adam,) = build_optimizers(scaled, config("adam", unit_range=True, learning_rate=1e-3))
    rates = {id(tensor): group["peak"] for group in adam.param_groups for tensor in group["params"]}
    assert rates[id(scaled.upper.entry.weight)] == pytest.approx(1e-3 / 255)
    assert rates[id(scaled.reconstruction.exit.weight)] == pytest.approx(0.255)
    assert rates[id(scaled.upper.blocks[0].dynamic.bias)] == pytest.approx(1e-2)
    assert rates[id(scaled.lower.layers[7].weight)] == pytest.approx(1e-3)
    assert rates[id(scaled.upper.blocks[0].dynamic.attention.squeeze.weight)] == pytest.approx(2.55e-2)
    assert rates[id(scaled.upper.blocks[0].dynamic.attention.excite.weight)] == pytest.approx(1e-4)


def test_stacked_muon_is_pytorchs_muon() -> None:
    torch.manual_seed(0)
    start = [torch.randn(64, 576) for _ in range(3)]
    ours, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    optimizers = StackedMuon(ours, lr=0.1), torch.optim.Muon(theirs, lr=0.1, weight_decay=0.0)
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(64, 576)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b, before in zip(ours, theirs, start, strict=True):
        # The iteration amplifies the rounding of bfloat16.
        assert (a - b).norm() < 0.05 * (b - before).norm()


def test_a_step_that_is_skipped_moves_nothing_and_is_not_remembered() -> None:
    torch.manual_seed(0)
    start, first, second = torch.randn(3, 64, 576)
    both = skipping, plain = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    optimizers = {matrix: StackedMuon([matrix], lr=0.1) for matrix in both}

    def step(matrix: torch.Tensor, gradient: torch.Tensor, skipped: float = 0.0) -> None:
        optimizers[matrix].found_inf, matrix.grad = torch.tensor(skipped), gradient
        optimizers[matrix].step()

    step(skipping, first)
    before = skipping.detach().clone()
    step(skipping, torch.full_like(start, torch.inf), skipped=1.0)
    assert torch.equal(skipping, before)
    step(skipping, second)
    for gradient in (first, second):
        step(plain, gradient)
    assert torch.equal(skipping, plain)
