"""LapSRN: a Laplacian pyramid that doubles the image level by level, each time adding a residual.

Lai et al., "Deep Laplacian pyramid networks for fast and accurate super-resolution", CVPR 2017. Weights: the
authors', a MATLAB file each for x2 and x4.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.errors import HdsrError
from hdsr.formats.matlab_caffe import from_matconvnet, read_matlab, reading, set_layer
from hdsr.methods.blocks import conv3x3

LEVELS = {2: 1, 4: 2}
"""Doublings, by scale."""
DEPTH = 10
CHANNELS = 64
SLOPE = 0.2


class Level(nn.Module):
    """One doubling: (features, image) at one size to the same at twice the size."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv3x3(CHANNELS, CHANNELS, bias=True) for _ in range(DEPTH))
        self.upconv = nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, stride=2)
        self.residual = conv3x3(CHANNELS, 1, bias=True)
        self.enlarge = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        for conv in self.convs:
            features = F.leaky_relu(conv(features), SLOPE)
        features = F.leaky_relu(self.upconv(features)[..., :-1, :-1], SLOPE)
        return features, self.enlarge(image) + self.residual(features)


class LapSRN(nn.Module):
    """Enlarge the luma `scale` times.

    Args:
        scale: 2 or 4.

    forward: Y in 0..1, (batch, 1, height, width), to the same `scale` times larger (not clipped).

    Raises:
        HdsrError: for another scale.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        if scale not in LEVELS:
            raise HdsrError(f"LapSRN doubles: it has no x{scale}, expected x2 or x4")
        self.scale = scale
        self.entry = conv3x3(1, CHANNELS, bias=True)
        self.levels = nn.ModuleList(Level() for _ in range(LEVELS[scale]))

    def forward(self, luma: Tensor) -> Tensor:
        features, image = F.leaky_relu(self.entry(luma), SLOPE), luma
        for level in self.levels:
            features, image = level(features, image)
        return image


def load(path: Path, scale: int) -> LapSRN:
    """LapSRN with the weights of the authors' file; HdsrError if it holds anything else."""
    network = LapSRN(scale)
    layers = _published_layers(network)
    with reading(path, f"LapSRN for x{scale}"):
        stored = {param["name"]: param["value"] for param in read_matlab(path, "net")["params"]}
        for name, layer in layers.items():
            bias = None if layer.bias is None else stored.pop(f"{name}_b")
            set_layer(layer, from_matconvnet(stored.pop(f"{name}_f"), layer.weight), bias)
        if stored:
            raise HdsrError(f"unknown {min(stored)}")
    return network.eval()


def _published_layers(network: LapSRN) -> dict[str, nn.Module]:
    """The layers by their published names, which count levels from the last."""
    layers: dict[str, nn.Module] = {"input_conv": network.entry}
    for level, name in zip(reversed(network.levels), ("level1", "level2"), strict=False):
        layers |= {f"{name}_conv{index}": conv for index, conv in enumerate(level.convs, start=1)}
        layers |= {f"{name}_upconv": level.upconv, f"{name}_residual_conv": level.residual}
        layers[f"{name}_img_up"] = level.enlarge
    return layers
