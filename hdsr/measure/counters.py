"""Parameters and multiply-accumulate operations (MACs) of networks: by hand, and as three programs see them.

A MAC is one multiplication with its addition; torch counts the two apart, as FLOPs. The hand counts are of
the drawings alone, layer by layer, for one RGB image, and run no network: HDSRNet's Figure 1 and Section III,
ACNet (Tian et al., IEEE Trans. SMC: Systems 2022) and DCLS (Luo et al., CVPR 2022).
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Literal

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hdsr.errors import unknown
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

LAYER, FUNCTION, PRODUCT, SHIFT, FOURIER = "layer", "function", "product", "mean shift", "Fourier"
"""Kinds of parts: what layers or relu do; what other functions do, with computed kernels; and the rest."""
CONVOLUTIONS, FUNCTIONAL = "convolution layers", "convolutions with computed kernels"
PRODUCTS, FOURIERS = "matrix products", "Fourier transforms and products"
SHIFTS = "mean shift as 1x1 convolutions"
BIASES, FUNCTION_BIASES = "biases of the layers", "biases of computed kernels"
ACTIVATIONS, OTHER_ACTIVATIONS = "activations of layers, and ReLUs", "activations by other functions"
POOLED, OTHER_POOLED = "pooling layers", "pooling by a tensor's mean"
ITEMS = {
    CONVOLUTIONS: (LAYER, "macs"),
    FUNCTIONAL: (FUNCTION, "macs"),
    PRODUCTS: (PRODUCT, "macs"),
    FOURIERS: (FOURIER, "macs"),
    SHIFTS: (SHIFT, "macs"),
    BIASES: (LAYER, "biases"),
    FUNCTION_BIASES: (FUNCTION, "biases"),
    ACTIVATIONS: (LAYER, "activations"),
    OTHER_ACTIVATIONS: (FUNCTION, "activations"),
    POOLED: (LAYER, "pooled"),
    OTHER_POOLED: (FUNCTION, "pooled"),
}
"""What the operations of a network consist of: the kind of part and the column that hold each."""
HAND, TORCH, ATEN, PYTORCH = "hand", "torch", "ptflops aten", "ptflops pytorch"
SEEN = {
    HAND: tuple(item for item, (_, column) in ITEMS.items() if column == "macs"),
    TORCH: (CONVOLUTIONS, FUNCTIONAL, PRODUCTS),
    ATEN: (CONVOLUTIONS, FUNCTIONAL, PRODUCTS, BIASES, FUNCTION_BIASES),
    PYTORCH: (CONVOLUTIONS, BIASES, ACTIVATIONS, POOLED, POOLED),
}
"""Which items of a hand count each counter adds up; ptflops sees a pooling layer twice, as layer and call."""
SHIFT_CONSTANTS = 24
"""Of the mean shift: two 1x1 convolutions from 3 to 3 channels, with biases, that are not learned."""
_PTFLOPS_SIDES = (8, 12)
"""Heights and widths of the images that ptflops sees."""


@dataclass(frozen=True)
class CountedNetwork:
    """A network to count."""

    make: Callable[[int], nn.Module]
    """From the scale to the network; its weights do not matter."""
    channels: int = 3
    """1 if it takes the luma, rather than RGB."""
    takes_hr: bool = False
    """Whether it takes the enlarged image, rather than the LR image."""
    scales: tuple[int, ...] = SCALES
    """Those that it exists for."""


NETWORKS: dict[str, CountedNetwork] = {
    "SRCNN": CountedNetwork(SRCNN, channels=1, takes_hr=True),
    "VDSR": CountedNetwork(lambda scale: VDSR(), channels=1, takes_hr=True),
    "FSRCNN": CountedNetwork(FSRCNN, channels=1),
    "CARN-M": CountedNetwork(CARNM),
    "IDN": CountedNetwork(IDN, channels=1),
    "CSCN": CountedNetwork(CSCN, channels=1),
    "DnCNN": CountedNetwork(lambda scale: DnCNN(), channels=1, takes_hr=True),
    "LapSRN": CountedNetwork(LapSRN, channels=1, scales=tuple(LEVELS)),
    "LESRCNN": CountedNetwork(LESRCNN),
    "ACNet": CountedNetwork(ACNet),
    "DCLS": CountedNetwork(DCLS),
    "HDSRNet": CountedNetwork(HDSRNet),
}
"""The networks by the names that the paper prints, in its order."""


def parameters(network: nn.Module) -> int:
    """Number of learned values, as torch holds them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, height_px: int, width_px: int, channels: int = 3) -> int:
    """MACs for one image of that size, as torch's counter sees them: convolutions and matrix products.

    Nothing is computed: a copy of the network runs on torch's "meta" device, which has shapes and no values.
    """
    shadow = copy.deepcopy(network).to("meta", torch.float32).eval()
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
    small, large = _PTFLOPS_SIDES
    shadow = copy.deepcopy(network).eval()
    counts = {
        (height, width): _ptflops_count(shadow, (channels, height, width), backend)
        for height in _PTFLOPS_SIDES
        for width in _PTFLOPS_SIDES
    }
    down, across = Fraction(height_px - small, large - small), Fraction(width_px - small, large - small)
    weights = {small: (1 - down, 1 - across), large: (down, across)}
    return int(sum(count * weights[h][0] * weights[w][1] for (h, w), count in counts.items()))


def _ptflops_count(network: nn.Module, size: tuple[int, int, int], backend: str) -> int:
    from ptflops import get_model_complexity_info

    # ptflops sees torch's own convolutions, not those by Winograd's way
    with torch.no_grad(), switched_off():
        counted, _ = get_model_complexity_info(
            network, size, print_per_layer_stat=False, as_strings=False, backend=backend
        )
    return int(counted)


def count_networks(names: Iterable[str], scales: Iterable[int], lr_px: int) -> pd.DataFrame:
    """Parameters and MACs by every counter, for a square LR image of `lr_px` pixels a side.

    Returns:
        Columns network, scale, lr_px, counter (a key of SEEN), parameters, macs. Only networks with a hand
        count have lines of the counter "hand".

    Raises:
        HdsrError: for a network that is none of NETWORKS.
    """
    lines = []
    for name, scale in itertools.product(names, scales):
        if name not in NETWORKS:
            raise unknown("network", name, NETWORKS)
        if scale in NETWORKS[name].scales:
            lines += [(name, scale, lr_px, *line) for line in _counts(name, NETWORKS[name], scale, lr_px)]
    return pd.DataFrame(lines, columns=["network", "scale", "lr_px", "counter", "parameters", "macs"])


def _counts(name: str, entry: CountedNetwork, scale: int, lr_px: int) -> list[tuple[str, int, int]]:
    network = entry.make(scale)
    size, channels = scale * lr_px if entry.takes_hr else lr_px, entry.channels
    lines = []
    if name in DRAWN:
        parts = by_hand(scale, lr_px, lr_px, name)
        lines.append((HAND, int(parts["parameters"].sum()), int(parts["macs"].sum())))
    learned = parameters(network)
    lines.append((TORCH, learned, macs(network, size, size, channels)))
    lines.append((ATEN, learned, ptflops_macs(network, size, size, "aten", channels)))
    lines.append((PYTORCH, learned, ptflops_macs(network, size, size, "pytorch", channels)))
    return lines


_CHANNELS, _DCLS_SECONDARY = 64, 16
"""Of all three networks, and of DCLS's secondary path."""
_TAPS = 9
"""Of a 3x3 kernel."""


@dataclass(frozen=True)
class Part:
    """What one layer, or several alike, cost for one image."""

    part: str
    kind: str
    """LAYER, FUNCTION, PRODUCT, SHIFT or FOURIER."""
    parameters: int = 0
    """Learned values."""
    macs: int = 0
    """Multiplications with their additions."""
    biases: int = 0
    """Additions of a bias."""
    activations: int = 0
    """Values that pass a ReLU, a leaky ReLU or a softmax."""
    pooled: int = 0
    """Values that go into a global pooling."""
    places: int = 1
    """At how many places of the network the same weights are used; the counts are of all together."""


def by_item(parts: pd.DataFrame, shared_once: bool = False) -> pd.Series:
    """The operations of a network (see `by_hand`) by the keys of ITEMS, summed over its parts.

    With `shared_once`, weights that are used at several places count as if at one.
    """
    places = parts["places"] if shared_once else 1
    amounts = {
        item: int((parts[column] // places)[parts["kind"] == kind].sum())
        for item, (kind, column) in ITEMS.items()
    }
    return pd.Series(amounts, name="operations")


def _convolution(
    part: str,
    inputs: int,
    outputs: int,
    output_px: int,
    *,
    taps: int = _TAPS,
    times: int = 1,
    bias: bool = False,
    activated: bool = False,
    kernels: int | None = None,
) -> Part:
    """So many convolutions of `taps` kernel values at `output_px` pixels of their output.

    `kernels` is None for a layer; else the kernel is computed, from so many learned ones.
    """
    kernel, values = taps * inputs * outputs, outputs * output_px
    learned = 1 if kernels is None else kernels
    return Part(
        part,
        LAYER if kernels is None else FUNCTION,
        parameters=times * learned * (kernel + outputs * bias),
        macs=times * kernel * output_px,
        biases=times * values * bias,
        activations=times * values * activated,
    )


def by_hand(scale: int, lr_height_px: int, lr_width_px: int, network: str = "HDSRNet") -> pd.DataFrame:
    """The parts of a network, one line each; see `Part` for the columns.

    Args:
        scale: 2, 3 or 4.
        lr_height_px: height of the LR image.
        lr_width_px: width of the LR image.
        network: a key of DRAWN.

    Raises:
        HdsrError: for another network.
    """
    if network not in DRAWN:
        raise unknown("network", network, DRAWN)
    return pd.DataFrame(DRAWN[network](scale, lr_height_px, lr_width_px))


def _hdsrnet_parts(scale: int, height: int, width: int) -> list[Part]:
    """HDSRNet in its published form: Figure 1, from left to right, the upper network first."""
    lr_px, kernel, blocks, kernels, squeezed = height * width, _TAPS * _CHANNELS**2, 5, 4, _CHANNELS // 4
    layer = partial(_convolution, inputs=_CHANNELS, outputs=_CHANNELS, output_px=lr_px)
    return [
        _convolution("entries of both branches", 3, _CHANNELS, lr_px, times=2, activated=True),
        layer("dilated convolutions", times=blocks, activated=True),
        Part("global pooling", FUNCTION, pooled=blocks * _CHANNELS * lr_px),
        _convolution("attention, squeeze", _CHANNELS, squeezed, 1, taps=1, times=blocks, activated=True),
        _convolution("attention, excite", squeezed, kernels, 1, taps=1, times=blocks, activated=True),
        Part("mixing of kernels", PRODUCT, macs=blocks * kernels * kernel),
        Part("mixing of biases", PRODUCT, macs=blocks * kernels * _CHANNELS),
        layer("dynamic convolutions", times=blocks, bias=True, kernels=kernels),
        Part("activations after them", LAYER, activations=blocks * _CHANNELS * lr_px),
        layer("plain convolutions of the blocks", times=blocks, activated=True),
        layer("lower branch", times=15, activated=True),
        *_upsampler_parts(scale, lr_px),
        _convolution("exit", _CHANNELS, 3, scale**2 * lr_px),
        _mean_shift(scale, lr_px),
    ]


def _upsampler_parts(scale: int, lr_px: int, places: int = 1) -> list[Part]:
    """The stages of a sub-pixel upsampler, used at several places with the same weights."""
    parts, enlarged = [], 1
    for number, factor in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        outputs, output_px = factor**2 * _CHANNELS, places * enlarged**2 * lr_px
        stage = _convolution(f"upsampler, stage {number}", _CHANNELS, outputs, output_px, bias=True)
        parts.append(replace(stage, places=places))
        enlarged *= factor
    return parts


def _mean_shift(scale: int, lr_px: int) -> Part:
    """The RGB mean taken off and put back, as two 1x1 convolutions whose 24 constants are not learned."""
    values = 3 * (1 + scale**2) * lr_px
    return Part("mean shift", SHIFT, macs=3 * values, biases=values)


def _acnet_parts(scale: int, height: int, width: int) -> list[Part]:
    """ACNet: 17 layers of three kernels each, one upsampler at two places, then convolutions at HR size."""
    lr_px, hr_px, layers, taps = height * width, scale**2 * height * width, 17, 3 + 3 + _TAPS
    layer = partial(_convolution, inputs=_CHANNELS, outputs=_CHANNELS)
    return [
        _convolution("1x3, 3x1 and 3x3 of the first layer", 3, _CHANNELS, lr_px, taps=taps),
        layer("1x3, 3x1 and 3x3 of the others", output_px=lr_px, taps=taps, times=layers - 1),
        Part(
            "activations between the layers, and of their sum", LAYER, activations=layers * _CHANNELS * lr_px
        ),
        *_upsampler_parts(scale, lr_px, places=2),
        Part("activations after the upsampler", LAYER, activations=2 * _CHANNELS * hr_px),
        layer("first convolution of both paths", output_px=hr_px, times=2, activated=True),
        layer("second convolution of both paths", output_px=hr_px, times=2),
        Part("activation of their sum", LAYER, activations=_CHANNELS * hr_px),
        layer("convolutions of the sum", output_px=hr_px, times=2, activated=True),
        _convolution("exit", _CHANNELS, 3, hr_px),
        _mean_shift(scale, lr_px),
    ]


def _dcls_parts(scale: int, height: int, width: int) -> list[Part]:
    """DCLS: estimator of the kernel, deconvolution, and the restorer's five groups of ten blocks."""
    lr_px, paths = height * width, _CHANNELS + _DCLS_SECONDARY
    layer = partial(_convolution, output_px=lr_px, bias=True)
    return [
        *_dcls_estimator_parts(height, width),
        layer("entry", 3, _CHANNELS),
        *_residual_parts("residual blocks", lr_px),
        layer("to the secondary path", _CHANNELS, _DCLS_SECONDARY),
        *_deconvolution_parts(height, width),
        *_dual_path_parts(lr_px, blocks=50),
        layer("merge", paths, _CHANNELS),
        *_upsampler_parts(scale, lr_px),
        _convolution("exit", _CHANNELS, 3, scale**2 * lr_px, bias=True),
    ]


def _residual_parts(part: str, lr_px: int) -> list[Part]:
    layer = partial(_convolution, inputs=_CHANNELS, outputs=_CHANNELS, output_px=lr_px, times=3, bias=True)
    return [layer(f"{part}, first convolution", activated=True), layer(f"{part}, second convolution")]


def _dcls_estimator_parts(height: int, width: int) -> list[Part]:
    """The estimator: features, a code of 256 values, and four filters from it that make one 21x21 kernel."""
    lr_px, shrunk = height * width, [(height - cut) * (width - cut) for cut in (2, 4)]
    layer = partial(_convolution, inputs=_CHANNELS, outputs=_CHANNELS, bias=True)
    filters = ((3, 16, 11, 31), (16, 16, 7, 25), (16, 16, 5, 21), (16, 3, 1, 21))
    emitted = sum(inputs * outputs * side**2 for inputs, outputs, side, _ in filters)
    return [
        _convolution("estimator, entry 7x7", 3, _CHANNELS, lr_px, taps=49, bias=True),
        *_residual_parts("estimator, residual blocks", lr_px),
        layer("estimator, unpadded convolution", output_px=shrunk[0], activated=True),
        layer("estimator, second one", output_px=shrunk[1]),
        Part("estimator, pooling", FUNCTION, pooled=_CHANNELS * shrunk[1]),
        _convolution("estimator, code", _CHANNELS, 256, 1, taps=1, bias=True),
        _convolution("estimator, filters from the code", 256, emitted, 1, taps=1, bias=True),
        *(
            _convolution(f"filter {side}x{side}", *ends, result**2, taps=side**2, kernels=0)
            for *ends, side, result in filters
        ),
    ]


def _deconvolution_parts(height: int, width: int) -> list[Part]:
    """Deconvolution in the Fourier plane, on 16 channels, with smoothing filters found from the features.

    A transform of n real values is taken as 2.5 n log2(n) operations, half of them MACs; the spectrum of a
    channel takes 8 MACs for each of its n / 2 complex values.
    """
    lr_px, padded_px = height * width, (height + 42) * (width + 42)
    shrunk = [(height - cut) * (width - cut) for cut in (2, 4, 6)]
    layer = partial(_convolution, inputs=_DCLS_SECONDARY, outputs=_DCLS_SECONDARY, bias=True)
    transforms = 3 * _DCLS_SECONDARY + 1
    fourier = round(transforms * 1.25 * padded_px * math.log2(padded_px)) + 4 * _DCLS_SECONDARY * padded_px
    return [
        _convolution("deconvolution, reduce", _CHANNELS, _DCLS_SECONDARY, lr_px, taps=1, bias=True),
        layer("smoothing, first unpadded convolution", output_px=shrunk[0], activated=True),
        layer("smoothing, second one", output_px=shrunk[1], activated=True),
        layer("smoothing, third one", output_px=shrunk[2]),
        Part("smoothing, pooling to 3x3", LAYER, pooled=_DCLS_SECONDARY * shrunk[2]),
        layer("smoothing, 1x1", output_px=9, taps=1),
        Part("deconvolution, transforms and spectra (estimated)", FOURIER, macs=fourier),
        _convolution("deconvolution, expand", _DCLS_SECONDARY, _CHANNELS, lr_px, taps=1, bias=True),
    ]


def _dual_path_parts(lr_px: int, blocks: int) -> list[Part]:
    """The blocks of both paths: two convolutions on each, a merge, and channel attention."""
    layer = partial(_convolution, output_px=lr_px, times=blocks, bias=True)
    widths = {"primary": _CHANNELS, "secondary": _DCLS_SECONDARY}
    parts = []
    for path, width in widths.items():
        parts.append(layer(f"blocks, {path} path, first convolution", width, width, activated=True))
        parts.append(layer(f"blocks, {path} path, second convolution", width, width))
    both = sum(widths.values())
    parts.append(Part("blocks, activation of both paths", FUNCTION, activations=blocks * both * lr_px))
    parts.append(layer("blocks, merge", both, _CHANNELS))
    for path, width in widths.items():
        parts += _attention_parts(f"blocks, {path} path", width, lr_px, blocks)
    return parts


def _attention_parts(part: str, width: int, lr_px: int, times: int) -> list[Part]:
    """Squeeze and excitation with a reduction of 4."""
    layer = partial(_convolution, output_px=1, taps=1, times=times, bias=True)
    return [
        Part(f"{part}, pooling", FUNCTION, pooled=times * width * lr_px),
        layer(f"{part}, squeeze", width, width // 4, activated=True),
        layer(f"{part}, excite", width // 4, width),
        Part(f"{part}, sigmoid", FUNCTION, activations=times * width),
    ]


DRAWN: dict[str, Callable[[int, int, int], list[Part]]] = {
    "DCLS": _dcls_parts,
    "ACNet": _acnet_parts,
    "HDSRNet": _hdsrnet_parts,
}
