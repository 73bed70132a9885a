"""HDSRNet as Figure 1 of the paper draws it: two sub-networks, multiplied, then enlarged.

Tian et al., "A Heterogeneous Dynamic Convolutional Neural Network for Image Super-resolution",
arXiv 2402.15704. Every convolution is 3x3 with 64 output channels unless it says otherwise.
"""

import math
from collections.abc import Callable
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.errors import HdsrError


class KernelAttention(nn.Module):
    """How much of each kernel an image gets: softmax(logits / temperature) of its globally averaged features.

    Input (batch, channels, height, width); output (batch, kernels), non-negative, each row summing to 1.
    The temperature of 40 flattens the mix, so that all kernels learn from the start; the paper's code has an
    annealing for it that is never called, hence it is constant here too.
    """

    def __init__(self, channels: int, kernels: int, temperature: float = 40.0) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.excite = nn.Conv2d(channels // 4, kernels, 1, bias=False)
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        pooled = features.mean(dim=(2, 3), keepdim=True)
        logits = self.excite(F.relu(self.squeeze(pooled))).flatten(1)
        return F.softmax(logits / self.temperature, dim=1)


class DynamicConv2d(nn.Module):
    """A 3x3 convolution whose kernel and bias are a per-image mixture of several learned ones.

    Input and output (batch, channels, height, width). The kernels lie one after another along the first
    axis of `weight` (kernels * channels, channels, 3, 3), so that it takes any memory format.
    """

    convolve_batch: Callable[["DynamicConv2d", Tensor, Tensor], Tensor] | None = None
    """Another form of the same function for batches of several images, given the layer, features and the
    share (batch, kernels) of each image: see `hdsr.training.forms`."""

    def __init__(self, channels: int, kernels: int = 4) -> None:
        super().__init__()
        self.attention = KernelAttention(channels, kernels)
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(kernels * channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(kernels, channels))
        # as nn.Conv2d fills its own; the inputs are those of one kernel, however many lie side by side
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def mix(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The kernels (batch, channels, channels, 3, 3) and biases (batch, channels) of each image."""
        return self.mixed(self.attention(features))

    def mixed(self, share: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels and biases for the share (batch, kernels) that each image gets of them."""
        kernels = self.weight.unflatten(0, (self.kernels, -1))
        return torch.einsum("bk,koihw->boihw", share, kernels), share @ self.bias

    def forward(self, features: Tensor) -> Tensor:
        share = self.attention(features)
        if self.convolve_batch and len(features) > 1:
            return self.convolve_batch(self, features, share)
        weight, bias = self.mixed(share)
        if len(features) == 1:  # an ordinary convolution, which libraries compute faster than a grouped one
            return F.conv2d(features, weight[0], bias[0], padding=1)
        return convolve_each(features, weight, bias)


def convolve_each(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve each image with its own kernel: the batch becomes the groups of one grouped convolution.

    features (batch, channels, height, width), weight (batch, out, channels, 3, 3), bias (batch, out).
    """
    batch, _, height, width = features.shape
    stacked = features.reshape(1, -1, height, width)
    result = F.conv2d(stacked, weight.flatten(0, 1), bias.flatten(), padding=1, groups=batch)
    return result.reshape(batch, -1, height, width)


SCALES = (2, 3, 4)


def check_scale(scale: int) -> None:
    """Raise HdsrError unless it is one of SCALES."""
    if scale not in SCALES or not isinstance(scale, Integral):
        raise HdsrError(f"unknown scale {scale!r}: expected 2, 3 or 4")


RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean color of DIV2K in 0..1, taken off before the network and put back after it."""


def conv3x3(inputs: int, outputs: int, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=bias)


class HeterogeneousBlock(nn.Module):
    """Dilated, dynamic and plain convolution, each with ReLU, plus the block's input (Section III-C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dilated = conv3x3(channels, channels, dilation=2)
        self.dynamic = DynamicConv2d(channels)
        self.plain = conv3x3(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        out = F.relu(self.dilated(features))
        out = F.relu(self.dynamic(out))
        return F.relu(self.plain(out)) + features


class UpperNetwork(nn.Module):
    """The heterogeneous upper sub-network: one convolution, then five heterogeneous blocks."""

    def __init__(self, channels: int, blocks: int = 5) -> None:
        super().__init__()
        self.entry = conv3x3(3, channels)
        self.blocks = nn.ModuleList(HeterogeneousBlock(channels) for _ in range(blocks))

    def forward(self, image: Tensor) -> Tensor:
        features = F.relu(self.entry(image))
        for block in self.blocks:
            features = block(features)
        return features


class LowerNetwork(nn.Module):
    """The symmetric lower sub-network: sixteen convolutions, the second half mirroring the first.

    To the output of layer k of the second half (k = 9 to 16) the output of layer 17 - k is added.
    """

    def __init__(self, channels: int, layers: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv3x3(channels if i else 3, channels) for i in range(layers))

    def forward(self, image: Tensor) -> Tensor:
        half = len(self.layers) // 2
        features, first_half = image, []
        for layer in self.layers[:half]:
            features = F.relu(layer(features))
            first_half.append(features)
        for layer in self.layers[half:]:
            features = F.relu(layer(features)) + first_half.pop()
        return features


class Reconstruction(nn.Module):
    """The construction block "CB": sub-pixel upsampling, then one convolution to RGB. No activation.

    Input (batch, channels, height, width); output (batch, 3, scale * height, scale * width).
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        stages = (2, 2) if scale == 4 else (scale,)
        self.upsampler = nn.Sequential()
        for stage in stages:
            self.upsampler.append(conv3x3(channels, channels * stage**2, bias=True))
            self.upsampler.append(nn.PixelShuffle(stage))
        self.exit = conv3x3(channels, 3)

    def forward(self, features: Tensor) -> Tensor:
        return self.exit(self.upsampler(features))


def subtract_mean(image: Tensor, mean: Tensor) -> Tensor:
    """An image less the mean color; HdsrError for another shape, which the subtraction would make fit."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise HdsrError(f"a tensor of shape {tuple(image.shape)}: expected RGB, (batch, 3, height, width)")
    return image - mean


class HDSRNet(nn.Module):
    """Enlarge RGB images `scale` times.

    Args:
        scale: 2, 3 or 4.

    forward: (batch, 3, height, width) to (batch, 3, scale * height, scale * width), both RGB in 0..255
    (the output is not clipped). Parameters: 1,818,496 (x2), 2,003,136 (x3), 1,966,208 (x4).

    Raises:
        HdsrError: for another scale, and by forward for another shape.
    """

    mean: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.upper = UpperNetwork(channels=64)
        self.lower = LowerNetwork(channels=64)
        self.reconstruction = Reconstruction(channels=64, scale=scale)
        mean = 255 * torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1)
        # a constant of the architecture: state dicts neither hold nor need it
        self.register_buffer("mean", mean, persistent=False)

    def features(self, image: Tensor) -> Tensor:
        """What both sub-networks agree on: their outputs, multiplied (batch, 64, height, width)."""
        centered = subtract_mean(image, self.mean)
        return self.upper(centered) * self.lower(centered)

    def forward(self, image: Tensor) -> Tensor:
        return self.reconstruction(self.features(image)) + self.mean
