"""DnCNN-3: twenty convolutions that tell what is wrong with the luma of the bicubically enlarged image.

Zhang et al., "Beyond a Gaussian denoiser: residual learning of deep CNN for image denoising", IEEE TIP 26(7),
2017: the model trained for denoising, deblocking and super-resolution at once, its batch normalizations
merged into the convolutions. Weights: the authors', one MATLAB 7.3 file for all scales.
"""

from pathlib import Path

from torch import Tensor

from hdsr.formats.matlab_caffe import read_matlab73_layers, reading, set_layers
from hdsr.methods.vdsr import VDSR


class DnCNN(VDSR):
    """VDSR's layers, with biases; their result is taken off the input rather than added to it.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped). 665,921 parameters.
    """

    def __init__(self) -> None:
        super().__init__(bias=True)

    def forward(self, luma: Tensor) -> Tensor:
        return luma - self.residual(luma)


def load(path: Path, scale: int) -> DnCNN:
    """DnCNN-3 with the weights of the authors' file; HdsrError if it holds anything else."""
    network = DnCNN()
    with reading(path, "DnCNN-3"):
        filters, biases = zip(*read_matlab73_layers(path), strict=True)
        set_layers(network.layers, filters, biases)
    return network.eval()
