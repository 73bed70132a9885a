"""The same network for inference: fewer operations, and fewer tensors.

The reconstruction (upsampler, then convolution to RGB) has no activation, so it is one linear map from LR
features to HR pixels: away from the border, a 5x5 convolution to 3 * scale**2 channels and a pixel shuffle.
In the outermost ring of LR pixels the zero padding between its stages is seen, so each side and each corner
has a kernel of its own. ReLUs are one operation with their convolutions; sums overwrite their input.
"""

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.errors import HdsrError
from hdsr.network import (
    HDSRNet,
    HeterogeneousBlock,
    LowerNetwork,
    Reconstruction,
    UpperNetwork,
    convolve_each,
    subtract_mean,
)
from hdsr.winograd import convolution as winograd
from hdsr.winograd.fused import kernel_of, rectified_conv2d, winograd_obstacle


@dataclass(frozen=True)
class Strip:
    """Some rows of an image. What lies beyond the image's border is padding, so `source` ends there."""

    rows: slice
    """The rows that are wanted."""
    source: slice
    """The rows that are read for them."""
    inner: slice
    """The wanted ones among those read."""


def split(height: int, rows: int, reach: int) -> Iterator[Strip]:
    """Strips of an image of `height` rows from its top, each of `rows` rows, the last one of what is left.

    Args:
        height: rows of the image.
        rows: rows of a strip, from 1 upwards.
        reach: rows above and below a row that its result depends on.
    """
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        start, stop = max(top - reach, 0), min(bottom + reach, height)
        yield Strip(slice(top, bottom), slice(start, stop), slice(top - start, bottom - start))


REACH = 2
"""LR pixels on each side of a pixel that its HR pixels depend on."""
BLOCK_REACH = 2
"""Rows on each side of a row that a block's two last convolutions depend on."""
SIZE = 2 * REACH + 1
"""Width and height of the folded kernel."""


Advance = Callable[[int], object]
"""Is told of every convolution how many rows it has made."""


def ignore(rows: int) -> None:
    """Take no notice of progress."""


class Part(NamedTuple):
    """Where along one axis a kernel of the reconstruction holds: at the first pixel, inside, at the last."""

    pixels: slice
    """The LR pixels that it is for."""
    window: slice
    """The LR pixels that it sees; also those of its weights that are not on padding."""
    padding: int
    position: int
    """A pixel that it is for in an image of SIZE pixels."""


FIRST = Part(slice(1), slice(REACH + 1), 0, 0)
INSIDE = Part(slice(None), slice(None), REACH, REACH)
LAST = Part(slice(-1, None), slice(-REACH - 1, None), 0, 2 * REACH)
PLACES = sorted(itertools.product((FIRST, INSIDE, LAST), repeat=2), key=lambda place: -place.count(INSIDE))
"""(rows, columns): everywhere, then the four sides, then the four corners; later ones overwrite earlier."""


def folded_kernel(reconstruction: Reconstruction, scale: int) -> tuple[Tensor, Tensor]:
    """The reconstruction as one convolution, found by sending an impulse of each channel through it.

    Returns:
        weight (3 * scale**2, channels, 5, 5) and bias (3 * scale**2,), such that
        pixel_shuffle(conv2d(features, weight, bias, padding=2), scale) equals reconstruction(features) except
        in the outermost ring of LR pixels. Differentiable with respect to the stored weights.
    """
    exit_weight = reconstruction.exit.weight
    channels = exit_weight.shape[1]
    impulses = exit_weight.new_zeros(channels, channels, SIZE, SIZE)
    impulses[:, :, REACH, REACH].fill_diagonal_(1)
    # the biases' share is taken off, so that what is left is linear in the impulse
    response = F.pixel_unshuffle(_without_bias(reconstruction, impulses), scale)
    # torch's convolution correlates: its kernel is the impulse response turned by 180 degrees
    weight = response.transpose(0, 1).flip(2, 3).contiguous(memory_format=torch.channels_last)
    constant = F.pixel_unshuffle(reconstruction(torch.zeros_like(impulses[:1])), scale)
    return weight, constant[0, :, REACH, REACH]


def _without_bias(reconstruction: Reconstruction, features: Tensor) -> Tensor:
    """What the reconstruction makes of features, less what it makes of zeros away from the border."""
    for layer in reconstruction.upsampler:
        is_convolution = isinstance(layer, nn.Conv2d)
        features = F.conv2d(features, layer.weight, padding=1) if is_convolution else layer(features)
    return reconstruction.exit(features)


def reconstruct_interior(features: Tensor, weight: Tensor, bias: Tensor, scale: int) -> Tensor:
    """HR image of LR features by the folded kernel; exact except in the outermost ring of LR pixels."""
    return F.pixel_shuffle(F.conv2d(features, weight, bias, padding=REACH), scale)


def kernels_of_places(reconstruction: Reconstruction, scale: int) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the reconstruction's kernel at each of PLACES, borders seen.

    The map being linear, its transpose sends an impulse of each output back to the weights that it is made
    with. Weights are (3 * scale**2, channels, height, width), 3 or 5 high and wide; biases (3 * scale**2,).
    """
    exit_weight, outputs = reconstruction.exit.weight, 3 * scale**2
    image = exit_weight.new_zeros(outputs, exit_weight.shape[1], SIZE, SIZE, requires_grad=True)
    response = F.pixel_unshuffle(reconstruction(image), scale)
    kernels = []
    for rows, columns in PLACES:
        impulses = response[range(outputs), range(outputs), rows.position, columns.position]
        (weight,) = torch.autograd.grad(impulses.sum(), image, retain_graph=True)
        kernels.append((weight[:, :, rows.window, columns.window], impulses.detach()))
    return kernels


class FoldedReconstruction(nn.Module):
    """The construction block "CB" as one convolution and a pixel shuffle, exact at the borders too.

    Input (batch, channels, height, width); output (batch, 3, scale * height, scale * width).
    """

    def __init__(self, reconstruction: Reconstruction, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.stages = reconstruction
        self.convolutions = nn.ModuleList()
        kernels = kernels_of_places(reconstruction, scale)
        for (rows, columns), (weight, bias) in zip(PLACES, kernels, strict=True):
            outputs, channels, *size = weight.shape
            layer = nn.Conv2d(channels, outputs, size, padding=(rows.padding, columns.padding))
            layer.weight, layer.bias = (nn.Parameter(value, False) for value in (weight, bias))
            self.convolutions.append(layer)

    def forward(self, features: Tensor) -> Tensor:
        if min(features.shape[-2:]) <= REACH:  # opposite borders meet: no pixel is only first, inside or last
            return self.stages(features)
        result, borders = self.interior(features), self.convolutions[1:]
        for (rows, columns), layer in zip(PLACES[1:], borders, strict=True):
            result[:, :, rows.pixels, columns.pixels] = layer(features[:, :, rows.window, columns.window])
        return F.pixel_shuffle(result, self.scale)

    def interior(self, features: Tensor) -> Tensor:
        """What is right except in the outermost ring of LR pixels (batch, 3 * scale**2, height, width)."""
        layer = self.convolutions[0]
        if winograd_obstacle(features, layer.weight) is not None:
            return layer(features)
        kernel = kernel_of(layer.weight, layer.transformed)
        return winograd.convolve(features, kernel, SIZE, layer.bias, rectified=False)[:, : len(layer.weight)]


def _activated(layer: nn.Conv2d, features: Tensor, **given: Tensor | slice) -> Tensor:
    """A 3x3 convolution with ReLU; the rest is as `rectified_conv2d` takes it."""
    transformed = getattr(layer, "transformed", None)
    parts = (features, layer.weight, layer.bias, layer.dilation[0])
    return rectified_conv2d(*parts, transformed=transformed, **given)


def _mixed(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A dynamic convolution with ReLU, given the kernels that are mixed for each image."""
    if len(features) > 1 and winograd_obstacle(features, weight[0]) is not None:
        return convolve_each(features, weight, bias).relu_()
    images = zip(features.split(1), weight, bias, strict=True)
    made = [rectified_conv2d(*image) for image in images]
    return made[0] if len(made) == 1 else torch.cat(made)


def _add_block(block: HeterogeneousBlock, features: Tensor, rows: int, advance: Advance) -> None:
    """Send features through a block, in place. Its two last convolutions go in strips of `rows` rows.

    The first one cannot: the dynamic convolution's kernels need the mean of what it makes of the whole image.
    """
    height = features.shape[-2]
    dilated = _activated(block.dilated, features)
    # the attention averages the rows' means; of all pixels at once PyTorch would make a copy in float32
    weight, bias = block.dynamic.mix(F.avg_pool2d(dilated, (1, dilated.shape[-1])))
    advance(height)
    for strip in split(height, rows, BLOCK_REACH):
        made, summed = _mixed(dilated[:, :, strip.source], weight, bias), features[:, :, strip.rows]
        _activated(block.plain, made, residual=summed, rows=strip.inner, out=summed)
        advance(2 * (strip.rows.stop - strip.rows.start))


def upper_features(upper: UpperNetwork, centered: Tensor, rows: int, advance: Advance = ignore) -> Tensor:
    """What the upper sub-network makes of an image less its mean color; see `_add_block`."""
    features = _activated(upper.entry, centered)
    for block in upper.blocks:
        _add_block(block, features, rows, advance)
    return features


def _lower_features(lower: LowerNetwork, centered: Tensor) -> Tensor:
    """What the lower sub-network makes of an image less its mean color."""
    half = len(lower.layers) // 2
    features, first_half = centered, []
    for layer in lower.layers[:half]:
        features = _activated(layer, features)
        first_half.append(features)
    for layer in lower.layers[half:]:
        features = _activated(layer, features, residual=first_half.pop())
    return features


class FoldedHDSRNet(nn.Module):
    """HDSRNet for inference only; see `fold`."""

    mean: Tensor

    def __init__(self, network: HDSRNet) -> None:
        super().__init__()
        self.scale = network.scale
        self.upper = network.upper
        self.lower = network.lower
        self.reconstruction = FoldedReconstruction(network.reconstruction, network.scale)
        self.register_buffer("mean", network.mean, persistent=False)

    @torch.inference_mode()
    def forward(self, image: Tensor) -> Tensor:
        centered = subtract_mean(image, self.mean).contiguous(memory_format=torch.channels_last)
        height = image.shape[-2]
        (whole,) = self.strips(height, height)
        return self.enlarged(upper_features(self.upper, centered, height), centered, whole)

    def strips(self, height: int, rows: int) -> Iterator[Strip]:
        """Strips of an image that `enlarged` takes: with all rows that the result of theirs depends on."""
        return split(height, rows, len(self.lower.layers) + REACH)

    def enlarged(self, features: Tensor, centered: Tensor, strip: Strip, advance: Advance = ignore) -> Tensor:
        """The HR rows of a strip, given the upper sub-network's features of the whole image."""
        product = _lower_features(self.lower, centered[:, :, strip.source])
        product *= features[:, :, strip.source]
        inner = slice(self.scale * strip.inner.start, self.scale * strip.inner.stop)
        enlarged = self.reconstruction(product)[:, :, inner] + self.mean
        advance((len(self.lower.layers) + 1) * (strip.rows.stop - strip.rows.start))
        return enlarged

    def convolved_rows(self, height: int) -> int:
        """How many rows all convolutions make together for an image of `height` rows."""
        return height * (3 * len(self.upper.blocks) + len(self.lower.layers) + 1)


@torch.inference_mode(False)
def fold(network: HDSRNet) -> FoldedHDSRNet:
    """The same function of the same weights for inference, at about two thirds of the operations at x4.

    Args:
        network: HDSRNet on any device; it is copied, and left as it is.

    Returns:
        A module in evaluation mode and channels_last: RGB 0..255 (batch, 3, height, width) to
        (batch, 3, scale * height, scale * width), equal to `network` to rounding, borders included. Later
        changes of the network's weights are not seen.

    Raises:
        HdsrError: for weights that are not finite, which an activation computed as a maximum would hide.
    """
    if not all(value.isfinite().all() for value in network.state_dict().values()):
        raise HdsrError("the network's weights are not made of finite numbers")
    copied = copy.deepcopy(network).requires_grad_(False)
    # the kernels of the borders are found by differentiating, which the caller may have switched off
    with torch.enable_grad():
        folded = FoldedHDSRNet(copied)
    for layer in folded.modules():
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_cuda and winograd.knows(layer.weight):
            layer.register_buffer("transformed", winograd.transformed(layer.weight), persistent=False)
    return folded.to(memory_format=torch.channels_last).eval()
