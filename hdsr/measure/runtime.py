"""Table VI: how long VDSR, CARN-M, ACNet and HDSRNet take for one image, here and as the paper prints it.

The networks have random weights: a convolution takes as long with any values. The paper's milliseconds are of
its authors' GPU and never judged by ours; what can be compared are ratios.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from hdsr import results
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.measure.counters import NETWORKS
from hdsr.measure.latency import machine, on_image, quartiles, time_calls, time_ratios
from hdsr.provenance import code_version
from hdsr.settings import RuntimeSettings
from hdsr.upscaling.run import device_name, torch_device

SCALE = 4
REFERENCE = "HDSRNet"
"""Ratios are to its published form."""
PUBLISHED, _FOLDED = "as published", "folded"

_PLACE = ("method", "form", "scale", "hr_px", "lr_px")
IDENTITY = (
    *_PLACE,
    "precision",
    "device",
    "threads",
    "warmup",
    "n",
    "machine",
    *results.VERSIONS,
    "code_version",
)
"""What a line's times depend on; hr_px and lr_px are sides of square images, n is the number of turns."""
_MEASURED = ("median_ms", "quartile1_ms", "quartile3_ms", "ratio", "ratio_quartile1", "ratio_quartile3")


@dataclass(frozen=True)
class Contender:
    """A network in the table."""

    method: str
    """As the paper prints it."""
    form: str = PUBLISHED

    @property
    def title(self) -> str:
        """Tells it from the others."""
        return f"{self.method}, {self.form}"

    def shape(self, hr_px: int) -> tuple[int, int, int, int]:
        """Of its input for a square HR image, (1, channels, height, width)."""
        entry = NETWORKS[self.method]
        side = hr_px if entry.takes_hr else hr_px // SCALE
        return 1, entry.channels, side, side


CONTENDERS = (*map(Contender, ("VDSR", "CARN-M", "ACNet", "HDSRNet")), Contender("HDSRNet", _FOLDED))


def measure_runtime(settings: RuntimeSettings, progress: bool = True) -> pd.DataFrame:
    """Time every network at every size; the rows go to rows/runtime.csv in the profile's report folder.

    At one size the networks take turns, so that a machine that slows down slows all alike; a ratio is taken
    within each turn. Rows of a size that are there are reused if everything they depend on is the same.

    Returns:
        One line per size and network: IDENTITY's columns, then median_ms, quartile1_ms, quartile3_ms, and
        ratio, ratio_quartile1, ratio_quartile3 (time over that of HDSRNet as published).

    Raises:
        HdsrError: for a device that cannot be used, or a size that is no multiple of 4.
    """
    odd = [size for size in settings.hr_sizes if size % SCALE]
    if odd:
        raise HdsrError(f"an HR side of {odd[0]} pixels: expected a multiple of {SCALE}")
    path = settings.report / "rows" / "runtime.csv"
    known, sizes = _stored(path), []
    for hr_px in settings.hr_sizes:
        identity = {"scale": SCALE, "hr_px": hr_px, "lr_px": hr_px // SCALE, **_identity(settings)}
        sizes.append(results.reused(known, identity, partial(time_size, settings, hr_px, progress)))
    results.write_table(pd.concat(sizes)[[*IDENTITY, *_MEASURED]], path)
    return _stored(path)


def _stored(path: Path) -> pd.DataFrame:
    return results.read_table(path, [*IDENTITY, *_MEASURED], [*results.VERSIONS, "code_version"])


def _identity(settings: RuntimeSettings) -> dict[str, object]:
    return {
        "precision": settings.precision,
        "device": device_name(torch_device(settings.device)),
        "threads": torch.get_num_threads(),
        "warmup": settings.warmup,
        "n": settings.runs,
        "machine": machine(),
        **results.made_with(),
        "code_version": code_version(sys.modules[__name__]),
    }


def made(contender: Contender) -> nn.Module:
    """The network with random weights, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[contender.method].make(SCALE)
    return (fold(network) if contender.form == _FOLDED else network).eval()


def time_size(settings: RuntimeSettings, hr_px: int, progress: bool) -> pd.DataFrame:
    """Times and ratios of all networks at one size, a line each."""
    device = torch_device(settings.device)
    calls = {}
    for contender in CONTENDERS:
        image = torch.rand(contender.shape(hr_px), device=device)
        calls[contender.title] = on_image(made(contender).to(device), image, settings.precision)
    times_ms = time_calls(calls, device, settings.warmup, settings.runs, progress)
    reference = times_ms[f"{REFERENCE}, {PUBLISHED}"]
    lines = [
        (contender.method, contender.form, *quartiles(times), *time_ratios(times, reference))
        for contender, times in zip(CONTENDERS, times_ms.values(), strict=True)
    ]
    return pd.DataFrame(lines, columns=["method", "form", *_MEASURED])
