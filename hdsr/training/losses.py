"""What training minimizes: the error of a network on aligned patches, RGB in 0..255.

Networks of the luma see it enlarged in floating point, as when they are measured.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.inference import FIRST, LAST, folded_kernel, reconstruct_interior
from hdsr.methods.luma import GRAY_STEP
from hdsr.methods.srcnn import SRCNN
from hdsr.metrics import LUMA_OFFSET, LUMA_WEIGHTS
from hdsr.network import HDSRNet
from hdsr.training.forms import keep_layout

_BICUBIC_PX = 2
"""LR pixels on each side that a pixel enlarged by bicubic depends on."""
_LEAST_MSE = 0.05
"""Added to a mean squared error before its logarithm, so that flat patches do not outweigh all others."""


class PatchLoss(nn.Module):
    """Mean error of HDSRNet on LR and HR patches, both (batch, 3, height, width).

    Through the folded reconstruction, the outermost ring of LR pixels, where the fold is not exact, is left
    out or computed the long way: the same function of the same weights at about two thirds of the cost at x4.

    Args:
        network: is trained by this loss.
        folded: reconstruct by the folded kernel.
        border_share: of the patches, from the first one on, whose ring the folded form takes into account,
            weighted so that it stands for all of them (not with psnr); 0 leaves the ring out.
        kind: of error: "l1", "mse", "rmse" or "psnr"; see `hdsr.training.config.TrainingConfig.loss`.
    """

    def __init__(self, network: HDSRNet, folded: bool, border_share: float = 0.0, kind: str = "l1") -> None:
        super().__init__()
        self.network = network
        self.folded = folded
        self.border_share = border_share
        self.kind = kind

    def forward(self, lr: Tensor, hr: Tensor) -> Tensor:
        network = self.network
        if not self.folded:
            return self.reduced(self.summed(network(lr).float() - hr) / hr[0].numel())
        features = network.features(lr)
        keep_layout(features)
        with torch.autocast(lr.device.type, enabled=False):
            return self.folded_error(features.to(hr.dtype), hr)

    def summed(self, difference: Tensor) -> Tensor:
        """Sum for each patch of a difference's absolute values or squares, (batch,)."""
        error = difference.abs() if self.kind == "l1" else difference.square()
        return error.flatten(1).sum(dim=1)

    def reduced(self, means: Tensor) -> Tensor:
        """The loss, of the mean error of each patch, (batch,)."""
        if self.kind == "psnr":
            return (means + _LEAST_MSE).log().mean()
        return means.mean().sqrt() if self.kind == "rmse" else means.mean()

    def folded_error(self, features: Tensor, hr: Tensor) -> Tensor:
        """The loss, given the features (batch, channels, height, width) of the LR patches.

        In the precision of `hr`: at pixel values from 128 on, numbers in bfloat16 are 1 apart.
        """
        network, ring = self.network, self.network.scale
        inner = (..., slice(ring, -ring), slice(ring, -ring))
        weight, bias = folded_kernel(network.reconstruction, network.scale)
        sr = reconstruct_interior(features, weight, bias, network.scale) + network.mean
        error = self.summed(sr[inner] - hr[inner])
        means = error / hr[inner][0].numel()
        if not self.border_share:
            return self.reduced(means)
        count = max(1, round(self.border_share * len(hr)))
        border = self.border_error(features[:count], hr[:count])
        if self.kind == "psnr":  # each patch counts by itself, so no border can stand for another's
            return self.reduced(torch.cat([(error[:count] + border) / hr[0].numel(), means[count:]]))
        return self.reduced((error + border.mean()) / hr[0].numel())

    def border_error(self, features: Tensor, hr: Tensor) -> Tensor:
        """Sum for each patch of errors in the outermost ring of LR pixels, from strips as wide as needed."""
        ring, whole = self.network.scale, slice(None)
        first, last, between = slice(ring), slice(-ring, None), slice(ring, -ring)
        sides = [(FIRST.window, whole, first, whole), (LAST.window, whole, last, whole)]
        sides += [(whole, FIRST.window, between, first), (whole, LAST.window, between, last)]
        error = hr.new_zeros(len(hr))
        for seen_rows, seen_columns, rows, columns in sides:
            strip = self.network.reconstruction(features[:, :, seen_rows, seen_columns]) + self.network.mean
            error = error + self.summed(strip[:, :, rows, columns] - hr[:, :, rows, columns])
        return error


def luma(rgb: Tensor) -> Tensor:
    """Y of ITU-R BT.601, (batch, 1, height, width) from 16 to 235, of RGB in 0..255."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=rgb.dtype, device=rgb.device).reshape(1, 3, 1, 1)
    return (rgb * weights).sum(dim=1, keepdim=True) + LUMA_OFFSET


def enlarged(lr: Tensor, scale: int) -> Tensor:
    """Images (batch, channels, height, width) as `hdsr.resize.imresize_float` enlarges them."""
    padded = F.pad(lr, 4 * (_BICUBIC_PX,), mode="replicate")
    # With antialias torch takes Keys' kernel with a = -0.5, as MATLAB does; without, with a = -0.75.
    large = F.interpolate(padded, scale_factor=scale, mode="bicubic", align_corners=False, antialias=True)
    return _without_border(large, _BICUBIC_PX * scale)


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
        known = _without_border(enlarged(lr, scale), _BICUBIC_PX * scale)
        sr = 255 * self.network.interior(luma(known) / 255).float()
        return F.mse_loss(sr, luma(_without_border(hr, _BICUBIC_PX * scale + reach_px)))
