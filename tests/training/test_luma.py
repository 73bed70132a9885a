"""Networks of the luma train and are validated on what they are measured on: the luma enlarged in floats."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from torch import Tensor, nn

from hdsr import metrics
from hdsr.methods.luma import luma_runner, with_color
from hdsr.methods.srcnn import SRCNN
from hdsr.resize import imresize_float
from hdsr.training.losses import LumaLoss, LumaToRgb, enlarged, luma

RANDOM = np.random.default_rng(0).integers(0, 256, (3, 24, 22, 3), dtype=np.uint8)


def batch(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def pixels(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).double().numpy()


def trained(scale: int) -> SRCNN:
    """A network that does something to its input."""
    network = SRCNN(scale)
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


class Brighter(nn.Module):
    """Adds a hundredth to Y in 0..1."""

    scale = 2

    def forward(self, image: Tensor) -> Tensor:
        return image + 0.01


def test_luma_is_that_of_the_metrics() -> None:
    np.testing.assert_allclose(luma(batch(RANDOM))[0, 0], metrics.luma(RANDOM[0]), atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_images_are_enlarged_as_matlab_does_borders_included(scale: int) -> None:
    expected = [imresize_float(image, scale) for image in RANDOM]
    np.testing.assert_allclose(pixels(enlarged(batch(RANDOM), scale)), expected, atol=2e-3)


def test_only_the_luma_changes() -> None:
    changed, before = pixels(LumaToRgb(Brighter())(batch(RANDOM))), pixels(enlarged(batch(RANDOM), 2))
    before, after = rgb2ycbcr(before / 255), rgb2ycbcr(changed / 255)
    np.testing.assert_allclose(after[..., 0], before[..., 0] + 2.55, atol=1e-3)
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_validated_is_what_is_measured(scale: int) -> None:
    network = trained(scale)
    measured = with_color(luma_runner(network, scale, torch.device("cpu"), "fp32", "enlarged"), scale)
    with torch.inference_mode():
        validated = pixels(LumaToRgb(network)(batch(RANDOM)).clamp(0, 255).round())
    apart = np.abs(validated - np.stack([measured(image) for image in RANDOM]))
    assert apart.max() <= 1  # on an edge of rounding
    assert apart.mean() < 1e-3


@pytest.mark.parametrize("scale", [2, 3])
def test_the_loss_is_that_of_the_whole_image_where_the_patch_has_all(scale: int) -> None:
    network = trained(scale)
    hr = np.random.default_rng(1).integers(0, 256, (3, 24 * scale, 22 * scale, 3), dtype=np.uint8)
    lr, border = RANDOM[:, 1:-1, 2:], 2 * scale + 8
    with torch.no_grad():
        loss = LumaLoss(network)(batch(lr), batch(hr[:, scale:-scale, 2 * scale :]))
        whole = 255 * network(luma(batch(np.stack([imresize_float(image, scale) for image in RANDOM]))) / 255)
    error = whole[:, 0].numpy() - np.stack([metrics.luma(image) for image in hr])
    inside = error[:, scale + border : -scale - border, 2 * scale + border : -border]
    assert inside.size
    assert loss.item() == pytest.approx(np.square(inside).mean(), rel=1e-4)
