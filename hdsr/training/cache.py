"""A cache of decoded images: a file for each list of images, memory mapped, so that a run starts at once.

A file holds the pixels of all images one after another, then an index in JSON (what the images were made
from, their shapes, the SHA-256 of the pixels), then the index's length in 8 bytes.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.paths import cache_dir
from hdsr.progress import bar

Image = NDArray[np.uint8]
LENGTH_BYTES = 8


def cached_images(
    name: str, origin: Any, images: Iterable[Image], count: int, progress: bool = True
) -> list[Image]:
    """Images from the cache file `name`, which is made first if it is missing, stale or damaged.

    Args:
        name: of the file in `hdsr.paths.cache_dir`.
        origin: everything the images are made from, in terms of JSON; a file of another origin is stale.
        images: makes them one by one; gone through only if the file has to be made.
        count: how many.
        progress: show a bar while images are decoded or checked.

    Returns:
        Read-only arrays in the memory-mapped file.

    Raises:
        HdsrError: if an image is broken or the file cannot be written; there is no new file then.
    """
    path = cache_dir() / f"{name}.images"
    key = hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    cached = open_cache(path, key, progress)
    if cached is not None:
        return cached
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            cached = open_cache(path, key, progress)  # again: another process may have made it meanwhile
            if cached is None:
                write_cache(path, key, _bar(images, f"decoding {name}", count, progress))
                cached = mapped(path, read_index(path))
            return cached
    except OSError as error:
        raise HdsrError(
            f"cannot keep decoded images in {path}: {error.strerror or error}; make room there, or name "
            f"another folder by the environment variable HDSR_CACHE"
        ) from None


def _bar(images: Iterable[Image], title: str, count: int, progress: bool) -> Iterable[Image]:
    return bar(images, title, count, leave=False, unit="image", shown=None if progress else False)


def write_cache(path: Path, key: str, images: Iterable[Image]) -> None:
    """Write a cache file, whole or not at all."""
    digest, shapes = hashlib.sha256(), []
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        for image in images:
            pixels = np.ascontiguousarray(image)
            digest.update(pixels)
            stream.write(pixels)
            shapes.append(pixels.shape)
        index = json.dumps({"key": key, "sha256": digest.hexdigest(), "shapes": shapes}).encode()
        stream.write(index + len(index).to_bytes(LENGTH_BYTES, "little"))


def open_cache(path: Path, key: str, progress: bool) -> list[Image] | None:
    """The images of a cache file; None if it is missing, of another key, or damaged."""
    try:
        index = read_index(path)
        if index.get("key") != key:
            return None
        images = mapped(path, index)
    except (OSError, ValueError, OverflowError, AttributeError):
        return None
    digest = hashlib.sha256()
    for image in _bar(images, f"checking {path.stem}", len(images), progress):
        digest.update(image)
    return images if digest.hexdigest() == index["sha256"] else None


def read_index(path: Path) -> dict[str, Any]:
    """The index at the end of a cache file; ValueError or OSError if there is none."""
    with path.open("rb") as stream:
        end = stream.seek(-LENGTH_BYTES, 2)
        length = int.from_bytes(stream.read(), "little")
        stream.seek(end - length)
        return json.loads(stream.read(length))


def mapped(path: Path, index: dict[str, Any]) -> list[Image]:
    """The images that the index tells of, (height, width, 3) each; ValueError if the length does not fit."""
    sizes = [math.prod(shape) for shape in index["shapes"]]
    pixels = np.asarray(np.memmap(path, np.uint8, mode="r", shape=(sum(sizes),)))
    parts = np.split(pixels, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, index["shapes"], strict=True)]
