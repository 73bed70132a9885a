"""Strips of an image: rows computed together, with those around them that their result depends on."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Strip:
    """Some rows of an image. What lies beyond the image's border is padding, so `source` ends there."""

    rows: slice
    """The rows that are wanted."""
    source: slice
    """The rows that are read for them."""
    inner: slice
    """The wanted ones among those read."""


def split(height: int, rows: int, reach: int) -> Iterator[Strip]:
    """Strips of an image of `height` rows from its top, each of `rows` rows, the last one of what is left.

    Args:
        height: rows of the image.
        rows: rows of a strip, from 1 upwards.
        reach: rows above and below a row that its result depends on.
    """
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        start, stop = max(top - reach, 0), min(bottom + reach, height)
        yield Strip(slice(top, bottom), slice(start, stop), slice(top - start, bottom - start))
