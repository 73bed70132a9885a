"""Memory that one call of a network frees and the next one asks for again."""

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""What glibc's malloc.h calls these parameters of mallopt."""
LARGEST_BLOCK = 32 * 2**20
"""Bytes; the highest threshold that glibc takes."""
BOOKKEEPING = 2**16
"""Bytes; more than glibc adds to a block for its header, its alignment and whole pages."""


def keep_freed_memory() -> bool:
    """Let this process keep tensors' memory instead of giving it back to the system after each use.

    Fresh pages are filled with zeros when they are first touched, which takes a tenth of a training step on a
    CPU. Of use to calls that are all alike; peak memory may grow.

    Returns:
        Whether the C library is glibc, which can be told so.
    """
    return _set_thresholds(LARGEST_BLOCK, 2**31 - 1)


def return_freed_memory(block: int) -> bool:
    """Let this process give freed memory back, as glibc does when it has freed blocks of that size.

    Left alone, glibc maps blocks larger than any mapped one freed so far, and gives back the free end of its
    heap when that is more than twice as large (mallopt(3), "M_MMAP_THRESHOLD"). Once told anything it no
    longer adapts, so this is how a process gets from `keep_freed_memory` to where it was.

    Args:
        block: bytes of the largest blocks that the process uses often; counted as LARGEST_BLOCK at most.

    Returns:
        Whether the C library is glibc, which can be told so.
    """
    threshold = min(block + BOOKKEEPING, LARGEST_BLOCK)
    return _set_thresholds(threshold, 2 * threshold)


def trim_freed_memory() -> None:
    """Give all that this process has freed back to the system now, where the C library can (malloc_trim)."""
    if trim := _function("malloc_trim"):
        trim(0)


def _set_thresholds(mapped: int, trimmed: int) -> bool:
    """Tell glibc from how many bytes on it maps a block, and gives back the free end of its heap."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    settings = ((M_MMAP_THRESHOLD, mapped), (M_TRIM_THRESHOLD, trimmed))
    return all([mallopt(*setting) == 1 for setting in settings])


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it has one of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
