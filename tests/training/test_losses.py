"""Losses by hand, through the metrics' luma."""

import math

import numpy as np
import pytest
import torch

from hdsr.network import HDSRNet
from hdsr.training.losses import PatchLoss


def batch(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("folded", [True, False])
def test_the_patch_loss_is_the_mean_error_of_its_kind(folded: bool) -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    lr, hr = 255 * torch.rand(2, 3, 7, 7), 255 * torch.rand(2, 3, 14, 14)
    error = network(lr) - hr
    error = error[..., 2:-2, 2:-2] if folded else error
    mse = error.square().mean().item()
    expected = {"l1": error.abs().mean().item(), "mse": mse, "rmse": math.sqrt(mse)}
    expected["psnr"] = (error.square().mean(dim=(1, 2, 3)) + 0.05).log().mean().item()
    for kind, value in expected.items():
        loss = PatchLoss(network, folded, kind=kind)(lr, hr)
        assert loss.item() == pytest.approx(value, rel=1e-4), kind


@pytest.mark.parametrize("kind", ["l1", "rmse", "psnr"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_with_all_borders_the_folded_loss_is_that_of_whole_patches(scale: int, kind: str) -> None:
    torch.manual_seed(0)
    network = HDSRNet(scale)
    lr, hr = 255 * torch.rand(2, 3, 7, 6), 255 * torch.rand(2, 3, 7 * scale, 6 * scale)
    losses = PatchLoss(network, False, kind=kind), PatchLoss(network, True, border_share=1.0, kind=kind)
    whole, with_border = (loss(lr, hr) for loss in losses)
    assert with_border.item() == pytest.approx(whole.item(), rel=1e-5)
    parameters = list(network.parameters())
    expected, found = (torch.autograd.grad(loss, parameters) for loss in (whole, with_border))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-3 * float(one.abs().max()))


def test_some_borders_stand_for_all() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    lr, hr = 255 * torch.rand(4, 3, 8, 8), 255 * torch.rand(4, 3, 16, 16)
    error = (network(lr) - hr).abs()
    interior = error[..., 2:-2, 2:-2].sum()
    ring = error[:2].sum() - error[:2, ..., 2:-2, 2:-2].sum()
    expected = (interior + 2 * ring) / hr.numel()
    assert PatchLoss(network, True, border_share=0.5)(lr, hr).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


def test_for_psnr_a_border_counts_in_its_own_patch() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    lr, hr = 255 * torch.rand(2, 3, 8, 8), 255 * torch.rand(2, 3, 16, 16)
    error = (network(lr) - hr).square()
    means = torch.stack([error[0].mean(), error[1, :, 2:-2, 2:-2].mean()])
    loss = PatchLoss(network, True, border_share=0.5, kind="psnr")(lr, hr)
    assert loss.item() == pytest.approx((means + 0.05).log().mean().item(), rel=1e-4)


def test_for_psnr_a_perfect_patch_is_no_minus_infinity() -> None:
    network = HDSRNet(2)
    lr = 255 * torch.rand(1, 3, 8, 8)
    loss = PatchLoss(network, False, kind="psnr")(lr, network(lr).detach())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(0.05), abs=1e-3)
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_however_few_the_borders_there_is_one() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    lr, hr = 255 * torch.rand(2, 3, 8, 8), 255 * torch.rand(2, 3, 16, 16)
    few, half = (PatchLoss(network, True, border_share=share)(lr, hr).item() for share in (0.1, 0.5))
    assert few == half


def test_pixel_values_of_the_folded_form_are_not_rounded_to_bfloat16() -> None:
    torch.manual_seed(0)
    loss = PatchLoss(HDSRNet(2), True)
    lr, hr = 255 * torch.rand(2, 3, 8, 8), 255 * torch.rand(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found, features = loss(lr, hr), loss.network.features(lr)
    assert features.dtype == torch.bfloat16
    assert found.item() == pytest.approx(loss.folded_error(features.float(), hr).item(), rel=1e-6)
