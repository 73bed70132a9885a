"""Measure every method on every set at every scale, and say what cannot be measured and why."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hdsr import paths
from hdsr.datasets import ALTERED, load_benchmark
from hdsr.errors import HdsrError
from hdsr.evaluation import evaluate, picture_path, shows
from hdsr.images import write_png
from hdsr.methods import registry
from hdsr.results import GROUP, NO_WEIGHTS
from hdsr.settings import BenchmarkSettings, MeasurementSettings

Place = tuple[str, int]
"""A benchmark set and a scale."""

GAP_COLUMNS = ("model", "weights", "dataset", "scale", "reason")


@dataclass(frozen=True)
class Measurement:
    """What was measured, and what was not.

    Attributes:
        rows: one line per image; see `hdsr.results.Row`.
        gaps: model, weights, dataset, scale, and the reason why there are no rows of these.
    """

    rows: pd.DataFrame
    gaps: pd.DataFrame


@dataclass(frozen=True)
class Variant:
    """A method with one source of weights; `obstacle` says why it cannot be used, if it cannot."""

    model: str
    source: str
    """As the settings name it."""
    label: str
    """As rows name it."""
    obstacle: str | None = None


def evaluate_methods(
    settings: MeasurementSettings, places: Iterable[Place] | None = None, progress: bool = True
) -> Measurement:
    """Score every method asked for at the places (default: every set at every scale); known rows are reused.

    Rows go to rows/benchmarks.csv in the profile's report folder, SR images of new ones to images/<weights>/.

    Raises:
        HdsrError: for an unknown method or device, an unreadable image, or if nothing can be measured.
    """
    _check_methods(settings)
    rows, gaps = [], []
    for dataset, scale in places or itertools.product(settings.datasets, settings.scales):
        absent = set_obstacle(settings, dataset, scale)
        for variant in variants(settings, scale):
            obstacle = absent or variant.obstacle
            if obstacle:
                gaps.append((variant.model, variant.label, Path(dataset).name, scale, obstacle))
            else:
                rows.append(_evaluate_variant(settings, variant, dataset, scale, progress))
    if not rows:
        raise HdsrError(f"nothing can be measured: {gaps[0][-1]}")
    return Measurement(pd.concat(rows, ignore_index=True), pd.DataFrame(gaps, columns=list(GAP_COLUMNS)))


def _evaluate_variant(
    settings: MeasurementSettings, variant: Variant, dataset: str, scale: int, progress: bool
) -> pd.DataFrame:
    """Rows of one variant on one set."""
    return evaluate(
        variant.model,
        scale,
        [dataset],
        out=rows_file(settings),
        root=settings.root,
        weights=variant.source,
        precision=settings.precision,
        device=settings.device,
        save_images=settings.report / "images" / variant.label,
        remake=False,
        progress=progress,
    )


def complete_images(settings: MeasurementSettings, rows: pd.DataFrame) -> None:
    """Make the SR images of these rows that are not there, as those of rows that were reused may not be."""
    for (model, weights, dataset, scale, *_), part in rows.groupby(list(GROUP), sort=False):
        found = _variants_of(settings, model, scale)
        source = next(variant.source for variant in found if variant.label == weights)
        method = registry.load(model, scale, source, settings.device, settings.precision, settings.root)
        benchmark = load_benchmark(set_of(settings, dataset), scale, settings.root)
        of_image = {row.image: row for row in part.itertuples()}
        for path in benchmark.hr_paths:
            if row := of_image.get(path.stem):
                picture = picture_path(settings.report / "images" / weights, row)
                lr, hr = benchmark.pair(path)
                if not shows(picture, hr, row):
                    write_png(picture, method(lr))


def set_of(settings: BenchmarkSettings, name: str) -> str:
    """The set, as the settings have it, that rows call so; one that stands in for theirs by its own name."""
    plain = name.removesuffix(ALTERED)
    return dict(zip(settings.set_names, settings.datasets, strict=True)).get(plain, plain)


def rows_file(settings: MeasurementSettings) -> Path:
    """The file of a profile's result rows."""
    return settings.report / "rows" / "benchmarks.csv"


def wanted(settings: MeasurementSettings) -> tuple[str, ...]:
    """The methods that are asked for, by name."""
    if settings.methods != ("all",):
        return settings.methods
    return tuple(name for name, entry in registry.LOADERS.items() if not entry.only_by_name)


def _check_methods(settings: MeasurementSettings) -> None:
    """Raise HdsrError for a method that the registry lacks or a device that torch cannot use here."""
    unknown = [name for name in wanted(settings) if name not in registry.LOADERS]
    if unknown:
        known = ", ".join(registry.LOADERS)
        raise HdsrError(f"unknown method {', '.join(map(repr, unknown))}: expected some of {known}")
    registry.torch_device(settings.device)


def variants(settings: MeasurementSettings, scale: int) -> list[Variant]:
    """Every method with every source of weights that it has, once each.

    A file is one network's: where some method can use it, the others are not said to lack it.
    """
    found = {}
    for model in wanted(settings):
        for variant in _variants_of(settings, model, scale):
            found.setdefault((model, variant.label), variant)
    used = {variant.source for variant in found.values() if variant.obstacle is None}
    return [
        variant
        for variant in found.values()
        if variant.obstacle is None or registry.is_source(variant.source) or variant.source not in used
    ]


def _variants_of(settings: MeasurementSettings, model: str, scale: int) -> list[Variant]:
    """One method with each source of weights that is asked for and that it has; at least one, or why not."""
    entry = registry.LOADERS[model]
    if not entry.sources:
        return [_variant_of(settings, model, NO_WEIGHTS, scale)]
    asked = [
        source for source in settings.weights if source in entry.sources or not registry.is_source(source)
    ]
    if not asked:
        own, wanted = " and ".join(entry.sources), " and ".join(settings.weights)
        obstacle = f"its weights are of the source {own}, and this run asks for {wanted}"
        return [Variant(model, entry.sources[0], entry.sources[0], obstacle)]
    found = [_variant_of(settings, model, source, scale) for source in asked]
    return found if entry.shows_all else _preferred(found, entry.sources)


def _preferred(variants: list[Variant], sources: tuple[str, ...]) -> list[Variant]:
    """Of sources the first that can be used, or else the first; files are kept."""
    named = sorted(
        (variant for variant in variants if variant.source in sources),
        key=lambda variant: (variant.obstacle is not None, sources.index(variant.source)),
    )
    return [variant for variant in variants if variant.source not in sources or variant is named[0]]


def _variant_of(settings: MeasurementSettings, model: str, source: str, scale: int) -> Variant:
    """A method with one source of weights, loaded once to see whether it can be."""
    try:
        method = registry.load(model, scale, source, settings.device, settings.precision, settings.root)
    except HdsrError as error:
        return Variant(model, source, str(source), without_folders(str(error), settings))
    return Variant(model, source, method.weights_label)


def set_obstacle(settings: MeasurementSettings, dataset: str, scale: int) -> str | None:
    """Why a benchmark set cannot be read, if it cannot."""
    try:
        load_benchmark(dataset, scale, settings.root)
    except HdsrError as error:
        return without_folders(str(error), settings)
    return None


def without_folders(text: str, settings: MeasurementSettings) -> str:
    """A message without the folders of this machine: reports are read elsewhere."""
    return text.replace(str(settings.root), "DATA").replace(f"{paths.PROJECT}/", "")
