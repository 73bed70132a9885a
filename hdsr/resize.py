"""MATLAB's imresize for uint8 images, bit for bit: the bicubic degradation of super-resolution benchmarks.

MATLAB resizes along the height first, rounds to uint8, then along the width and rounds again; ports that
keep floats between the passes differ in about one value of seven. Checked against images that MATLAB wrote.
"""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hdsr.errors import HdsrError

Border = Literal["replicate", "symmetric"]
VALUES_AT_ONCE = 2**16
"""Values of the result made together: few enough that they stay in the processor's cache."""


def cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel with a = -0.5 (IEEE Trans. ASSP 29(6), 1981, eq. 15); zero from a distance of 2."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return near * (x <= 1) + far * ((x > 1) & (x <= 2))


def contributions(size: int, factor: float, border: Border) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Weights and source indices along one axis, each (output size, taps).

    When shrinking, the kernel is widened by 1/factor (antialiasing). Indices beyond the image repeat the
    border pixel ("replicate", MATLAB up to 2015) or mirror the image ("symmetric", MATLAB since).
    """
    stretch = min(factor, 1.0)
    width = 4 / stretch
    # where the centers of output pixels fall, in MATLAB's coordinates: its pixels count from 1
    position = np.arange(1, math.ceil(factor * size) + 1) / factor + 0.5 * (1 - 1 / factor)
    first = np.floor(position - width / 2)
    # two more than the kernel is wide, as MATLAB takes, so that none is lost to where `first` falls
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = stretch * cubic(stretch * (position[:, None] - indices))
    # samples of a widened kernel sum up to one only nearly, and a plain area has to keep its value
    weights /= weights.sum(axis=1, keepdims=True)
    zero_based = indices.astype(np.intp) - 1
    if border == "replicate":
        return weights, np.clip(zero_based, 0, size - 1)
    mirrored = zero_based % (2 * size)
    return weights, np.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)


def _resize_rows(image: NDArray[np.number], factor: float, border: Border, rounded: bool) -> NDArray[Any]:
    """Resize along the first axis: float64, or rounded halves up to uint8."""
    weights, indices = contributions(image.shape[0], factor, border)
    lines = np.ascontiguousarray(image).reshape(len(image), -1)
    taps = np.flatnonzero(weights.any(axis=0))
    result = np.empty((len(weights), lines.shape[1]), np.uint8 if rounded else np.float64)
    step = max(VALUES_AT_ONCE // lines.shape[1], 1)
    for top in range(0, len(result), step):
        rows = slice(top, top + step)
        total = sum(weights[rows, tap, None] * lines[indices[rows, tap]] for tap in taps)
        # not np.round, which rounds halves to even
        result[rows] = np.floor(np.clip(total, 0, 255) + 0.5) if rounded else total
    return result.reshape(len(weights), *image.shape[1:])


def _resize(image: NDArray[np.number], factor: float, border: Border, rounded: bool) -> NDArray[Any]:
    """Resize along the height, then along the width."""
    rows = _resize_rows(image, float(factor), border, rounded)
    columns = _resize_rows(rows.swapaxes(0, 1), float(factor), border, rounded)
    return np.ascontiguousarray(columns.swapaxes(0, 1))


def imresize(image: NDArray[np.uint8], factor: float, border: Border = "replicate") -> NDArray[np.uint8]:
    """Resize as MATLAB's `imresize(image, factor)` does (bicubic, antialiased when shrinking).

    Args:
        image: uint8, (height, width) or (height, width, channels), not empty.
        factor: output size over input size; 0.25 shrinks four times, 3 enlarges three times. The output
            has ceil(factor * height) rows and ceil(factor * width) columns.
        border: "replicate" repeats the border pixel as MATLAB of 2015 does, with which the published
            benchmark LR images were made; "symmetric" mirrors the image as newer MATLAB does.

    Raises:
        HdsrError: for another data type or rank, an empty image, a factor that is not a positive finite
            number, or an unknown border.
    """
    _check_arguments(image, factor, border)
    return _resize(image, factor, border, rounded=True)


def imresize_float(
    image: NDArray[np.number], factor: float, border: Border = "replicate"
) -> NDArray[np.float64]:
    """Resize as MATLAB's `imresize` does doubles: neither rounded nor clipped, on the way or after.

    Args:
        image: numbers of any range, (height, width) or (height, width, channels).
        factor: as in `imresize`.
        border: as in `imresize`.
    """
    return _resize(image, factor, border, rounded=False)


def _check_arguments(image: NDArray[np.uint8], factor: float, border: Border) -> None:
    """Raise HdsrError for what imresize cannot take."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise HdsrError(f"imresize takes a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}")
    if image.ndim not in (2, 3) or image.size == 0:
        raise HdsrError(f"imresize takes (height, width) or (height, width, channels), not {image.shape}")
    if isinstance(factor, bool) or not isinstance(factor, int | float | np.number):
        raise HdsrError(f"imresize takes one number as factor, not {factor!r}")
    if not (math.isfinite(factor) and factor > 0):
        raise HdsrError(f"imresize takes a positive finite factor, not {factor!r}")
    if border not in ("replicate", "symmetric"):
        raise HdsrError(f"unknown border {border!r}: expected 'replicate' or 'symmetric'")
