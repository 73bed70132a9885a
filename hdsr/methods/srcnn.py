"""SRCNN: three convolutions on the luma of the bicubically enlarged image.

Dong et al., "Image super-resolution using deep convolutional networks", IEEE TPAMI 38(2), 2016: the 9-5-5
form with 64 and 32 features, which is the one behind the published results. Its layers extract patches, map
them and rebuild the image; there is no skip connection, so the network has to learn to pass its input on.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.network import check_scale


class SRCNN(nn.Module):
    """Sharpen the luma of images that were enlarged `scale` times.

    Args:
        scale: 2, 3 or 4, for which the weights are meant; the layers are the same for each.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped); at the border, the image's
    outermost pixels are repeated. Parameters: 57,281.

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
        pass_input_on(self)

    def interior(self, luma: Tensor) -> Tensor:
        """The result where it depends on given pixels only: `reach_px` less on every side."""
        features = F.relu(self.extract(luma))
        features = F.relu(self.map(features))
        return self.rebuild(features)

    def forward(self, luma: Tensor) -> Tensor:
        return self.interior(F.pad(luma, 4 * (self.reach_px,), mode="replicate"))


@torch.no_grad()
def pass_input_on(network: SRCNN) -> None:
    """Let a fresh network return its input, by way of the first feature of each layer.

    Training then starts from bicubic; the published one started from Gaussian noise.
    """
    nn.init.zeros_(network.rebuild.weight)
    for layer in (network.extract, network.map, network.rebuild):
        nn.init.zeros_(layer.bias)
        center = layer.kernel_size[0] // 2
        layer.weight[0] = 0
        layer.weight[0, 0, center, center] = 1
