"""What is looked at: a built-in image, or one that was uploaded."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hdsr.datasets import cropped
from hdsr.errors import HdsrError
from hdsr.images import decode_picture, in_rgb
from hdsr.metrics import GAUSSIAN_SIZE_PX, size
from hdsr.report.figures_2_to_7 import benchmark_image
from hdsr.resize import imresize

Image = NDArray[np.uint8]
"""RGB, (height, width, 3)."""
Role = Literal["lr", "hr"]
"""Whether an uploaded image is to be enlarged ("lr"), or is the true one and shrunk first ("hr")."""
SHOWN_PX = 2**20
"""The most pixels of an enlarged image: more take longer than a person likes to wait for a slider."""


@dataclass(frozen=True, eq=False)
class Subject:
    """An image at one scale."""

    name: str
    lr: Image
    hr: Image | None
    """The true image, exactly `scale` times as high and wide as `lr`; None where nobody knows it."""
    note: str = ""
    """A sentence on what was done to it."""


@dataclass(frozen=True, eq=False)
class Upload:
    """An image that a person has brought."""

    name: str
    pixels: Image
    note: str = ""
    """A sentence on what of the file is not looked at."""


def built_in(dataset: str, image: str, scale: int, root: str | Path | None = None) -> Subject:
    """An image of a benchmark set; LR as the set has it, or made by MATLAB's bicubic.

    Raises:
        HdsrError: if the set lacks it.
    """
    return Subject(image, *benchmark_image(dataset, image, scale, root)[1:])


def read_upload(name: str, data: bytes) -> Upload:
    """The bytes of an uploaded file as an image.

    Raises:
        HdsrError: naming the file, if it is damaged, no image, or too large for the memory that is free.
    """
    picture = in_rgb(decode_picture(data, name))
    note = f"Of {name}, {'; '.join(picture.notes)}." if picture.notes else ""
    return Upload(name, picture.pixels, note)


def uploaded(upload: Upload, role: Role, scale: int) -> Subject:
    """An uploaded image at one scale; of a large one, the middle.

    Raises:
        HdsrError: if it is to be shrunk, and too small to be scored then.
    """
    enlarged_by = scale if role == "lr" else 1
    part = middle(upload.pixels, SHOWN_PX // enlarged_by**2)
    note = upload.note
    if part.shape != upload.pixels.shape:
        note = f"{note} {_middle_note(upload, part, scale)}".strip()
    if role == "lr":
        return Subject(upload.name, part, None, note)
    least = scale * math.ceil(2 + GAUSSIAN_SIZE_PX / scale)  # as scores crop `scale` pixels on every side
    if min(part.shape[:2]) < least:
        found = f"{upload.name} has {size(part)} pixels"
        raise HdsrError(f"{found}, too few to be scored at x{scale}: expected {least} x {least} or more")
    hr = cropped(part, scale, upload.name)
    return Subject(upload.name, imresize(hr, 1 / scale), hr, note)


def middle(image: Image, most_px: int) -> Image:
    """The middle of an image, of its own shape and at most `most_px` pixels; all of it if it is small.

    A side is never cut to less than one pixel.
    """
    height, width = image.shape[:2]
    share = min(1.0, math.sqrt(most_px / (height * width)))
    rows, columns = max(1, int(height * share)), max(1, int(width * share))
    if rows * columns > most_px:  # of a long strip, whose short side was not to become nothing
        rows, columns = min(rows, most_px), min(columns, most_px)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]


def _middle_note(upload: Upload, part: Image, scale: int) -> str:
    """Why only the middle of an image is looked at, and what enlarges all of it."""
    command = f"hdsr upscale {shlex.quote(upload.name)} --scale {scale} --out enlarged"
    return (
        f"{upload.name} has {size(upload.pixels)} pixels; only the middle {size(part)} are looked at here, "
        f"so that every change shows soon. All of it: {command}"
    )
