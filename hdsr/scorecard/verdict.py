"""A claim of the paper, the evidence on it, and its verdict."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pandas as pd

from hdsr import results
from hdsr.results import NO_WEIGHTS
from hdsr.scorecard import recipes

ROWS = ("complexity", "runtime", "kernel_mixes")
"""Row files besides those of images."""


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    CONTRADICTED = "contradicted"
    NOT_MEASURED = "not measured"


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
    """Why: the tolerance that is kept, what differs and for what cause, or what is missing."""


@dataclass(frozen=True)
class Evidence:
    """What a run has left behind; a frame without lines stands for a file that is not there.

    Attributes:
        quality: result rows; see `hdsr.results.Row`.
        complexity: counts; see `hdsr.measure.counters.measure`.
        runtime: timings; see `hdsr.measure.runtime.measure`.
        kernel_mixes: see `hdsr.study.mixes.Mixes`.
        crops: the numbers of Figures 2 to 7, with a column figure; see `hdsr.report.figures`.
        completed: SHA-256 of weights that a completed run of the paper's recipe made.
    """

    quality: pd.DataFrame = field(default_factory=lambda: results.frame([]))
    complexity: pd.DataFrame = field(default_factory=pd.DataFrame)
    runtime: pd.DataFrame = field(default_factory=pd.DataFrame)
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


def read_evidence(report: Path, weights: tuple[str, ...] = ()) -> Evidence:
    """The evidence in the folder of a report.

    Args:
        report: see `hdsr.paths.report_dir`.
        weights: sources of weights as the notebooks' parameters name them; of files among them it is looked
            up whether a completed run of the paper's recipe made them.
    """
    others = {name: read_rows(report / "rows" / f"{name}.csv") for name in ROWS}
    found = sorted((report / "figures").glob("figure_[2-7].csv"))
    crops = [pd.read_csv(path).assign(figure=int(path.stem[-1])) for path in found]
    return Evidence(
        quality=results.load(report / "rows" / "benchmarks.csv"),
        crops=pd.concat(crops, ignore_index=True) if crops else pd.DataFrame(),
        completed=recipes.completed_weights(weights),
        **others,
    )


def read_rows(path: Path) -> pd.DataFrame:
    """A file of rows; a frame without lines if there is none."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
