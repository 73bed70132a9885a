"""Other habits of measuring than the field's: each scores the same method with one thing changed.

What changes is how SR and HR are compared, or how LR is made from HR, or (for bicubic) what is resized.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn.functional import interpolate

from hdsr import metrics, resize

Image = NDArray[np.uint8]
"""RGB, (height, width, 3)."""
Plane = NDArray[np.float64]
"""Values in 0..255, (height, width)."""
Scores = tuple[float, float]
"""PSNR in dB, and SSIM."""

REFERENCE, LUMA_ONLY = "reference", "luma_only"


def scores(sr: Plane, hr: Plane, crop_px: int, window: metrics.SsimWindow = "valid") -> Scores:
    """PSNR and SSIM by scikit-image, with the window and constants of `hdsr.metrics`.

    Args:
        sr: the image to judge, float64 in 0..255, (height, width) or (height, width, channels); PSNR is then
            over all values, SSIM the mean of the channels'.
        hr: the true image, of the same shape.
        crop_px: pixels left out on every side.
        window: as in `hdsr.metrics.ssim_y`.
    """
    inside = tuple(slice(crop_px, length - crop_px) for length in hr.shape[:2])
    sr, hr = sr[inside], hr[inside]
    valid, everywhere = structural_similarity(
        sr,
        hr,
        gaussian_weights=True,
        sigma=metrics.GAUSSIAN_SIGMA_PX,
        use_sample_covariance=False,
        data_range=metrics.PEAK,
        channel_axis=2 if hr.ndim == 3 else None,
        full=True,
    )
    psnr_db = peak_signal_noise_ratio(hr, sr, data_range=metrics.PEAK)
    return float(psnr_db), float(valid if window == "valid" else everywhere.mean())


def luma_scores(
    sr: Image,
    hr: Image,
    scale: int,
    crop_px: int,
    change: Callable[[Plane], Plane] | None = None,
    window: metrics.SsimWindow = "valid",
) -> Scores:
    """Scores of the luma, `change` applied to that of both; alike at every scale."""
    planes = [metrics.luma(image) for image in (sr, hr)]
    if change is not None:
        planes = [change(plane) for plane in planes]
    return scores(*planes, crop_px=crop_px, window=window)


def rgb_scores(sr: Image, hr: Image, scale: int, crop_px: int) -> Scores:
    """Scores of all three channels; alike at every scale."""
    return scores(sr.astype(np.float64), hr.astype(np.float64), crop_px)


def luma_only_scores(sr: Image, hr: Image, scale: int, crop_px: int) -> Scores:
    """Scores of bicubic resizing of the rounded luma in floating point; `sr` is not looked at.

    The order of SRCNN's code (Dong et al., TPAMI 2016) and of those who published before it: the luma is
    rounded, shrunk and enlarged without rounding in between, and rounded again.
    """
    plane = rounded(metrics.luma(hr))
    enlarged = resized(resized(plane, 1 / scale), scale)
    return scores(rounded(enlarged).clip(0, 255), plane, crop_px)


def resized(plane: Plane, factor: float) -> Plane:
    """Bicubic resizing along both axes as MATLAB does it, in floating point."""
    for _ in range(2):
        weights, indices = resize.contributions(plane.shape[0], factor, "replicate")
        plane = np.einsum("nt,ntk->nk", weights, plane[indices]).T
    return plane


def rounded(plane: Plane) -> Plane:
    """Values rounded to whole numbers, halves up."""
    return np.floor(plane + 0.5)


def unshifted(plane: Plane) -> Plane:
    """The luma from 0 for black to 219 for white."""
    return plane - metrics.LUMA_OFFSET


def shrunk_by_pillow(hr: Image, scale: int) -> Image:
    """LR by Pillow's bicubic, which widens the kernel when it shrinks, as MATLAB does."""
    height, width = hr.shape[:2]
    size = width // scale, height // scale
    return np.asarray(PillowImage.fromarray(hr).resize(size, PillowImage.Resampling.BICUBIC))


def shrunk_by_torch(hr: Image, scale: int, antialias: bool) -> Image:
    """LR by torch's bicubic; without `antialias` the kernel is not widened, and pixels are passed over."""
    size = hr.shape[0] // scale, hr.shape[1] // scale
    planes = torch.tensor(hr, dtype=torch.float32).permute(2, 0, 1)[None]
    lr = interpolate(planes, size, mode="bicubic", align_corners=False, antialias=antialias)
    return lr[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class Variation:
    """One habit of measuring.

    Attributes:
        name: what rows call it.
        words: what is done, as tables print it.
        score: scores of an SR image, given the true one, the scale, and the pixels to crop.
        crop: whether as many pixels are cropped as the scale, or none.
        shrink: makes LR of an HR image and the scale; None for the benchmark's own LR.
        models: the methods it can be had for; empty for all.
    """

    name: str
    words: str
    score: Callable[[Image, Image, int, int], Scores] = luma_scores
    crop: bool = True
    shrink: Callable[[Image, int], Image] | None = None
    models: tuple[str, ...] = ()


VARIATIONS = (
    Variation(REFERENCE, "as everywhere here"),
    Variation("luma_rounded", "Y is rounded", partial(luma_scores, change=rounded)),
    Variation("border_kept", "the border is not cropped", crop=False),
    Variation("rgb", "PSNR and SSIM on RGB", rgb_scores),
    Variation("ssim_same", "SSIM window `same`", partial(luma_scores, window="same")),
    Variation("luma_unshifted", "Y without its + 16", partial(luma_scores, change=unshifted)),
    Variation(
        "luma_unshifted_ssim_same",
        "Y without its + 16, SSIM window `same`",
        partial(luma_scores, change=unshifted, window="same"),
    ),
    Variation("lr_pillow", "LR by Pillow's bicubic", shrink=shrunk_by_pillow),
    Variation(
        "lr_torch", "LR by torch's antialiased bicubic", shrink=partial(shrunk_by_torch, antialias=True)
    ),
    Variation(
        "lr_aliased",
        "LR by torch's bicubic without antialiasing",
        shrink=partial(shrunk_by_torch, antialias=False),
    ),
    Variation(LUMA_ONLY, "rounded Y alone resized, in floating point", luma_only_scores, models=("bicubic",)),
)
