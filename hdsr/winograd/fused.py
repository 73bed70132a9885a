"""A convolution and its ReLU in one pass: by Winograd's way, by oneDNN, or as PyTorch does it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.winograd import convolution as winograd


def rectified_conv2d(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    dilation: int = 1,
    *,
    residual: Tensor | None = None,
    rows: slice = winograd.ALL_ROWS,
    out: Tensor | None = None,
    transformed: Tensor | None = None,
) -> Tensor:
    """relu(conv2d(features, weight, bias)) + residual with a 3x3 kernel, height and width kept.

    For inference only. By Winograd's way where that serves (see `winograd_obstacle`), else by oneDNN. Under
    autocast it computes in autocast's data type, as conv2d does.

    Args:
        features: (batch, channels, height, width).
        weight: (outputs, channels, 3, 3).
        bias: (outputs,), or none.
        dilation: distance of the kernel's weights in pixels.
        residual: (batch, outputs, rows, width), or none.
        rows: those of the result that are wanted.
        out: where to write the result, perhaps `residual`; by default a new tensor.
        transformed: the weight as `hdsr.winograd.convolution.transformed` makes it, if that is at hand.
    """
    if winograd_obstacle(features, weight) is None:
        given = {"dilation": dilation, "residual": residual, "rows": rows, "out": out}
        features = features.to(computed_dtype(features))
        return winograd.convolve(features, kernel_of(weight, transformed), 3, bias, **given)
    result = directly_rectified(features, weight, bias, dilation)[:, :, rows]
    result = result if residual is None else result.add_(residual)
    return result if out is None else out.copy_(result)


def kernel_of(weight: Tensor, transformed: Tensor | None = None) -> Tensor:
    """The weight, transformed; what is at hand only if it was not rounded with its network since."""
    is_exact = transformed is not None and transformed.dtype == torch.float32
    return transformed if is_exact else winograd.transformed(weight.float())


def winograd_obstacle(features: Tensor, weight: Tensor) -> str | None:
    """Why `hdsr.winograd` does not serve for a convolution, or None if it does."""
    return winograd.obstacle(features, weight, computed_dtype(features), directly_rectified)


def directly_rectified(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, dilation: int = 1
) -> Tensor:
    """A convolution and its ReLU in one operation of oneDNN where PyTorch has it, elsewhere in two."""
    dtype = computed_dtype(features)
    if not is_fusable(features.device, dtype):
        return F.conv2d(features, weight, bias, padding=dilation, dilation=dilation).relu_()
    features, weight = features.to(dtype), weight.to(dtype)
    bias = None if bias is None else bias.to(dtype)
    around = [dilation, dilation]
    return torch.ops.mkldnn._convolution_pointwise(
        features, weight, bias, around, [1, 1], around, 1, "relu", [], ""
    )


def rectified(layer: nn.Conv2d, features: Tensor) -> Tensor:
    """relu(layer(features)): by Winograd's way where it serves, else as written, with gradients and hooks.

    For networks that are not folded; `layer` keeps height and width.
    """
    if winograd_obstacle(features, layer.weight) is not None:
        return F.relu(layer(features))
    return rectified_conv2d(features, layer.weight, layer.bias, layer.dilation[0])


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
