"""Parameters and operations of a network from its drawing alone, layer by layer, for one RGB image.

Sources: HDSRNet's Figure 1 and Section III, ACNet (Tian et al., IEEE Transactions on Cybernetics 2021) and
DCLS (Luo et al., CVPR 2022). Nothing here runs a network, or reads one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from hdsr.errors import HdsrError

CHANNELS = 64
TAPS = 9
"""Of a 3x3 kernel."""
DCLS_SECONDARY = 16
"""Channels of DCLS's secondary path."""
SHIFT_CONSTANTS = 24
"""Two 1x1 convolutions from 3 to 3 channels, with biases, that are not learned."""

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


@dataclass(frozen=True)
class Part:
    """What one layer, or several alike, cost for one image."""

    part: str
    kind: str
    """LAYER, FUNCTION, PRODUCT, SHIFT or FOURIER."""
    parameters: int
    """Learned values."""
    macs: int
    """Multiplications with their additions."""
    biases: int = 0
    """Additions of a bias."""
    activations: int = 0
    """Values that pass a ReLU, a leaky ReLU or a softmax."""
    pooled: int = 0
    """Values that go into a global pooling."""
    places: int = 1
    """At how many places of the network the same weights are used; the counts are of all together."""


def convolution(
    part: str,
    inputs: int,
    outputs: int,
    output_px: int,
    *,
    taps: int = TAPS,
    times: int = 1,
    bias: bool = False,
    activated: bool = False,
    kind: str = LAYER,
    learned: int | None = None,
) -> Part:
    """A convolution of `taps` kernel values from `inputs` to `outputs` channels at `output_px` pixels.

    Args:
        part: its name.
        inputs: channels that each output sees.
        outputs: output channels.
        output_px: pixels of its output.
        taps: kernel height times width.
        times: number of such layers.
        bias: whether each output channel has one.
        activated: whether an activation follows.
        kind: LAYER or FUNCTION.
        learned: parameters of each, where they are not those of one kernel and its biases.
    """
    kernel, values = taps * inputs * outputs, outputs * output_px
    each = kernel + outputs * bias if learned is None else learned
    return Part(
        part,
        kind,
        parameters=times * each,
        macs=times * kernel * output_px,
        biases=times * values * bias,
        activations=times * values * activated,
    )


def items(parts: pd.DataFrame, shared_once: bool = False) -> pd.Series:
    """The operations of a network by the keys of ITEMS, summed over its parts.

    Args:
        parts: see `count`.
        shared_once: count weights that are used at several places as if at one.
    """
    places = parts["places"] if shared_once else 1
    amounts = {}
    for item, (kind, column) in ITEMS.items():
        chosen = (parts[column] // places)[parts["kind"] == kind]
        amounts[item] = int(chosen.sum())
    return pd.Series(amounts, name="operations")


def activation(part: str, values: int, kind: str = LAYER) -> Part:
    """Activations that belong to no single layer."""
    return Part(part, kind, 0, 0, activations=values)


def _pooling(part: str, values: int, kind: str = FUNCTION) -> Part:
    """A global pooling of so many values."""
    return Part(part, kind, 0, 0, pooled=values)


def product(part: str, rows: int, inner: int, columns: int, times: int = 1) -> Part:
    """A matrix (rows, inner) times a matrix (inner, columns), neither of them learned as such."""
    return Part(part, PRODUCT, 0, times * rows * inner * columns)


def count(scale: int, lr_height_px: int, lr_width_px: int, network: str = "HDSRNet") -> pd.DataFrame:
    """The parts of a network, one line each; see `Part` for the columns.

    Args:
        scale: 2, 3 or 4.
        lr_height_px: height of the LR image.
        lr_width_px: width of the LR image.
        network: a key of PARTS.

    Raises:
        HdsrError: for another network.
    """
    if network not in PARTS:
        raise HdsrError(f"no hand count of {network!r}: expected one of {', '.join(PARTS)}")
    return pd.DataFrame(PARTS[network](scale, lr_height_px, lr_width_px))


def _hdsrnet_parts(scale: int, height: int, width: int) -> list[Part]:
    """HDSRNet in its published form: Figure 1, from left to right, the upper network first."""
    lr_px, kernel, blocks, kernels, squeezed = height * width, TAPS * CHANNELS**2, 5, 4, CHANNELS // 4
    layer = partial(convolution, inputs=CHANNELS, outputs=CHANNELS, output_px=lr_px)
    mixed = kernels * (kernel + CHANNELS)
    return [
        convolution("entries of both branches", 3, CHANNELS, lr_px, times=2, activated=True),
        layer("dilated convolutions", times=blocks, activated=True),
        _pooling("global pooling", blocks * CHANNELS * lr_px),
        convolution("attention, squeeze", CHANNELS, squeezed, 1, taps=1, times=blocks, activated=True),
        convolution("attention, excite", squeezed, kernels, 1, taps=1, times=blocks, activated=True),
        product("mixing of kernels", 1, kernels, kernel, times=blocks),
        product("mixing of biases", 1, kernels, CHANNELS, times=blocks),
        layer("dynamic convolutions", times=blocks, bias=True, kind=FUNCTION, learned=mixed),
        activation("activations after them", blocks * CHANNELS * lr_px),
        layer("plain convolutions of the blocks", times=blocks, activated=True),
        layer("lower branch", times=15, activated=True),
        *_upsampler_parts(scale, lr_px),
        convolution("exit", CHANNELS, 3, scale**2 * lr_px),
        _mean_shift(scale, lr_px),
    ]


def _upsampler_parts(scale: int, lr_px: int, places: int = 1) -> list[Part]:
    """The stages of a sub-pixel upsampler, used at several places with the same weights."""
    parts, enlarged = [], 1
    for number, factor in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        outputs, output_px = factor**2 * CHANNELS, places * enlarged**2 * lr_px
        stage = convolution(f"upsampler, stage {number}", CHANNELS, outputs, output_px, bias=True)
        parts.append(replace(stage, places=places))
        enlarged *= factor
    return parts


def _mean_shift(scale: int, lr_px: int) -> Part:
    """The RGB mean taken off and put back, as two 1x1 convolutions whose 24 constants are not learned."""
    values = 3 * (1 + scale**2) * lr_px
    return Part("mean shift", SHIFT, 0, 3 * values, biases=values)


def _acnet_parts(scale: int, height: int, width: int) -> list[Part]:
    """ACNet: 17 layers of three kernels each, one upsampler at two places, then convolutions at HR size."""
    lr_px, hr_px, layers, taps = height * width, scale**2 * height * width, 17, 3 + 3 + TAPS
    layer = partial(convolution, inputs=CHANNELS, outputs=CHANNELS)
    return [
        convolution("1x3, 3x1 and 3x3 of the first layer", 3, CHANNELS, lr_px, taps=taps),
        layer("1x3, 3x1 and 3x3 of the others", output_px=lr_px, taps=taps, times=layers - 1),
        activation("activations between the layers, and of their sum", layers * CHANNELS * lr_px),
        *_upsampler_parts(scale, lr_px, places=2),
        activation("activations after the upsampler", 2 * CHANNELS * hr_px),
        layer("first convolution of both paths", output_px=hr_px, times=2, activated=True),
        layer("second convolution of both paths", output_px=hr_px, times=2),
        activation("activation of their sum", CHANNELS * hr_px),
        layer("convolutions of the sum", output_px=hr_px, times=2, activated=True),
        convolution("exit", CHANNELS, 3, hr_px),
        _mean_shift(scale, lr_px),
    ]


def _dcls_parts(scale: int, height: int, width: int) -> list[Part]:
    """DCLS: estimator of the kernel, deconvolution, and the restorer's five groups of ten blocks."""
    lr_px, paths = height * width, CHANNELS + DCLS_SECONDARY
    layer = partial(convolution, output_px=lr_px, bias=True)
    return [
        *_dcls_estimator_parts(height, width),
        layer("entry", 3, CHANNELS),
        *_residual_parts("residual blocks", lr_px),
        layer("to the secondary path", CHANNELS, DCLS_SECONDARY),
        *_deconvolution_parts(height, width),
        *_dual_path_parts(lr_px, blocks=50),
        layer("merge", paths, CHANNELS),
        *_upsampler_parts(scale, lr_px),
        convolution("exit", CHANNELS, 3, scale**2 * lr_px, bias=True),
    ]


def _residual_parts(part: str, lr_px: int) -> list[Part]:
    """Three residual blocks."""
    layer = partial(convolution, inputs=CHANNELS, outputs=CHANNELS, output_px=lr_px, times=3, bias=True)
    return [layer(f"{part}, first convolution", activated=True), layer(f"{part}, second convolution")]


def _dcls_estimator_parts(height: int, width: int) -> list[Part]:
    """The estimator: features, a code of 256 values, and four filters from it that make one 21x21 kernel."""
    lr_px, shrunk = height * width, [(height - cut) * (width - cut) for cut in (2, 4)]
    layer = partial(convolution, inputs=CHANNELS, outputs=CHANNELS, bias=True)
    filters = ((3, 16, 11, 31), (16, 16, 7, 25), (16, 16, 5, 21), (16, 3, 1, 21))
    emitted = sum(inputs * outputs * side**2 for inputs, outputs, side, _ in filters)
    return [
        convolution("estimator, entry 7x7", 3, CHANNELS, lr_px, taps=49, bias=True),
        *_residual_parts("estimator, residual blocks", lr_px),
        layer("estimator, unpadded convolution", output_px=shrunk[0], activated=True),
        layer("estimator, second one", output_px=shrunk[1]),
        _pooling("estimator, pooling", CHANNELS * shrunk[1]),
        convolution("estimator, code", CHANNELS, 256, 1, taps=1, bias=True),
        convolution("estimator, filters from the code", 256, emitted, 1, taps=1, bias=True),
        *(
            convolution(f"filter {side}x{side}", *ends, result**2, taps=side**2, kind=FUNCTION, learned=0)
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
    layer = partial(convolution, inputs=DCLS_SECONDARY, outputs=DCLS_SECONDARY, bias=True)
    transforms = 3 * DCLS_SECONDARY + 1
    fourier = round(transforms * 1.25 * padded_px * math.log2(padded_px)) + 4 * DCLS_SECONDARY * padded_px
    return [
        convolution("deconvolution, reduce", CHANNELS, DCLS_SECONDARY, lr_px, taps=1, bias=True),
        layer("smoothing, first unpadded convolution", output_px=shrunk[0], activated=True),
        layer("smoothing, second one", output_px=shrunk[1], activated=True),
        layer("smoothing, third one", output_px=shrunk[2]),
        _pooling("smoothing, pooling to 3x3", DCLS_SECONDARY * shrunk[2], LAYER),
        layer("smoothing, 1x1", output_px=9, taps=1),
        Part("deconvolution, transforms and spectra (estimated)", FOURIER, 0, fourier),
        convolution("deconvolution, expand", DCLS_SECONDARY, CHANNELS, lr_px, taps=1, bias=True),
    ]


def _dual_path_parts(lr_px: int, blocks: int) -> list[Part]:
    """The blocks of both paths: two convolutions on each, a merge, and channel attention."""
    layer = partial(convolution, output_px=lr_px, times=blocks, bias=True)
    widths = {"primary": CHANNELS, "secondary": DCLS_SECONDARY}
    parts = []
    for path, width in widths.items():
        parts.append(layer(f"blocks, {path} path, first convolution", width, width, activated=True))
        parts.append(layer(f"blocks, {path} path, second convolution", width, width))
    both = sum(widths.values())
    parts.append(activation("blocks, activation of both paths", blocks * both * lr_px, FUNCTION))
    parts.append(layer("blocks, merge", both, CHANNELS))
    for path, width in widths.items():
        parts += _attention_parts(f"blocks, {path} path", width, lr_px, blocks)
    return parts


def _attention_parts(part: str, width: int, lr_px: int, times: int) -> list[Part]:
    """Squeeze and excitation with a reduction of 4."""
    layer = partial(convolution, output_px=1, taps=1, times=times, bias=True)
    return [
        _pooling(f"{part}, pooling", times * width * lr_px),
        layer(f"{part}, squeeze", width, width // 4, activated=True),
        layer(f"{part}, excite", width // 4, width),
        activation(f"{part}, sigmoid", times * width, FUNCTION),
    ]


PARTS: dict[str, Callable[[int, int, int], list[Part]]] = {
    "DCLS": _dcls_parts,
    "ACNet": _acnet_parts,
    "HDSRNet": _hdsrnet_parts,
}
