"""Networks that see only the luma of the bicubically enlarged image, as one call from RGB to RGB."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hdsr.metrics import LUMA_OFFSET, LUMA_WEIGHTS
from hdsr.resize import imresize
from hdsr.upscaling.run import Image, Precision, network_upscaler

GRAY_STEP = 1 / LUMA_WEIGHTS.sum()
"""How much a gray value changes, on all of R, G and B, for a change of 1 in the luma."""


def luma(rgb: Tensor) -> Tensor:
    """Y of ITU-R BT.601, (batch, 1, height, width) from 16 to 235, of RGB in 0..255."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=rgb.dtype, device=rgb.device).reshape(1, 3, 1, 1)
    return (rgb * weights).sum(dim=1, keepdim=True) + LUMA_OFFSET


class LumaToRgb(nn.Module):
    """A network of the luma made one of RGB: Cb and Cr stay those of the bicubic image.

    With Cb and Cr fixed, a change of the luma changes R, G and B alike, so the change is added to each.

    Args:
        network: Y in 0..1, (batch, 1, height, width), to the same.

    forward: the bicubically enlarged image, RGB 0..255, (batch, 3, height, width), to the same (not clipped).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, enlarged: Tensor) -> Tensor:
        before = luma(enlarged)
        after = 255 * self.network(before / 255).float()
        return enlarged + (after - before) * GRAY_STEP


def luma_upscaler(
    network: nn.Module, scale: int, device: torch.device, precision: Precision
) -> Callable[[Image], Image]:
    """A network of the luma as a call on uint8 RGB images: enlarged by imresize, then improved."""
    improve = network_upscaler(LumaToRgb(network), device, precision)

    def upscale(lr: Image) -> Image:
        return improve(imresize(lr, scale))

    return upscale
