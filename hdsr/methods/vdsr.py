"""VDSR: twenty convolutions that add the missing detail to the luma of the bicubically enlarged image.

Kim et al., "Accurate image super-resolution using very deep convolutional networks", CVPR 2016, Section 3.
Weights, one file for all scales each: the authors', converted by others to a MATLAB file, and some that
others trained, whose layers have no biases.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.checkpoint import check_tensors
from hdsr.formats.matlab_caffe import read_matlab, reading, set_layers
from hdsr.formats.pickled_module import read_tensors
from hdsr.methods.blocks import conv3x3
from hdsr.winograd.fused import rectified

PICKLED_MODULES = ("vdsr.Net", "vdsr.Conv_ReLU_Block")
INNER_LAYERS = 18


class VDSR(nn.Module):
    """Sharpen the luma of enlarged images, of whatever scale.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped). 665,921 parameters with biases,
    664,704 without.
    """

    def __init__(self, channels: int = 64, bias: bool = False) -> None:
        super().__init__()
        self.entry = conv3x3(1, channels, bias)
        self.inner = nn.ModuleList(conv3x3(channels, channels, bias) for _ in range(INNER_LAYERS))
        self.exit = conv3x3(channels, 1, bias)

    @property
    def layers(self) -> list[nn.Conv2d]:
        """All convolutions in their order."""
        return [self.entry, *self.inner, self.exit]

    def residual(self, luma: Tensor) -> Tensor:
        """What the last convolution gives."""
        features = F.relu(self.entry(luma))
        for layer in self.inner:
            features = rectified(layer, features)
        return self.exit(features)

    def forward(self, luma: Tensor) -> Tensor:
        return luma + self.residual(luma)


def load(path: Path, scale: int) -> VDSR:
    """VDSR with the weights of either published file; HdsrError if it holds anything else."""
    return _load_authors(path) if path.suffix == ".mat" else _load_pickled(path)


def _load_authors(path: Path) -> VDSR:
    """The authors' weights, as converted to a MATLAB file."""
    network = VDSR(bias=True)
    with reading(path, "VDSR"):
        stored = read_matlab(path, "model")
        set_layers(network.layers, stored["weight"], stored["bias"])
    return network.eval()


def _load_pickled(path: Path) -> VDSR:
    """Weights that others trained, without biases, in a pickled module."""
    network = VDSR()
    names = published_names()
    tensors = {
        names.get(key, key): value for key, value in read_tensors(path, PICKLED_MODULES, "model").items()
    }
    shown_as = {ours: theirs for theirs, ours in names.items()}
    check_tensors(tensors, network.state_dict(), str(path), shown_as, "VDSR")
    network.load_state_dict(tensors)
    return network.eval()


def published_names() -> dict[str, str]:
    """Our keys, by the published ones."""
    names = {"input.weight": "entry.weight", "output.weight": "exit.weight"}
    inner = range(INNER_LAYERS)
    return names | {f"residual_layer.{index}.conv.weight": f"inner.{index}.weight" for index in inner}
