"""How far scores move when one habit of measuring is changed, and the method and its weights are not.

Rows go to a file of their own, one per image and variation, and are reused by their identity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from hdsr import metrics, paper, results
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.evaluation import unscored
from hdsr.images import pixels_sha256
from hdsr.measure import protocols
from hdsr.measure.benchmarks import set_obstacle, variants
from hdsr.measure.protocols import LUMA_ONLY, REFERENCE, VARIATIONS, Image, Variation
from hdsr.methods.registry import Method, load
from hdsr.provenance import code_version
from hdsr.report.tables import ABSENT, Table, pairs, ranks, with_variants
from hdsr.settings import BenchmarkTableSettings, MeasurementSettings

MODELS = ("bicubic", "hdsrnet")
PROTOCOL = code_version(protocols, metrics)
"""Version of the code that computes the scores."""
LARGE_DB = 0.1
"""Neighbours in the paper's tables are often closer than this."""


@dataclass(frozen=True)
class VariationRow(results.Row):
    """The score of one image under one variation."""

    variation: str

    @property
    def place(self) -> tuple[object, ...]:
        return (*super().place, self.variation)


def measure(settings: BenchmarkTableSettings, progress: bool = True) -> pd.DataFrame:
    """Score MODELS on the first set of a profile under every variation.

    Rows go to rows/sensitivity.csv in the profile's report folder; known ones are reused. What cannot be
    measured (a set or weights that are not there) has no rows.
    """
    path = settings.report / "rows" / "sensitivity.csv"
    known = {row.identity: row for row in results.read(path, VariationRow)}
    rows = []
    for scale in settings.sensitivity_scales:
        if set_obstacle(settings, settings.datasets[0], scale) is None:
            benchmark = load_benchmark(settings.datasets[0], scale, settings.root)
            for method in usable_methods(settings, scale):
                title = f"{method.label} x{scale} {benchmark.name}, varied"
                for item in tqdm(benchmark, title, len(benchmark), unit="image", disable=not progress):
                    rows.extend(varied_rows(settings, method, benchmark, item, path, known))
    return results.frame(rows, VariationRow)


def usable_methods(settings: MeasurementSettings, scale: int) -> Iterator[Method]:
    """MODELS with each source of weights that is asked for and there."""
    asked = settings.model_copy(update={"methods": MODELS})
    for variant in variants(asked, scale):
        if variant.obstacle is None:
            yield load(
                variant.model, scale, variant.source, settings.device, settings.precision, settings.root
            )


def varied_rows(
    settings: MeasurementSettings,
    method: Method,
    benchmark: Benchmark,
    item: tuple[str, Image, Image],
    path: Path,
    known: dict[tuple[object, ...], VariationRow],
) -> Iterator[VariationRow]:
    """The rows of one image under every variation; the method runs once for each LR image."""
    name, lr, hr = item
    plain = unscored(method, benchmark, name, lr, hr, settings.precision, settings.device)
    pictures: dict[str, Image] = {}
    for variation in VARIATIONS:
        if variation.models and method.name not in variation.models:
            continue
        given = lr if variation.shrink is None else variation.shrink(hr, benchmark.scale)
        row = varied(plain, variation, given)
        scored = known.get(row.identity)
        if scored is None:
            if row.lr_sha256 not in pictures:
                pictures[row.lr_sha256] = method(given)
            psnr_db, ssim = variation.score(pictures[row.lr_sha256], hr, row.scale, row.crop_px)
            scored = replace(row, psnr_db=psnr_db, ssim=ssim)
            results.add(path, scored)
        yield replace(scored, expected=row.expected)


def varied(plain: results.Row, variation: Variation, lr: Image) -> VariationRow:
    """The row of one image under a variation, its scores still missing."""
    fields = {name: getattr(plain, name) for name in results.COLUMNS}
    fields |= {"lr_sha256": pixels_sha256(lr), "protocol": PROTOCOL}
    if variation.shrink is not None:
        fields["lr_source"] = variation.name
    if not variation.crop:
        fields["crop_px"] = 0
    return VariationRow(**fields, variation=variation.name)


def table(rows: pd.DataFrame) -> Table:
    """Scores as everywhere here, and how far the mean over the set moves under each variation.

    Args:
        rows: what `measure` returns, of one set, device and precision.
    """
    numbers = differences(rows)
    dataset = rows["dataset"].iloc[0]
    caption = f"PSNR (dB) / SSIM on {dataset}, and how far they move when one thing is done otherwise"
    return Table(f"sensitivity_{dataset}", caption, numbers, cells(numbers), notes(numbers))


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Means by variation, method, source of weights and scale, and their distance from the reference.

    Columns: dataset, variation, changed (in words), model, variant, weights, scale, n, psnr_db, ssim,
    psnr_difference_db, ssim_difference. Sets that are not whole have no means, as everywhere.
    """
    parts = [results.summarize(part).assign(variation=name) for name, part in rows.groupby("variation")]
    means = with_variants(pd.concat(parts))
    place = ["model", "weights", "scale"]
    reference = means[means["variation"] == REFERENCE].set_index(place)[["psnr_db", "ssim"]]
    moved = (
        means[["psnr_db", "ssim"]].to_numpy() - reference.loc[means[place].apply(tuple, axis=1)].to_numpy()
    )
    words = {variation.name: variation.words for variation in VARIATIONS}
    means = means.assign(
        changed=means["variation"].map(words), psnr_difference_db=moved[:, 0], ssim_difference=moved[:, 1]
    )
    order = means["variation"].map(list(words).index)
    columns = [
        "dataset",
        "variation",
        "changed",
        "model",
        "variant",
        "weights",
        "scale",
        "n",
        "psnr_db",
        "ssim",
    ]
    ordered = means.assign(order=order).sort_values(["order", "scale", "model"], kind="stable")
    return ordered[[*columns, "psnr_difference_db", "ssim_difference"]].reset_index(drop=True)


def cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed form: a line per variation, the reference first; columns by scale and method."""
    moved = pairs(numbers, "psnr_difference_db", "ssim_difference", sign="+")
    plain = pairs(numbers, "psnr_db", "ssim")
    shown = numbers.assign(cell=moved.mask(numbers["variation"] == REFERENCE, plain))
    shown["scale"] = "×" + shown["scale"].astype(str)
    printed = shown.pivot(index="changed", columns=["scale", "variant"], values="cell").fillna(ABSENT)
    heads = list(shown[["scale", "variant"]].drop_duplicates().itertuples(index=False, name=None))
    printed = printed.loc[numbers["changed"].unique(), heads].rename_axis(columns=[None, None])
    return printed.reset_index().rename(columns={"changed": "what is done"})


def notes(numbers: pd.DataFrame) -> tuple[str, ...]:
    """What the numbers say of results that cannot be reproduced, and the paper's margins beside them."""
    said = [
        "Most reports that a published score cannot be reproduced turn on a line of this table, "
        "not on the network."
    ]
    networks = numbers[(numbers["model"] == "hdsrnet") & (numbers["psnr_difference_db"].abs() >= LARGE_DB)]
    for (scale, variant), part in networks.groupby(["scale", "variant"]):
        moves = ", ".join(f"{line.changed} ({line.psnr_difference_db:+.2f})" for line in part.itertuples())
        said.append(f"{variant}, ×{scale}, moves by {LARGE_DB} dB or more where {moves}.")
    published = paper.quality().query("dataset == @numbers['dataset'].iloc[0]")
    if len(published):
        said += [margin_note(published), bicubic_note(numbers, published)]
    return tuple(said)


def margin_note(published: pd.DataFrame) -> str:
    """How far apart the two highest values of PSNR are that the paper prints for a set."""
    margins = []
    for scale, part in published.groupby("scale"):
        second = part.loc[ranks(part["psnr_db"]) == 2, "psnr_db"].max()
        margins.append(f"{part['psnr_db'].max() - second:.2f} dB at ×{scale}")
    return f"The best PSNR that the paper prints for this set lies above the second by {', '.join(margins)}."


def bicubic_note(numbers: pd.DataFrame, published: pd.DataFrame) -> str:
    """Bicubic as those before the paper computed it, beside the paper's row."""
    own = numbers[numbers["variation"] == LUMA_ONLY].merge(
        published[published["method"] == paper.label("bicubic")], on="scale", suffixes=("", "_paper")
    )
    ours, theirs = pairs(own, "psnr_db", "ssim"), pairs(own, "psnr_db_paper", "ssim_paper")
    both = ", ".join(
        f"{a} at ×{scale} (printed: {b})" for a, b, scale in zip(ours, theirs, own["scale"], strict=True)
    )
    return f"The paper's bicubic row is that of the last line, where the scores are {both}."
