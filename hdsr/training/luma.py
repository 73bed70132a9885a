"""Training of networks of the luma: they see it enlarged in floating point, as when they are measured."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.methods.luma import GRAY_STEP
from hdsr.methods.srcnn import SRCNN
from hdsr.metrics import LUMA_OFFSET, LUMA_WEIGHTS

BICUBIC_PX = 2
"""LR pixels on each side that a pixel enlarged by bicubic depends on."""


def luma(rgb: Tensor) -> Tensor:
    """Y of ITU-R BT.601, (batch, 1, height, width) from 16 to 235, of RGB in 0..255."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=rgb.dtype, device=rgb.device).reshape(1, 3, 1, 1)
    return (rgb * weights).sum(dim=1, keepdim=True) + LUMA_OFFSET


def enlarged(lr: Tensor, scale: int) -> Tensor:
    """Images (batch, channels, height, width) as `hdsr.resize.imresize_float` enlarges them."""
    padded = F.pad(lr, 4 * (BICUBIC_PX,), mode="replicate")
    # With antialias torch takes Keys' kernel with a = -0.5, as MATLAB does; without, with a = -0.75.
    large = F.interpolate(padded, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)
    return _without_border(large, BICUBIC_PX * scale)


def _without_border(images: Tensor, border_px: int) -> Tensor:
    return images[..., border_px:-border_px, border_px:-border_px]


class LumaToRgb(nn.Module):
    """A network that sharpens the enlarged luma made one of RGB: Cb and Cr are those of the bicubic image.

    With Cb and Cr fixed, a change of the luma changes R, G and B alike, so the change is added to each.

    Args:
        network: Y in 0..1, (batch, 1, height, width), to the same; its `scale` is the factor of enlargement.

    forward: LR, RGB in 0..255, (batch, 3, height, width), to SR (not clipped).
    """

    def __init__(self, network: SRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        bicubic = enlarged(lr, self.network.scale)
        before = luma(bicubic)
        after = 255 * self.network(before / 255).float()
        return bicubic + (after - before) * GRAY_STEP


class LumaLoss(nn.Module):
    """Mean squared error of SRCNN's luma, Y from 16 to 235, on LR and HR patches (batch, 3, height, width).

    What depends on pixels beyond the LR patch, by bicubic or the network, is left out.
    """

    def __init__(self, network: SRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor, hr: Tensor) -> Tensor:
        scale, reach_px = self.network.scale, self.network.reach_px
        known = _without_border(enlarged(lr, scale), BICUBIC_PX * scale)
        sr = 255 * self.network.interior(luma(known) / 255).float()
        return F.mse_loss(sr, luma(_without_border(hr, BICUBIC_PX * scale + reach_px)))
