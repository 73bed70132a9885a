"""Table VI: how long VDSR, CARN-M, ACNet and HDSRNet take for one image, here and as the paper prints it.

The networks have random weights: a convolution takes as long with any values. The paper's milliseconds are of
its authors' GPU and never judged by ours; what can be compared are ratios.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from hdsr import inference, network, results
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.measure import latency
from hdsr.measure.latency import machine, on_image, quartiles, time_calls, time_ratios
from hdsr.methods import acnet, carn_m, vdsr
from hdsr.methods.acnet import ACNet
from hdsr.methods.carn_m import CARNM
from hdsr.methods.vdsr import VDSR
from hdsr.network import HDSRNet
from hdsr.provenance import code_version
from hdsr.settings import RuntimeSettings
from hdsr.upscaling.run import device_name, torch_device

SCALE = 4
REFERENCE = "HDSRNet"
"""Ratios are to its published form."""
PUBLISHED, FOLDED = "as published", "folded"


PLACE = ("method", "form", "scale", "hr_px", "lr_px")
IDENTITY = (*PLACE, "precision", "device", "threads", "warmup", "n", "machine", "torch", "code_version")
"""What a line's times depend on; hr_px and lr_px are sides of square images, n is the number of turns."""
MEASURED = ("median_ms", "quartile1_ms", "quartile3_ms", "ratio", "ratio_quartile1", "ratio_quartile3")


@dataclass(frozen=True)
class Contender:
    """A network in the table: what it is, how it is made, and what it takes."""

    method: str
    """As the paper prints it."""
    form: str
    make: Callable[[], nn.Module]
    channels: int = 3
    takes_hr: bool = False
    """Whether its input already has the size of the output."""

    @property
    def title(self) -> str:
        """Tells it from the others."""
        return f"{self.method}, {self.form}"

    def shape(self, hr_px: int) -> tuple[int, int, int, int]:
        """Of its input for a square HR image, (1, channels, height, width)."""
        side = hr_px if self.takes_hr else hr_px // SCALE
        return 1, self.channels, side, side


CONTENDERS = (
    Contender("VDSR", PUBLISHED, VDSR, channels=1, takes_hr=True),
    Contender("CARN-M", PUBLISHED, lambda: CARNM(SCALE)),
    Contender("ACNet", PUBLISHED, lambda: ACNet(SCALE)),
    Contender("HDSRNet", PUBLISHED, lambda: HDSRNet(SCALE)),
    Contender("HDSRNet", FOLDED, lambda: fold(HDSRNet(SCALE))),
)


def measure_runtime(settings: RuntimeSettings, progress: bool = True) -> pd.DataFrame:
    """Time every network at every size; the rows go to rows/runtime.csv in the profile's report folder.

    At one size the networks take turns, so that a machine that slows down slows all alike; a ratio is taken
    within each turn. Rows that are there are reused if everything they depend on is the same.

    Returns:
        One line per size and network: IDENTITY's columns, then median_ms, quartile1_ms, quartile3_ms, and
        ratio, ratio_quartile1, ratio_quartile3 (time over that of HDSRNet as published).

    Raises:
        HdsrError: for a device that cannot be used, or a size that is no multiple of 4.
    """
    odd = [size for size in settings.hr_sizes if size % SCALE]
    if odd:
        raise HdsrError(f"an HR side of {odd[0]} pixels: expected a multiple of {SCALE}")
    path, wanted = rows_file(settings), identities(settings)
    known = _stored(path)
    if known[list(IDENTITY)].astype(str).equals(wanted.astype(str)):
        return known
    times = pd.concat([time_size(settings, hr_px, progress) for hr_px in settings.hr_sizes])
    results.write_table(pd.concat([wanted, times.reset_index(drop=True)], axis=1), path)
    return _stored(path)


def rows_file(settings: RuntimeSettings) -> Path:
    """The file of a profile's timings."""
    return settings.report / "rows" / "runtime.csv"


def _stored(path: Path) -> pd.DataFrame:
    """The timings in a file."""
    return results.read_table(path, [*IDENTITY, *MEASURED])


def identities(settings: RuntimeSettings) -> pd.DataFrame:
    """What the timings depend on: a line per size and network."""
    shared = {
        "precision": settings.precision,
        "device": device_name(torch_device(settings.device)),
        "threads": torch.get_num_threads(),
        "warmup": settings.warmup,
        "n": settings.runs,
        "machine": machine(),
        "torch": torch.__version__,
        "code_version": code_version(acnet, carn_m, inference, latency, network, vdsr),
    }
    places = [
        (contender.method, contender.form, SCALE, hr_px, hr_px // SCALE)
        for hr_px in settings.hr_sizes
        for contender in CONTENDERS
    ]
    return pd.DataFrame(places, columns=list(PLACE)).assign(**shared)


def made(contender: Contender) -> nn.Module:
    """The network with random weights, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return contender.make().eval()


def time_size(settings: RuntimeSettings, hr_px: int, progress: bool) -> pd.DataFrame:
    """Times and ratios of all networks at one size, a line each."""
    device = torch_device(settings.device)
    calls = {}
    for contender in CONTENDERS:
        image = torch.rand(contender.shape(hr_px), device=device)
        calls[contender.title] = on_image(made(contender).to(device), image, settings.precision)
    times_ms = time_calls(calls, device, settings.warmup, settings.runs, progress)
    reference = times_ms[f"{REFERENCE}, {PUBLISHED}"]
    lines = [(*quartiles(times), *time_ratios(times, reference)) for times in times_ms.values()]
    return pd.DataFrame(lines, columns=list(MEASURED))
