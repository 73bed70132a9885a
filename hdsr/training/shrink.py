"""Bicubic shrinking of many patches at once, on the device that holds them."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hdsr.resize import contributions


@cache
def shrinking_taps(scale: int) -> NDArray[np.float64]:
    """By which of `hdsr.resize`'s weights an LR pixel is made of the HR pixels around it, along one axis."""
    many = 10 * scale
    weights, _ = contributions(many * scale, 1 / scale, "replicate")
    return np.trim_zeros(weights[many // 2].round(15))


def margin_px(scale: int) -> int:
    """HR pixels before and after a patch that its LR depends on."""
    return (len(shrinking_taps(scale)) - scale) // 2


def shrink(windows: Tensor, scale: int) -> Tensor:
    """The LR of uint8 images (batch, height, width, 3) that have their margin around them.

    As `hdsr.resize.imresize` makes it, in float32: exact at x2 and x4, whose weights are dyadic.
    """
    taps = shrinking_taps(scale).tolist()
    for _ in range(2):  # along the height and rounded, then along the width, as MATLAB does
        reach = windows.shape[1] - len(taps) + 1
        total = torch.full((), 0.5, device=windows.device)
        for tap, weight in enumerate(taps):
            total = torch.add(total, windows[:, tap : tap + reach : scale], alpha=weight)
        windows = total.floor().clamp(0, 255).byte().transpose(1, 2)
    return windows
