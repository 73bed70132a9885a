"""Memory that is free: on the machine, and in the container that the process may run in."""

from contextlib import suppress
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container its limits (cgroup v2)."""


def free_bytes() -> int:
    """What processes can still take before one is killed for it; in a container its limit counts, too."""
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError, KeyError):  # no container, or one without a limit ("max")
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        told = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        # files that were read count as used, and are dropped when memory is short
        free = min(free, max(0, limit - used + int(told["inactive_file"])))
    return free
