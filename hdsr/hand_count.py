"""Parameters and operations of a network from its drawing alone, layer by layer, for one RGB image.

Sources: HDSRNet's Figure 1 and Section III, ACNet (Tian et al., IEEE Transactions on Cybernetics 2021) and
DCLS (Luo et al., CVPR 2022). Nothing here runs a network, or reads one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from hdsr.errors import HdsrError

CHANNELS = 64
TAPS = 9
"""Of a 3x3 kernel."""

MODULE, FUNCTION, PRODUCT = "convolution layers", "functional convolutions", "matrix products"
SHIFT, FOURIER = "mean shift as 1x1 convolutions", "Fourier transforms and products"


@dataclass(frozen=True)
class Part:
    """What one layer, or several alike, cost for one image."""

    part: str
    kind: str
    """MODULE (the layer stores its kernel), FUNCTION (its kernel is computed), PRODUCT, SHIFT or FOURIER."""
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
    kind: str = MODULE,
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
        kind: MODULE, or FUNCTION for a kernel that the network computes.
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


def hdsrnet_parts(scale: int, height: int, width: int) -> list[Part]:
    """HDSRNet in its published form: Figure 1, from left to right, the upper network first."""
    lr_px, inner = height * width, TAPS * CHANNELS**2
    kernels, squeezed, blocks = 4, CHANNELS // 4, 5
    alike = {"inputs": CHANNELS, "outputs": CHANNELS, "output_px": lr_px, "activated": True}
    dynamic = kernels * (inner + CHANNELS)
    return [
        convolution("entries of both branches", 3, CHANNELS, lr_px, times=2, activated=True),
        convolution("dilated convolutions", **alike, times=blocks),
        Part("global pooling", MODULE, 0, 0, pooled=blocks * CHANNELS * lr_px),
        convolution("attention, squeeze", CHANNELS, squeezed, 1, taps=1, times=blocks, activated=True),
        convolution("attention, excite", squeezed, kernels, 1, taps=1, times=blocks, activated=True),
        product("mixing of kernels", 1, kernels, inner, times=blocks),
        product("mixing of biases", 1, kernels, CHANNELS, times=blocks),
        convolution("dynamic convolutions", **alike, times=blocks, bias=True, kind=FUNCTION, learned=dynamic),
        convolution("plain convolutions of the blocks", **alike, times=blocks),
        convolution("lower branch", **alike, times=15),
        *upsampler_parts(scale, lr_px),
        convolution("exit", CHANNELS, 3, scale**2 * lr_px),
        mean_shift(scale, lr_px),
    ]


def upsampler_parts(scale: int, lr_px: int, times: int = 1, activated: bool = False) -> list[Part]:
    """The stages of a sub-pixel upsampler at `times` places, which share its weights."""
    parts, enlarged = [], 1
    for number, factor in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        outputs, output_px = factor**2 * CHANNELS, times * enlarged**2 * lr_px
        name = f"upsampler, stage {number}"
        parts.append(convolution(name, CHANNELS, outputs, output_px, bias=True, activated=activated))
        enlarged *= factor
    return parts


def mean_shift(scale: int, lr_px: int) -> Part:
    """The RGB mean taken off and put back, as two 1x1 convolutions whose 24 constants are not learned."""
    values = 3 * (1 + scale**2) * lr_px
    return Part("mean shift", SHIFT, 0, 3 * values, biases=values)


PARTS: dict[str, Callable[[int, int, int], list[Part]]] = {"HDSRNet": hdsrnet_parts}
