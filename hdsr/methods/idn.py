"""IDN: blocks that keep a part of their features early on and distil the rest.

Hui et al., "Fast and accurate single image super-resolution via information distillation network", CVPR 2018.
Weights: the authors', a caffemodel for each scale.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.errors import HdsrError
from hdsr.formats.matlab_caffe import read_caffe, reading, set_layer
from hdsr.methods.blocks import conv3x3
from hdsr.network import check_scale

CHANNELS, KEPT, BLOCKS = 64, 16, 4
SLOPE = 0.05
DECONVOLUTION_PX = 17


class DistillationBlock(nn.Module):
    """Three convolutions, whose first features are kept, three more on the others, and a 1x1 of the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            conv3x3(inputs, outputs, bias=True, groups=groups)
            for inputs, outputs, groups in (
                (CHANNELS, 48, 1),
                (48, 32, 4),
                (32, CHANNELS, 1),
                (CHANNELS - KEPT, 64, 1),
                (64, 48, 4),
                (48, CHANNELS + KEPT, 1),
            )
        )
        self.compress = nn.Conv2d(CHANNELS + KEPT, CHANNELS, 1)

    def forward(self, features: Tensor) -> Tensor:
        distilled = features
        for conv in self.convs[:3]:
            distilled = F.leaky_relu(conv(distilled), SLOPE)
        kept, distilled = distilled[:, :KEPT], distilled[:, KEPT:]
        for conv in self.convs[3:]:
            distilled = F.leaky_relu(conv(distilled), SLOPE)
        return F.leaky_relu(self.compress(torch.cat([features, kept], dim=1) + distilled), SLOPE)


class IDN(nn.Module):
    """What the luma of the bicubically enlarged image lacks.

    Args:
        scale: 2, 3 or 4.

    forward: Y of the LR image in 0..1, (batch, 1, height, width), to what is added to the enlarged one,
    `scale` times larger; nothing to its first scale - 1 rows and columns. Parameters: 552,769.

    Raises:
        HdsrError: for another scale.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.entry = nn.ModuleList([conv3x3(1, CHANNELS, bias=True), conv3x3(CHANNELS, CHANNELS, bias=True)])
        self.blocks = nn.Sequential(*(DistillationBlock() for _ in range(BLOCKS)))
        padding = DECONVOLUTION_PX // 2
        self.enlarge = nn.ConvTranspose2d(CHANNELS, 1, DECONVOLUTION_PX, stride=scale, padding=padding)

    def forward(self, luma: Tensor) -> Tensor:
        features = luma
        for conv in self.entry:
            features = F.leaky_relu(conv(features), SLOPE)
        residual = self.enlarge(self.blocks(features))
        return F.pad(residual, (self.scale - 1, 0, self.scale - 1, 0))


def load(path: Path, scale: int) -> IDN:
    """IDN with the weights of the authors' file; HdsrError if it holds anything else."""
    network = IDN(scale)
    layers = _published_layers(network)
    with reading(path, "IDN"):
        stored = read_caffe(path)
        if stored.keys() != layers.keys():
            raise HdsrError(f"its layers with weights are {', '.join(stored) or 'none'}")
        for name, layer in layers.items():
            set_layer(layer, *stored[name])
    return network.eval()


def _published_layers(network: IDN) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {"conv1": network.entry[0], "conv2": network.entry[1]}
    for index, block in enumerate(network.blocks, start=1):
        layers |= {f"conv{index + 2}_{position}": conv for position, conv in enumerate(block.convs, start=1)}
        layers[f"down{index}"] = block.compress
    return layers | {"upsample": network.enlarge}
