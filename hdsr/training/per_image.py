"""Images of a batch, each convolved with its own mix of kernels, in the form that is fastest on a GPU.

One grouped convolution, as on a CPU, is slow in cuDNN with as many groups as images. All three forms here are
the same function of the same weights and differ by rounding.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.network import DynamicConv2d, convolve_each

Form = Callable[[DynamicConv2d, Tensor, Tensor], Tensor]
TIMED = 5
_fastest: dict[tuple, Form] = {}


def grouped(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """The batch as the groups of one grouped convolution."""
    return convolve_each(features, *layer.mixed(share))


def dense(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """All kernels as one convolution with four times the outputs, which are mixed for each image."""
    stacked = F.conv2d(features, layer.weight, padding=1).unflatten(1, (layer.kernels, -1))
    share = share.to(stacked.dtype)
    bias = share @ layer.bias.to(stacked.dtype)
    return (stacked * share[:, :, None, None, None]).sum(1) + bias[:, :, None, None]


def columns(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """Unfolded patches times kernels, as one batched matrix product."""
    weight, bias = layer.mixed(share)
    if torch.is_autocast_enabled("cuda"):
        features, weight = (value.to(torch.get_autocast_dtype("cuda")) for value in (features, weight))
    with torch.autocast("cuda", enabled=False):
        return _Columns.apply(features, weight) + bias.to(features.dtype)[:, :, None, None]


class _Columns(torch.autograd.Function):
    """Convolution of (batch, inputs, height, width) with (batch, outputs, inputs, 3, 3)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor) -> Tensor:
        unfolded = _unfolded(features)
        ctx.save_for_backward(unfolded, weight)
        ctx.width = features.shape[-1]
        return _product(unfolded, weight, ctx.width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        unfolded, weight = ctx.saved_tensors
        turned = weight.flip(3, 4).transpose(1, 2)
        to_features = _product(_unfolded(gradient), turned, ctx.width)
        rows = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, 2)).flatten(1, 2)
        to_weight = unfolded.mT @ rows
        batch, outputs, inputs = weight.shape[:3]
        return to_features, to_weight.view(batch, 3, 3, inputs, outputs).permute(0, 4, 3, 1, 2)


def _unfolded(features: Tensor) -> Tensor:
    """The 3x3 neighbors of every pixel (batch, height * (width + 2), 9 * channels).

    Two more columns a row make each of the nine parts one piece of memory; what stands there is not used.
    """
    height, width = features.shape[-2:]
    padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 2)).flatten(1, 2)
    starts = [row * (width + 2) + column for row in range(3) for column in range(3)]
    return torch.cat([padded[:, start : start + height * (width + 2)] for start in starts], dim=2)


def _product(unfolded: Tensor, weight: Tensor, width: int) -> Tensor:
    matrix = weight.permute(0, 3, 4, 2, 1).flatten(1, 3)
    rows = (unfolded @ matrix).unflatten(1, (-1, width + 2))[:, :, :width]
    return rows.contiguous().permute(0, 3, 1, 2)


def use_fastest(network: nn.Module) -> None:
    """From now on, let the dynamic convolutions of a network on a GPU take the form that is fastest there."""
    for module in network.modules():
        if isinstance(module, DynamicConv2d):
            module.convolve_batch = fastest


def fastest(layer: DynamicConv2d, features: Tensor, share: Tensor) -> Tensor:
    """A dynamic convolution of a batch on a GPU: (batch, channels, height, width), given (batch, kernels)."""
    key = (features.shape, torch.is_autocast_enabled("cuda"), torch.is_grad_enabled())
    if key not in _fastest:
        if torch.cuda.is_current_stream_capturing():
            return dense(layer, features, share)
        times = {form: _time_ms(form, layer, features, share) for form in (grouped, dense, columns)}
        _fastest[key] = min(times, key=times.get)
        print({form.__name__: round(ms, 3) for form, ms in times.items()}, tuple(features.shape), flush=True)
    return _fastest[key](layer, features, share)


def _time_ms(form: Form, layer: DynamicConv2d, features: Tensor, share: Tensor) -> float:
    """Milliseconds of a form, with its gradients where gradients are asked for."""

    def call() -> None:
        inputs = [value.detach().requires_grad_(torch.is_grad_enabled()) for value in (features, share)]
        result = form(layer, *inputs)
        if result.requires_grad:
            torch.autograd.grad(result, [*inputs, layer.weight, layer.bias], torch.ones_like(result))

    for _ in range(3):
        call()
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    for _ in range(TIMED):
        call()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended) / TIMED
