"""A whole benchmark with metrics, against a plain loop over the published form."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from operator import truediv
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from hdsr.bench.forms import DTYPES, FOLDED, PUBLISHED
from hdsr.bench.rows import Request, Row, spread
from hdsr.checkpoint import load_pretrained
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.evaluation import evaluate
from hdsr.measure import fresh_process
from hdsr.methods import registry
from hdsr.metrics import GAUSSIAN_SIGMA_PX, PEAK, luma
from hdsr.progress import bar
from hdsr.upscaling.allocator import keep_freed_memory
from hdsr.upscaling.run import Precision

SCALE = 4
SETS = ("Set5", "Set14", "B100")
SCORES = ["psnr_db", "ssim"]
PLAIN = "plain loop"
ALONE = "network alone"
BASELINE = f"{PLAIN} over the {PUBLISHED}"
NOTES = ("as hdsr evaluate", f"{PLAIN}, scikit-image metrics")
SAME = 0.001
"""Largest difference between a score of the plain loop and ours, in dB and of SSIM."""


def measure(request: Request, sets: Sequence[str] = SETS, turns: int = 2) -> list[Row]:
    """Seconds to score the sets at x4, both ways in turns, and how far bfloat16 moves the mean PSNR.

    Of ours, also the seconds of the network alone.

    Each time in a process of its own, so that memory is as the one way or the other would have it.

    Raises:
        HdsrError: if a set is not whole, or the two ways disagree.
    """
    for name in sets:
        if not load_benchmark(name, SCALE, request.root).complete:
            raise HdsrError(f"{name} is not whole in the data folder")
    ways = (PLAIN, *DTYPES, ALONE)
    scored: dict[str, pd.DataFrame] = {}
    times_ms: dict[str, list[float]] = {way: [] for way in ways}
    for way in bar(ways * turns, "end to end", unit="process", shown=request.progress):
        work = (way, tuple(sets), request.root, torch.get_num_threads())
        (scored[way], time_ms), _ = fresh_process.run(timed_scores, *work)
        times_ms[way].append(time_ms)
    check_equal(scored[PLAIN], scored["fp32"])
    return time_rows(sets, times_ms) + [shift_row(name, scored) for name in sets]


def timed_scores(way: str, sets: Sequence[str], root: Path, threads: int) -> tuple[pd.DataFrame, float]:
    """The scores by PLAIN or in one precision by `hdsr evaluate`, and how many milliseconds they took.

    By ALONE there are none, but the images are enlarged.
    """
    torch.set_num_threads(threads)
    if way == ALONE:
        return pd.DataFrame(), enlarging_ms(sets, root)
    score = plain_scores if way == PLAIN else partial(our_scores, way)
    start = time.perf_counter()
    frame = score(sets, root)
    return frame, 1000 * (time.perf_counter() - start)


def plain_scores(sets: Sequence[str], root: Path) -> pd.DataFrame:
    """The scores of each image as a straightforward script computes them: one image after another."""
    network, lines = load_pretrained(SCALE), []
    for name in sets:
        for image, lr, hr in load_benchmark(name, SCALE, root):
            with torch.inference_mode():
                result = network(torch.from_numpy(lr.copy()).permute(2, 0, 1)[None].float().contiguous())
            sr = result[0].clamp(0, 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
            lines.append((name, image, *plain_metrics(sr, hr)))
    return pd.DataFrame(lines, columns=["dataset", "image", *SCORES])


def plain_metrics(sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> tuple[float, float]:
    """Y-PSNR in dB, and SSIM by scikit-image."""
    inside = np.s_[SCALE:-SCALE, SCALE:-SCALE]
    sr_luma, hr_luma = luma(sr)[inside], luma(hr)[inside]
    psnr_db = 10 * np.log10(PEAK**2 / np.mean((sr_luma - hr_luma) ** 2))
    ssim = structural_similarity(
        *(sr_luma, hr_luma),
        gaussian_weights=True,
        sigma=GAUSSIAN_SIGMA_PX,
        use_sample_covariance=False,
        data_range=PEAK,
    )
    return float(psnr_db), float(ssim)


def our_scores(precision: Precision, sets: Sequence[str], root: Path) -> pd.DataFrame:
    """The scores of each image as `hdsr evaluate` computes them, no row being reused."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(
            *("hdsrnet", SCALE, sets),
            out=Path(folder) / "rows.csv",
            root=root,
            weights="ours",
            precision=precision,
            progress=False,
        )


def enlarging_ms(sets: Sequence[str], root: Path) -> float:
    """Milliseconds that the network of `our_scores` takes for all images, which lie in memory, in float32."""
    keep_freed_memory()
    upscale = registry.load("hdsrnet", SCALE, "ours")
    images = [lr for name in sets for _, lr, _ in load_benchmark(name, SCALE, root)]
    upscale(images[0])
    start = time.perf_counter()
    for lr in images:
        upscale(lr)
    return 1000 * (time.perf_counter() - start)


def check_equal(plain: pd.DataFrame, ours: pd.DataFrame) -> None:
    """Raise HdsrError if the two ways differ by more than SAME in any score of any image."""
    both = plain.merge(
        ours[["dataset", "image", *SCORES]], on=["dataset", "image"], suffixes=("_plain", "_ours")
    )
    differences = [(both[f"{score}_plain"] - both[f"{score}_ours"]).abs().max() for score in SCORES]
    if len(both) != len(ours) or not max(differences) <= SAME:
        raise HdsrError(
            f"the plain loop and ours differ by {differences[0]:.2g} dB and {differences[1]:.2g} of SSIM, "
            f"expected at most {SAME}"
        )


def time_rows(sets: Sequence[str], times_ms: dict[str, list[float]]) -> list[Row]:
    """Seconds for all sets, and how many times faster than the plain loop; the network alone against all that
    `hdsr evaluate` does."""
    rows = []
    for key in (PLAIN, *DTYPES):
        times = times_ms[key]
        form, dtype = (PUBLISHED, DTYPES["fp32"]) if key == PLAIN else (FOLDED, DTYPES[key])
        ratio = statistics.median(map(truediv, times_ms[PLAIN], times))
        seconds = spread([time / 1000 for time in times])
        place = ("time", form, SCALE, "+".join(sets), dtype, "s")
        rows.append(Row(*place, **seconds, ratio=ratio, baseline=BASELINE, note=NOTES[key == PLAIN]))
    return [*rows, alone_row(sets, times_ms)]


def alone_row(sets: Sequence[str], times_ms: dict[str, list[float]]) -> Row:
    """Seconds of the network alone, and how many times as long `hdsr evaluate` takes."""
    ratio = statistics.median(map(truediv, times_ms["fp32"], times_ms[ALONE]))
    seconds = spread([time / 1000 for time in times_ms[ALONE]])
    place = ("time", FOLDED, SCALE, "+".join(sets), DTYPES["fp32"], "s")
    return Row(*place, **seconds, ratio=ratio, baseline=NOTES[0], note=f"{ALONE}, images in memory")


def shift_row(name: str, scored: dict[str, pd.DataFrame]) -> Row:
    """How far the mean PSNR of a set moves with bfloat16."""
    means = {key: scored[key].groupby("dataset")["psnr_db"].mean()[name] for key in DTYPES}
    shift = float(means["bf16"] - means["fp32"])
    place = ("mean PSNR less that in float32", FOLDED, SCALE, name, DTYPES["bf16"], "dB")
    return Row(*place, 1, shift)
