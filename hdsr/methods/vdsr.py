"""VDSR: twenty convolutions that add the missing detail to the luma of the bicubically enlarged image.

Kim et al., "Accurate image super-resolution using very deep convolutional networks", CVPR 2016, Section 3.
Weights: one file for all scales, trained by others than the authors, who published theirs for another
framework; so its layers have no biases.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.checkpoint import check_tensors
from hdsr.methods.blocks import conv3x3
from hdsr.methods.pickled_module import read_tensors

PICKLED_MODULES = ("vdsr.Net", "vdsr.Conv_ReLU_Block")
INNER_LAYERS = 18


class VDSR(nn.Module):
    """Sharpen the luma of enlarged images, of whatever scale.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped). 664,704 parameters.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.entry = conv3x3(1, channels)
        self.inner = nn.ModuleList(conv3x3(channels, channels) for _ in range(INNER_LAYERS))
        self.exit = conv3x3(channels, 1)

    def forward(self, luma: Tensor) -> Tensor:
        features = F.relu(self.entry(luma))
        for layer in self.inner:
            features = F.relu(layer(features))
        return luma + self.exit(features)


def load(path: Path, scale: int) -> VDSR:
    """VDSR with the weights of the published file; HdsrError if it holds anything else."""
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
