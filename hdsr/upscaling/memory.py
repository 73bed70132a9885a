"""How much memory it takes to enlarge an image in strips, and which strips stay within a limit."""

import re
from contextlib import suppress

import psutil
from pydantic import ByteSize, TypeAdapter, ValidationError

from hdsr.errors import HdsrError
from hdsr.free_memory import free_bytes
from hdsr.settings import Precision
from hdsr.upscaling.allocator import trim_freed_memory

BYTES_PER_VALUE: dict[Precision, int] = {"fp32": 4, "bf16": 2}
CHANNELS = 64
"""Of a feature map."""
WHOLE_MAPS = (2, 1)
"""Feature maps of the whole image that are kept while the upper and the lower sub-network run."""
STRIP_MAPS = (4, 11)
"""Feature maps of one strip that they take besides: the lower one keeps the outputs of its first half."""
IMAGE_BYTES_PER_PIXEL = 64
"""LR image as read, as numbers in 0..255 and less its mean."""
OUTPUT_COPIES = 3
"""The HR image in 8 bits, and the one before it with its file."""
ENSEMBLE_COPIES = 3
"""The HR image in floats: the sum so far, what one way gives in strips, and in one piece or added."""
HALO_ROWS = 36
"""Rows of a strip beyond its own: 18 on either side."""
COMFORTABLE_STRIP_PX = 720_000
"""Larger strips save little: the rows that overlap are then a tenth or less."""
LEAST_ROWS = 8
SPARE = 0.05
"""Share of the memory that is left alone."""


def parse_bytes(text: str) -> int:
    """Bytes of a size as people write it: 3GiB, 1.5 GB, 800MiB.

    Raises:
        HdsrError: for another form, or a size of nothing.
    """
    with suppress(ValidationError):
        # pydantic passes over what follows on a number: it takes 1,5GB for one byte
        written = re.fullmatch(r"\s*(\d+|\d*\.\d+)\s*[A-Za-z]*\s*", text)
        if written and (size := TypeAdapter(ByteSize).validate_python(text)):
            return size
    raise HdsrError(f"{text!r} is not an amount of memory: expected a number and a unit, such as 3GiB")


def is_want_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice; torch has no other than a RuntimeError on a CPU."""
    said = isinstance(error, RuntimeError) and re.search("(allocate|out of) memory", str(error))
    return isinstance(error, MemoryError) or bool(said)


def strip_rows(
    height: int,
    width: int,
    scale: int,
    precision: Precision,
    limit_bytes: int | None = None,
    ensemble: bool = False,
    alone: bool = False,
) -> int:
    """How many LR rows at a time to enlarge an image by, so that memory suffices.

    Args:
        height: of the LR image, as is `width`.
        width: pixels.
        scale: 2, 3 or 4.
        precision: "fp32" or "bf16".
        limit_bytes: resident memory that the whole process may have; by default what is free.
        ensemble: whether the mean of eight is taken of it.
        alone: as if this process had nothing else in memory.

    Returns:
        Rows from 1 to `height`; strips of more than 720,000 pixels are not proposed.

    Raises:
        HdsrError: if the memory does not suffice for any strips.
    """

    def needed(rows: int) -> int:
        return working_bytes(height, width, scale, precision, rows, ensemble)

    rows = min(height, max(COMFORTABLE_STRIP_PX // width - HALO_ROWS, LEAST_ROWS))
    least = min(rows, LEAST_ROWS)
    if not alone and needed(rows) > _usable_bytes(limit_bytes, alone):
        trim_freed_memory()  # of the image before, which would count as taken
    usable = _usable_bytes(limit_bytes, alone)
    while rows > least and needed(rows) > usable:
        rows = max(least, rows * 7 // 8)  # strips nearly as large as can be, in few tries
    if needed(rows) > usable:
        raise HdsrError(_too_large(height, width, needed(rows), usable, limit_bytes))
    return rows


def _usable_bytes(limit_bytes: int | None, alone: bool) -> int:
    """Memory that this process may take besides what it has, or in all if it is to be `alone`."""
    resident = psutil.Process().memory_info().rss
    free = free_bytes() + resident
    if limit_bytes is not None:
        free = min(free, limit_bytes)
    return max(0, int((free - (0 if alone else resident)) * (1 - SPARE)))


def _too_large(height: int, width: int, needed: int, usable: int, limit_bytes: int | None) -> str:
    """Why an image cannot be enlarged."""
    left = "are free" if limit_bytes is None else f"are left of a limit of {limit_bytes / 2**30:.2f} GiB"
    return (
        f"an image of {width} x {height} pixels is too large: even in strips it takes about "
        f"{needed / 2**30:.2f} GiB of memory, {usable / 2**30:.2f} GiB {left}"
    )


def working_bytes(
    height: int, width: int, scale: int, precision: Precision, rows: int, ensemble: bool = False
) -> int:
    """Memory that enlarging takes at its peak, besides the program and the network; an upper estimate."""
    pixels = height * width
    strip_pixels = min(rows + HALO_ROWS, height) * width
    map_bytes = CHANNELS * BYTES_PER_VALUE[precision]
    phases = zip(WHOLE_MAPS, STRIP_MAPS, strict=True)
    maps = max(whole * pixels + strip * strip_pixels for whole, strip in phases)
    hr_bytes = 3 * scale**2 * (OUTPUT_COPIES + 4 * ENSEMBLE_COPIES * ensemble)
    return maps * map_bytes + pixels * (IMAGE_BYTES_PER_PIXEL + hr_bytes)
