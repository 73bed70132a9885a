"""Figures to look at and to print, each with the numbers that stand in it."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.Image import Quantize

from hdsr.files import atomic_path
from hdsr.report.tables import SOURCES

Image = NDArray[np.uint8]

WIDTH_IN = 10.0
SCREEN_DPI, PRINT_DPI = 100, 200
PALETTE_DPI = 150
"""Resolution of photographs as PNG: all figures must fit into what is published."""
JPEG_QUALITY = 80
_COLORS = 256
_ENLARGED = "side by side HR, {panels}; one place framed in red and enlarged in a corner"
CAPTIONS = {
    "figure_1": "HDSRNet as a diagram: two branches of layers, their sums and product, the upsampler",
    "figure": f"{{subject}}: {_ENLARGED}",
    "samples": f"A built-in photograph: {_ENLARGED}",
    "thumbnails": "The built-in photographs: {panels}",
    "explore": "One image in the explorer: before and after, the error, the mixes of kernels",
    "kernel_mixes": "How far each image's shares of the four kernels are from a quarter, for five layers",
    "growth": "Time and memory against the number of pixels, on logarithmic axes",
    "training_gains": "What each run behind the weights gained on held-out images; filled marks: on a GPU",
    "smoke": "Loss of a short run, and its PSNR where that was taken, against its steps",
    "dynamics": "What other attentions in the place of the network's own change in PSNR, set by set",
    "dynamics_mixes": "Shares of the kernels, a dot per image, as their distance from a quarter",
    "dynamics_gains": "The gain over bicubic against the gradient of an image, and by tenths of its blocks",
    "dynamics_most": f"The image with the largest gain: {_ENLARGED}",
    "dynamics_least": f"The image with the smallest gain: {_ENLARGED}",
    "dynamics_field": "How far an output pixel looks: its gradient with respect to the pixels around it",
}
"""What is seen in a figure, by the beginning of its name; the longest that fits counts."""


def caption(name: str, panels: Iterable[str] = (), subject: str = "") -> str:
    """What is seen in the figure of this name: its caption, and its text for those who do not see it."""
    fitting = [start for start in CAPTIONS if name == start or name.startswith(f"{start}_")]
    known = CAPTIONS[max(fitting, key=len)] if fitting else name.replace("_", " ").capitalize()
    known += "".join(f"; weights {SOURCES[part]}" for part in name.split("_") if part in SOURCES)
    shown = (re.sub(r", (.*)", r" (\1)", panel) for panel in dict.fromkeys(panels))
    return known.format(panels=", ".join(shown), subject=subject or name)


@dataclass(frozen=True)
class Drawing:
    """A figure to look at and to print, with the numbers that stand in it.

    Attributes:
        name: stem of its files.
        figure: the drawing.
        numbers: one line for each thing drawn; what a panel shows is in the column `panel`.
        subject: what a photograph shows, for the caption.
    """

    name: str
    figure: Figure
    numbers: pd.DataFrame
    subject: str = ""

    @property
    def seen(self) -> str:
        """What is seen in it, for those who do not see it."""
        return caption(self.name, self.numbers["panel"], self.subject)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        return {}, {"image/png" if self._repr_png_ else "image/jpeg": {"alt": self.seen}}

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=SCREEN_DPI)
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"{self.name}: {', '.join(dict.fromkeys(self.numbers['panel']))}"

    def write(self, folder: str | Path) -> "Drawing":
        """Write <name>.png, .pdf and .csv to a folder; the drawing itself is returned, to be shown."""
        for ending in ("png", "pdf"):
            with atomic_path(Path(folder) / f"{self.name}.{ending}") as temporary:
                self.save(temporary)
        with atomic_path(Path(folder) / f"{self.name}.csv") as temporary:
            self.numbers.to_csv(temporary, index=False)
        return self

    def save(self, path: Path) -> None:
        """Write the figure to a file whose ending names the format."""
        self.figure.savefig(path, dpi=PRINT_DPI)


@dataclass(frozen=True, repr=False)
class Photographs(Drawing):
    """A figure that is all photographs, stored in a fifth of the space that their exact pixels would take.

    On screen and in the PDF it is a JPEG picture, as PNG it has 256 colors of its own.
    """

    _repr_png_ = None

    def _repr_jpeg_(self) -> bytes:
        stream = io.BytesIO()
        self.raster(SCREEN_DPI).save(stream, format="jpeg", quality=JPEG_QUALITY)
        return stream.getvalue()

    def raster(self, dpi: float) -> PillowImage.Image:
        """The figure in RGB pixels."""
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=dpi)
        return PillowImage.open(stream).convert("RGB")

    def save(self, path: Path) -> None:
        if path.suffix == ".png":
            # A median cut would lose small areas of strong color.
            picture = self.raster(PALETTE_DPI).quantize(_COLORS, Quantize.FASTOCTREE)
            picture.save(path, optimize=True, dpi=(PALETTE_DPI, PALETTE_DPI))
        else:
            self.raster(PRINT_DPI).save(path, quality=JPEG_QUALITY, resolution=PRINT_DPI)


def small_labels(axes: Axes, x: str = "", y: str = "", **legend: Any) -> None:
    """Label a panel that stands beside others in small letters; its legend takes the options."""
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=7, **legend)


def thumbnails(images: Mapping[str, Image]) -> Drawing:
    """Small pictures of named images, with their sizes."""
    columns, lines = 3, -(-len(images) // 3)
    width_in = 0.7 * WIDTH_IN
    figure = Figure(figsize=(width_in, lines * width_in / columns * 0.8), layout="constrained")
    for axes in figure.subplots(lines, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (name, image) in zip(figure.axes, images.items(), strict=False):
        axes.imshow(image)
        axes.set_title(f"{name}, {image.shape[1]} × {image.shape[0]}", fontsize=8)
    return Photographs("thumbnails", figure, pd.DataFrame({"panel": list(images)}))
