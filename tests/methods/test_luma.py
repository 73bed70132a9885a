"""Networks of the luma: the luma is that of the metrics, and Cb and Cr are left alone."""

import numpy as np
import torch
from skimage.color import rgb2ycbcr
from torch import Tensor, nn

from hdsr import metrics
from hdsr.methods.luma import LumaToRgb, luma, luma_upscaler
from hdsr.resize import imresize


class Brighter(nn.Module):
    """Adds a hundredth to Y in 0..1."""

    def forward(self, image: Tensor) -> Tensor:
        return image + 0.01


def random_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_batch(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def test_luma_is_that_of_the_metrics() -> None:
    image = random_image(5, 7)
    np.testing.assert_allclose(luma(as_batch(image))[0, 0], metrics.luma(image), atol=1e-4)


def test_only_the_luma_changes() -> None:
    image = random_image(6, 4)
    changed = LumaToRgb(Brighter())(as_batch(image))[0].permute(1, 2, 0).double().numpy()
    before, after = rgb2ycbcr(image / 255), rgb2ycbcr(changed / 255)
    np.testing.assert_allclose(after[..., 0], before[..., 0] + 2.55, atol=1e-3)
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-3)


def test_a_network_that_changes_nothing_is_bicubic() -> None:
    image = random_image(8, 9)
    upscale = luma_upscaler(nn.Identity(), 3, torch.device("cpu"), "fp32")
    np.testing.assert_array_equal(upscale(image), imresize(image, 3))
