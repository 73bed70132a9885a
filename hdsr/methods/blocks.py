"""What several of the compared networks have in common."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hdsr.checkpoint import check_mean_shift, check_tensors
from hdsr.errors import HdsrError
from hdsr.formats.pytorch import load_tensors
from hdsr.network import RGB_MEAN, check_scale, subtract_mean


class MeanShiftedNetwork(nn.Module, ABC):
    """A network that works on RGB in 0..1 less the mean color; subclasses say how in `enlarge`.

    Args:
        scale: 2, 3 or 4.

    forward: RGB in 0..255, (batch, 3, height, width), to the same `scale` times larger (not clipped).

    Raises:
        HdsrError: for another scale, and by forward for another shape.
    """

    mean: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return 255 * (self.enlarge(subtract_mean(image / 255, self.mean)) + self.mean)

    @abstractmethod
    def enlarge(self, image: Tensor) -> Tensor:
        """RGB in 0..1 less the mean, LR to SR."""


def conv3x3(inputs: int, outputs: int, bias: bool = False, groups: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias, groups=groups)


def upsampler(channels: int, scale: int, groups: int = 1, activation: bool = False) -> nn.Sequential:
    """Sub-pixel convolutions (Shi et al., CVPR 2016), two of factor 2 for a scale of 4.

    (batch, channels, height, width) to (batch, channels, scale * height, scale * width).

    Args:
        channels: in and out.
        scale: 2, 3 or 4.
        groups: of each convolution.
        activation: whether a ReLU stands between each convolution and its shuffle.
    """
    stages = nn.Sequential()
    for factor in (2, 2) if scale == 4 else (scale,):
        stages.append(conv3x3(channels, channels * factor**2, bias=True, groups=groups))
        if activation:
            stages.append(nn.ReLU())
        stages.append(nn.PixelShuffle(factor))
    return stages


def fill(
    network: MeanShiftedNetwork, path: Path, names: Mapping[str, str], unused: Collection[str] = ()
) -> None:
    """Give a network its published weights; it is left in evaluation mode.

    Args:
        network: gets the weights.
        path: a PyTorch file of tensors, none of which may be unknown or missing.
        names: the network's name of each layer, by its published name.
        unused: further published keys that the file has to hold, which belong to another scale.

    Raises:
        HdsrError: naming the file, and what in it is missing, unknown or of another shape.
    """
    tensors = load_tensors(path)
    try:
        check_mean_shift(tensors, "mean.shifter", largest=1)
    except HdsrError as error:
        raise HdsrError(f"{path} is not {type(network).__name__}: {error}") from None
    used = {key: value for key, value in tensors.items() if key not in unused}
    if absent := set(unused) - set(tensors):
        raise HdsrError(f"{path} is not {type(network).__name__}: missing {min(absent)}")
    renamed = {_renamed_key(key, names): value.float() for key, value in used.items()}
    published = {ours: theirs for theirs, ours in names.items()}
    shown_as = {key: _renamed_key(key, published) for key in network.state_dict()}
    check_tensors(renamed, network.state_dict(), str(path), shown_as, type(network).__name__)
    network.load_state_dict(renamed)
    network.eval()


def _renamed_key(key: str, names: Mapping[str, str]) -> str:
    """A key of a state dict with its layer renamed."""
    layer = _layer_of(key)
    return names.get(layer, layer) + key.removeprefix(layer)


def _layer_of(key: str) -> str:
    """The layer of a key of a state dict, which ends in .weight or .bias."""
    return key.rpartition(".")[0]
