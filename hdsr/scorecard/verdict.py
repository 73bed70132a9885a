"""What the paper claims, the evidence on it, the thresholds of judging, and the verdicts."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pandas as pd

from hdsr import paths, results
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.results import NO_WEIGHTS
from hdsr.scorecard import recipes
from hdsr.study import mixes

_ROWS = ("protocols", "complexity", "runtime")
"""Row files besides those of images."""
ADVICE = "`hdsr data fetch` brings what is published"


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    EXPLAINED = "explained"
    """A cell that another way of measuring gives."""
    TRACED = "traced"
    """A cell that was not measured, but taken from a publication that is at hand."""
    CONTRADICTED = "contradicted"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class _Threshold:
    """Up to which distance something counts as the same, or from which on as different, and why."""

    quantity: str
    value: float
    reason: str


THRESHOLDS = {
    "psnr_db": _Threshold(
        "PSNR of a cell, measured less printed, dB, both at two decimals",
        0.01,
        "one in the last printed digit: two libraries' rounding can turn it",
    ),
    "ssim": _Threshold(
        "SSIM of a cell, measured less printed, both at four decimals",
        0.0005,
        "less than any two protocols differ by that lay their windows otherwise",
    ),
    "cost": _Threshold(
        "a number of Table VII, relative",
        0.01,
        "biases, activations and pooling, which some counters add, are less",
    ),
    "share": _Threshold(
        "a kernel's share, between two images",
        0.05,
        "a fifth of a uniform share of 0.25",
    ),
    "unlikely": _Threshold(
        "SSIM, from what its PSNR makes likely",
        0.015,
        "bicubic, the method farthest from the rest, keeps within",
    ),
}


@dataclass(frozen=True)
class Claim:
    """One claim of the paper and what became of it."""

    where: str
    """The table, figure or section."""
    claim: str
    """What the paper says, in our words."""
    published: str
    """The numbers it prints."""
    measured: str
    """The numbers that the verdict rests on; empty where there are none."""
    verdict: Verdict
    reason: str
    """What differs and for what cause, or what is missing."""


def not_measured(where: str, claim: str, reason: str, published: str = "") -> Claim:
    """A claim that nothing at hand can judge."""
    return Claim(where, claim, published, "", Verdict.NOT_MEASURED, reason)


@dataclass(frozen=True)
class Evidence:
    """What a run has left behind; a frame without lines stands for a file that is not there.

    Attributes:
        quality: result rows; see `hdsr.results.Row`.
        protocols: see `hdsr.measure.sensitivity.ProtocolRow`.
        complexity: counts; see `hdsr.measure.counters.count_networks`.
        runtime: timings; see `hdsr.measure.runtime.measure_runtime`.
        bench: what `make bench` measured, perhaps on another machine; see `hdsr.bench.rows.COLUMNS`.
        kernel_mixes: see `hdsr.study.mixes.measure_mixes`.
        crops: the numbers of Figures 2 to 7, with a column figure; see `hdsr.report.figures`.
        completed: SHA-256 of weights that a completed run of the paper's recipe made.
    """

    quality: pd.DataFrame = field(default_factory=lambda: results.frame([]))
    protocols: pd.DataFrame = field(default_factory=pd.DataFrame)
    complexity: pd.DataFrame = field(default_factory=pd.DataFrame)
    runtime: pd.DataFrame = field(default_factory=pd.DataFrame)
    bench: pd.DataFrame = field(default_factory=pd.DataFrame)
    kernel_mixes: pd.DataFrame = field(default_factory=pd.DataFrame)
    crops: pd.DataFrame = field(default_factory=pd.DataFrame)
    completed: frozenset[str] = frozenset()

    def judging(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those rows that can judge a claim about quality.

        They are of methods without weights, of weights that the authors published, or of weights that a
        completed run of the paper's recipe made. Rows of weights trained otherwise judge nothing.
        """
        known = rows["weights"].isin([NO_WEIGHTS, "authors"])
        return rows[known | rows["weights_sha256"].isin(self.completed)]


def read_evidence(report: Path, weights: tuple[str, ...] = (), root: str | Path | None = None) -> Evidence:
    """The evidence in the folder of a report, without rows whose weights or images are gone.

    Args:
        report: see `hdsr.paths.report_dir`.
        weights: sources of weights as the notebooks' parameters name them; of files among them it is looked
            up whether a completed run of the paper's recipe made them.
        root: the data folder.
    """
    others = {name: _read_rows(report / "rows" / f"{name}.csv") for name in _ROWS}
    quality = standing(results.load(report / "rows" / "benchmarks.csv"), weights, root)
    protocols = others.pop("protocols")
    found = sorted((report / "figures").glob("figure_[2-7].csv"))
    crops = [pd.read_csv(path).assign(figure=int(path.stem[-1])) for path in found]
    return Evidence(
        quality=quality,
        protocols=standing(protocols, weights, root) if len(protocols) else protocols,
        bench=_read_rows(paths.BENCH),
        kernel_mixes=mixes.read(report / "rows" / "kernel_mixes.csv"),
        crops=pd.concat(crops, ignore_index=True) if crops else pd.DataFrame(),
        completed=recipes.completed_weights(weights),
        **others,
    )


def _read_rows(path: Path) -> pd.DataFrame:
    """A file of rows; a frame without lines if there is none."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def standing(rows: pd.DataFrame, weights: tuple[str, ...], root: str | Path | None) -> pd.DataFrame:
    """Those rows whose weights and images are still there."""
    used = rows[["model", "weights", "scale"]].drop_duplicates().itertuples(index=False, name=None)
    digests = {digest for place in used for digest in _present_weights(*place, weights, root)}
    sets = rows[["dataset", "scale"]].drop_duplicates().itertuples(index=False, name=None)
    images = {(*place, name) for place in sets for name in _present_images(*place, root)}
    places = pd.Series(
        zip(rows["dataset"], rows["scale"], rows["image"].astype(str), strict=True), rows.index
    )
    return rows[rows["weights_sha256"].isin(digests) & places.isin(images)]


def _present_weights(
    model: str, source: str, scale: int, weights: tuple[str, ...], root: str | Path | None
) -> set[str]:
    """SHA-256 of the weights that rows of a method may have come from, as far as these are there."""
    from hdsr.methods import registry  # loads torch, which reading verdicts does not need

    named = [source] if registry.is_source(source) or source == NO_WEIGHTS else weights
    found = set()
    for choice in named:
        try:
            found.add(registry.load(model, scale, choice, root=root).weights_sha256)
        except HdsrError:
            continue
    return found


def _present_images(dataset: str, scale: int, root: str | Path | None) -> set[str]:
    """Names of the images of a set that are there, and are the published ones."""
    try:
        benchmark = load_benchmark(dataset, scale, root)
    except HdsrError:
        return set()
    return {path.stem for path in benchmark.hr_paths} - set(benchmark.altered)
