"""Memory that one training step frees and the next one asks for again."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""What glibc's malloc.h calls these parameters of mallopt."""
LARGEST_BLOCK = 32 * 2**20
"""Bytes; the highest threshold that glibc takes."""


def keep_freed_memory() -> bool:
    """Let this process keep tensors' memory instead of giving it back to the system after each use.

    Fresh pages are filled with zeros when they are first touched, which takes a tenth of a training step on a
    CPU. Of use to steps that are all alike; peak memory may grow.

    Returns:
        Whether the C library is glibc, which can be told so.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = ((M_MMAP_THRESHOLD, LARGEST_BLOCK), (M_TRIM_THRESHOLD, 2**31 - 1))
    return all([mallopt(*setting) == 1 for setting in settings])
