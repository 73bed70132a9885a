"""Finds images that are another one enlarged or reduced, mirrored or cropped, by their small thumbnails."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
"""Of the thumbnails that are compared, in pixels."""
LEVELS = (16, 17, 18, 19, 20, 21, 22, 24, 26, 28, 30, 33, 36)
"""Shorter sides to which an image is reduced before thumbnails are looked for everywhere in it."""

DTYPE = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
"""Of the vectors that are compared; a correlation is within 0.005 by either."""

Images = dict[str, Image.Image]
Array = NDArray[np.float32]


def steps(gray: Array) -> Array:
    """Square roots, with signs, of how far each pixel is from that before it and that above it.

    So a single strong edge such as the horizon counts little. From (..., height, width) to
    (..., 2, height - 1, width - 1).
    """
    inner = gray[..., 1:, 1:]
    found = np.stack([inner - gray[..., 1:, :-1], inner - gray[..., :-1, 1:]], axis=-3)
    return np.sign(found) * np.sqrt(np.abs(found))


def unit(thumbnails: Array) -> Array:
    """The steps of thumbnails as one unit vector each; those with hardly anything in them become zero."""
    vectors = thumbnails.reshape(len(thumbnails), -1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > SIDE, vectors / np.maximum(length, 1), 0).astype(np.float32)


def reduced(image: Image.Image, width: int, height: int, box: tuple[int, ...] | None = None) -> Array:
    """A gray image, or a box of it, averaged down."""
    return np.asarray(image.resize((width, height), Image.Resampling.BOX, box=box), dtype=np.float32)


def thumbnails(image: Image.Image) -> Iterator[Array]:
    """The square in the middle, whole and half as wide, and both mirrored."""
    width, height = image.size
    for side in (min(image.size), min(image.size) // 2):
        left, top = (width - side) // 2, (height - side) // 2
        thumbnail = reduced(image, SIDE, SIDE, (left, top, left + side, top + side))
        yield thumbnail
        yield thumbnail[:, ::-1]


def windows(image: Image.Image) -> Array:
    """The steps of every SIDE x SIDE window of an image at every level that does not enlarge it."""
    found = []
    for level in LEVELS:
        ratio = level / min(image.size)
        small = reduced(image, *(max(SIDE, round(length * ratio)) for length in image.size))
        views = np.lib.stride_tricks.sliding_window_view(steps(small), (SIDE - 1, SIDE - 1), axis=(1, 2))
        found.append(views.transpose(1, 2, 0, 3, 4).reshape(-1, 2, SIDE - 1, SIDE - 1))
    return np.concatenate(found)


def likeness(parts: Images, wholes: Images) -> dict[tuple[str, str], float]:
    """How well the middle of each of `parts` is found in each of `wholes`: a correlation, 1 at most."""
    names = list(parts)
    thumbs = unit(steps(np.stack([one for image in parts.values() for one in thumbnails(image)])))
    looked_for = torch.from_numpy(thumbs).T.contiguous().to(DTYPE)
    scores = {}
    for whole, image in wholes.items():
        found = torch.from_numpy(unit(windows(image))).to(DTYPE) @ looked_for
        best = found.amax(dim=0).view(len(names), -1).amax(dim=1)
        scores |= {(name, whole): float(score) for name, score in zip(names, best, strict=True)}
    return scores


def near_duplicates(images: Images, others: Images, threshold: float) -> set[tuple[str, str]]:
    """Pairs (image, other) of which one is found in the other."""
    there = {pair for pair, score in likeness(images, others).items() if score > threshold}
    back = {pair[::-1] for pair, score in likeness(others, images).items() if score > threshold}
    return there | back
