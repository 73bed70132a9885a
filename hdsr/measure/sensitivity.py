"""Every method scored by every named protocol, and two of them with one thing changed at a time.

SR images that a run has saved are not made again. Rows go to a file of their own, one per image and protocol,
and are reused by their identity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hdsr import metrics, resize, results
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.evaluation import picture_path, shows, unscored
from hdsr.images import read_image, read_picture
from hdsr.measure import protocols
from hdsr.measure.benchmarks import rows_file, set_obstacle, variants
from hdsr.measure.protocols import NAMED, VARIED, Protocol, Scores
from hdsr.methods.registry import Method, load
from hdsr.progress import bar
from hdsr.provenance import code_version
from hdsr.settings import BenchmarkTableSettings

MODELS = ("bicubic", "hdsrnet")
"""The methods that are scored with one thing changed at a time, on the first set of a profile."""


@dataclass(frozen=True)
class ProtocolRow(results.Row):
    """The score of one image by one protocol."""

    way: str
    """The protocol: a name in NAMED or VARIED."""

    @property
    def place(self) -> tuple[object, ...]:
        return (*super().place, self.way)


@dataclass(frozen=True)
class ScoredImage:
    """One image that a method enlarges, for all protocols."""

    method: Method
    scale: int
    lr: NDArray[np.uint8]
    """RGB, the benchmark's own."""
    hr: NDArray[np.uint8]
    """RGB, or (height, width) if its file has one channel."""
    saved: Path | None
    """The SR image of `lr`, where a run has saved it."""

    @cached_property
    def sr(self) -> NDArray[np.uint8]:
        """What the method makes of `lr`, RGB."""
        return self.method(self.lr) if self.saved is None else read_image(self.saved)

    def scores(self, protocol: Protocol) -> Scores:
        """The scores by a protocol that applies to the method; see `applies`."""
        by_gray = self.hr.ndim == 2 and protocol.gray == "gray"
        if protocol.lr == "rgb" and protocol.sr == "rgb" and not (by_gray and self.method.luma):
            return protocols.score(self.sr, self.hr, self.scale, protocol)
        lr = self.lr[..., 0] if by_gray else self.lr
        if protocol.lr != "rgb":
            lr = protocols.lr_image(self.hr, self.scale, protocol)
        if self.method.luma is None:
            return protocols.score(
                self.method(protocols.as_rgb(lr).astype(np.uint8)), self.hr, self.scale, protocol
            )
        true = protocols.gray_values(self.hr) if by_gray else protocols.luma(self.hr)
        plane = lr.astype(np.float64) if lr.ndim == 2 else protocols.luma(lr)
        sr = self.method.luma(plane)
        if lr.ndim == 2 or protocol.sr == "float":
            whole = np.rint(sr.clip(0, 255)) if protocol.sr == "rgb" else sr
            return protocols.compare(whole, true, self.scale, protocol)
        return protocols.score(self.colored(sr, lr), self.hr, self.scale, protocol)

    def colored(self, sr: protocols.Plane, lr: NDArray[Any]) -> NDArray[np.float64]:
        """RGB of the luma that a method gives, its Cb and Cr those of the enlarged LR image."""
        enlarged = resize.imresize_float(lr, self.scale)
        change = sr - protocols.luma(enlarged)
        # a change that R, G and B have alike moves the luma alone: the weights of Cb and Cr sum up to zero
        return enlarged + change[..., None] / metrics.LUMA_WEIGHTS.sum()


VERSION = code_version(protocols, ScoredImage)
"""Version of the code that makes LR images and scores what a method makes of them."""


def applies(protocol: Protocol, method: Method) -> bool:
    """Whether a method can be scored so: networks of RGB are given RGB in uint8, and give it."""
    return method.luma is not None or (protocol.sr == "rgb" and not protocol.lr.endswith("float"))


def score_by_protocols(settings: BenchmarkTableSettings, progress: bool = True) -> pd.DataFrame:
    """Score what a profile measures by every protocol that applies, where the settings ask for it.

    Rows go to rows/protocols.csv in the profile's report folder; known ones are reused. What cannot be
    measured (a set or weights that are not there) has no rows.
    """
    path = settings.report / "rows" / "protocols.csv"
    known = {row.identity: row for row in results.read(path, ProtocolRow)}
    scored = {row.identity: row for row in results.read(rows_file(settings))}
    rows = []
    first = None
    for method, benchmark in measurable(settings):
        first = first or benchmark.name
        title = f"{method.label} x{benchmark.scale} {benchmark.name}, by all protocols"
        items = bar(benchmark, title, len(benchmark), unit="image", shown=progress)
        for file, (name, lr, hr) in zip(benchmark.hr_paths, items, strict=True):
            plain = unscored(method, benchmark, name, lr, hr, settings.precision, settings.device)
            picture = picture_path(settings.report / "images" / method.weights_label, plain)
            found = plain.identity in scored and shows(picture, hr, scored[plain.identity])
            true = hr if read_picture(file).pixels.shape[2] > 2 else hr[..., 0]
            image = ScoredImage(method, benchmark.scale, lr, true, picture if found else None)
            new = []
            for way, protocol in ways(method, varied=benchmark.name == first).items():
                row = by_protocol(plain, way, protocol)
                if row.identity not in known:
                    psnr_db, ssim = image.scores(protocol)
                    known[row.identity] = replace(row, psnr_db=psnr_db, ssim=ssim)
                    new.append(known[row.identity])
                rows.append(replace(known[row.identity], expected=row.expected))
            if new:
                results.add(path, *new)
    return results.frame(rows, ProtocolRow)


def measurable(settings: BenchmarkTableSettings) -> Iterator[tuple[Method, Benchmark]]:
    """Each method with each source of weights, on each set and at each scale where both are there."""
    datasets = settings.sensitivity_datasets or settings.datasets
    asked = settings.model_copy(update={"scales": settings.sensitivity_scales, "datasets": datasets})
    for scale in asked.scales:
        usable = [variant for variant in variants(asked, scale) if variant.obstacle is None]
        for dataset in asked.datasets:
            if set_obstacle(asked, dataset, scale) is None:
                benchmark = load_benchmark(dataset, scale, asked.root)
                for variant in usable:
                    options = (variant.source, asked.device, asked.precision, asked.root)
                    yield load(variant.model, scale, *options), benchmark


def ways(method: Method, varied: bool) -> dict[str, Protocol]:
    """The protocols that a method is scored by on a set, also those of one change where it is `varied`."""
    chosen = NAMED | VARIED if varied and method.name in MODELS else NAMED
    return {way: protocol for way, protocol in chosen.items() if applies(protocol, method)}


def by_protocol(plain: results.Row, way: str, protocol: Protocol) -> ProtocolRow:
    """The row of one image by a protocol, its scores still missing."""
    fields = {name: getattr(plain, name) for name in results.COLUMNS}
    fields |= {"protocol": VERSION, "crop_px": protocol.crop_px(plain.scale)}
    if protocol.lr != "rgb":
        fields["lr_source"] = protocol.lr
    return ProtocolRow(**fields, way=way)
