"""Parameters and multiply-accumulate operations (MACs) of a network, as three counters see them.

A MAC is one multiplication with its addition; torch counts the two apart, as FLOPs.
"""

import copy
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hdsr.errors import HdsrError
from hdsr.measure import hand_count
from hdsr.measure.hand_count import BIASES, CONVOLUTIONS, FUNCTION_BIASES, FUNCTIONAL, PRODUCTS
from hdsr.methods.acnet import ACNet
from hdsr.methods.carn_m import CARNM
from hdsr.methods.cscn import CSCN
from hdsr.methods.dcls import DCLS
from hdsr.methods.dncnn import DnCNN
from hdsr.methods.fsrcnn import FSRCNN
from hdsr.methods.idn import IDN
from hdsr.methods.lapsrn import LEVELS, LapSRN
from hdsr.methods.lesrcnn import LESRCNN
from hdsr.methods.srcnn import SRCNN
from hdsr.methods.vdsr import VDSR
from hdsr.network import SCALES, HDSRNet
from hdsr.winograd.convolution import switched_off

SIDES = (8, 12)
"""Heights and widths of the images that ptflops sees."""
HAND, TORCH, ATEN, PYTORCH = "hand", "torch", "ptflops aten", "ptflops pytorch"
SEEN = {
    HAND: tuple(item for item, (_, column) in hand_count.ITEMS.items() if column == "macs"),
    TORCH: (CONVOLUTIONS, FUNCTIONAL, PRODUCTS),
    ATEN: (CONVOLUTIONS, FUNCTIONAL, PRODUCTS, BIASES, FUNCTION_BIASES),
    PYTORCH: (CONVOLUTIONS, BIASES, hand_count.ACTIVATIONS, hand_count.POOLED, hand_count.POOLED),
}
"""Which items of a hand count each counter adds up; ptflops sees a pooling layer twice, as layer and call."""


@dataclass(frozen=True)
class Subject:
    """A network to count."""

    make: Callable[[int], nn.Module]
    """From the scale to the network; its weights do not matter."""
    channels: int = 3
    """1 if it takes the luma, rather than RGB."""
    takes_hr: bool = False
    """Whether it takes the enlarged image, rather than the LR image."""
    scales: tuple[int, ...] = SCALES
    """Those that it exists for."""


SUBJECTS: dict[str, Subject] = {
    "SRCNN": Subject(SRCNN, channels=1, takes_hr=True),
    "VDSR": Subject(lambda scale: VDSR(), channels=1, takes_hr=True),
    "FSRCNN": Subject(FSRCNN, channels=1),
    "CARN-M": Subject(CARNM),
    "IDN": Subject(IDN, channels=1),
    "CSCN": Subject(CSCN, channels=1),
    "DnCNN": Subject(lambda scale: DnCNN(), channels=1, takes_hr=True),
    "LapSRN": Subject(LapSRN, channels=1, scales=tuple(LEVELS)),
    "LESRCNN": Subject(LESRCNN),
    "ACNet": Subject(ACNet),
    "DCLS": Subject(DCLS),
    "HDSRNet": Subject(HDSRNet),
}
"""The networks by the names that the paper prints, in its order."""


def parameters(network: nn.Module) -> int:
    """Number of learned values, as torch holds them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, height_px: int, width_px: int, channels: int = 3) -> int:
    """MACs for one image of that size, as torch's counter sees them: convolutions and matrix products.

    Nothing is computed: a copy of the network runs on torch's "meta" device, which has shapes and no values.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    image = torch.empty(1, channels, height_px, width_px, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(image)
    return counter.get_total_flops() // 2


def ptflops_macs(
    network: nn.Module,
    height_px: int,
    width_px: int,
    backend: Literal["pytorch", "aten"],
    channels: int = 3,
) -> int:
    """What ptflops calls MACs for one image of that size.

    Its backend "aten" sees the same operations as torch's counter, and adds biases. Its backend "pytorch"
    sees layers rather than operations: a convolution whose kernel is computed is missed, and so is a layer
    of a derived class; biases, activations and poolings are added.

    Without values the backend "pytorch" would see how torch works out shapes, so it counts small images. The
    operations of a layer on h x w pixels are a hw + b h + c w + d, whether or not it is padded: the counts of
    four small images give those of any other, exactly.
    """
    small, large = SIDES
    counts = {
        (height, width): ptflops_count(network, (channels, height, width), backend)
        for height in SIDES
        for width in SIDES
    }
    down, across = Fraction(height_px - small, large - small), Fraction(width_px - small, large - small)
    weights = {small: (1 - down, 1 - across), large: (down, across)}
    return int(sum(count * weights[h][0] * weights[w][1] for (h, w), count in counts.items()))


def ptflops_count(network: nn.Module, size: tuple[int, int, int], backend: str) -> int:
    """The MACs that ptflops counts for an image of (channels, height, width) pixels, which it computes."""
    from ptflops import get_model_complexity_info

    shadow = copy.deepcopy(network).eval()
    with torch.no_grad(), switched_off():
        counted, _ = get_model_complexity_info(
            shadow, size, print_per_layer_stat=False, as_strings=False, backend=backend
        )
    return int(counted)


def count_networks(names: Iterable[str], scales: Iterable[int], lr_px: int) -> pd.DataFrame:
    """Parameters and MACs by every counter, for a square LR image of `lr_px` pixels a side.

    Returns:
        Columns network, scale, lr_px, counter (a key of SEEN), parameters, macs. Only networks with a hand
        count have lines of the counter "hand".

    Raises:
        HdsrError: for a network that is none of SUBJECTS.
    """
    lines = []
    for name, scale in itertools.product(names, scales):
        if name not in SUBJECTS:
            raise HdsrError(f"unknown network {name!r}: expected one of {', '.join(SUBJECTS)}")
        if scale in SUBJECTS[name].scales:
            lines += [(name, scale, lr_px, *line) for line in counts(name, SUBJECTS[name], scale, lr_px)]
    return pd.DataFrame(lines, columns=["network", "scale", "lr_px", "counter", "parameters", "macs"])


def counts(name: str, subject: Subject, scale: int, lr_px: int) -> list[tuple[str, int, int]]:
    """Counter, parameters and MACs of one network."""
    network = subject.make(scale)
    size, channels = scale * lr_px if subject.takes_hr else lr_px, subject.channels
    lines = []
    if name in hand_count.PARTS:
        parts = hand_count.count(scale, lr_px, lr_px, name)
        lines.append((HAND, int(parts["parameters"].sum()), int(parts["macs"].sum())))
    learned = parameters(network)
    lines.append((TORCH, learned, macs(network, size, size, channels)))
    lines.append((ATEN, learned, ptflops_macs(network, size, size, "aten", channels)))
    lines.append((PYTORCH, learned, ptflops_macs(network, size, size, "pytorch", channels)))
    return lines
