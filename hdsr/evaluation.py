"""Score a method on benchmark sets, one result row per image."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from hdsr import metrics, results
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.errors import HdsrError
from hdsr.images import pixels_sha256, read_image, write_png
from hdsr.methods.registry import Method, load
from hdsr.provenance import code_version
from hdsr.upscaling.pipeline import one_ahead
from hdsr.upscaling.run import Image, Precision

PROTOCOL = code_version(metrics)
"""Version of the scores' definition: crop of `scale` pixels, unrounded luma, SSIM over windows inside."""


def evaluate(
    model: str,
    scale: int,
    datasets: Sequence[str],
    *,
    out: str | Path,
    root: str | Path | None = None,
    weights: str | Path | None = None,
    precision: Precision = "fp32",
    device: str = "cpu",
    save_images: str | Path | None = None,
    progress: bool | None = True,
) -> pd.DataFrame:
    """Score every image of every set, writing each row to `out` as soon as it is known.

    Rows of the same identity that `out` already holds are reused, so a call that was stopped goes on where
    it was, and a repeated one computes nothing.

    Args:
        model: a method's name; see `hdsr.methods.registry.LOADERS`.
        scale: 2, 3 or 4.
        datasets: names of benchmark sets, "samples", or folders of images.
        out: CSV file of result rows, made if absent.
        root: the data folder; see `hdsr.paths.data_root`.
        weights: "ours", "authors" or a file; None for the first that the method has.
        precision: "fp32" or "bf16".
        device: as torch names it.
        save_images: folder for SR images, as <model>/<dataset>/x<scale>/<image>.png. A row whose image is
            not there, or is not the one that was scored, is computed again.
        progress: True or False; None shows a bar on a terminal only.

    Returns:
        The rows asked for, new and reused, in the order of the sets; see `hdsr.results.Row`.

    Raises:
        HdsrError: for an unknown argument, missing or unreadable images or weights, or a file `out` that
            holds something else.
    """
    known = {row.identity: row for row in results.read(out)}
    benchmarks = load_benchmarks(datasets, scale, root)
    method = load(model, scale, weights, device, precision, root)
    rows = []
    for benchmark in benchmarks:
        title = f"{method.label} x{scale} {benchmark.name}"
        images = one_ahead(benchmark)
        for name, lr, hr in tqdm(images, title, len(benchmark), unit="image", disable=hidden(progress)):
            row = unscored(method, benchmark, name, lr, hr, precision, device)
            picture = picture_path(save_images, row)
            reused = known.get(row.identity)
            if reused is None or not (picture is None or shows(picture, hr, reused)):
                reused = score(method, row, lr, hr, picture)
                results.add(out, reused)
            rows.append(replace(reused, expected=row.expected))
    return results.frame(rows)


def load_benchmarks(names: Sequence[str], scale: int, root: str | Path | None) -> list[Benchmark]:
    """The sets of these names, each once; HdsrError if two folders would share a name in the rows."""
    benchmarks = [load_benchmark(name, scale, root) for name in dict.fromkeys(names)]
    seen = set()
    for benchmark in benchmarks:
        if benchmark.name in seen:
            raise HdsrError(f"two sets are named {benchmark.name!r}: their rows could not be told apart")
        seen.add(benchmark.name)
    return benchmarks


def unscored(
    method: Method, benchmark: Benchmark, name: str, lr: Image, hr: Image, precision: Precision, device: str
) -> results.Row:
    """The row of one image, its identity complete and its scores still missing (NaN)."""
    return results.Row(
        model=method.name,
        dataset=benchmark.name,
        scale=benchmark.scale,
        image=name,
        psnr_db=math.nan,
        ssim=math.nan,
        weights=method.weights_label,
        weights_sha256=method.weights_sha256,
        image_sha256=pixels_sha256(hr),
        lr_sha256=pixels_sha256(lr),
        lr_source=benchmark.lr_source,
        crop_px=benchmark.scale,
        precision=precision,
        device=device,
        protocol=PROTOCOL,
        code_version=method.code_version,
        seconds=math.nan,
        expected=len(benchmark) if benchmark.expected is None else benchmark.expected,
    )


def score(method: Method, row: results.Row, lr: Image, hr: Image, picture: Path | None) -> results.Row:
    """The row with its scores; the SR image goes to `picture`, if that is a path."""
    start = time.perf_counter()
    sr = method(lr)
    seconds = round(time.perf_counter() - start, 4)
    if picture is not None:
        write_png(picture, sr)
    try:
        psnr_db, ssim = metrics.psnr_y(sr, hr, row.crop_px), metrics.ssim_y(sr, hr, row.crop_px)
    except HdsrError as error:
        raise HdsrError(f"{row.image} of {row.dataset}: {error}") from None
    return replace(row, psnr_db=psnr_db, ssim=ssim, seconds=seconds)


def picture_path(folder: str | Path | None, row: results.Row) -> Path | None:
    """Where the SR image of a row is kept, if anywhere."""
    if folder is None:
        return None
    return Path(folder) / row.model / row.dataset / f"x{row.scale}" / f"{row.image}.png"


def shows(picture: Path, hr: Image, row: results.Row) -> bool:
    """Whether a saved SR image is there and is the one that the row scored."""
    try:
        psnr_db = metrics.psnr_y(read_image(picture), hr, row.crop_px)
    except HdsrError:
        return False
    return psnr_db == row.psnr_db or abs(psnr_db - row.psnr_db) < 1e-9


def hidden(progress: bool | None) -> bool | None:
    """The `disable` of tqdm, for which None means: unless on a terminal."""
    return None if progress is None else not progress
