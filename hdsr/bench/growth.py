"""How time and memory grow with the image: each size and form in a process of its own."""

from collections.abc import Iterable

import torch

from hdsr.bench.forms import CPU, DTYPES, FOLDED, KEPT, MEMORY, PUBLISHED, call_on, random_image
from hdsr.bench.rows import GIB, Request, Row, spread
from hdsr.checkpoint import load_pretrained
from hdsr.measure import fresh_process
from hdsr.measure.latency import time_calls
from hdsr.progress import bar
from hdsr.upscaling.allocator import keep_freed_memory
from hdsr.upscaling.run import Precision

SCALE = 4
SIDES = (64, 128, 256, 512, 1024)
"""Of the square LR images."""
LARGEST_PUBLISHED = 512
"""Side for the published form: at 1024 its two largest tensors alone take 8.6 GB."""
VARIANTS: tuple[tuple[str, Precision], ...] = ((PUBLISHED, "fp32"), (FOLDED, "fp32"), (FOLDED, "bf16"))
SEPARATE = "each in a process of its own"


def measure(request: Request, sides: Iterable[int] = SIDES, turns: int = 3) -> list[Row]:
    """Time, peak memory, and memory beyond that of the loaded network, of each form at each size at x4."""
    places = [(side, *variant) for side in sides for variant in VARIANTS]
    places = [place for place in places if place[1] != PUBLISHED or place[0] <= LARGEST_PUBLISHED]
    rows = []
    for side, form, precision in bar(places, "growth", unit="process", shown=request.progress):
        work = (form, precision, side, turns, torch.get_num_threads())
        (times_ms, idle), peak = fresh_process.run(time_and_idle_memory, *work)
        quantities = [("time", "ms", times_ms), ("peak memory", "GiB", [peak / GIB])]
        quantities.append(("working memory", "GiB", [(peak - idle) / GIB]))
        rows += [
            Row(what, form, SCALE, f"{side}x{side}", DTYPES[precision], unit, **spread(values), note=SEPARATE)
            for what, unit, values in quantities
        ]
    return rows


def time_and_idle_memory(
    form: str, precision: Precision, side: int, turns: int, threads: int
) -> tuple[list[float], int]:
    """Milliseconds of each turn, after one to warm up, and the memory in bytes before the first."""
    torch.set_num_threads(threads)
    if MEMORY[form] == KEPT:
        keep_freed_memory()
    call = call_on(load_pretrained(SCALE), form, precision, random_image(side, side))
    fresh_process.forget_peak()
    idle = fresh_process.peak_rss_bytes()
    return time_calls({form: call}, CPU, 1, turns)[form], idle
