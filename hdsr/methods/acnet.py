"""ACNet: an asymmetric network whose every layer is a 1x3, a 3x1 and a 3x3 convolution at once.

Tian et al., "Asymmetric CNN for image superresolution", IEEE Trans. SMC: Systems 52(6), 2022: an asymmetric
block of seventeen layers, a memory enhancement block (the sum of all of them, and the first by itself, each
enlarged) and a high-frequency feature enhancement block.
Weights: the authors', one file for each scale.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.methods.blocks import MeanShiftedNetwork, conv3x3, fill, upsampler

LAYERS = 17


class AsymmetricConv2d(nn.Module):
    """The sum of a 1x3, a 3x1 and a 3x3 convolution, (batch, inputs, height, width) to (batch, outputs, ...).

    All three are linear, so that they are one 3x3 convolution too; see `folded`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.row = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1), bias=False)
        self.column = nn.Conv2d(inputs, outputs, (3, 1), padding=(1, 0), bias=False)
        self.square = conv3x3(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.row(features) + self.column(features) + self.square(features)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The same function as one 3x3 convolution, for inference."""
        outputs, inputs = self.square.weight.shape[:2]
        single = conv3x3(inputs, outputs)
        row, column = F.pad(self.row.weight, (0, 0, 1, 1)), F.pad(self.column.weight, (1, 1))
        single.weight.copy_(self.square.weight + row + column)
        return single


class ACNet(MeanShiftedNetwork):
    """ACNet; see `MeanShiftedNetwork` for argument, forward and errors.

    Of the seventeen layers, all but the last are summed after their ReLU, as the authors' network does.
    Parameters: 1,356,544 (x2), 1,541,184 (x3), 1,504,256 (x4).
    """

    def __init__(self, scale: int, channels: int = 64) -> None:
        super().__init__(scale)
        self.layers = nn.ModuleList(AsymmetricConv2d(channels if i else 3, channels) for i in range(LAYERS))
        self.upsampler = upsampler(channels, scale)
        self.deep = nn.ModuleList(conv3x3(channels, channels) for _ in range(2))
        self.shallow = nn.ModuleList(conv3x3(channels, channels) for _ in range(2))
        self.refinements = nn.ModuleList(conv3x3(channels, channels) for _ in range(2))
        self.exit = conv3x3(channels, 3)

    def enlarge(self, image: Tensor) -> Tensor:
        first = features = total = F.relu(self.layers[0](image))
        for layer in self.layers[1:-1]:
            features = F.relu(layer(features))
            total = total + features
        deep = F.relu(total + self.layers[-1](features))
        features = F.relu(self.path(deep, self.deep) + self.path(first, self.shallow))
        for refinement in self.refinements:
            features = F.relu(refinement(features))
        return self.exit(features)

    def path(self, features: Tensor, layers: nn.ModuleList) -> Tensor:
        """Enlarge the features, then two convolutions."""
        enlarged = F.relu(self.upsampler(features))
        return layers[1](F.relu(layers[0](enlarged)))


def fold(network: ACNet) -> ACNet:
    """Make every asymmetric layer of a network one convolution: the same function, with fewer operations."""
    network.layers = nn.ModuleList(layer.folded() for layer in network.layers)
    return network


def load(path: Path, scale: int) -> ACNet:
    """ACNet with the weights of the authors' file, folded; HdsrError if it holds anything else."""
    network = ACNet(scale)
    fill(network, path, published_names(scale))
    return fold(network)


def published_names(scale: int) -> dict[str, str]:
    """Our names of the layers, by the published ones."""
    names = {"conv20.0": "refinements.0", "conv21.0": "refinements.1", "conv22.0": "exit"}
    for index in range(LAYERS):
        for number, kind in enumerate(("row", "column", "square"), start=1):
            names[f"conv{index + 1}_{number}.0"] = f"layers.{index}.{kind}"
    for index in range(2):
        names[f"conv{18 + index}_1.0"] = f"deep.{index}"
        names[f"conv{18 + index}_2.0"] = f"shallow.{index}"
    for index in (0, 2) if scale == 4 else (0,):
        names[f"upsample.up.body.{index}"] = f"upsampler.{index}"
    return names
