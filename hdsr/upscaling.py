"""Enlarge a person's images with HDSRNet: arrays, and files of any kind.

The network knows RGB of 8 bits. Gray goes through it as three equal channels, 16 bits as fractions of 8, and
transparency is enlarged by itself.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import nn
from tqdm.auto import tqdm

from hdsr.checkpoint import load_pretrained
from hdsr.errors import HdsrError
from hdsr.images import Pixels, read_picture, write_png
from hdsr.inference import fold
from hdsr.resize import contributions
from hdsr.runners import Precision, check_precision, network_runner, torch_device

WORKING_BYTES_PER_PIXEL = 3000
"""Memory that the network takes for each LR pixel: 2,760 to 2,900 measured at x2 and x4, fp32 and bf16."""

Enlarge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""RGB in 0..255, (height, width, 3), to the same `scale` times larger, neither rounded nor clipped."""


def upscale(
    image: NDArray[np.uint8],
    scale: int,
    network: nn.Module | None = None,
    weights: str | Path = "ours",
    *,
    root: str | Path | None = None,
    device: str = "cpu",
    precision: Precision = "fp32",
) -> NDArray[np.uint8]:
    """Enlarge an RGB image `scale` times.

    Args:
        image: uint8 RGB, (height, width, 3).
        scale: 2, 3 or 4.
        network: RGB in 0..255, (batch, 3, height, width), to the same `scale` times larger; by default
            HDSRNet with `weights`.
        weights: "ours", "authors" or a file.
        root: the data folder, where the authors' weights lie.
        device: as torch names it.
        precision: "fp32" or "bf16".

    Returns:
        uint8 RGB, (scale * height, scale * width, 3).

    Raises:
        HdsrError: for another kind of array, an image too large for the memory, or arguments that do not fit.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise HdsrError(f"upscale takes a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise HdsrError(f"upscale takes RGB of shape (height, width, 3), not {image.shape}")
    if network is None:
        network = fold(load_pretrained(scale, weights, root))
    enlarge = runner(network, device, precision)
    check_memory(image, device, "the image")
    enlarged = enlarge(image.astype(np.float32))
    if enlarged.shape[:2] != (scale * image.shape[0], scale * image.shape[1]):
        raise HdsrError(
            f"the network does not enlarge x{scale}: {image.shape[:2]} became {enlarged.shape[:2]}"
        )
    return rounded(enlarged, np.uint8)


def upscale_files(
    paths: Sequence[str | Path],
    scale: int,
    out_dir: str | Path,
    weights: str | Path = "ours",
    *,
    overwrite: bool = False,
    root: str | Path | None = None,
    device: str = "cpu",
    precision: Precision = "fp32",
    progress: bool | None = True,
) -> list[HdsrError]:
    """Enlarge image files into `out_dir`/<stem>_x<scale>.png.

    Gray stays gray, 16 bits stay 16 bits, transparency and color profile are kept, a photograph marked as
    turned is turned. What else was changed is said on stderr.

    Args:
        paths: image files.
        scale: 2, 3 or 4.
        out_dir: folder for the results, made if need be.
        weights: "ours", "authors" or a file.
        overwrite: whether to replace results that are there.
        root: the data folder, where the authors' weights lie.
        device: as torch names it.
        precision: "fp32" or "bf16".
        progress: True or False; None shows a bar on a terminal only.

    Returns:
        One error for each image that could not be enlarged; all others are done.

    Raises:
        HdsrError: before any work, if two images would be written to one file, a result is there already, a
            result would replace an input, or the arguments do not fit.
    """
    planned = plan(list(map(Path, paths)), scale, Path(out_dir), overwrite)
    enlarge = runner(fold(load_pretrained(scale, weights, root)), device, precision)
    make_folder(Path(out_dir))
    failures = []
    bar = tqdm(planned.items(), "upscale", unit="image", disable=None if progress is None else not progress)
    for output, path in bar:
        try:
            upscale_file(path, output, scale, enlarge, device)
        except HdsrError as error:
            named = str(path) in str(error)
            failures.append(error if named else HdsrError(f"{path}: {error}"))
        except OSError as error:
            failures.append(HdsrError(f"{output} cannot be written: {error.strerror or error}"))
    return failures


def plan(paths: list[Path], scale: int, out_dir: Path, overwrite: bool) -> dict[Path, Path]:
    """The input of every output, or an HdsrError if one would replace what it must not."""
    planned: dict[Path, Path] = {}
    for path in paths:
        output = out_dir / f"{path.stem}_x{scale}.png"
        if output in planned:
            raise HdsrError(f"{planned[output]} and {path} would both be written to {output}")
        planned[output] = path
    inputs = {path.resolve(): path for path in paths}
    for output, path in planned.items():
        if output.resolve() in inputs:
            raise HdsrError(f"the result of {path} would replace the input {inputs[output.resolve()]}")
        if not overwrite and output.exists():
            raise HdsrError(f"{output} exists already: choose another folder or allow it to be overwritten")
    return planned


def make_folder(folder: Path) -> None:
    """Make the folder for the results, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise HdsrError(f"{folder} is or lies in a file, expected a folder for the results") from None
    except OSError as error:
        raise HdsrError(f"the folder {folder} cannot be made: {error.strerror}") from None


def upscale_file(path: Path, output: Path, scale: int, enlarge: Enlarge, device: str = "cpu") -> None:
    """Enlarge one image file of any kind into a PNG."""
    picture = read_picture(path)
    for note in picture.notes:
        tqdm.write(f"{path}: {note}", file=sys.stderr)
    check_memory(picture.pixels, device, str(path))
    write_png(output, enlarge_pixels(picture.pixels, scale, enlarge), picture.icc_profile)


def enlarge_pixels(pixels: Pixels, scale: int, enlarge: Enlarge) -> Pixels:
    """Enlarge gray or RGB of 8 or 16 bits, (height, width, channels), with or without an alpha channel."""
    has_alpha = pixels.shape[2] in (2, 4)
    colors = pixels[..., :-1] if has_alpha else pixels
    if has_alpha:
        colors = spread(colors, pixels[..., -1])
    result = rounded(enlarge_colors(colors, enlarge), pixels.dtype)
    if not has_alpha:
        return result
    return np.concatenate([result, enlarge_alpha(pixels[..., -1:], scale)], axis=2)


def enlarge_colors(colors: Pixels, enlarge: Enlarge) -> NDArray[np.float32]:
    """Enlarge gray or RGB; what is gray stays exactly gray. The result is in 0..255, not rounded."""
    in_range = colors.astype(np.float32) * np.float32(255 / np.iinfo(colors.dtype).max)
    if not (colors == colors[..., :1]).all():
        return enlarge(in_range)
    gray = enlarge(np.repeat(in_range[..., :1], 3, axis=2)).mean(axis=2, keepdims=True)
    return np.repeat(gray, colors.shape[2], axis=2)


def spread(colors: Pixels, alpha: Pixels) -> Pixels:
    """Give wholly transparent pixels the nearest visible color: their own must not bleed into others."""
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return colors
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return colors[tuple(nearest)]


def enlarge_alpha(alpha: Pixels, scale: int) -> Pixels:
    """Enlarge (height, width, 1) by MATLAB's bicubic in either depth, rounding only at the end."""
    result = alpha[..., 0].astype(np.float64)
    for _ in range(2):
        weights, indices = contributions(len(result), scale, "replicate")
        taps = zip(weights.T, indices.T, strict=True)
        result = sum(weight[:, None] * result[index] for weight, index in taps).T
    peak = np.iinfo(alpha.dtype).max
    return np.rint(result.clip(0, peak)).astype(alpha.dtype)[..., None]


def rounded(values: NDArray[np.float32], dtype: np.dtype | type) -> Pixels:
    """Values in 0..255 as whole numbers that fill the range of `dtype`."""
    return np.rint(values.clip(0, 255) * np.float32(np.iinfo(dtype).max / 255)).astype(dtype)


def runner(network: nn.Module, device: str, precision: Precision) -> Enlarge:
    """A network as a call on arrays of floats."""
    check_precision(precision)
    return network_runner(network, torch_device(device), precision)


def check_memory(image: Pixels, device: str, name: str) -> None:
    """Raise HdsrError if an image is too large to go through the network whole."""
    if torch.device(device).type != "cpu":
        return
    height, width = image.shape[:2]
    needed, available = height * width * WORKING_BYTES_PER_PIXEL, psutil.virtual_memory().available
    if needed > available:
        raise HdsrError(
            f"{name} of {width} x {height} pixels is too large: it takes about {needed / 1e9:.1f} GB, "
            f"{available / 1e9:.1f} GB of memory are free"
        )
