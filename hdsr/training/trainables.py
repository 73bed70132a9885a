"""The networks that `hdsr train` can train, and what training needs to know of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from hdsr.checkpoint import describe, load
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.methods.srcnn import SRCNN
from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.losses import LumaLoss, LumaToRgb, PatchLoss
from hdsr.training.optimizers import center_kernels, scale_to_unit_range


@dataclass(frozen=True)
class Trainable:
    """A network that can be trained."""

    kind: type[nn.Module]
    """Takes the scale."""
    loss: Callable[[nn.Module, TrainingConfig], nn.Module]
    """A module from the patches of `hdsr.training.patches` to the loss."""
    inference_form: Callable[[nn.Module], nn.Module]
    """The network as a module from LR to SR images, RGB in 0..255 both."""


TRAINABLES = {
    "hdsrnet": Trainable(
        HDSRNet,
        lambda network, config: PatchLoss(network, config.folded, config.border_share, config.loss),
        fold,
    ),
    "srcnn": Trainable(SRCNN, lambda network, config: LumaLoss(network), LumaToRgb),
}
"""By the word that a configuration says."""


def start_weights(network: nn.Module, config: TrainingConfig) -> dict[str, Any] | None:
    """Give a fresh network what it starts with; what a file of it says of itself, if there is one."""
    if config.warm_start:
        return warm_start(network, config.warm_start, whole=bool(config.start_share or config.teacher_share))
    if config.unit_range:
        scale_to_unit_range(network)
    if config.keep_dilated_means:
        center_kernels(network)
    return None


def warm_start(network: nn.Module, path: str, whole: bool = False) -> dict[str, Any] | None:
    """Copy the weights in `path`; those of another scale lend all but the upsampler.

    Returns:
        What a .safetensors file says of itself, so that weights can tell how their ancestors were made.

    Raises:
        HdsrError: if they cannot be read, or are of another scale and the `whole` network is asked for.
    """
    source = load(path, type(network))
    if whole and source.scale != network.scale:
        raise HdsrError(
            f"start_share and teacher_share take weights of x{network.scale}; {path} is of x{source.scale}"
        )
    tensors = source.state_dict()
    if source.scale != network.scale:
        tensors = {key: value for key, value in tensors.items() if "upsampler" not in key}
    network.load_state_dict(tensors, strict=source.scale == network.scale)
    return describe(path) if Path(path).suffix == ".safetensors" else None
