"""Where the gain over bicubic comes from: images and blocks of them, by the energy of their gradients.

Everything is read from saved SR images and their result rows; no network runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy import stats

from hdsr import metrics, results
from hdsr.datasets import load_benchmark
from hdsr.measure.benchmarks import Measurement, set_of
from hdsr.report.figures import WIDTH_IN, Drawing, small_labels
from hdsr.report.figures_2_to_7 import Crop, side_by_side, sr_image
from hdsr.report.tables import Table, crossed, labelled, source_label
from hdsr.settings import DynamicsSettings
from hdsr.study.networks import MODEL
from hdsr.upscaling.run import Image

Plane = NDArray[np.float64]

_BLOCK_PX = 16
_BINS = 10
_PLACE_PX = 64
"""Side of the place that is enlarged."""
_GROUP = ["weights", "scale", "dataset"]
_BICUBIC = "bicubic"
_ERRORS = ["mse_bicubic", "mse_network"]


@dataclass(frozen=True)
class Energies:
    """What `measure_energies` finds; every line begins with weights, scale and dataset.

    Attributes:
        bins: a line for each network, set and tenth of its blocks: bin (1 for the least gradient energy), low
            and high (its ends), blocks (how many); energy, mse_bicubic and mse_network (mean squared errors
            of Y) are means over these.
        images: a line for each network and image: image, blocks, energy (mean over its blocks).
    """

    bins: pd.DataFrame
    images: pd.DataFrame


def block_means(plane: Plane, block_px: int) -> Plane:
    """Means of square blocks from the left upper corner, (rows, columns); what fills no block is left out."""
    rows, columns = (length // block_px for length in plane.shape)
    whole = plane[: rows * block_px, : columns * block_px]
    return whole.reshape(rows, block_px, columns, block_px).mean(axis=(1, 3))


def gradient_energy(hr: Image) -> Plane:
    """Squared gradient of Y at each pixel by central differences, in squared levels (of 255) per pixel."""
    vertical, horizontal = np.gradient(metrics.luma(hr))
    return vertical**2 + horizontal**2


def blocks_of(hr: Image, bicubic: Image, sr: Image, crop_px: int) -> pd.DataFrame:
    """The blocks of one image, its border cropped as for its PSNR: energy, mse_bicubic, mse_network."""
    inside = slice(crop_px, -crop_px or None)
    planes = {"energy": gradient_energy(hr)}
    planes |= {name: squared_error(made, hr) for name, made in zip(_ERRORS, (bicubic, sr), strict=True)}
    return pd.DataFrame(
        {name: block_means(plane[inside, inside], _BLOCK_PX).ravel() for name, plane in planes.items()}
    )


def squared_error(picture: Image, hr: Image) -> Plane:
    """Squared difference of Y at each pixel."""
    return (metrics.luma(picture) - metrics.luma(hr)) ** 2


def in_tenths(blocks: pd.DataFrame) -> pd.DataFrame:
    """The blocks in tenths from the least gradient energy on; blocks of equal energy keep their order.

    Columns: bin, low, high, blocks, energy, mse_bicubic, mse_network; see `Energies`.
    """
    blocks = blocks.sort_values("energy", kind="stable", ignore_index=True)
    bins = np.repeat(range(1, _BINS + 1), [len(part) for part in np.array_split(blocks.index, _BINS)])
    groups = blocks.groupby(bins)
    ends = groups["energy"].agg(low="first", high="last")
    means = groups[["energy", *_ERRORS]].mean()
    return pd.concat([ends, groups.size().rename("blocks"), means], axis=1).rename_axis("bin").reset_index()


def measure_energies(settings: DynamicsSettings, measured: Measurement) -> Energies:
    """Errors by gradient energy, from the images that a run has saved."""
    rows = measured.rows
    bins, images = [], []
    for place, part in rows[rows["model"] == MODEL].groupby(_GROUP, sort=False):
        found = {
            row["image"]: blocks_of(*_trio(settings, rows, row, hr), row["crop_px"])
            for row, hr in _with_hr(settings, part)
        }
        bins.append(pd.DataFrame([place], columns=_GROUP).merge(in_tenths(pd.concat(found)), how="cross"))
        images += [(*place, name, len(blocks), blocks["energy"].mean()) for name, blocks in found.items()]
    columns = [*_GROUP, "image", "blocks", "energy"]
    return Energies(pd.concat(bins, ignore_index=True), pd.DataFrame(images, columns=columns))


def _with_hr(settings: DynamicsSettings, part: pd.DataFrame) -> Iterator[tuple[pd.Series, Image]]:
    """Result rows of one network on one set, each with the true image."""
    by_name, first = part.set_index("image", drop=False), part.iloc[0]
    dataset = set_of(settings, first["dataset"])
    for name, _, hr in load_benchmark(dataset, int(first["scale"]), settings.root):
        if name in by_name.index:
            yield by_name.loc[name], hr


def _trio(
    settings: DynamicsSettings, rows: pd.DataFrame, row: pd.Series, hr: Image
) -> tuple[Image, Image, Image]:
    same = ["dataset", "scale", "image"]
    bicubic = rows[(rows["model"] == _BICUBIC) & (rows[same] == row[same]).all(axis=1)].iloc[0]
    return hr, *(sr_image(settings.report / "images", made, hr) for made in (bicubic, row))


def by_bin(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins of `Energies` with two more columns.

    They are gain_db, of the bin's PSNR over bicubic's, and share: of the squared error that the set loses, as
    much lies in the bin.
    """
    gain_db = 10 * np.log10(bins["mse_bicubic"] / bins["mse_network"])
    removed = (bins["mse_bicubic"] - bins["mse_network"]) * bins["blocks"]
    total = removed.groupby([bins[name] for name in _GROUP]).transform("sum")
    return bins.assign(gain_db=gain_db, share=removed / total)


def by_image(images: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """The images of `Energies` with their gain by result rows of bicubic and the networks.

    Columns: weights, scale, dataset, image, energy (mean over blocks), gain_db (PSNR less bicubic's).
    """
    place = ["scale", "dataset", "image"]
    own = scored.loc[scored["model"] == MODEL, ["weights", *place, "psnr_db"]]
    plain = scored.loc[scored["model"] == _BICUBIC, [*place, "psnr_db"]]
    both = own.merge(plain, on=place, suffixes=("", "_bicubic"))
    gains = both.assign(gain_db=both["psnr_db"] - both["psnr_db_bicubic"])
    energies = images[[*_GROUP, "image", "energy"]]
    return energies.merge(gains[["weights", *place, "gain_db"]], on=["weights", *place])


def trends(bins: pd.DataFrame, images: pd.DataFrame) -> Table:
    """Whether the gain follows the gradient energy, over tenths (`by_bin`) and over images (`by_image`)."""
    lines = []
    for place, part in images.groupby(_GROUP, sort=False):
        tenths = bins[(bins[_GROUP] == list(place)).all(axis=1)].sort_values("bin")
        test = stats.kendalltau(part["energy"], part["gain_db"])
        rank = stats.spearmanr(tenths["bin"], tenths["gain_db"]).statistic
        lines.append((*place, rank, len(part), part["gain_db"].min(), part["gain_db"].max(), *test))
    columns = [*_GROUP, "spearman", "n", "least_db", "most_db", "kendall", "p_value"]
    numbers = pd.DataFrame(lines, columns=columns)
    printed = (
        labelled(numbers)[["dataset", "weights", "scale"]]
        .rename(columns={"dataset": "set"})
        .assign(
            **{"tenths: Spearman's ρ": numbers["spearman"].map("{:+.2f}".format)},
            **{
                "images: gain (dB)": numbers["least_db"].map("{:+.2f}".format)
                + " to "
                + numbers["most_db"].map("{:+.2f}".format)
            },
            **{"images: Kendall's τ": numbers["kendall"].map("{:+.2f}".format)},
            p=numbers["p_value"].map("{:.2g}".format),
            n=numbers["n"].astype(str),
        )
    )
    notes = ("Of gradient energy and gain: 1 where the gain rises with the energy, -1 where it falls.",)
    return Table("dynamics_trends", "Does the gain follow the gradient energy?", numbers, printed, notes)


def table(bins: pd.DataFrame) -> Table:
    """`by_bin` to read: a line per tenth."""
    shown = bins.assign(
        cell=bins["gain_db"].map("{:+.2f}".format) + " dB, " + bins["share"].map("{:.1%}".format),
        head=labelled(bins)[["weights", "dataset", "scale"]].agg(", ".join, axis=1),
    )
    printed = crossed(shown, "bin", "head").rename(columns={"bin": "tenth"})
    caption = (
        f"Gain over bicubic, and share of the error that goes, by gradient energy of {_BLOCK_PX} px blocks"
    )
    return Table("dynamics_gains", caption, bins, printed.astype(str))


def drawing(bins: pd.DataFrame, images: pd.DataFrame, weights: str) -> Drawing:
    """Gain over gradient energy by one source of weights: a line of panels per set, images left of tenths."""
    bins, images = bins[bins["weights"] == weights], images[images["weights"] == weights]
    sets = bins["dataset"].unique()
    figure = Figure(figsize=(WIDTH_IN, 3.0 * len(sets)), layout="constrained")
    for (left, middle, right), dataset in zip(
        figure.subplots(len(sets), 3, squeeze=False), sets, strict=True
    ):
        _plot_images(left, images[images["dataset"] == dataset])
        _plot_bins(middle, bins[bins["dataset"] == dataset], "gain_db", "gain over bicubic (dB)")
        _plot_bins(right, bins[bins["dataset"] == dataset], "share", "share of the error removed")
        left.set_title(f"{dataset}: images", fontsize=9)
    figure.suptitle(
        f"Gain of HDSRNet, {source_label(weights)}, and the energy of HR's gradients", fontsize=11
    )
    return Drawing(f"dynamics_gains_{Path(weights).stem}", figure, bins.assign(panel=bins["dataset"]))


def _plot_images(axes: Axes, images: pd.DataFrame) -> None:
    for scale, part in images.groupby("scale"):
        axes.scatter(part["energy"], part["gain_db"], s=10, color=f"C{scale - 2}", label=f"×{scale}")
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.set(xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    small_labels(axes, "mean squared gradient of Y", "gain over bicubic (dB)")


def _plot_bins(axes: Axes, bins: pd.DataFrame, column: str, label: str) -> None:
    """A line per scale over the tenths; the title says how many blocks a tenth has."""
    for scale, part in bins.groupby("scale"):
        axes.plot(part["bin"], part[column], marker="o", ms=3, lw=1, color=f"C{scale - 2}", label=f"×{scale}")
    fewest, most = bins["blocks"].min(), bins["blocks"].max()
    count = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.set_xticks(range(1, _BINS + 1))
    axes.set_title(f"tenths of blocks, n = {count} each", fontsize=9)
    small_labels(axes, "least to most gradient energy", label)


def extremes(settings: DynamicsSettings, measured: Measurement, images: pd.DataFrame) -> Iterator[Drawing]:
    """The images with the largest and the smallest gain (see `by_image`) at the largest scale, by weights."""
    for weights, part in images[images["scale"] == images["scale"].max()].groupby("weights", sort=False):
        rows = measured.rows[measured.rows["weights"].isin([weights, results.NO_WEIGHTS])]
        for name, index in (("most", part["gain_db"].idxmax()), ("least", part["gain_db"].idxmin())):
            yield _extreme(settings, rows, part.loc[index], f"{name}_{Path(weights).stem}", name == "most")


def _extreme(
    settings: DynamicsSettings, rows: pd.DataFrame, line: pd.Series, name: str, most: bool
) -> Drawing:
    """One image, and enlarged the place where its squared error falls most, or least of all."""
    crop = Crop(f"dynamics_{name}", *line[["dataset", "image", "scale"]], 0, 0, 0, 0)
    ((row, hr),) = _with_hr(settings, crop.rows(rows[rows["model"] == MODEL]))
    x, y, side = most_changed(*_trio(settings, rows, row, hr), crop.scale, most)
    crop = replace(crop, x=x, y=y, width=side, height=side)
    return side_by_side(crop, hr, rows, settings.report / "images", [_BICUBIC, MODEL])


def most_changed(hr: Image, bicubic: Image, sr: Image, crop_px: int, most: bool) -> tuple[int, int, int]:
    """The square where the squared error falls most, or least of all: x, y of its left upper corner, side."""
    inside = slice(crop_px, -crop_px or None)
    fallen = (squared_error(bicubic, hr) - squared_error(sr, hr))[inside, inside]
    side = min(_PLACE_PX, *fallen.shape)
    places = block_means(fallen, side)
    row, column = np.unravel_index(places.argmax() if most else places.argmin(), places.shape)
    return crop_px + int(column) * side, crop_px + int(row) * side, side
