"""Pictures from saved SR images and result rows, in the arrangement of the paper's Figures 2 to 7.

Nothing here runs a network or computes a row.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hdsr import metrics, paper
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.images import read_image
from hdsr.tables import Table, with_variants

Image = NDArray[np.uint8]

COLUMNS = 3
WIDTH_IN = 10.0
CAPTION_IN, TITLE_IN, GAP_IN = 0.45, 0.35, 0.06
SCREEN_DPI, PRINT_DPI = 100, 200
RED = "#e00000"
INSET_SHARE = 0.5
"""Height of the enlarged place over the panel's."""


@dataclass(frozen=True)
class Crop:
    """An image, and the place in it that a figure enlarges: in HR pixels from the left upper corner."""

    name: str
    dataset: str
    image: str
    scale: int
    x: int
    y: int
    width: int
    height: int

    @property
    def place(self) -> tuple[str, int]:
        """The benchmark set and the scale."""
        return self.dataset, self.scale

    @property
    def title(self) -> str:
        """What the figure shows, in words."""
        number = self.name.capitalize().replace("_", " ") + ": " if self.name.startswith("figure") else ""
        return f"{number}{self.image} of {self.dataset} at ×{self.scale}"

    def of(self, image: Image) -> Image:
        """The enlarged place of an image of HR size, (height, width, 3)."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    def rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The result rows of this image at this scale."""
        here = (
            (rows["dataset"] == self.dataset) & (rows["scale"] == self.scale) & (rows["image"] == self.image)
        )
        return rows[here]


SAMPLE_CROPS = (
    Crop("samples_x2", "samples", "motorcycle_left", 2, x=398, y=244, width=66, height=66),
    Crop("samples_x3", "samples", "astronaut", 3, x=135, y=348, width=75, height=75),
    Crop("samples_x4", "samples", "rocket", 4, x=20, y=124, width=72, height=72),
)
"""Places of fine texture in the built-in photographs."""


@dataclass(frozen=True)
class Drawing:
    """A figure to look at and to print, with the numbers that stand in it.

    Attributes:
        name: stem of its files.
        figure: the drawing.
        numbers: one line per panel: panel, model, weights, psnr_db, ssim, crop_psnr_db.
    """

    name: str
    figure: Figure
    numbers: pd.DataFrame

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=SCREEN_DPI)
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"{self.name}: {', '.join(self.numbers['panel'])}"

    def write(self, folder: str | Path) -> "Drawing":
        """Write <name>.png, .pdf and .csv to a folder; the drawing itself is returned, to be shown."""
        for ending in ("png", "pdf"):
            with atomic_path(Path(folder) / f"{self.name}.{ending}") as temporary:
                self.figure.savefig(temporary, dpi=PRINT_DPI)
        with atomic_path(Path(folder) / f"{self.name}.csv") as temporary:
            self.numbers.to_csv(temporary, index=False)
        return self


def crops(datasets: Iterable[str]) -> list[Crop]:
    """The places that figures enlarge in these sets: the paper's, and our own in the built-in samples."""
    published = [
        Crop(f"figure_{line.figure}", *(getattr(line, field) for field in CROP_FIELDS))
        for line in paper.figures().itertuples()
    ]
    wanted = set(datasets)
    return [crop for crop in (*published, *SAMPLE_CROPS) if crop.dataset in wanted]


CROP_FIELDS = ("dataset", "image", "scale", "x", "y", "width", "height")


def hr_image(crop: Crop, root: str | Path | None = None) -> Image:
    """The true image of a figure, cropped to a multiple of the scale, or HdsrError if the set lacks it."""
    benchmark = load_benchmark(crop.dataset, crop.scale, root)
    paths = tuple(path for path in benchmark.hr_paths if path.stem == crop.image)
    for _, _, hr in replace(benchmark, hr_paths=paths):
        return hr
    raise HdsrError(f"{crop.dataset} holds no image {crop.image!r}")


def comparison(crop: Crop, hr: Image, rows: pd.DataFrame, images: str | Path) -> Drawing:
    """HR and every measured method side by side, the place framed in red and enlarged in a corner.

    Args:
        crop: the image and the place.
        hr: the true image, uint8 RGB.
        rows: result rows; those of this image give the panels and their order.
        images: folder of SR images, <weights>/<model>/<dataset>/x<scale>/<image>.png.

    Raises:
        HdsrError: if no row belongs to the image, or an SR image is missing or of another size.
    """
    rows = with_variants(crop.rows(rows))
    if rows.empty:
        raise HdsrError(f"no rows for {crop.title}")
    pictures = [sr_image(images, row, hr) for row in rows.itertuples()]
    numbers = rows[["variant", "model", "weights", "psnr_db", "ssim"]].rename(columns={"variant": "panel"})
    numbers["crop_psnr_db"] = [metrics.psnr_y(crop.of(sr), crop.of(hr), 0) for sr in pictures]
    captions = ["HR", *map(panel_caption, numbers.itertuples())]
    return Drawing(crop.name, arranged(crop, [hr, *pictures], captions), numbers)


def sr_image(images: str | Path, row: Any, hr: Image) -> Image:
    """The saved SR image of a result row, of the size of the true image."""
    path = Path(images) / row.weights / row.model / row.dataset / f"x{row.scale}" / f"{row.image}.png"
    sr = read_image(path)
    if sr.shape != hr.shape:
        raise HdsrError(f"{path} has shape {sr.shape}, expected that of the true image, {hr.shape}")
    return sr


def panel_caption(line: Any) -> str:
    """Name of a panel, and the PSNR of its image and of the enlarged place."""
    return f"{line.panel}\nimage {line.psnr_db:.2f} dB, inset {line.crop_psnr_db:.2f} dB"


def arranged(crop: Crop, pictures: Sequence[Image], captions: Sequence[str]) -> Figure:
    """Panels in rows of three, lettered as in the paper."""
    height, width = pictures[0].shape[:2]
    figure, panels = empty_panels(len(pictures), height / width)
    figure.text(0.5, 1 - 0.5 * TITLE_IN / figure.get_figheight(), crop.title, ha="center", va="center")
    for axes, picture, letter, caption in zip(panels, pictures, ascii_lowercase, captions, strict=False):
        axes.imshow(picture, interpolation="lanczos")
        axes.set_title(f"({letter}) {caption}", y=0, pad=-4, va="top", fontsize=9)
        frame_place(axes, crop, picture)
    return figure


def empty_panels(count: int, ratio: float) -> tuple[Figure, list[Axes]]:
    """Axes without ticks for panels of height over width `ratio`, with room for captions and a title."""
    lines, width_in = -(-count // COLUMNS), WIDTH_IN / COLUMNS - GAP_IN
    line_in = width_in * ratio + CAPTION_IN
    figure = Figure(figsize=(WIDTH_IN, TITLE_IN + lines * line_in))
    share = width_in / WIDTH_IN, width_in * ratio / figure.get_figheight()
    panels = []
    for index in range(count):
        line, column = divmod(index, COLUMNS)
        bottom_in = (lines - 1 - line) * line_in + CAPTION_IN
        left = (column + 0.5 * GAP_IN / (width_in + GAP_IN)) / COLUMNS
        panels.append(figure.add_axes((left, bottom_in / figure.get_figheight(), *share)))
        panels[-1].set_axis_off()
    return figure, panels


def frame_place(axes: Axes, crop: Crop, picture: Image) -> None:
    """Frame the place in red, and show it enlarged in the lower corner that it leaves free."""
    height, width = picture.shape[:2]
    axes.add_patch(Rectangle((crop.x, crop.y), crop.width, crop.height, fill=False, color=RED, lw=1))
    inset_width = INSET_SHARE * height / width * crop.width / crop.height
    hides = (
        crop.x + crop.width > (1 - inset_width) * width and crop.y + crop.height > (1 - INSET_SHARE) * height
    )
    inset = axes.inset_axes((0 if hides else 1 - inset_width, 0, inset_width, INSET_SHARE))
    inset.imshow(crop.of(picture), interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(color=RED, linewidth=1.5)


def numbers(drawings: Iterable[Drawing]) -> Table:
    """The numbers that stand in figures: PSNR (dB) and SSIM of each image, PSNR of the enlarged place."""
    frame = pd.concat([drawing.numbers.assign(figure=drawing.name) for drawing in drawings])
    printed = frame[["figure", "panel"]].assign(
        **{
            "PSNR (dB)": frame["psnr_db"].map("{:.2f}".format),
            "SSIM": frame["ssim"].map("{:.4f}".format),
            "PSNR of the place (dB)": frame["crop_psnr_db"].map("{:.2f}".format),
        }
    )
    return Table("figures", "The numbers in the figures", frame, printed)


def thumbnails(images: Mapping[str, Image], columns: int = 3) -> Drawing:
    """Small pictures of named images, with their sizes."""
    lines = -(-len(images) // columns)
    width_in = 0.7 * WIDTH_IN
    figure = Figure(figsize=(width_in, lines * width_in / columns * 0.8), layout="constrained")
    for axes in figure.subplots(lines, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (name, image) in zip(figure.axes, images.items(), strict=False):
        axes.imshow(image)
        axes.set_title(f"{name}, {image.shape[1]} × {image.shape[0]}", fontsize=8)
    numbers = pd.DataFrame({"panel": list(images)})
    return Drawing("thumbnails", figure, numbers)
