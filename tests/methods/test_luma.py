"""Networks of the luma: the luma is that of the metrics, and Cb and Cr are left alone."""

import numpy as np
import torch
from torch import Tensor, nn

from hdsr import metrics
from hdsr.methods.luma import Given, LumaRunner, luma_runner, with_color
from hdsr.resize import imresize, imresize_float


class Brighter(nn.Module):
    """Adds a hundredth to Y in 0..1."""

    def forward(self, image: Tensor) -> Tensor:
        return image + 0.01


def random_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_batch(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def run_of(network: nn.Module, given: Given) -> LumaRunner:
    return luma_runner(network, 3, torch.device("cpu"), "fp32", given)


def test_a_network_that_changes_nothing_is_bicubic_rounded_once() -> None:
    image = random_image(8, 9)
    expected = imresize_float(image, 3).clip(0, 255)
    upscale = with_color(run_of(nn.Identity(), "enlarged"), 3)
    np.testing.assert_allclose(upscale(image), expected, atol=0.501)


def test_the_color_may_come_from_the_image_rounded_to_8_bits() -> None:
    image = random_image(8, 9)
    enlarged = imresize(image, 3)
    upscale = with_color(lambda plane: metrics.luma(enlarged), 3, eight_bit=True)
    np.testing.assert_array_equal(upscale(image), enlarged)


def test_the_network_sees_the_enlarged_luma_before_any_rounding() -> None:
    plane = np.array([[16.0, 100.0], [200.0, 235.0]])
    np.testing.assert_allclose(run_of(nn.Identity(), "enlarged")(plane), imresize_float(plane, 3), atol=1e-3)


def test_a_network_of_the_lr_image_enlarges_by_itself() -> None:
    plane = np.array([[16.0, 100.0], [200.0, 235.0]])
    nearest = nn.Upsample(scale_factor=3)
    np.testing.assert_allclose(run_of(nearest, "lr")(plane), plane.repeat(3, 0).repeat(3, 1), atol=1e-3)


def test_a_residual_is_added_to_the_enlarged_luma() -> None:
    plane = np.full((2, 2), 50.0)
    found = run_of(nn.Sequential(Brighter(), nn.Upsample(scale_factor=3)), "lr_residual")(plane)
    np.testing.assert_allclose(found, 50 + 50 + 2.55, atol=1e-3)


def test_a_change_of_the_luma_is_added_to_every_color() -> None:
    image = np.full((4, 4, 3), (10, 90, 200), np.uint8)
    brighter = with_color(run_of(Brighter(), "enlarged"), 3)(image)
    assert (brighter == np.array([10, 90, 200]) + 3).all()  # 2.55 * 255 / 219 = 2.97
