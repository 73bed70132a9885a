"""Run a network on single images, on a device and in a precision."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hdsr.errors import HdsrError

Image = NDArray[np.uint8]
"""RGB, (height, width, 3)."""
Precision = Literal["fp32", "bf16"]


def network_runner(
    module: nn.Module, device: torch.device, precision: Precision
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A network as a call on single images, (height, width, 3) in 0..255; its result is not rounded.

    The image goes through whole: the network's global pooling would see a tile as another image.

    Args:
        module: RGB in 0..255, (batch, 3, height, width), to the same `scale` times larger.
        device: where it runs; it is moved there.
        precision: "fp32", or "bf16" for bfloat16 by autocast.

    The call raises HdsrError for an image that the device's memory cannot hold.
    """
    module = module.to(device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.tensor(image, device=device).permute(2, 0, 1)[None]
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                result = module(batch.contiguous(memory_format=torch.channels_last))
        except torch.OutOfMemoryError:
            size = f"{image.shape[1]} x {image.shape[0]}"
            raise HdsrError(f"an image of {size} pixels is too large for the memory of {device}") from None
        return np.ascontiguousarray(result[0].float().permute(1, 2, 0).cpu().numpy())

    return run


def network_upscaler(
    module: nn.Module, device: torch.device, precision: Precision
) -> Callable[[Image], Image]:
    """A network as a call on uint8 images, its result rounded and clipped; see `network_runner`."""
    run = network_runner(module, device, precision)

    def upscale(lr: Image) -> Image:
        return np.rint(run(lr.astype(np.float32)).clip(0, 255)).astype(np.uint8)

    return upscale


def check_precision(precision: str) -> None:
    """Raise HdsrError unless it is "fp32" or "bf16"."""
    if precision not in ("fp32", "bf16"):
        raise HdsrError(f"unknown precision {precision!r}: expected fp32 or bf16")


def torch_device(name: str) -> torch.device:
    """The device of that name, or an HdsrError if torch cannot compute on it here."""
    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError):
        expected = ", ".join(devices())
        raise HdsrError(f"device {name!r} cannot be used here: expected one of {expected}") from None
    return torch.device(name)


def devices() -> list[str]:
    """The devices that torch can use here."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *["mps"] * torch.backends.mps.is_available()]
