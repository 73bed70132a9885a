"""Work done by a new Python process, so that the peak of its resident memory is the work's own."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from hdsr.errors import HdsrError

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_rss_bytes() -> int:
    """The largest resident memory that this process has had.

    Linux's VmHWM begins anew with a program, whereas getrusage carries over what the parent process had.
    """
    if _STATUS.is_file():
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def forget_peak() -> None:
    """Let the peak begin anew from what is resident now, where the system can do that (Linux)."""
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")


def run(work: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """The result of a function of a module, called by a new process, and that process's peak memory in bytes.

    Raises:
        HdsrError: if the process is killed, as it is for want of memory.
        Exception: what the function raises.
    """
    # spawned: a forked process would begin with all that this one has in memory
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_with_peak, work, *arguments).result()
        except BrokenProcessPool:
            raise HdsrError("the process was killed, often for want of memory") from None


def _with_peak(work: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    return work(*arguments), peak_rss_bytes()
