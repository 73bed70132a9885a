"""What the images of a set allow to say of a mean: Student's t on differences paired by image.

Resampling is not used: at the 5, 6 and 14 images of small sets the percentile bootstrap's 95 % intervals hold
the mean in 82, 87 and 92 % of cases, Student's t's in 95 %.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95


def half_width(differences: ArrayLike) -> float:
    """Half the width of the interval of a mean of differences, which is symmetric about it.

    Args:
        differences: one per image, in any unit.

    Returns:
        In the differences' unit; NaN for fewer than two, or where one is not finite (the PSNR of a perfect
        image).
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        return float("nan")
    return float(stdtrit(values.size - 1, (1 + CONFIDENCE) / 2) * _standard_error(values))


def p_value(differences: ArrayLike) -> float:
    """How likely a mean so far from zero is, or farther, if there is no difference (two-sided).

    NaN where `half_width` is; 0 or 1 where all differences are the same.
    """
    width = half_width(differences)
    if np.isnan(width):
        return float("nan")
    if width == 0:
        return float(not np.any(differences))
    values = np.asarray(differences, dtype=np.float64)
    return float(2 * stdtr(values.size - 1, -abs(values.mean()) / _standard_error(values)))


def _standard_error(values: NDArray[np.float64]) -> float:
    return values.std(ddof=1) / np.sqrt(values.size)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values corrected for their number, by Holm (1979); those that are NaN stay."""
    values = np.asarray(p_values, dtype=np.float64)
    corrected, compared = values.copy(), np.flatnonzero(~np.isnan(values))
    order = compared[np.argsort(values[compared], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.maximum.accumulate((factors * values[order]).clip(max=1))
    return corrected
