"""Where the gain over bicubic comes from: images and blocks of them, by the energy of their gradients.

Everything is read from saved SR images and their result rows; no network runs.
"""

import hashlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy import stats

from hdsr import metrics
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.images import read_image
from hdsr.measure.benchmarks import Measurement
from hdsr.provenance import code_version
from hdsr.report.figures import WIDTH_IN, Drawing, Photographs
from hdsr.report.tables import Table, source_label
from hdsr.results import write_table
from hdsr.settings import DynamicsSettings
from hdsr.study.mixes import WRAPPED
from hdsr.study.networks import MODEL

Image = NDArray[np.uint8]
Plane = NDArray[np.float64]

BICUBIC = "bicubic"
BLOCK_PX = 16
BINS = 10
PLACE_PX = 64
"""Side of the place that a photograph is shown at."""
GROUP = ["weights", "scale", "dataset"]
CLEAR_RANK = 0.8
"""Spearman's rank correlation of the tenths from which on they are said to rise or fall."""
SIGNIFICANT = 0.05
"""The p-value below which images are said to have a trend."""
DIGITS = 6
"""Significant digits of energies and errors in a row."""
BIN_COLUMNS = [*GROUP, "weights_sha256", "code_version", "images_sha256", "bin", "low", "high", "blocks"]
BIN_COLUMNS += ["energy", "mse_bicubic", "mse_network"]
IMAGE_COLUMNS = [*GROUP, "image", "weights_sha256", "code_version", "image_sha256", "blocks", "energy"]


@dataclass(frozen=True)
class Energies:
    """What `measure` finds.

    Attributes:
        bins: BIN_COLUMNS, a line for each network, set and tenth of its blocks: bin is 1 for the least
            gradient energy, low and high are its ends, blocks is the number of blocks; energy and the mean
            squared errors of Y are means over these.
        images: IMAGE_COLUMNS, a line for each network and image: energy is the mean over its blocks.
    """

    bins: pd.DataFrame
    images: pd.DataFrame


@dataclass(frozen=True)
class Blocks:
    """Blocks of one image, an entry each: gradient energy of HR, mean squared errors of Y."""

    energy: Plane
    mse_bicubic: Plane
    mse_network: Plane


def block_means(plane: Plane, block_px: int) -> Plane:
    """Means of square blocks from the left upper corner, (rows, columns); what fills no block is left out."""
    rows, columns = (length // block_px for length in plane.shape)
    whole = plane[: rows * block_px, : columns * block_px]
    return whole.reshape(rows, block_px, columns, block_px).mean(axis=(1, 3))


def gradient_energy(hr: Image) -> Plane:
    """Squared gradient of Y at each pixel by central differences, in squared levels (of 255) per pixel."""
    vertical, horizontal = np.gradient(metrics.luma(hr))
    return vertical**2 + horizontal**2


def blocks_of(hr: Image, bicubic: Image, sr: Image, crop_px: int) -> Blocks:
    """The blocks of one image, its border cropped as for its PSNR."""
    inside = slice(crop_px, -crop_px or None)
    planes = [gradient_energy(hr), *(squared_error(picture, hr) for picture in (bicubic, sr))]
    return Blocks(*(block_means(plane[inside, inside], BLOCK_PX).ravel() for plane in planes))


def squared_error(picture: Image, hr: Image) -> Plane:
    """Squared difference of Y at each pixel."""
    return (metrics.luma(picture) - metrics.luma(hr)) ** 2


PROTOCOL = code_version(block_means, gradient_energy, blocks_of, squared_error)


def saved_image(settings: DynamicsSettings, row: pd.Series) -> Image:
    """The SR image that a result row scored."""
    folder = settings.report / "images" / row["weights"] / row["model"] / row["dataset"]
    return read_image(folder / f"x{row['scale']}" / f"{row['image']}.png")


def measure(settings: DynamicsSettings, measured: Measurement) -> Energies:
    """Errors by gradient energy; they go to rows/dynamics_blocks.csv and rows/dynamics_energies.csv.

    Nothing is reused: these are sums over images that are saved, whose rows say what made them.
    """
    rows = measured.rows
    bins, images = [], []
    for place, part in rows[rows["model"] == MODEL].groupby(GROUP, sort=False):
        found = [(row, _image_blocks(settings, row, hr, rows)) for row, hr in shown(settings, part)]
        digest = hashlib.sha256("".join(row["image_sha256"] for row, _ in found).encode()).hexdigest()
        blocks = joined([own for _, own in found])
        bins += [(*place, *made_by(part.iloc[0]), digest, *line) for line in binned(blocks)]
        images += [_image_line(row, own) for row, own in found]
    energies = Energies(pd.DataFrame(bins, columns=BIN_COLUMNS), pd.DataFrame(images, columns=IMAGE_COLUMNS))
    write_table(energies.bins, settings.report / "rows" / "dynamics_blocks.csv")
    write_table(energies.images, settings.report / "rows" / "dynamics_energies.csv")
    return energies


def shown(settings: DynamicsSettings, part: pd.DataFrame) -> Iterator[tuple[pd.Series, Image]]:
    """Result rows of one network on one set, each with the true image."""
    by_name = part.set_index("image", drop=False)
    for name, _, hr in _benchmark_of(settings, part.iloc[0]):
        if name in by_name.index:
            yield by_name.loc[name], hr


def _benchmark_of(settings: DynamicsSettings, row: pd.Series) -> Benchmark:
    """The set that a row belongs to."""
    dataset = settings.datasets[settings.set_names.index(row["dataset"])]
    return load_benchmark(dataset, int(row["scale"]), settings.root)


def _image_blocks(settings: DynamicsSettings, row: pd.Series, hr: Image, rows: pd.DataFrame) -> Blocks:
    """The blocks of one image that a network made."""
    bicubic = saved_image(settings, _bicubic_row(rows, row))
    return blocks_of(hr, bicubic, saved_image(settings, row), row["crop_px"])


def _bicubic_row(rows: pd.DataFrame, row: pd.Series) -> pd.Series:
    """Bicubic's result row of the same image."""
    same = ["dataset", "scale", "image"]
    return rows[(rows["model"] == BICUBIC) & (rows[same] == row[same]).all(axis=1)].iloc[0]


def made_by(row: pd.Series) -> tuple[str, str]:
    """Hash of the weights, and version of all code that a line depends on."""
    versions = (row["code_version"], row["protocol"], PROTOCOL)
    return row["weights_sha256"], "-".join(versions)


def _image_line(row: pd.Series, blocks: Blocks) -> tuple[object, ...]:
    """The line of one image: IMAGE_COLUMNS."""
    place = (row[name] for name in (*GROUP, "image"))
    return (*place, *made_by(row), row["image_sha256"], blocks.energy.size, rounded(blocks.energy.mean()))


def joined(parts: list[Blocks]) -> Blocks:
    """The blocks of several images."""
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Blocks))
    return Blocks(*map(np.concatenate, columns))


def binned(blocks: Blocks) -> Iterator[tuple[float, ...]]:
    """bin, low, high, blocks, energy, mse_bicubic, mse_network of each tenth of the blocks.

    The first ones have the least gradient energy; blocks of equal energy stay in their order.
    """
    order = np.argsort(blocks.energy, kind="stable")
    for number, inside in enumerate(np.array_split(order, BINS), start=1):
        if len(inside):
            energy = blocks.energy[inside]
            means = (
                values[inside].mean() for values in (blocks.energy, blocks.mse_bicubic, blocks.mse_network)
            )
            yield (number, *map(rounded, (energy[0], energy[-1])), len(inside), *map(rounded, means))


def rounded(value: float) -> float:
    """A value with as many significant digits as rows have."""
    return float(f"{value:.{DIGITS}g}")


def by_bin(bins: pd.DataFrame) -> pd.DataFrame:
    """The lines with two more columns.

    They are gain_db, of the bin's PSNR over bicubic's, and share: of the squared error that the set loses, as
    much lies in the bin.

    Args:
        bins: see `Energies`.
    """
    gain_db = 10 * np.log10(bins["mse_bicubic"] / bins["mse_network"])
    removed = (bins["mse_bicubic"] - bins["mse_network"]) * bins["blocks"]
    total = removed.groupby([bins[name] for name in GROUP]).transform("sum")
    return bins.assign(gain_db=gain_db, share=removed / total)


def by_image(images: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Columns: weights, scale, dataset, image, energy (mean over blocks), gain_db (PSNR less bicubic's).

    Args:
        images: see `Energies`.
        scored: result rows of bicubic and the networks.
    """
    place = ["scale", "dataset", "image"]
    own = scored.loc[scored["model"] == MODEL, ["weights", *place, "psnr_db"]]
    plain = scored.loc[scored["model"] == BICUBIC, [*place, "psnr_db"]]
    both = own.merge(plain, on=place, suffixes=("", "_bicubic"))
    gains = both.assign(gain_db=both["psnr_db"] - both["psnr_db_bicubic"])
    energies = images[[*GROUP, "image", "energy"]]
    return energies.merge(gains[["weights", *place, "gain_db"]], on=["weights", *place])


def sentence(bins: pd.DataFrame, images: pd.DataFrame) -> str:
    """What the numbers say of where the gain comes from, a paragraph for each network and set.

    Args:
        bins: see `by_bin`.
        images: see `by_image`.
    """
    said = []
    for place, part in bins.groupby(GROUP, sort=False):
        weights, scale, dataset = place
        here = images[(images[GROUP] == list(place)).all(axis=1)]
        words = f"HDSRNet, {source_label(weights)}, ×{scale} on {dataset}: "
        words += f"{_bin_words(part)} {_image_words(here)}"
        said.append(textwrap.fill(words, WRAPPED))
    return "\n".join(said)


def _bin_words(part: pd.DataFrame) -> str:
    """What the bins of one set say."""
    part = part.sort_values("bin")
    top, peak = part.iloc[-1], part.loc[part["gain_db"].idxmax()]
    first = (
        f"the tenth of blocks with the most gradient energy holds {top['share']:.0%} of the error that goes;"
    )
    ends = f"{part['gain_db'].iloc[0]:+.2f} dB in the lowest tenth, {top['gain_db']:+.2f} dB in the highest"
    rank = stats.spearmanr(part["bin"], part["gain_db"]).statistic
    if rank >= CLEAR_RANK:
        return f"{first} in dB the gain rises with the energy ({ends})."
    if rank <= -CLEAR_RANK:
        return f"{first} in dB the gain falls with the energy ({ends})."
    largest = f"largest in tenth {peak['bin']}, {peak['gain_db']:+.2f} dB"
    return f"{first} in dB the gain does not follow the energy ({largest}; {ends})."


def _image_words(images: pd.DataFrame) -> str:
    """What the images of one set say."""
    least, most = (images.loc[index] for index in (images["gain_db"].idxmin(), images["gain_db"].idxmax()))
    spread = (
        f"from {least['gain_db']:+.2f} dB ({least['image']}) to {most['gain_db']:+.2f} dB ({most['image']})"
    )
    if len(images) < 3:
        return f"Images gain {spread}."
    test = stats.kendalltau(images["energy"], images["gain_db"])
    trend = "more with more energy" if test.statistic > 0 else "less with more energy"
    if not test.pvalue < SIGNIFICANT:
        trend = "no clear trend with the energy"
    numbers = f"Kendall's rank correlation {test.statistic:+.2f}, p = {test.pvalue:.2g}, n = {len(images)}"
    return f"Images gain {spread}: {trend} ({numbers})."


def drawing(bins: pd.DataFrame, images: pd.DataFrame, weights: str) -> Drawing:
    """Gain over gradient energy: a line of panels per set, images at the left and tenths of blocks beside.

    Args:
        bins: see `by_bin`.
        images: see `by_image`.
        weights: the source whose rows are drawn.
    """
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
    """A dot per image and scale."""
    for scale, part in images.groupby("scale"):
        axes.scatter(part["energy"], part["gain_db"], s=10, color=f"C{scale - 2}", label=f"×{scale}")
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.set(xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("mean squared gradient of Y", fontsize=8)
    axes.set_ylabel("gain over bicubic (dB)", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7)


def _plot_bins(axes: Axes, bins: pd.DataFrame, column: str, label: str) -> None:
    """A line per scale over the tenths; the title says how many blocks a tenth has."""
    for scale, part in bins.groupby("scale"):
        axes.plot(part["bin"], part[column], marker="o", ms=3, lw=1, color=f"C{scale - 2}", label=f"×{scale}")
    fewest, most = bins["blocks"].min(), bins["blocks"].max()
    count = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.set_xticks(range(1, BINS + 1))
    axes.set_title(f"tenths of blocks, n = {count} each", fontsize=9)
    axes.set_xlabel("least to most gradient energy", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7)


def table(bins: pd.DataFrame) -> Table:
    """`by_bin` to read: a line per tenth."""
    shown = bins.assign(
        cell=bins["gain_db"].map("{:+.2f}".format) + " dB, " + bins["share"].map("{:.1%}".format),
        weights=bins["weights"].map(source_label),
        scale="×" + bins["scale"].astype(str),
    )
    columns = ["weights", "dataset", "scale"]
    shown["head"] = shown[columns].agg(", ".join, axis=1)
    printed = shown.pivot(index="bin", columns="head", values="cell")[shown["head"].unique()]
    printed = printed.rename_axis(columns=None).reset_index().rename(columns={"bin": "tenth"})
    caption = (
        f"Gain over bicubic, and share of the error that goes, by gradient energy of {BLOCK_PX} px blocks"
    )
    return Table("dynamics_gains", caption, bins, printed.astype(str))


def extremes(settings: DynamicsSettings, measured: Measurement, images: pd.DataFrame) -> Iterator[Drawing]:
    """The images with the largest and the smallest gain at the largest scale, for each source of weights.

    Args:
        settings: whose report holds the SR images.
        measured: whose rows say what they are.
        images: see `by_image`.
    """
    rows = measured.rows
    for weights, part in images[images["scale"] == images["scale"].max()].groupby("weights", sort=False):
        chosen = [part.loc[part["gain_db"].idxmax()], part.loc[part["gain_db"].idxmin()]]
        trios = []
        for line in chosen:
            same = (rows[[*GROUP, "image", "model"]] == [*line[[*GROUP, "image"]], MODEL]).all(axis=1)
            ((row, hr),) = shown(settings, rows[same])
            trios.append(pictures(settings, rows, row, hr))
        yield photographs(f"dynamics_extremes_{Path(weights).stem}", trios, chosen)


def pictures(
    settings: DynamicsSettings, rows: pd.DataFrame, row: pd.Series, hr: Image
) -> tuple[Image, Image, Image]:
    """HR, bicubic and SR of a result row."""
    return hr, saved_image(settings, _bicubic_row(rows, row)), saved_image(settings, row)


def most_changed(hr: Image, bicubic: Image, sr: Image, crop_px: int, largest: bool) -> tuple[int, int]:
    """Left upper corner (x, y) of the place where the squared error falls most, or least of all."""
    inside = slice(crop_px, -crop_px or None)
    fallen = squared_error(bicubic, hr) - squared_error(sr, hr)
    places = block_means(fallen[inside, inside], PLACE_PX)
    row, column = np.unravel_index(places.argmax() if largest else places.argmin(), places.shape)
    return crop_px + int(column) * PLACE_PX, crop_px + int(row) * PLACE_PX


def photographs(name: str, panels: list[tuple[Image, Image, Image]], chosen: list[pd.Series]) -> Photographs:
    """Two lines, the largest gain and the smallest: HR, then one place of HR, bicubic and SR."""
    figure = Figure(figsize=(WIDTH_IN, 5.4), layout="constrained")
    lines = []
    for axes, trio, line in zip(figure.subplots(2, 4), panels, chosen, strict=True):
        x, y = most_changed(*trio, crop_px=line["scale"], largest=line is chosen[0])
        lines += [_picture_line(line, label, x, y) for label in ("HR", "Bicubic", "HDSRNet")]
        _draw_line(axes, trio, line, (x, y))
    first = chosen[0]
    title = f"Largest and smallest gain over bicubic, ×{first['scale']}"
    figure.suptitle(f"{title}, HDSRNet, {source_label(first['weights'])}", fontsize=11)
    return Photographs(name, figure, pd.DataFrame(lines))


def _picture_line(line: pd.Series, panel: str, x: int, y: int) -> dict[str, object]:
    """The numbers of one panel."""
    return {**line.to_dict(), "panel": panel, "x": x, "y": y, "place_px": PLACE_PX}


def _draw_line(
    axes: NDArray[np.object_], trio: tuple[Image, Image, Image], line: pd.Series, place: tuple[int, int]
) -> None:
    """One image, framed where the panels beside it are cut out."""
    x, y = place
    cut = [picture[y : y + PLACE_PX, x : x + PLACE_PX] for picture in trio]
    titles = [f"{line['image']} of {line['dataset']}: {line['gain_db']:+.2f} dB", "HR", "bicubic", "HDSRNet"]
    for panel, picture, title in zip(axes, [trio[0], *cut], titles, strict=True):
        panel.imshow(picture, interpolation="nearest")
        panel.set_title(title, fontsize=9)
        panel.set_axis_off()
    axes[0].add_patch(Rectangle((x, y), PLACE_PX, PLACE_PX, fill=False, color="#e00000", lw=1))
