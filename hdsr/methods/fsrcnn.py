"""FSRCNN: a small network at LR size, enlarged at its end by one transposed convolution.

Dong et al., "Accelerating the super-resolution convolutional neural network", ECCV 2016: the (56, 12, 4)
form. Weights: the authors', one MATLAB file for each scale.
"""

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.formats.matlab_caffe import read_matlab, reading, set_layer, shaped, taps_by_columns
from hdsr.network import check_scale

FEATURES, SHRUNK, MAPPINGS = 56, 12, 4
DECONVOLUTION_PX = 9
OFFSET_PX = {2: 0, 3: 1, 4: 0}
"""HR pixel scale * i + offset lies under the centre of the transposed kernel of LR pixel i."""


class FSRCNN(nn.Module):
    """Enlarge the luma `scale` times.

    Args:
        scale: 2, 3 or 4.

    forward: Y in 0..1, (batch, 1, height, width), to the same `scale` times larger (not clipped). Every
    convolution repeats the border pixel of its own input. Parameters: 12,644, with biases and slopes.

    Raises:
        HdsrError: for another scale.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        widths = (1, FEATURES, *[SHRUNK] * (MAPPINGS + 1), FEATURES)
        sides = (5, 1, *[3] * MAPPINGS, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, side, padding=side // 2, padding_mode="replicate")
            for (inputs, outputs), side in zip(pairwise(widths), sides, strict=True)
        )
        self.slopes = nn.ModuleList(nn.PReLU() for _ in self.layers)
        self.enlarge = nn.ConvTranspose2d(FEATURES, 1, DECONVOLUTION_PX, stride=scale)

    def forward(self, luma: Tensor) -> Tensor:
        features = luma
        for layer, slope in zip(self.layers, self.slopes, strict=True):
            features = slope(layer(features))
        full = self.enlarge(F.pad(features, (1, 1, 1, 1), mode="replicate"))
        first = self.scale + DECONVOLUTION_PX // 2 - OFFSET_PX[self.scale]
        height, width = (self.scale * length for length in luma.shape[-2:])
        return full[..., first : first + height, first : first + width]


def load(path: Path, scale: int) -> FSRCNN:
    """FSRCNN with the weights of the authors' file; HdsrError if it holds anything else."""
    network = FSRCNN(scale)
    with reading(path, "FSRCNN"):
        stored = read_matlab(path)
        filters, biases, slopes = (stored[f"{kind}_conv"] for kind in ("weights", "biases", "prelu"))
        for index, layer in enumerate(network.layers):
            outputs, inputs, side, _ = layer.weight.shape
            taps = shaped(filters[index], inputs, side**2, outputs).transpose(2, 0, 1)
            set_layer(layer, taps_by_columns(taps), biases[index])
            with torch.no_grad():
                network.slopes[index].weight.fill_(float(slopes[index]))
        taps = shaped(filters[-1], 1, DECONVOLUTION_PX**2, FEATURES).transpose(2, 0, 1)
        set_layer(network.enlarge, taps_by_columns(taps), biases[-1])
    return network.eval()
