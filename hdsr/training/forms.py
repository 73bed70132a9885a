"""Parts of the network as a training step computes them: the same functions of the same weights, faster.

The network itself stays as the paper draws it. What takes time beside its products is memory: operations on
tensors of which one has channels last and the other has not take up to ten times as long, and residual sums
hand the layout of a gradient on from layer to layer.
"""

import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.network import DynamicConv2d, KernelAttention
from hdsr.training.config import TrainingConfig


def use_in(network: nn.Module, config: TrainingConfig, device: torch.device) -> None:
    """From now on, let a network compute batches so."""
    convolve = one_by_one if device.type == "cpu" else None
    if device.type == "cuda" and config.precision == "bf16" and importlib.util.find_spec("triton"):
        from hdsr.training import per_image

        convolve = per_image.convolve_each
    for module in network.modules():
        if isinstance(module, KernelAttention) and config.channels_last:
            module.register_forward_pre_hook(_pooled)
        elif isinstance(module, DynamicConv2d):
            module.convolve_batch = convolve


def _pooled(attention: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
    """Features averaged before they are given, (batch, channels, 1, 1); their gradient has channels last."""
    return (given[0].permute(0, 2, 3, 1).mean(dim=(1, 2))[..., None, None],)


def one_by_one(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """What `layer` gives for features (batch, channels, height, width) of which each has a share of kernels.

    In bfloat16 on a CPU in a third of the time of one grouped convolution, which is not channels_last.
    """
    images = zip(features.split(1), *layer.mixed(share), strict=True)
    return torch.cat([F.conv2d(image, kernel, bias, padding=1) for image, kernel, bias in images])


def keep_layout(features: Tensor) -> None:
    """Let the gradient of features lie in memory as they do."""
    if features.requires_grad and features.is_contiguous(memory_format=torch.channels_last):
        features.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
