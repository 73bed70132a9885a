"""Dynamic convolution: several kernels, mixed anew for every image.

After Chen et al., "Dynamic Convolution: Attention over Convolution Kernels" (CVPR 2020), as HDSRNet uses it
(Section III-C of the paper).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class KernelAttention(nn.Module):
    """How much of each kernel an image gets: softmax(logits / temperature) of its globally averaged features.

    Input (batch, channels, height, width); output (batch, kernels), non-negative, each row summing to 1.
    The temperature of 40 keeps the mix near uniform, so that all kernels learn from the start; the paper's
    code has an annealing for it that is never called, hence it is constant here too.
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

    def __init__(self, channels: int, kernels: int = 4) -> None:
        super().__init__()
        self.attention = KernelAttention(channels, kernels)
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(kernels * channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(kernels, channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def mix(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The kernels (batch, channels, channels, 3, 3) and biases (batch, channels) of each image."""
        share = self.attention(features)
        kernels = self.weight.unflatten(0, (self.kernels, -1))
        return torch.einsum("bk,koihw->boihw", share, kernels), share @ self.bias

    def forward(self, features: Tensor) -> Tensor:
        weight, bias = self.mix(features)
        if len(features) == 1:
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
