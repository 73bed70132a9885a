"""Photographs enlarged by several methods side by side, in the arrangement of the paper's Figures 2 to 7.

Nothing here runs a network or computes a row: panels are saved SR images, numbers come from their rows.
"""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image as PillowImage

from hdsr import metrics, paper
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.images import read_image
from hdsr.measure.benchmarks import set_obstacle
from hdsr.methods.registry import LOADERS
from hdsr.paths import data_root
from hdsr.report.figures import JPEG_QUALITY, WIDTH_IN, Drawing, Image, Photographs
from hdsr.report.tables import Table, with_variants
from hdsr.settings import FigureSettings

_PAPER_PX = 1200
"""The longer side of the paper's picture as it is shown."""
_COLUMNS = 3
CAPTION_IN, TITLE_IN, GAP_IN = 0.45, 0.35, 0.06
_RED = "#e00000"
_INSET_SHARE = 0.5
"""Height of the enlarged place over the panel's."""
_CROP_FIELDS = ("dataset", "image", "scale", "x", "y", "width", "height")


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


def crops(datasets: Iterable[str]) -> list[Crop]:
    """The places that figures enlarge in these sets: the paper's, and our own in the built-in samples."""
    published = [
        Crop(f"figure_{line.figure}", *(getattr(line, field) for field in _CROP_FIELDS))
        for line in paper.figures().itertuples()
    ]
    wanted = set(datasets)
    return [crop for crop in (*published, *SAMPLE_CROPS) if crop.dataset in wanted]


def available(settings: FigureSettings) -> list[Crop]:
    """The places of the settings' sets and scales; where no set is there, also those in the samples."""
    wanted = [crop for crop in crops(settings.datasets) if crop.scale in settings.scales]
    if all(set_obstacle(settings, *crop.place) for crop in wanted):
        wanted += [crop for crop in SAMPLE_CROPS if crop.scale in settings.scales]
    return wanted


def hr_image(crop: Crop, root: str | Path | None = None) -> Image:
    """The true image of a figure, cropped to a multiple of the scale, or HdsrError if the set lacks it."""
    return benchmark_image(crop.dataset, crop.image, crop.scale, root)[2]


def benchmark_image(
    dataset: str, image: str, scale: int, root: str | Path | None = None
) -> tuple[Path, Image, Image]:
    """The file, LR and HR of one image of a set by its name; see `hdsr.datasets.Benchmark`.

    Raises:
        HdsrError: if the set is not there or lacks the image.
    """
    benchmark = load_benchmark(dataset, scale, root)
    paths = tuple(path for path in benchmark.hr_paths if path.stem == image)
    for _, lr, hr in replace(benchmark, hr_paths=paths):
        return paths[0], lr, hr
    raise HdsrError(f"{dataset} holds no image {image!r}")


def side_by_side(
    crop: Crop, hr: Image, rows: pd.DataFrame, images: str | Path, panels: Sequence[str]
) -> Photographs:
    """HR and measured methods side by side, the place framed in red and enlarged in a corner.

    Args:
        crop: the image and the place.
        hr: the true image, uint8 RGB.
        rows: result rows; of this image's, see `chosen`.
        images: folder of SR images, <weights>/<model>/<dataset>/x<scale>/<image>.png.
        panels: names of the methods that are shown as far as they are measured, in their order.

    Returns:
        A drawing whose numbers have one line per panel: panel, model, weights, psnr_db, ssim, crop_psnr_db,
        crop_ssim.

    Raises:
        HdsrError: if no row belongs to the image, or an SR image is missing or of another size.
    """
    rows = chosen(with_variants(crop.rows(rows)), panels)
    if rows.empty:
        raise HdsrError(f"no rows for {crop.title}")
    pictures = [sr_image(images, row, hr) for row in rows.itertuples()]
    columns = ["variant", "model", "weights", "psnr_db", "ssim"]
    numbers = rows[columns].rename(columns={"variant": "panel"})
    scores = [metrics.scores(crop.of(sr), crop.of(hr), crop_px=0) for sr in pictures]
    numbers["crop_psnr_db"], numbers["crop_ssim"] = zip(*scores, strict=True)
    captions = ["HR", *map(_panel_caption, numbers.itertuples())]
    figure = _arranged(crop, [hr, *pictures], captions)
    return Photographs(crop.name, figure, numbers, crop.title)


@dataclass(frozen=True)
class Beside:
    """A drawing of ours and, where the user has it, the paper's picture of the same figure.

    The paper's stands in a `<figure class="from-paper">`, which publishing leaves out.
    """

    drawing: Photographs
    paper: Path | None

    def _repr_html_(self) -> str:
        ours = _embedded(self.drawing._repr_jpeg_(), self.drawing.seen)
        if self.paper is None:
            return f'<div class="beside"><figure>{ours}</figure></div>'
        name = self.paper.stem.replace("Figure", "Figure ")
        picture = PillowImage.open(self.paper).convert("RGB")
        picture.thumbnail((_PAPER_PX, _PAPER_PX))
        stream = io.BytesIO()
        picture.save(stream, format="jpeg", quality=JPEG_QUALITY)
        theirs = _embedded(stream.getvalue(), f"{name} as the paper prints it")
        caption = f"<figcaption>{name} of the paper</figcaption>"
        return (
            f'<div class="beside"><figure>{ours}<figcaption>Measured here</figcaption></figure>'
            f'<figure class="from-paper">{theirs}{caption}</figure></div>'
        )

    def __repr__(self) -> str:
        return repr(self.drawing)


def _embedded(picture: bytes, alt: str) -> str:
    data = base64.b64encode(picture).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(alt)}">'


def paper_picture(crop: Crop, root: str | Path | None = None) -> Path | None:
    """The user's copy of the paper's figure, in paper/figures of the data folder or beside it."""
    folder = data_root(root)
    name = Path("paper", "figures", f"{crop.name.replace('figure_', 'Figure')}.png")
    return next((place / name for place in (folder, folder.parent) if (place / name).is_file()), None)


def chosen(rows: pd.DataFrame, panels: Sequence[str]) -> pd.DataFrame:
    """One row of an image per panel that is measured; of several sources of weights the first.

    Raises:
        HdsrError: for a panel that is no method.
    """
    unknown = [model for model in panels if model not in LOADERS]
    if unknown:
        raise HdsrError(f"unknown panel {unknown[0]!r}: expected some of {', '.join(LOADERS)}")
    first = rows.drop_duplicates("model").set_index("model", drop=False)
    return first.loc[[model for model in panels if model in first.index]].reset_index(drop=True)


def sr_image(images: str | Path, row: Any, hr: Image) -> Image:
    """The saved SR image of a result row, of the size of the true image."""
    path = Path(images) / row.weights / row.model / row.dataset / f"x{row.scale}" / f"{row.image}.png"
    sr = read_image(path)
    if sr.shape != hr.shape:
        raise HdsrError(f"{path} has shape {sr.shape}, expected that of the true image, {hr.shape}")
    return sr


def _panel_caption(line: Any) -> str:
    """Name of a panel, and PSNR in dB / SSIM of its image and of the enlarged place."""
    image, inset = f"{line.psnr_db:.2f}/{line.ssim:.4f}", f"{line.crop_psnr_db:.2f}/{line.crop_ssim:.4f}"
    return f"{line.panel}\nimage {image}, inset {inset}"


def _arranged(crop: Crop, pictures: Sequence[Image], captions: Sequence[str]) -> Figure:
    """Panels in rows of three, lettered as in the paper."""
    height, width = pictures[0].shape[:2]
    figure, panels = _empty_panels(len(pictures), height / width)
    middle = 1 - 0.5 * TITLE_IN / figure.get_figheight()
    figure.text(0.5, middle, crop.title, ha="center", va="center", size=12)
    for axes, picture, letter, caption in zip(panels, pictures, ascii_lowercase, captions, strict=False):
        axes.imshow(picture, interpolation="lanczos")
        axes.set_title(f"({letter}) {caption}", y=0, pad=-4, va="top", fontsize=9)
        _frame_place(axes, crop, picture)
    return figure


def _empty_panels(count: int, ratio: float) -> tuple[Figure, list[Axes]]:
    """Axes without ticks for panels of height over width `ratio`, with room for captions and a title."""
    lines, width_in = -(-count // _COLUMNS), WIDTH_IN / _COLUMNS - GAP_IN
    line_in = width_in * ratio + CAPTION_IN
    figure = Figure(figsize=(WIDTH_IN, TITLE_IN + lines * line_in))
    share = width_in / WIDTH_IN, width_in * ratio / figure.get_figheight()
    panels = []
    for index in range(count):
        line, column = divmod(index, _COLUMNS)
        bottom_in = (lines - 1 - line) * line_in + CAPTION_IN
        left = (column + 0.5 * GAP_IN / (width_in + GAP_IN)) / _COLUMNS
        panels.append(figure.add_axes((left, bottom_in / figure.get_figheight(), *share)))
        panels[-1].set_axis_off()
    return figure, panels


def _frame_place(axes: Axes, crop: Crop, picture: Image) -> None:
    """Frame the place in red, and show it enlarged in the lower corner that it leaves free."""
    height, width = picture.shape[:2]
    axes.add_patch(Rectangle((crop.x, crop.y), crop.width, crop.height, fill=False, color=_RED, lw=1))
    inset_width = _INSET_SHARE * height / width * crop.width / crop.height
    hides = (
        crop.x + crop.width > (1 - inset_width) * width and crop.y + crop.height > (1 - _INSET_SHARE) * height
    )
    inset = axes.inset_axes((0 if hides else 1 - inset_width, 0, inset_width, _INSET_SHARE))
    inset.imshow(crop.of(picture), interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(color=_RED, linewidth=1.5)


def numbers(drawings: Iterable[Drawing]) -> Table:
    """The numbers that stand in figures: PSNR (dB) and SSIM of each image and of the enlarged place."""
    frame = pd.concat([drawing.numbers.assign(figure=drawing.name) for drawing in drawings])
    printed = frame[["figure", "panel"]].assign(
        **{
            "PSNR (dB)": frame["psnr_db"].map("{:.2f}".format),
            "SSIM": frame["ssim"].map("{:.4f}".format),
            "PSNR of the place (dB)": frame["crop_psnr_db"].map("{:.2f}".format),
            "SSIM of the place": frame["crop_ssim"].map("{:.4f}".format),
        }
    )
    return Table("figures", "The numbers in the figures", frame, printed)
