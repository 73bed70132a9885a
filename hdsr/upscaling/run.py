"""Run a network on single images, on a device and in a precision."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr.errors import HdsrError
from hdsr.inference import Advance, FoldedHDSRNet, ignore, upper_features
from hdsr.network import subtract_mean
from hdsr.settings import Precision

Image = NDArray[np.uint8]
"""RGB, (height, width, 3)."""
Enlarge = Callable[[NDArray[np.float32]], Iterable[NDArray[np.float32]]]
"""RGB in 0..255, (height, width, 3), to the rows of the same `scale` times larger, some at a time,
from its top, neither rounded nor clipped."""
StripRunner = Callable[..., Iterator[NDArray[np.float32]]]
"""(image, rows, advance) to HR strips from top to bottom, each of `rows` LR rows; see `strip_runner`."""


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

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        with _inference(device, precision, image):
            result = module(as_batch(image, device))
        return _as_image(result)

    return run


def strip_runner(network: FoldedHDSRNet, device: torch.device, precision: Precision) -> StripRunner:
    """HDSRNet as a call on single images that yields the HR image strip by strip, in bounded memory.

    It gives the pixels of `network_runner`: strips overlap by all that a pixel depends on, and what depends
    on the whole image is computed of the whole. The arguments are those of `network_runner`.
    """
    network = network.to(device, memory_format=torch.channels_last).eval()

    def run(
        image: NDArray[np.float32], rows: int, advance: Advance = ignore
    ) -> Iterator[NDArray[np.float32]]:
        with _inference(device, precision, image):
            centered = subtract_mean(as_batch(image, device), network.mean)
            features = upper_features(network.upper, centered, rows, advance)
        for strip in network.strips(len(image), rows):
            with _inference(device, precision, image):
                result = network.enlarged(features, centered, strip, advance)
            yield _as_image(result)

    return run


def self_ensemble(enlarge: Enlarge) -> Enlarge:
    """The mean of what is made of an image turned and mirrored in all eight ways, each put back upright.

    After Timofte et al., "Seven ways to improve example-based single image super resolution" (CVPR 2016);
    the field marks it with a plus. It takes eight times as long, and the HR image in floats twice.
    """

    def run(image: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        total = None
        for turns, step in itertools.product(range(4), (1, -1)):
            turned = np.ascontiguousarray(np.rot90(image[:, ::step], turns))
            made = np.rot90(np.concatenate(list(enlarge(turned))), -turns)[:, ::step]
            total = made if total is None else total + made
        yield total / 8

    return run


@contextmanager
def _inference(device: torch.device, precision: Precision, image: NDArray[np.float32]) -> Iterator[None]:
    """Torch without gradients and in a precision; HdsrError if the device's memory cannot hold the image."""
    try:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            yield
    except torch.OutOfMemoryError:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise HdsrError(f"an image of {size} pixels is too large for the memory of {device}") from None


def as_batch(image: NDArray[np.float32], device: torch.device) -> Tensor:
    """(height, width, 3) as (1, 3, height, width), channels_last."""
    return (
        torch.tensor(image, device=device)
        .permute(2, 0, 1)[None]
        .contiguous(memory_format=torch.channels_last)
    )


def _as_image(batch: Tensor) -> NDArray[np.float32]:
    """(1, 3, height, width) as (height, width, 3); HdsrError if it is not made of finite numbers."""
    image: NDArray[np.float32] = batch[0].float().permute(1, 2, 0).contiguous().cpu().numpy()
    if not np.isfinite(image).all():
        raise HdsrError("the network's result is not made of finite numbers: its weights are of no use")
    return image


def network_upscaler(
    module: nn.Module, device: torch.device, precision: Precision, ensemble: bool = False
) -> Callable[[Image], Image]:
    """A network as a call on uint8 images, its result rounded and clipped; see `network_runner`.

    With `ensemble` it is the mean of eight; see `self_ensemble`.
    """
    run = network_runner(module, device, precision)
    if ensemble:
        of_eight = self_ensemble(lambda image, once=run: [once(image)])
        run = lambda image: next(iter(of_eight(image)))  # noqa: E731

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
        torch.ones(1, device=name).item()  # a device that can be named may still fail to compute
    except (RuntimeError, AssertionError, NotImplementedError):
        expected = ", ".join(devices())
        raise HdsrError(f"device {name!r} cannot be used here: expected one of {expected}") from None
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """A device as a reader knows it: a GPU by its product name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def devices() -> list[str]:
    """The devices that torch can use here."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *["mps"] * torch.backends.mps.is_available()]
