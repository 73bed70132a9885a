"""How long networks take: warmed up, synchronized, interleaved, with the spread beside the median."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from hdsr.errors import HdsrError
from hdsr.progress import bar
from hdsr.upscaling.run import Precision, check_precision, torch_device

Call = Callable[[], object]


def time_networks(
    networks: Mapping[str, nn.Module],
    lr_height_px: int,
    lr_width_px: int,
    *,
    device: str = "cpu",
    precision: Precision = "fp32",
    warmup: int = 3,
    runs: int = 20,
    progress: bool | None = False,
) -> dict[str, list[float]]:
    """Milliseconds of each turn of each network on an RGB image of that size that is on the device already.

    The networks take turns, so that a machine that slows down slows all alike.

    Args:
        networks: modules from (1, 3, lr_height_px, lr_width_px), RGB in 0..255, by name; moved to the device.
        lr_height_px: height of the LR image.
        lr_width_px: width of the LR image.
        device: as torch names it.
        precision: "fp32", or "bf16" for bfloat16 by autocast.
        warmup: turns that are not timed.
        runs: turns that are, at least 2.
        progress: True or False; None shows a bar on a terminal only.

    Raises:
        HdsrError: for an unknown device or precision, or numbers that cannot be.
    """
    check_precision(precision)
    if min(lr_height_px, lr_width_px) < 1:
        raise HdsrError(f"an image of {lr_width_px} x {lr_height_px} pixels: expected 1 x 1 or more")
    where = torch_device(device)
    image = 255 * torch.rand(1, 3, lr_height_px, lr_width_px, device=where)
    calls = {name: on_image(network.to(where).eval(), image, precision) for name, network in networks.items()}
    return time_calls(calls, where, warmup, runs, progress)


def time_calls(
    calls: Mapping[str, Call],
    device: torch.device,
    warmup: int,
    runs: int,
    progress: bool | None = False,
    before: Mapping[str, Call] | None = None,
) -> dict[str, list[float]]:
    """Milliseconds of each call in each of `runs` turns, after `warmup` turns that are not timed.

    `before` has what is done, untimed, each time before the call of that name.
    """
    if runs < 2 or warmup < 0:
        raise HdsrError(f"{runs} runs after {warmup} to warm up: expected 2 or more after 0 or more")
    turns = bar(range(-warmup, runs), "timing", unit="turn", shown=progress)
    return take_turns(calls, device, turns, before)


def on_image(network: nn.Module, image: torch.Tensor, precision: Precision) -> Call:
    """The call that is timed."""

    @torch.inference_mode()
    def call() -> object:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return network(image)

    return call


def take_turns(
    calls: Mapping[str, Call],
    device: torch.device,
    turns: Iterable[int],
    before: Mapping[str, Call] | None = None,
) -> dict[str, list[float]]:
    """Milliseconds of each call in each turn; those of negative number only warm up."""
    prepare = before or {}
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    for turn in turns:
        for name, call in calls.items():
            if name in prepare:
                prepare[name]()
            synchronize(device)  # else what was asked of the device before would be timed with it
            start = time.perf_counter()
            call()
            synchronize(device)
            if turn >= 0:
                times_ms[name].append(1000 * (time.perf_counter() - start))
    return times_ms


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given; a CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def quartiles(times_ms: list[float]) -> tuple[float, float, float]:
    """Median, first and third quartile."""
    first, median, third = statistics.quantiles(times_ms, n=4, method="inclusive")
    return median, first, third


def time_ratios(times_ms: list[float], reference_ms: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of times over those of a reference in the same turns."""
    return quartiles([time / other for time, other in zip(times_ms, reference_ms, strict=True)])


def machine() -> str:
    """The processor, how many there are of it, and the instructions that torch uses."""
    found = torch.cpu.get_capabilities()
    name = found.get("cpu_name") or platform.processor() or platform.machine()
    tiles = found.get("amx_bf16")
    native = "with" if tiles or found.get("avx512_bf16") else "without"
    capability = torch.backends.cpu.get_cpu_capability()
    products = f"{capability} {native} bfloat16 products{' in tiles (AMX)' * bool(tiles)}"
    return f"{name}, {os.cpu_count()} CPUs, {products}"
