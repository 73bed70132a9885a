"""The ways of measuring that the field has: what LR is made of, what is compared with HR, and how.

Papers print PSNR and SSIM "on the Y channel" and mean different things. A Protocol says all that matters;
NAMED holds the combinations behind published tables.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hdsr import metrics, resize
from hdsr.errors import HdsrError, unknown

Plane = NDArray[np.float64]
"""Values in 0..255, (height, width)."""
Scores = tuple[float, float]
"""PSNR in dB, and SSIM."""

CHOICES = {
    "lr": {
        "rgb": "LR of RGB, rounded",
        "rgb_float": "LR of RGB, not rounded",
        "luma_float": "LR of the rounded luma alone, not rounded",
        "pillow": "LR by Pillow's bicubic",
        "torch": "LR by torch's antialiased bicubic",
        "torch_aliased": "LR by torch's bicubic without antialiasing",
    },
    "sr": {"rgb": "SR as RGB, rounded", "float": "SR not rounded"},
    "values": {
        "luma": "Y not rounded",
        "luma_rounded": "Y rounded",
        "luma_unshifted": "Y without its + 16",
        "rgb": "PSNR and SSIM on RGB",
    },
    "gray": {"rgb": "one-channel files as RGB", "gray": "one-channel files by their gray values"},
    "border": {
        "scale": "`scale` pixels cropped",
        "scale+6": "`scale` + 6 pixels cropped",
        "none": "the border kept",
    },
    "ssim": {
        "inside": "SSIM windows inside",
        "mirrored": "an SSIM window at every pixel, the image mirrored",
        "repeated": "an SSIM window at every pixel, the border repeated",
    },
}
"""What can be chosen, and how tables call it; the first of each is what rows of this project have."""


@dataclass(frozen=True)
class Protocol:
    """One way of measuring; see CHOICES. Without arguments it is that of this project's rows.

    Attributes:
        lr: what the LR image is made of, and whether it is rounded to uint8.
        sr: whether SR is put together as RGB and rounded to uint8, or left as the method computes it.
        values: what is compared.
        gray: how images are compared whose file has one channel. Their gray values lie in 0..255, their luma
            in 16..235, which makes 20 log10(255/219) = 1.32 dB of PSNR.
        border: what is left out on every side.
        ssim: where SSIM's windows of 11 x 11 lie.

    Raises:
        HdsrError: for a choice that there is not.
    """

    lr: str = "rgb"
    sr: str = "rgb"
    values: str = "luma"
    gray: str = "rgb"
    border: str = "scale"
    ssim: str = "inside"

    def __post_init__(self) -> None:
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                raise unknown(name, getattr(self, name), options)

    @property
    def words(self) -> str:
        """All in which it differs from this project's."""
        changed = [CHOICES[name][value] for name, value in vars(self).items() if value != _DEFAULTS[name]]
        return ", ".join(changed) or "as everywhere here"

    def crop_px(self, scale: int) -> int:
        """Pixels left out on every side."""
        return {"scale": scale, "scale+6": scale + 6, "none": 0}[self.border]


_DEFAULTS = {field.name: field.default for field in fields(Protocol)}
COMMON = "python"
"""The protocol of this project's rows."""
NAMED = {
    COMMON: Protocol(),
    "matlab_luma": Protocol(lr="luma_float", sr="float", values="luma_rounded", gray="gray"),
    "matlab_rgb": Protocol(values="luma_rounded"),
    "selfexsr": Protocol(values="luma_rounded", gray="gray"),
    "dncnn": Protocol(sr="float", gray="gray"),
    "lapsrn": Protocol(lr="rgb_float", ssim="repeated"),
    "hdsrnet": Protocol(values="luma_unshifted", ssim="mirrored"),
}
"""Protocols by name."""
TITLES = {
    COMMON: "EDSR and BasicSR in Python",
    "matlab_luma": "MATLAB luma: SRCNN, FSRCNN, VDSR, CSCN, IDN, A+",
    "matlab_rgb": "MATLAB's rgb2ycbcr of RGB images",
    "selfexsr": "SelfExSR",
    "dncnn": "DnCNN",
    "lapsrn": "LapSRN",
    "hdsrnet": "HDSRNet's authors",
}
"""Whose protocols these are, as tables print it."""

VARIED = {
    f"{name}={value}": Protocol(**{name: value})
    for name, options in CHOICES.items()
    for value in options
    if value != _DEFAULTS[name]
}
"""Protocols that differ from this project's in one thing, by that thing."""


def named(name: str) -> Protocol:
    """The protocol of that name; HdsrError for one that there is not."""
    if name not in NAMED:
        raise unknown("protocol", name, NAMED)
    return NAMED[name]


def score(sr: NDArray[Any], hr: NDArray[np.uint8], scale: int, protocol: Protocol | str = COMMON) -> Scores:
    """PSNR and SSIM of an SR image by a protocol.

    What the protocol says of LR is up to whoever makes SR.

    Args:
        sr: the image to judge, in 0..255, (height, width, 3) as RGB or (height, width) as gray values;
            uint8, or floats where it has not been rounded.
        hr: the true image, uint8, of the same height and width; (height, width) if its file has one channel.
        scale: the factor of enlargement, for the border.
        protocol: a protocol or a name in NAMED.

    Returns:
        PSNR in dB against a peak of 255, infinite for equal images; SSIM.

    Raises:
        HdsrError: for an unknown protocol, images of different sizes or other shapes, a true image that is
            not uint8, or one too small for the crop and the SSIM window.
    """
    protocol = named(protocol) if isinstance(protocol, str) else protocol
    _check_images(sr, hr)
    if protocol.sr == "rgb":
        sr = rounded(sr).clip(0, 255)
    if protocol.values == "rgb":
        return compare(as_rgb(sr), as_rgb(hr), scale, protocol)
    by_gray = hr.ndim == 2 and protocol.gray == "gray"
    return compare(*(gray_values(image) if by_gray else luma(image) for image in (sr, hr)), scale, protocol)


def compare(sr: NDArray[np.float64], hr: NDArray[np.float64], scale: int, protocol: Protocol) -> Scores:
    """PSNR and SSIM of luma, gray values or RGB in 0..255, rounded and cropped as the protocol says.

    Args:
        sr: the values to judge, (height, width) or (height, width, channels), of which SSIM is the mean.
        hr: the true ones, of the same shape.
        scale: the factor of enlargement.
        protocol: of which `values`, `border` and `ssim` matter here.

    Raises:
        HdsrError: if what is left of the image is too small for an SSIM window.
    """
    if protocol.values == "luma_rounded":
        sr, hr = rounded(sr).clip(0, 255), rounded(hr)
    shift = metrics.LUMA_OFFSET if protocol.values == "luma_unshifted" else 0
    crop_px = protocol.crop_px(scale)
    _check_size(hr, crop_px)
    inside = tuple(slice(crop_px, length - crop_px) for length in hr.shape[:2])
    sr, hr = sr[inside] - shift, hr[inside] - shift
    channels = zip(np.atleast_3d(sr).transpose(2, 0, 1), np.atleast_3d(hr).transpose(2, 0, 1), strict=True)
    return metrics.psnr(sr, hr), float(np.mean([_ssim(*pair, protocol.ssim) for pair in channels]))


def _ssim(sr: Plane, hr: Plane, windows: str) -> float:
    if windows != "inside":
        mode = {"mirrored": "symmetric", "repeated": "edge"}[windows]
        sr, hr = (np.pad(plane, metrics.REACH_PX, mode=mode) for plane in (sr, hr))
    return metrics.mean_similarity(sr, hr)


def luma(image: NDArray[Any]) -> Plane:
    """Y of RGB or gray values in 0..255: from 16 to 235, not rounded; see `hdsr.metrics.luma`."""
    return as_rgb(image) @ metrics.LUMA_WEIGHTS + metrics.LUMA_OFFSET


def gray_values(image: NDArray[Any]) -> Plane:
    """Gray values in 0..255; of RGB, its luma stretched from 16..235 to 0..255."""
    if image.ndim == 2:
        return image.astype(np.float64)
    return (luma(image) - metrics.LUMA_OFFSET) / metrics.LUMA_WEIGHTS.sum()


def as_rgb(image: NDArray[Any]) -> NDArray[np.float64]:
    """Float RGB of RGB or gray values."""
    color = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    return color.astype(np.float64)


def rounded(values: NDArray[Any]) -> NDArray[Any]:
    """Values rounded to whole numbers, halves up, as MATLAB rounds what is not negative."""
    return values if values.dtype == np.uint8 else np.floor(values + 0.5)


def _check_images(sr: NDArray[Any], hr: NDArray[np.uint8]) -> None:
    if hr.dtype != np.uint8:
        raise HdsrError(f"the true image has to be uint8, not {hr.dtype}")
    for image in (sr, hr):
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise HdsrError(
                f"images have the shape (height, width, 3) or, gray, (height, width), not {image.shape}"
            )
    if sr.shape[:2] != hr.shape[:2]:
        raise HdsrError(f"images of different sizes: {metrics.size(sr)} against {metrics.size(hr)} pixels")


def _check_size(hr: NDArray[Any], crop_px: int) -> None:
    if min(hr.shape[:2]) - 2 * crop_px < metrics.GAUSSIAN_SIZE_PX:
        raise HdsrError(
            f"an image of {metrics.size(hr)} pixels is too small: {crop_px} pixels cropped on every side "
            f"must leave at least {metrics.GAUSSIAN_SIZE_PX} x {metrics.GAUSSIAN_SIZE_PX}"
        )


def lr_image(hr: NDArray[np.uint8], scale: int, protocol: Protocol) -> NDArray[Any]:
    """The LR image that a protocol gives to a method.

    Args:
        hr: as for `score`, its sides multiples of the scale.
        scale: the factor of shrinking.
        protocol: of which `lr` and `gray` matter here.

    Returns:
        uint8 RGB, (height, width, 3); or the same in floats; or, where the luma alone is resized or a
        one-channel file goes by its gray values, (height, width).
    """
    by_gray = hr.ndim == 2 and protocol.gray == "gray"
    if protocol.lr.endswith("_float"):
        of_luma = protocol.lr == "luma_float"
        color = rounded(luma(hr)) if of_luma else as_rgb(hr)
        return resize.imresize_float(gray_values(hr) if by_gray else color, 1 / scale)
    image = hr if by_gray else as_rgb(hr).astype(np.uint8)
    if protocol.lr == "rgb":
        return resize.imresize(image, 1 / scale)
    return _shrunk(image, (image.shape[0] // scale, image.shape[1] // scale), protocol.lr)


def _shrunk(image: NDArray[np.uint8], size: tuple[int, int], way: str) -> NDArray[np.uint8]:
    """Bicubic as other libraries do it; "torch_aliased" does not widen the kernel, and passes over pixels."""
    if way == "pillow":
        return np.asarray(PillowImage.fromarray(image).resize(size[::-1], PillowImage.Resampling.BICUBIC))
    import torch
    from torch.nn.functional import interpolate

    planes = torch.tensor(np.atleast_3d(image), dtype=torch.float32).permute(2, 0, 1)[None]
    lr = interpolate(planes, size, mode="bicubic", align_corners=False, antialias=way == "torch")
    return (
        lr[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy().reshape(*size, *image.shape[2:])
    )
