"""Parameters and multiply-accumulate operations (MACs), by hand and by torch's counter.

A MAC is one multiplication with its addition; torch counts the two apart, as FLOPs. Biases, activations,
pooling and elementwise products are not counted, as is usual.
"""

import copy

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

CHANNELS = 64
BLOCKS = 5
LOWER_LAYERS = 16
KERNELS = 4
SQUEEZED = CHANNELS // 4


def parameters(network: nn.Module) -> int:
    """Number of learned values, as torch holds them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, lr_height_px: int, lr_width_px: int) -> int:
    """MACs for one RGB image of that size, as torch's counter sees them (convolutions and matrix products).

    Nothing is computed: a copy of the network runs on torch's "meta" device, which has shapes and no values.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    image = torch.empty(1, 3, lr_height_px, lr_width_px, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(image)
    return counter.get_total_flops() // 2


def hand_count(scale: int, lr_height_px: int, lr_width_px: int) -> pd.DataFrame:
    """HDSRNet's parameters and MACs from its drawing alone, part by part.

    Returns:
        Columns part, parameters, macs. The parts add up to the published form of the network, whose mean
        shift is a pair of 1x1 convolutions; its 24 constants are not learned and not counted as parameters.
    """
    lr_px = lr_height_px * lr_width_px
    inner, edge = 9 * CHANNELS**2, 9 * 3 * CHANNELS
    attention = CHANNELS * SQUEEZED + SQUEEZED * KERNELS
    parts = [
        ("entries of both branches", 2 * edge, 2 * edge * lr_px),
        ("dilated convolutions", BLOCKS * inner, BLOCKS * inner * lr_px),
        ("dynamic convolutions", BLOCKS * KERNELS * (inner + CHANNELS), BLOCKS * inner * lr_px),
        ("mixing of kernels and biases", 0, BLOCKS * KERNELS * (inner + CHANNELS)),
        ("attention", BLOCKS * attention, BLOCKS * attention),
        ("plain convolutions of the blocks", BLOCKS * inner, BLOCKS * inner * lr_px),
        ("lower branch", (LOWER_LAYERS - 1) * inner, (LOWER_LAYERS - 1) * inner * lr_px),
        *upsampler_parts(scale, lr_px),
        ("exit", edge, edge * scale**2 * lr_px),
        ("mean shift", 0, 9 * (1 + scale**2) * lr_px),
    ]
    return pd.DataFrame(parts, columns=["part", "parameters", "macs"])


def upsampler_parts(scale: int, lr_px: int) -> list[tuple[str, int, int]]:
    """Parameters and MACs of each stage: a convolution with bias to factor**2 times as many channels."""
    parts, enlarged = [], 1
    for number, factor in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        outputs = factor**2 * CHANNELS
        weights = 9 * CHANNELS * outputs
        parts.append((f"upsampler, stage {number}", weights + outputs, weights * enlarged**2 * lr_px))
        enlarged *= factor
    return parts
