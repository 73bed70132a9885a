"""CARN-M: the small one of the cascading residual networks.

Ahn et al., "Fast, accurate, and lightweight super-resolution with cascading residual network", ECCV 2018,
Section 3.3. Weights: the authors', one file for all scales, of which each scale uses its own upsampler.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.methods.blocks import MeanShiftedNetwork, conv3x3, fill, upsampler
from hdsr.network import SCALES

GROUPS = 4
STEPS = 3
"""Times that a block is applied, and number of blocks."""


class EfficientResidualBlock(nn.Module):
    """Two grouped 3x3 convolutions and one 1x1, plus the input, then ReLU ("residual-E")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels, bias=True, groups=GROUPS)
        self.second = conv3x3(channels, channels, bias=True, groups=GROUPS)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        out = F.relu(self.first(features))
        out = F.relu(self.second(out))
        return F.relu(self.pointwise(out) + features)


class Cascade(nn.Module):
    """Blocks one after another; what goes on is a 1x1 mixture of the input and all outputs so far.

    Args:
        channels: in and out.
        blocks: one for each step, or a single one that serves every step.
    """

    def __init__(self, channels: int, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.fusions = nn.ModuleList(nn.Conv2d((step + 2) * channels, channels, 1) for step in range(STEPS))

    def forward(self, features: Tensor) -> Tensor:
        collected = features
        for step, fusion in enumerate(self.fusions):
            block = self.blocks[step % len(self.blocks)]
            collected = torch.cat([collected, block(features)], dim=1)
            features = F.relu(fusion(collected))
        return features


class CARNM(MeanShiftedNetwork):
    """CARN-M; see `MeanShiftedNetwork` for argument, forward and errors."""

    def __init__(self, scale: int, channels: int = 64) -> None:
        super().__init__(scale)
        self.entry = conv3x3(3, channels, bias=True)
        self.cascade = Cascade(
            channels, [Cascade(channels, [EfficientResidualBlock(channels)]) for _ in range(STEPS)]
        )
        self.upsampler = upsampler(channels, scale, groups=GROUPS, activation=True)
        self.exit = conv3x3(channels, 3, bias=True)

    def enlarge(self, image: Tensor) -> Tensor:
        features = self.cascade(self.entry(image))
        return self.exit(self.upsampler(features))


def load(path: Path, scale: int) -> CARNM:
    """CARN-M with the weights of the authors' file; HdsrError if it holds anything else."""
    network = CARNM(scale)
    layers = [layer for other in SCALES if other != scale for layer in _upsampler_names(other)]
    unused = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    fill(network, path, {**_trunk_names(), **_upsampler_names(scale)}, unused)
    return network


def _trunk_names() -> dict[str, str]:
    """Our names of the layers that all scales share, by the published ones."""
    names = {"entry": "entry", "exit": "exit"}
    for outer in range(STEPS):
        names[f"c{outer + 1}.body.0"] = f"cascade.fusions.{outer}"
        block = f"cascade.blocks.{outer}"
        for inner in range(STEPS):
            names[f"b{outer + 1}.c{inner + 1}.body.0"] = f"{block}.fusions.{inner}"
        for position, layer in enumerate(("first", "second", "pointwise")):
            names[f"b{outer + 1}.b1.body.{2 * position}"] = f"{block}.blocks.0.{layer}"
    return names


def _upsampler_names(scale: int) -> dict[str, str]:
    """Our names of the upsampler's convolutions, by the published ones."""
    stages = (0, 3) if scale == 4 else (0,)
    return {f"upsample.up{scale}.body.{index}": f"upsampler.{index}" for index in stages}
