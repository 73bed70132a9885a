"""Enlarge a person's images with HDSRNet: arrays, and files of any kind.

The network knows RGB of 8 bits. Gray goes through it as three equal channels, 16 bits as fractions of 8, and
transparency is enlarged by itself.
"""

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch import nn
from tqdm.auto import tqdm

from hdsr.checkpoint import load_pretrained
from hdsr.errors import HdsrError
from hdsr.fetch.weights import weights_path
from hdsr.files import read_bytes
from hdsr.images import Picture, Pixels, decode_picture, image_size, picture_of, write_png
from hdsr.inference import FoldedHDSRNet, fold
from hdsr.network import HDSRNet
from hdsr.progress import bar
from hdsr.resize import imresize_float
from hdsr.upscaling import plan
from hdsr.upscaling.memory import is_want_of_memory, strip_rows
from hdsr.upscaling.pipeline import in_parallel
from hdsr.upscaling.run import (
    Enlarge,
    Precision,
    check_precision,
    network_runner,
    self_ensemble,
    strip_runner,
    torch_device,
)

PROGRESS_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@dataclass(frozen=True)
class Job:
    """One file on its way: what is to become of it, and how far it has come."""

    path: Path
    output: Path
    picture: Picture | None = None
    """What is in memory now."""
    error: HdsrError | None = None
    """Why it got no further."""
    sizes: str = ""
    """Width x height before and after."""


def upscale(
    image: Pixels | Image.Image,
    scale: int,
    network: nn.Module | None = None,
    weights: str | Path = "ours",
    *,
    root: str | Path | None = None,
    device: str = "cpu",
    precision: Precision = "fp32",
    memory_bytes: int | None = None,
    ensemble: bool = False,
) -> Pixels | Image.Image:
    """Enlarge an image `scale` times.

    Args:
        image: uint8 or uint16, (height, width) or with 1 to 4 channels last: gray, gray and alpha, RGB, RGB
            and alpha; or a PIL image.
        scale: 2, 3 or 4.
        network: RGB in 0..255, (batch, 3, height, width), to the same `scale` times larger; it stays as it
            is. By default HDSRNet with `weights`, which stays loaded.
        weights: "ours", "authors" or a file.
        root: the data folder, where the authors' weights lie.
        device: as torch names it.
        precision: "fp32" or "bf16".
        memory_bytes: resident memory that the process may have; by default what is free. HDSRNet goes
            through an image in strips that fit; the pixels are those of the whole.
        ensemble: whether the mean of eight is taken; see `hdsr.upscaling.run.self_ensemble`.

    Returns:
        The same kind of image, `scale` times as high and wide: an array of the same type and number of axes;
        of a PIL image one in the mode L, LA, RGB, RGBA or I;16 that holds its pixels, turned upright where
        EXIF says so, with its color profile.

    Raises:
        HdsrError: for anything else than an image, an image too large for the memory, or arguments that do
            not fit.
    """
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        raise HdsrError(f"unknown scale {scale!r}: expected 2, 3 or 4")
    if memory_bytes is not None and not (isinstance(memory_bytes, int) and memory_bytes > 0):
        raise HdsrError(f"memory_bytes is a number of bytes above zero, not {memory_bytes!r}")
    given = _given(image)
    if network is None:
        path = weights_path(scale, weights, root)
        network = _kept(scale, weights, root, device, path.stat().st_mtime_ns if path.is_file() else 0)
    elif isinstance(network, nn.Module):
        network = fold(network) if type(network) is HDSRNet else copy.deepcopy(network)
    else:
        raise HdsrError(f"network is a torch module, not {type(network).__name__}; `weights` names files")
    enlarge = runner(network, device, precision, memory_bytes, ensemble=ensemble)
    result = enlarge_pixels(given.pixels, scale, enlarge)
    if isinstance(image, Image.Image):
        return _pil_image(result, given.icc_profile)
    return result[..., 0] if image.ndim == 2 else result


def _given(image: Pixels | Image.Image) -> Picture:
    """An array or a PIL image as a picture.

    Raises:
        HdsrError: if it is neither, or holds anything else than an image.
    """
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise HdsrError(f"the image has {image.width} x {image.height} pixels")
        try:
            return picture_of(image)
        except HdsrError as error:
            raise HdsrError(f"the image {error}") from None
        except (OSError, SyntaxError, ValueError) as error:  # as Pillow reads a file only when it must
            raise HdsrError(f"the image cannot be read: {error}") from None
    if not isinstance(image, np.ndarray):
        raise HdsrError(f"upscale takes an array or a PIL image, not {type(image).__name__}")
    if image.dtype not in (np.uint8, np.uint16):
        raise HdsrError(f"upscale takes uint8 or uint16 arrays, not {image.dtype}")
    image = np.asarray(image)  # a matrix, say, would have two axes whatever is done
    pixels = image if image.ndim != 2 else image[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        raise HdsrError(
            f"upscale takes images of shape (height, width) or with 1 to 4 channels last, not {pixels.shape}"
        )
    return Picture(pixels)


def _pil_image(pixels: Pixels, icc_profile: bytes | None) -> Image.Image:
    """Pixels (height, width, channels) as a PIL image."""
    made = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if icc_profile:
        made.info["icc_profile"] = icc_profile
    return made


@lru_cache(maxsize=3)
def _kept(
    scale: int, weights: str | Path, root: str | Path | None, device: str, changed_ns: int
) -> FoldedHDSRNet:
    """The network of weights as they are since `changed_ns`, for one device."""
    return fold(load_pretrained(scale, weights, root)).to(torch_device(device))


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
    memory_bytes: int | None = None,
    strict: bool = True,
    ensemble: bool = False,
    finished: Callable[[Job], object] = lambda job: None,
    progress: bool | None = True,
) -> list[HdsrError]:
    """Enlarge image files into `out_dir`/<stem>_x<scale>.png.

    Gray stays gray, 16 bits stay 16 bits, transparency and color profile are kept, a photograph marked as
    turned is turned. What else was changed is said on stderr. While one image is enlarged, the next one is
    read and the one before it written.

    Args:
        paths: image files, and folders of image files.
        scale: 2, 3 or 4.
        out_dir: folder for the results, made if need be; or, of one image file, the .png file.
        weights: "ours", "authors" or a file.
        overwrite: whether to replace results that are there.
        root: the data folder, where the authors' weights lie.
        device: as torch names it.
        precision: "fp32" or "bf16".
        memory_bytes: resident memory that the process may have; by default what is free.
        strict: whether a JPEG of which libjpeg says that its data are corrupt is an error.
        ensemble: whether the mean of eight is taken; see `hdsr.upscaling.run.self_ensemble`.
        finished: is called with each image that has been enlarged.
        progress: True or False; None shows a bar on a terminal only.

    Returns:
        One error for each image that could not be enlarged; all others are done.

    Raises:
        HdsrError: before any work, if two images would be written to one file, a result is there already, a
            result would replace an input, or the arguments do not fit.
    """
    planned = plan.plan(list(map(Path, paths)), Path(out_dir), f"_x{scale}.png", overwrite)
    network = fold(load_pretrained(scale, weights, root))
    enlarge = runner(network, device, precision, memory_bytes, progress, ensemble)
    for folder in dict.fromkeys(output.parent for output in planned):
        plan.make_folder(folder)
    check = partial(
        strip_rows,
        scale=scale,
        precision=precision,
        limit_bytes=memory_bytes,
        ensemble=ensemble,
        alone=True,
    )
    reading = partial(_read_job, check if device == "cpu" else None, strict)
    jobs = [Job(path, output) for output, path in planned.items()]
    read = in_parallel(partial(_attempt, reading), jobs, workers=1)
    enlarged = (_attempt(partial(_enlarge_job, scale, enlarge), job) for job in read)
    done = in_parallel(partial(_attempt, partial(_write_job, overwrite)), enlarged, workers=1)
    failures = []
    for job in bar(done, "upscale", len(planned), unit="image", shown=progress):
        if job.error is None:
            finished(job)
        else:
            failures.append(job.error)
    return failures


def _attempt(step: Callable[[Job], Job], job: Job) -> Job:
    """The job after a step, or with the reason why there is none; one that has failed stays as it is."""
    if job.error is not None:
        return job
    try:
        return step(job)
    except HdsrError as error:
        named = str(job.path) in str(error)
        return Job(job.path, job.output, error=error if named else HdsrError(f"{job.path}: {error}"))
    except OSError as error:
        return Job(job.path, job.output, error=plan.not_written(job.output, error))
    except (MemoryError, RuntimeError) as error:
        if not is_want_of_memory(error):
            raise
        return Job(job.path, job.output, error=HdsrError(f"{job.path}: there is not enough memory for it"))


def _read_job(check_size: Callable[[int, int], object] | None, strict: bool, job: Job) -> Job:
    """Read the image file, once its height and width have been checked."""
    data = read_bytes(job.path, "an image")
    if check_size is not None:
        check_size(*image_size(data, str(job.path)))
    return replace(job, picture=decode_picture(data, str(job.path), strict))


def _enlarge_job(scale: int, enlarge: Enlarge, job: Job) -> Job:
    """Enlarge what was read, and say what was changed in reading."""
    for note in job.picture.notes:
        tqdm.write(f"{job.path}: {note}", file=sys.stderr)
    lr = job.picture.pixels
    pixels = enlarge_pixels(lr, scale, enlarge)
    sizes = f"{lr.shape[1]} x {lr.shape[0]} -> {pixels.shape[1]} x {pixels.shape[0]}"
    return replace(job, picture=Picture(pixels, job.picture.icc_profile), sizes=sizes)


def _write_job(overwrite: bool, job: Job) -> Job:
    """Write the enlarged image as PNG; what is there by now stays, unless it may be replaced."""
    if not overwrite and job.output.exists():  # also by a name that this system does not tell from another
        raise HdsrError(f"{job.output} exists by now")
    write_png(job.output, job.picture.pixels, job.picture.icc_profile)
    return replace(job, picture=None)


def enlarge_pixels(pixels: Pixels, scale: int, enlarge: Enlarge) -> Pixels:
    """Enlarge gray or RGB of 8 or 16 bits, (height, width, channels), with or without an alpha channel."""
    has_alpha = pixels.shape[2] in (2, 4)
    colors = pixels[..., :-1] if has_alpha else pixels
    if has_alpha:
        colors = _spread(colors, pixels[..., -1])
    result = assembled(_enlarge_colors(colors, enlarge), scale, colors)
    if not has_alpha:
        return result
    return np.concatenate([result, enlarge_alpha(pixels[..., -1:], scale)], axis=2)


def _enlarge_colors(colors: Pixels, enlarge: Enlarge) -> Iterator[NDArray[np.float32]]:
    """Enlarge gray or RGB, strip by strip; what is gray stays exactly gray. In 0..255, not rounded."""
    in_range = colors.astype(np.float32) * np.float32(255 / np.iinfo(colors.dtype).max)
    if not (colors == colors[..., :1]).all():
        yield from enlarge(in_range)
        return
    for strip in enlarge(np.repeat(in_range[..., :1], 3, axis=2)):
        yield np.repeat(strip.mean(axis=2, keepdims=True), colors.shape[2], axis=2)


def assembled(strips: Iterable[NDArray[np.float32]], scale: int, lr: Pixels) -> Pixels:
    """The enlarged image of which these are the rows, rounded to the depth of the LR image.

    Raises:
        HdsrError: if they are not `scale` times as many and as wide as those of the LR image.
    """
    height, width = scale * lr.shape[0], scale * lr.shape[1]
    result, top = np.empty((height, width, lr.shape[2]), lr.dtype), 0
    for strip in strips:
        bottom = top + len(strip)
        if bottom > height or strip.shape[1] != width:
            found = f"{lr.shape[:2]} became {bottom} or more rows of {strip.shape[1]}"
            raise HdsrError(f"the network does not enlarge x{scale}: {found}")
        result[top:bottom] = _rounded(strip, lr.dtype)
        top = bottom
    if top < height:
        raise HdsrError(f"the network does not enlarge x{scale}: {lr.shape[:2]} became {top} rows")
    return result


def _spread(colors: Pixels, alpha: Pixels) -> Pixels:
    """Give wholly transparent pixels the nearest visible color: their own must not bleed into others."""
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return colors
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return colors[tuple(nearest)]


def enlarge_alpha(alpha: Pixels, scale: int) -> Pixels:
    """Enlarge (height, width, 1) by MATLAB's bicubic in either depth, rounding only at the end."""
    peak = np.iinfo(alpha.dtype).max
    return np.rint(imresize_float(alpha, scale).clip(0, peak)).astype(alpha.dtype)


def _rounded(values: NDArray[np.float32], dtype: np.dtype | type) -> Pixels:
    """Values in 0..255 as whole numbers that fill the range of `dtype`."""
    return np.rint(values.clip(0, 255) * np.float32(np.iinfo(dtype).max / 255)).astype(dtype)


def runner(
    network: nn.Module,
    device: str,
    precision: Precision,
    memory_bytes: int | None,
    progress: bool | None = False,
    ensemble: bool = False,
) -> Enlarge:
    """A network as a call on arrays of floats: the folded HDSRNet in strips, any other on images as a whole.

    A bar shows how far an image is, if there is to be `progress`; None shows it on a terminal only. With
    `ensemble` it is the mean of eight; see `hdsr.upscaling.run.self_ensemble`.
    """
    check_precision(precision)
    where = torch_device(device)
    if isinstance(network, FoldedHDSRNet):
        enlarge = _in_strips(network, where, precision, memory_bytes, progress, ensemble)
    else:
        run = network_runner(network, where, precision)
        enlarge = lambda image: [run(image)]  # noqa: E731
    return self_ensemble(enlarge) if ensemble else enlarge


def _in_strips(
    network: FoldedHDSRNet,
    where: torch.device,
    precision: Precision,
    memory_bytes: int | None,
    progress: bool | None,
    ensemble: bool,
) -> Enlarge:
    """The network as a call that yields strips as high as memory allows, beside what an `ensemble` takes."""
    run_strips = strip_runner(network, where, precision)

    def enlarge(image: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        height, width = image.shape[:2]
        rows = height
        if where.type == "cpu":
            rows = strip_rows(height, width, network.scale, precision, memory_bytes, ensemble)
        with bar(
            desc=f"{width} x {height}",
            total=network.convolved_rows(height),
            bar_format=PROGRESS_FORMAT,
            leave=False,
            shown=progress,
        ) as shown:
            yield from run_strips(image, rows, shown.update)

    return enlarge
