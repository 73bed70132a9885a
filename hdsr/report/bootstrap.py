"""Confidence intervals of means over images, by resampling the images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 20240224


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """The bootstrap interval of a mean, by percentiles of the means of resampled values.

    After Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. The seed is fixed, so
    the result is the same each time, and values of equal number are resampled alike.

    Args:
        values: one per image, in any unit.

    Returns:
        lower and upper end in the values' unit, CONFIDENCE between them; NaN for fewer than two values or
        where one is not finite (the PSNR of a perfect image).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        return float("nan"), float("nan")
    interval = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)
