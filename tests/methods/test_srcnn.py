"""SRCNN: its layers by scipy's correlation, its start, and what the weights trained here are worth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from real_scores import set5_psnr_db
from scipy.signal import correlate2d

from hdsr.errors import HdsrError
from hdsr.methods.srcnn import SRCNN


@pytest.fixture
def trained() -> SRCNN:
    """A network with weights everywhere, as after training."""
    torch.manual_seed(0)
    network = SRCNN(2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    return network


def test_as_many_parameters_as_the_layers_have_by_hand() -> None:
    by_hand = (64 * 81 + 64) + (32 * 64 * 25 + 32) + (32 * 25 + 1)
    assert sum(parameter.numel() for parameter in SRCNN(4).parameters()) == by_hand == 57_281


def test_an_unknown_scale() -> None:
    with pytest.raises(HdsrError, match="unknown scale 5: expected 2, 3 or 4"):
        SRCNN(5)


def test_a_fresh_network_returns_its_input() -> None:
    luma = torch.rand(2, 1, 11, 13)
    assert torch.equal(SRCNN(3)(luma), luma)


def correlated(images: list[np.ndarray], layer: torch.nn.Conv2d) -> list[np.ndarray]:
    """One layer by scipy, without padding."""
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    return [
        constant
        + sum(correlate2d(image, kernel, "valid") for image, kernel in zip(images, kernels, strict=True))
        for kernels, constant in zip(weight, bias, strict=True)
    ]


def padded(images: list[np.ndarray], layer: torch.nn.Conv2d) -> list[np.ndarray]:
    """Images whose border pixel is repeated for a layer."""
    return [np.pad(image, layer.kernel_size[0] // 2, mode="edge") for image in images]


def test_three_layers_each_of_which_repeats_the_border_of_its_input(trained: SRCNN) -> None:
    luma = torch.rand(1, 1, 6, 5)
    images = [luma[0, 0].double().numpy()]
    for layer in (trained.extract, trained.map):
        images = [np.maximum(image, 0) for image in correlated(padded(images, layer), layer)]
    expected = correlated(padded(images, trained.rebuild), trained.rebuild)[0]
    with torch.inference_mode():
        np.testing.assert_allclose(trained(luma)[0, 0], expected, rtol=1e-4, atol=1e-5)


def test_the_interior_is_the_inside_of_the_whole(trained: SRCNN) -> None:
    luma = torch.rand(2, 1, 20, 19)
    torch.testing.assert_close(trained.interior(luma), trained(luma)[..., 8:-8, 8:-8])


@pytest.mark.parametrize(("scale", "psnr_db"), [(2, 36.3), (3, 32.2), (4, 29.9)])
def test_the_weights_trained_here_reach_on_set5(real_data_root: Path, scale: int, psnr_db: float) -> None:
    assert set5_psnr_db(real_data_root, "srcnn", scale, weights="ours") > psnr_db
