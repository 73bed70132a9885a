"""SRCNN: three convolutions on the luma of the bicubically enlarged image.

Dong et al., "Image super-resolution using deep convolutional networks", IEEE TPAMI 38(2), 2016: the 9-5-5
form with 64 and 32 features, which is the one behind the published results. Its layers extract patches, map
them and rebuild the image; there is no skip connection, so the network has to learn to pass its input on.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.formats.matlab_caffe import read_matlab, reading, set_layer, shaped, taps_by_columns
from hdsr.network import check_scale


class SRCNN(nn.Module):
    """Sharpen the luma of images that were enlarged `scale` times.

    Args:
        scale: 2, 3 or 4, for which the weights are meant; the layers are the same for each.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped); every layer repeats the border
    pixel of its own input. Parameters: 57,281.

    Raises:
        HdsrError: for another scale.
    """

    reach_px = 8
    """Pixels on each side of a pixel that its result depends on."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.extract = nn.Conv2d(1, 64, 9)
        self.map = nn.Conv2d(64, 32, 5)
        self.rebuild = nn.Conv2d(32, 1, 5)
        _pass_input_on(self)

    def interior(self, luma: Tensor) -> Tensor:
        """The result where it depends on given pixels only: `reach_px` less on every side."""
        features = F.relu(self.extract(luma))
        features = F.relu(self.map(features))
        return self.rebuild(features)

    def forward(self, luma: Tensor) -> Tensor:
        features = F.relu(self.extract(_with_border(luma, self.extract)))
        features = F.relu(self.map(_with_border(features, self.map)))
        return self.rebuild(_with_border(features, self.rebuild))


def _with_border(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Features whose border pixel is repeated so that a layer gives as many."""
    return F.pad(features, 4 * (layer.kernel_size[0] // 2,), mode="replicate")


@torch.no_grad()
def _pass_input_on(network: SRCNN) -> None:
    """Let a fresh network return its input, by way of the first feature of each layer.

    Training then starts from bicubic; the published one started from Gaussian noise.
    """
    nn.init.zeros_(network.rebuild.weight)
    for layer in (network.extract, network.map, network.rebuild):
        nn.init.zeros_(layer.bias)
        center = layer.kernel_size[0] // 2
        layer.weight[0] = 0
        layer.weight[0, 0, center, center] = 1


def load(path: Path, scale: int) -> SRCNN:
    """SRCNN with the authors' weights, a MATLAB file for each scale; HdsrError if it holds anything else."""
    network = SRCNN(scale)
    with reading(path, "SRCNN (9-5-5)"):
        stored = read_matlab(path)
        for index, layer in enumerate((network.extract, network.map, network.rebuild), start=1):
            outputs, inputs, side, _ = layer.weight.shape
            # The file has (in, taps, out), but the first layer lacks the inputs and the last one the outputs.
            taps = shaped(stored[f"weights_conv{index}"], inputs, side**2, outputs).transpose(2, 0, 1)
            set_layer(layer, taps_by_columns(taps), stored[f"biases_conv{index}"])
    return network.eval()
