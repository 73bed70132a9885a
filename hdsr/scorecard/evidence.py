"""What a run has left behind: the rows that may judge claims, and which weights follow the paper's recipe."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from hdsr import checkpoint, paths, results
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.methods import registry
from hdsr.results import NO_WEIGHTS
from hdsr.study import mixes
from hdsr.training.config import TrainingConfig, load_config

_ROWS = ("protocols", "complexity", "runtime")
"""Row files besides those of images."""
_FREE = {"data", "images_on", "save_every", "log_every", "seed", "validation", "channels_last"}
"""Keys of a configuration that do not change the recipe."""


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
        completed=completed_weights(weights),
        **others,
    )


def _read_rows(path: Path) -> pd.DataFrame:
    """A file of rows; a frame without lines if there is none."""
    return pd.read_csv(path, dtype={"image": str}) if path.is_file() else pd.DataFrame()


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


def completed_weights(weights: Iterable[str | Path]) -> frozenset[str]:
    """SHA-256 of those files, named here or shipped, that a completed run of the paper's recipe made."""
    shipped = sorted(paths.OWN_WEIGHTS.glob("hdsrnet_x?.safetensors"))
    named = [Path(source) for source in weights if str(source).endswith(".safetensors")]
    return frozenset(sha256(path) for path in [*shipped, *named] if is_completed(path))


def is_completed(path: Path) -> bool:
    """Whether a file's header names the paper's recipe, and the log beside it reaches the recipe's last step.

    A run that began with other weights is none. The log is log.csv in the folder of a run; weights without
    one are not taken for a completed run's.
    """
    log = path.parent / "log.csv"
    try:
        about = checkpoint.describe(path)
        recipe = load_config(paths.CONFIGS / f"paper_x{about['scale']}.yaml")
    except HdsrError:
        return False
    continued = any(map(about.get, ("started_from", "warm_start", "branch_from")))
    if continued or not log.is_file() or not follows(about.get("config", {}), recipe):
        return False
    return int(pd.read_csv(log)["step"].max()) >= recipe.steps


def follows(config: dict[str, object], recipe: TrainingConfig) -> bool:
    """Whether a configuration, as a weights file holds it, is the recipe in all that matters."""
    wanted = recipe.model_dump(mode="json", exclude=_FREE, exclude_none=True)
    return {key: value for key, value in config.items() if key not in _FREE} == wanted
