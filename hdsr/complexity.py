"""Parameters and multiply-accumulate operations (MACs) of a network, as three counters see them.

A MAC is one multiplication with its addition; torch counts the two apart, as FLOPs. Nothing is computed:
copies of the networks run on torch's "meta" device, which has shapes and no values.
"""

import copy
from typing import Literal

import torch
from ptflops import get_model_complexity_info
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Number of learned values, as torch holds them."""
    return sum(parameter.numel() for parameter in network.parameters())


def shadow_of(network: nn.Module) -> nn.Module:
    """A copy of the network without values, in evaluation mode."""
    return copy.deepcopy(network).to("meta").eval()


def macs(network: nn.Module, height_px: int, width_px: int, channels: int = 3) -> int:
    """MACs for one image of that size, as torch's counter sees them: convolutions and matrix products."""
    shadow = shadow_of(network)
    image = torch.empty(1, channels, height_px, width_px, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(image)
    return counter.get_total_flops() // 2


def ptflops_macs(
    network: nn.Module,
    height_px: int,
    width_px: int,
    backend: Literal["pytorch", "aten"],
    channels: int = 3,
) -> int:
    """What ptflops calls MACs for one image of that size.

    Its backend "aten" sees the same operations as torch's counter, and adds biases. Its backend "pytorch"
    sees layers rather than operations: a convolution whose kernel is computed is missed, and so is a layer
    of a derived class; biases, activations and poolings are added.
    """
    with torch.no_grad():
        counted, _ = get_model_complexity_info(
            shadow_of(network),
            (channels, height_px, width_px),
            print_per_layer_stat=False,
            as_strings=False,
            backend=backend,
        )
    return int(counted)
