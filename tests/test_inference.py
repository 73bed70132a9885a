"""The folded network is the same function as the network it was made from."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from untrained import image_like_network

from hdsr.checkpoint import load_pretrained
from hdsr.inference import PLACES, fold, folded_kernel, kernels_of_places, reconstruct_interior
from hdsr.network import Reconstruction
from hdsr.training.losses import PatchLoss

TOLERANCE = 0.002
"""Of 255, on real images."""


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_kernel_equals_the_stages_inside_the_outermost_ring(scale: int) -> None:
    torch.manual_seed(0)
    reconstruction = Reconstruction(channels=64, scale=scale).double()
    features = torch.randn(2, 64, 9, 7, dtype=torch.float64)
    weight, bias = folded_kernel(reconstruction, scale)
    assert weight.shape == (3 * scale**2, 64, 5, 5)
    inner = (..., slice(scale, -scale), slice(scale, -scale))
    folded = reconstruct_interior(features, weight, bias, scale)
    torch.testing.assert_close(folded[inner], reconstruction(features)[inner], rtol=0, atol=1e-12)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 20), st.integers(1, 20), st.integers(1, 3))
def test_equal_at_any_size_borders_included(scale: int, height: int, width: int, batch: int) -> None:
    network = image_like_network(scale)
    image = 255 * torch.rand(batch, 3, height, width)
    with torch.no_grad():
        expected = network(image)
    spread = (expected - network.mean).abs().max().item()
    assert (fold(network)(image) - expected).abs().max().item() <= 1e-5 * max(spread, 255)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 31), (33, 15)])
def test_equal_on_real_images_with_the_shipped_weights(
    real_data_root: Path, scale: int, height: int, width: int
) -> None:
    from hdsr.datasets import load_benchmark

    network = load_pretrained(scale)
    for _, lr, _ in load_benchmark("Set5", scale, real_data_root):
        image = torch.from_numpy(lr[20 : 20 + height, 10 : 10 + width].copy()).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            expected = network(image)
        assert (fold(network)(image) - expected).abs().max().item() <= TOLERANCE


def test_folding_leaves_the_network_alone_and_keeps_no_tie_to_it() -> None:
    network = image_like_network(2)
    network.train()
    folded = fold(network)
    image = 255 * torch.rand(1, 3, 8, 8)
    before = folded(image)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    network.lower.layers[0].weight.data.zero_()
    torch.testing.assert_close(folded(image), before, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_folding_works_where_gradients_are_off(mode: type) -> None:
    network, image = image_like_network(3), 255 * torch.rand(1, 3, 6, 5)
    expected = fold(network)(image)
    with mode():
        torch.testing.assert_close(fold(network)(image), expected, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_kernels_of_sides_and_corners_by_impulses(scale: int) -> None:
    """Each weight is what an impulse at its place does to the pixel that the kernel is for."""
    torch.manual_seed(1)
    reconstruction = Reconstruction(channels=4, scale=scale).double()
    kernels = kernels_of_places(reconstruction, scale)
    assert [tuple(weight.shape[2:]) for weight, _ in kernels[:3]] == [(5, 5), (3, 5), (5, 3)]
    for (rows, columns), (weight, bias) in zip(PLACES, kernels, strict=True):
        impulse = torch.zeros(2, 4, 5, 5, dtype=torch.float64)
        impulse[1, 2][rows.window, columns.window][-1, 0] = 1
        still, moved = F.pixel_unshuffle(reconstruction(impulse), scale)[..., rows.position, columns.position]
        torch.testing.assert_close(bias, still, rtol=0, atol=1e-14)
        torch.testing.assert_close(weight[:, 2, -1, 0], moved - still, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gradients_through_the_fold_are_those_of_the_stages(scale: int) -> None:
    network = image_like_network(scale).double()
    lr = 255 * torch.rand(2, 3, 8, 8, dtype=torch.float64)
    hr = 255 * torch.rand(2, 3, 8 * scale, 8 * scale, dtype=torch.float64)
    inner = (..., slice(scale, -scale), slice(scale, -scale))
    expected = torch.autograd.grad((network(lr)[inner] - hr[inner]).abs().mean(), list(network.parameters()))
    found = torch.autograd.grad(PatchLoss(network, folded=True)(lr, hr), list(network.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6 * b.abs().max().item())


def test_folding_does_not_load_what_makes_symbols_of_shapes() -> None:
    """sympy, which torch.autograd loads to compare given gradients' shapes, takes 0.3 s."""
    code = (
        "import sys\nfrom hdsr.inference import fold\nfrom hdsr.network import HDSRNet\n"
        "before = 'sympy' in sys.modules\nfold(HDSRNet(2))\nprint(before, 'sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
