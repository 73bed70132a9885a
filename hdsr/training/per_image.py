"""A batch of images, each convolved with its own kernels, in bfloat16 on an NVIDIA GPU: kernels in Triton.

As one grouped convolution, the form that the network has by itself, the batch is copied to another layout and
back around each dynamic convolution, which takes a quarter of a training step there. These kernels read and
write images as they lie (batch, height, width, channels).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hdsr.network import DynamicConv2d

CHANNELS, DTYPE = 64, torch.bfloat16
PIXELS = 128
"""That one program of a kernel works on at a time."""


@triton.jit
def _convolve_kernel(
    features, weight, bias, result, height, width, CHANNELS: tl.constexpr, PIXELS: tl.constexpr
):  # fmt: skip
    """Some pixels of one image: the sum over nine taps of (pixels, inputs) times (inputs, outputs)."""
    image = tl.program_id(1)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    row, column = pixel // width, pixel % width
    channel = tl.arange(0, CHANNELS)
    total = tl.zeros((PIXELS, CHANNELS), dtype=tl.float32)
    for tap in range(9):
        above, left = row + tap // 3 - 1, column + tap % 3 - 1
        inside = (above >= 0) & (above < height) & (left >= 0) & (left < width)
        source = ((image * height + above) * width + left) * CHANNELS
        seen = tl.load(features + source[:, None] + channel[None, :], mask=inside[:, None], other=0.0)
        matrix = ((image * 9 + tap) * CHANNELS + channel) * CHANNELS
        total += tl.dot(seen, tl.load(weight + matrix[:, None] + channel[None, :]))
    total += tl.load(bias + image * CHANNELS + channel)[None, :]
    target = (image * height * width + pixel) * CHANNELS
    inside = pixel < height * width
    tl.store(result + target[:, None] + channel[None, :], total, mask=inside[:, None])


@triton.jit
def _weight_gradient_kernel(
    features, upstream, result, height, width, CHANNELS: tl.constexpr, PIXELS: tl.constexpr
):  # fmt: skip
    """One tap of one image's kernels: (inputs, pixels) times (pixels, outputs) over all pixels."""
    tap, image = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, CHANNELS)
    total = tl.zeros((CHANNELS, CHANNELS), dtype=tl.float32)
    for start in range(0, height * width, PIXELS):
        pixel = start + tl.arange(0, PIXELS)
        above, left = pixel // width + tap // 3 - 1, pixel % width + tap % 3 - 1
        there = pixel < height * width
        inside = there & (above >= 0) & (above < height) & (left >= 0) & (left < width)
        source = ((image * height + above) * width + left) * CHANNELS
        seen = tl.load(features + source[:, None] + channel[None, :], mask=inside[:, None], other=0.0)
        target = (image * height * width + pixel) * CHANNELS
        wanted = tl.load(upstream + target[:, None] + channel[None, :], mask=there[:, None], other=0.0)
        total += tl.dot(tl.trans(seen), wanted)
    matrix = ((image * 9 + tap) * CHANNELS + channel) * CHANNELS
    tl.store(result + matrix[:, None] + channel[None, :], total)


def _as_rows(images: Tensor) -> Tensor:
    """(batch, channels, height, width) as contiguous (batch, height, width, channels)."""
    return images.permute(0, 2, 3, 1).contiguous()


def _convolved(rows: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
    """Images (batch, height, width, inputs) by (batch, 9, inputs, outputs), with bias (batch, outputs)."""
    batch, height, width, _ = rows.shape
    result = torch.empty_like(rows)
    grid = (triton.cdiv(height * width, PIXELS), batch)
    _convolve_kernel[grid](rows, taps.contiguous(), bias, result, height, width, CHANNELS, PIXELS)
    return result


class _ConvolveEach(torch.autograd.Function):
    """Of (batch, 64, height, width), (batch, 9, 64 inputs, 64 outputs) and bias (batch, 64)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
        rows = _as_rows(features)
        ctx.save_for_backward(rows, taps)
        return _convolved(rows, taps, bias.contiguous()).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, taps = ctx.saved_tensors
        wanted = _as_rows(upstream)
        batch, height, width, _ = rows.shape
        nothing = wanted.new_zeros(batch, CHANNELS)
        to_features = _convolved(wanted, taps.flip(1).mT, nothing).permute(0, 3, 1, 2)
        to_taps = torch.empty_like(taps)
        _weight_gradient_kernel[(9, batch)](rows, wanted, to_taps, height, width, CHANNELS, PIXELS)
        return to_features, to_taps, wanted.sum((1, 2), dtype=torch.float32).to(upstream.dtype)


def convolve_each(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """What `layer` gives for features (batch, 64, height, width) of which each image has a share (batch, 4).

    In bfloat16, whatever the features are in.
    """
    kernels = layer.weight.unflatten(0, (layer.kernels, -1)).permute(0, 3, 4, 2, 1)
    with torch.autocast(features.device.type, enabled=False):
        share = share.to(DTYPE)
        taps = (share @ kernels.to(DTYPE).flatten(1)).view(-1, 9, CHANNELS, CHANNELS)
        return _ConvolveEach.apply(features.to(DTYPE), taps, share @ layer.bias.to(DTYPE))
