"""LESRCNN: a lightweight enhanced network of alternating 3x3 and 1x1 convolutions.

Tian et al., "Lightweight image super-resolution with enhanced CNN", Knowledge-Based Systems 205, 2020: an
information extraction and enhancement block, a reconstruction block and an information refinement block.
Weights: the authors', one file for each scale.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.methods.blocks import MeanShiftedNetwork, conv3x3, fill, upsampler

PAIRS = 8
REFINEMENTS = 4


class ResidualPair(nn.Module):
    """ReLU, 3x3 convolution, ReLU, 1x1 convolution, plus the output of the first ReLU.

    That is what the published weights are for; added to what comes before the ReLU, they give 6 dB less.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = conv3x3(channels, channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        active = F.relu(features)
        return active + self.pointwise(F.relu(self.spatial(active)))


class LESRCNN(MeanShiftedNetwork):
    """LESRCNN; see `MeanShiftedNetwork` for argument, forward and errors."""

    def __init__(self, scale: int, channels: int = 64) -> None:
        super().__init__(scale)
        self.entry = conv3x3(3, channels)
        self.pairs = nn.Sequential(*(ResidualPair(channels) for _ in range(PAIRS)))
        self.upsampler = upsampler(channels, scale)
        self.refinements = nn.ModuleList(conv3x3(channels, channels) for _ in range(REFINEMENTS))
        self.exit = conv3x3(channels, 3)

    def enlarge(self, image: Tensor) -> Tensor:
        low = self.entry(image)
        high = self.pairs(low)
        features = F.relu(self.upsampler(F.relu(high)) + self.upsampler(F.relu(low)))
        for refinement in self.refinements:
            features = F.relu(refinement(features))
        return self.exit(features)


def load(path: Path, scale: int) -> LESRCNN:
    """LESRCNN with the weights of the authors' file; HdsrError if it holds anything else."""
    network = LESRCNN(scale)
    fill(network, path, published_names(scale))
    return network


def published_names(scale: int) -> dict[str, str]:
    """Our names of the layers, by the published ones."""
    names = {"conv1.0": "entry", "conv18.0": "exit"}
    for pair in range(PAIRS):
        names[f"conv{2 * pair + 2}.0"] = f"pairs.{pair}.spatial"
        names[f"conv{2 * pair + 3}.0"] = f"pairs.{pair}.pointwise"
    for index in range(REFINEMENTS):
        names[f"conv17_{index + 1}.0"] = f"refinements.{index}"
    for index in (0, 2) if scale == 4 else (0,):
        names[f"upsample.up.body.{index}"] = f"upsampler.{index}"
    return names
