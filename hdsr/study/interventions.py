"""Another attention in the place of a network's own: shares that are fixed, or a lower temperature.

The network's code knows nothing of this: its attention modules are exchanged, and put back afterwards.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr.network import DynamicConv2d, KernelAttention


class ConstantMix(nn.Module):
    """The same shares of the kernels for every image.

    Input (batch, channels, height, width), of which only the batch matters; output (batch, kernels).
    """

    shares: Tensor

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)

    def forward(self, features: Tensor) -> Tensor:
        return self.shares.to(features).expand(len(features), -1)


def dynamic_layers(network: nn.Module) -> list[DynamicConv2d]:
    """The dynamic convolutions of a network, plain or folded, from the entry on."""
    return [module for module in network.modules() if isinstance(module, DynamicConv2d)]


def frozen(shares: NDArray[np.floating]) -> list[ConstantMix]:
    """Attentions that give these shares, (layers, kernels), whatever the image."""
    return [ConstantMix(torch.tensor(layer)) for layer in shares]


def cooled(network: nn.Module, temperature: float) -> list[KernelAttention]:
    """The network's own attentions, with their own weights, at another temperature."""
    attentions = [copy.deepcopy(layer.attention) for layer in dynamic_layers(network)]
    for attention in attentions:
        attention.temperature = temperature
    return attentions


@contextmanager
def attending(network: nn.Module, attentions: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Let these attentions, one for each dynamic convolution, take the place of the network's own.

    Yields:
        A list to which every call of the network adds the shares that it used: (batch, kernels) for each
        layer in turn.
    """
    layers, used = dynamic_layers(network), []
    own = [layer.attention for layer in layers]
    hooks = [
        attention.register_forward_hook(lambda _, __, shares: used.append(shares)) for attention in attentions
    ]
    try:
        for layer, attention in zip(layers, attentions, strict=True):
            layer.attention = attention
        yield used
    finally:
        for layer, attention in zip(layers, own, strict=True):
            layer.attention = attention
        for hook in hooks:
            hook.remove()
