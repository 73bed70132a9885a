"""A convolution and its ReLU in one operation of oneDNN, where PyTorch has it, and elsewhere in two.

oneDNN applies the ReLU while what the convolution has made is in the processor's cache, so that a feature map
is not read and written once more. The operation is the one that TorchInductor compiles such a pair into. It
lies outside of PyTorch's documented interface and knows neither gradients nor autocast: hence this file.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def rectified_conv2d(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, dilation: int = 1
) -> Tensor:
    """relu(conv2d(features, weight, bias)) with a 3x3 kernel, height and width kept; for inference only.

    Under autocast it computes in autocast's data type, as conv2d does.

    Args:
        features: (batch, channels, height, width).
        weight: (outputs, channels, 3, 3).
        bias: (outputs,), or none.
        dilation: distance of the kernel's weights in pixels.
    """
    dtype = computed_dtype(features)
    if not is_fusable(features.device, dtype):
        return F.conv2d(features, weight, bias, padding=dilation, dilation=dilation).relu_()
    features, weight = features.to(dtype), weight.to(dtype)
    bias = None if bias is None else bias.to(dtype)
    around = [dilation, dilation]
    return torch.ops.mkldnn._convolution_pointwise(
        features, weight, bias, around, [1, 1], around, 1, "relu", [], ""
    )


def computed_dtype(features: Tensor) -> torch.dtype:
    """The data type that a convolution of these features computes in."""
    device = features.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return features.dtype


def is_fusable(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN convolves in that data type here."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32
