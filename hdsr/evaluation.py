"""Score a method on benchmark sets, one result row per image."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hdsr import metrics, results
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.errors import HdsrError
from hdsr.images import pixels_sha256, read_image, write_png
from hdsr.methods.registry import Method, load
from hdsr.progress import bar
from hdsr.provenance import code_version
from hdsr.upscaling.pipeline import in_parallel
from hdsr.upscaling.run import Image, Precision
from hdsr.upscaling.threads import SharedThreads, shared_threads

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
    remake: bool = True,
    progress: bool | None = True,
) -> pd.DataFrame:
    """Score every image of every set, writing each row to `out` as soon as it is known.

    Small images are read, enlarged and scored side by side, each in a thread of its own; see
    `hdsr.upscaling.threads`. A method is called from several threads at once.

    Rows of the same identity that `out` already holds are reused, so a call that was stopped goes on where
    it was, and a repeated one computes nothing.

    Args:
        model: a method's name; see `hdsr.methods.registry.LOADERS`.
        scale: 2, 3 or 4.
        datasets: names of benchmark sets, "samples", or folders of images.
        out: CSV file of result rows, made if absent.
        root: the data folder; see `hdsr.paths.data_root`.
        weights: "ours", "authors", "others" or a file; None for the first of the method's that is there.
        precision: "fp32" or "bf16".
        device: as torch names it.
        save_images: folder for SR images, as <model>/<dataset>/x<scale>/<image>.png.
        remake: compute a row again whose image is not there, or is not the one that was scored.
        progress: True or False; None shows a bar on a terminal only.

    Returns:
        The rows asked for, new and reused, in the order of the sets; see `hdsr.results.Row`.

    Raises:
        HdsrError: for an unknown argument, missing or unreadable images or weights, or a file `out` that
            holds something else.
    """
    known = {row.identity: row for row in results.read(out)}
    benchmarks = _load_benchmarks(datasets, scale, root)
    method = load(model, scale, weights, device, precision, root)
    rows = []
    with shared_threads() as threads:
        for benchmark in benchmarks:
            score = _Scorer(method, benchmark, known, precision, device, save_images, remake, threads)
            # two at least, so that one reads or scores while another has its image enlarged
            scored = in_parallel(score, benchmark.hr_paths, max(threads.number, 2))
            title = f"{method.label} x{scale} {benchmark.name}"
            for row, is_new in bar(scored, title, len(benchmark), unit="image", shown=progress):
                if is_new:
                    results.add(out, row)
                rows.append(row)
    return results.frame(rows)


@dataclass(frozen=True)
class _Scorer:
    """Scores the images of a benchmark; see `evaluate`."""

    method: Method
    benchmark: Benchmark
    known: Mapping[tuple[object, ...], results.Row]
    precision: Precision
    device: str
    save_images: str | Path | None
    remake: bool
    threads: SharedThreads

    def __call__(self, path: Path) -> tuple[results.Row, bool]:
        """The row of one image, and whether it is new; the SR image of a new one is written."""
        lr, hr = self.benchmark.pair(path)
        row = unscored(self.method, self.benchmark, path.stem, lr, hr, self.precision, self.device)
        picture = picture_path(self.save_images, row)
        reused = self.known.get(row.identity)
        if reused is not None and (picture is None or not self.remake or shows(picture, hr, reused)):
            return replace(reused, expected=row.expected), False
        try:
            with self.threads.taken(self.threads.wanted(lr.shape[0] * lr.shape[1], self.device)):
                start = time.perf_counter()
                sr = self.method(lr)
                seconds = round(time.perf_counter() - start, 4)
            psnr_db, ssim = metrics.scores(sr, hr, row.crop_px)
        except HdsrError as error:
            raise HdsrError(f"{row.image} of {row.dataset}: {error}") from None
        if picture is not None:
            write_png(picture, sr)
        return replace(row, psnr_db=psnr_db, ssim=ssim, seconds=seconds), True


def _load_benchmarks(names: Sequence[str], scale: int, root: str | Path | None) -> list[Benchmark]:
    """The sets of these names, each once; HdsrError if two folders would share a name in the rows."""
    benchmarks: dict[str, Benchmark] = {}
    for benchmark in (load_benchmark(name, scale, root) for name in names):
        known = benchmarks.setdefault(benchmark.name, benchmark)
        if [*map(Path.resolve, known.hr_paths)] != [*map(Path.resolve, benchmark.hr_paths)]:
            raise HdsrError(f"two sets are named {benchmark.name!r}: their rows could not be told apart")
    return [*benchmarks.values()]


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


def picture_path(folder: str | Path | None, row: results.Row) -> Path | None:
    """Where the SR image of a row is kept, if anywhere."""
    parts = (row.model, row.dataset, f"x{row.scale}", f"{row.image}.png")
    return None if folder is None else Path(folder, *parts)


def shows(picture: Path, hr: Image, row: results.Row) -> bool:
    """Whether a saved SR image is there and is the one that the row scored."""
    try:
        psnr_db = metrics.psnr_y(read_image(picture), hr, row.crop_px)
    except HdsrError:
        return False
    # equal first: of two infinities, as identical images have, the difference is no number
    return psnr_db == row.psnr_db or abs(psnr_db - row.psnr_db) < 1e-9
