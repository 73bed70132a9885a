"""Machine code in several threads at once."""

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

Kernel = Callable[[int], None]
"""Machine code, called with an address. Each of the threads that run it at once does a part of the work."""


def run(kernel: Kernel, address: int, threads: int) -> None:
    """Run a kernel in so many threads, the caller's among them, and wait for all.

    Where OpenMP is GNU's, or has its interface as Intel's has, these are the threads that torch computes
    with: others would have to fight with them for the processors, since they wait in a loop for some
    milliseconds for torch's next operation. Elsewhere they are Python's.
    """
    parallel = _parallel()
    if threads > 1 and parallel is not None:
        parallel(ctypes.cast(kernel, ctypes.c_void_p), address, threads, 0)
        return
    others = [_pool(os.getpid()).submit(kernel, address) for _ in range(threads - 1)]
    kernel(address)
    for other in others:
        other.result()


@functools.cache
def _parallel() -> Callable[..., None] | None:
    """OpenMP's function that calls another in all threads of a pool: libgomp's, as compilers call it."""
    try:
        parallel = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):  # there is none; Windows has no library of all names
        return None
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; one that is forked has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), "winograd")
