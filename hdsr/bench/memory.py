"""Time and peak memory of enlarging one large photograph by the command, in a process of its own."""

import runpy
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hdsr.bench.forms import DTYPES, FOLDED, PUBLISHED
from hdsr.bench.rows import GIB, Request, Row
from hdsr.datasets import samples
from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.measure import fresh_process
from hdsr.resize import imresize

SCALE = 4
WIDTH_PX, HEIGHT_PX = 2040, 1356
LIMITS = {"fp32": "5GiB", "bf16": "3.5GiB"}
"""The limits of memory that the command is given."""


def measure(request: Request, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> list[Row]:
    """Seconds and peak memory of `hdsr upscale` at x4 on a photograph of that size, in each precision."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        write_png(photo, photograph(width_px, height_px))
        for precision, dtype in DTYPES.items():
            words = ["upscale", str(photo), "--scale", str(SCALE), "--out", f"{folder}/{precision}"]
            words += ["--precision", precision, "--memory", LIMITS[precision]]
            seconds, peak = fresh_process.run(seconds_of_command, words, torch.get_num_threads())
            place = (FOLDED, SCALE, f"{width_px}x{height_px}", dtype)
            note = f"hdsr upscale --memory {LIMITS[precision]}"
            rows.append(Row("time", *place, "s", 1, seconds, note=f"{note}, decoding and encoding included"))
            rows.append(Row("peak memory", *place, "GiB", 1, peak / GIB, note=note))
    return [*rows, published_row(width_px, height_px)]


def photograph(width_px: int, height_px: int) -> NDArray[np.uint8]:
    """A built-in photograph enlarged by bicubic interpolation until it covers that size, then cropped."""
    _, _, photo = next(iter(samples(SCALE)))
    factor = max(width_px / photo.shape[1], height_px / photo.shape[0])
    return np.ascontiguousarray(imresize(photo, factor)[:height_px, :width_px])


def seconds_of_command(words: list[str], threads: int) -> float:
    """Run one `hdsr` command and return how long it took; HdsrError if it failed."""
    torch.set_num_threads(threads)
    start = time.perf_counter()
    code = exit_code(words)
    if code:
        raise HdsrError(f"hdsr {words[0]} ended with exit code {code}")
    return time.perf_counter() - start


def exit_code(words: list[str]) -> Any:
    """What `python -m hdsr` ends with, run inside this process so that the memory counted is its own."""
    sys.argv = ["hdsr", *words]
    try:
        runpy.run_module("hdsr", run_name="__main__")
    except SystemExit as end:
        return end.code


def published_row(width_px: int, height_px: int) -> Row:
    """Why the published form has no row: one tensor of 64 channels at HR size, counted, not measured."""
    tensor = 64 * 4 * SCALE**2 * width_px * height_px / GIB
    note = "not measured: one tensor of 64 channels at HR size takes this much, counted by hand"
    place = (PUBLISHED, SCALE, f"{width_px}x{height_px}", DTYPES["fp32"])
    return Row("size of one tensor", *place, "GiB", 0, tensor, note=note)
