"""Figures as files and on screen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from PIL import Image

from hdsr.datasets import load_benchmark
from hdsr.report import figures


def drawn(kind: type[figures.Drawing]) -> figures.Drawing:
    figure = Figure(figsize=(4, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(next(hr for _, _, hr in load_benchmark("samples", 4)))
    return kind("portrait", figure, pd.DataFrame({"panel": ["HR"]}))


@pytest.mark.parametrize(
    ("kind", "dpi"),
    [(figures.Drawing, figures.PRINT_DPI), (figures.Photographs, figures.PALETTE_DPI)],
)
def test_files_are_a_png_a_pdf_and_the_numbers(kind: type[figures.Drawing], dpi: int, tmp_path: Path) -> None:
    drawing = drawn(kind)
    assert drawing.write(tmp_path) is drawing
    assert {path.name for path in tmp_path.iterdir()} == {"portrait.png", "portrait.pdf", "portrait.csv"}
    with Image.open(tmp_path / "portrait.png") as picture:
        assert picture.size == (4 * dpi, 2 * dpi)
        assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)
    assert (tmp_path / "portrait.pdf").read_bytes().startswith(b"%PDF")


def test_photographs_take_less_space_and_keep_their_colors(tmp_path: Path) -> None:
    sizes = {}
    for kind in (figures.Drawing, figures.Photographs):
        drawn(kind).write(tmp_path / kind.__name__)
        for path in (tmp_path / kind.__name__).glob("portrait.p*"):
            sizes[kind, path.suffix] = path.stat().st_size
    for ending in (".png", ".pdf"):
        assert sizes[figures.Photographs, ending] < 0.5 * sizes[figures.Drawing, ending]
    with Image.open(tmp_path / "Photographs" / "portrait.png") as picture:
        stored = np.asarray(picture.convert("RGB"), float)
    exact = np.asarray(drawn(figures.Photographs).raster(figures.PALETTE_DPI), float)
    assert np.abs(stored - exact).mean() < 6


def test_on_screen_photographs_are_jpeg_and_the_rest_is_png() -> None:
    assert drawn(figures.Drawing)._repr_png_().startswith(b"\x89PNG")
    photographs = drawn(figures.Photographs)
    assert photographs._repr_jpeg_().startswith(b"\xff\xd8")
    assert not callable(photographs._repr_png_)


def test_thumbnails_show_each_image_with_its_size() -> None:
    images = {name: hr for name, _, hr in load_benchmark("samples", 4)}
    drawing = figures.thumbnails(images)
    titles = [axes.get_title() for axes in drawing.figure.axes if axes.get_title()]
    assert titles == [f"{name}, {hr.shape[1]} × {hr.shape[0]}" for name, hr in images.items()]
    assert drawing._repr_jpeg_().startswith(b"\xff\xd8")


def test_what_is_seen_is_told_by_the_longest_name_that_fits() -> None:
    shown = figures.caption("figure_2", ["Bicubic", "HDSRNet"], "zebra")
    assert shown.startswith("zebra: side by side HR, Bicubic, HDSRNet;")
    assert figures.caption("figure_1").startswith("HDSRNet as a diagram")
    shown = figures.caption("dynamics_field_ours")
    assert shown == f"{figures.CAPTIONS['dynamics_field']}; weights trained here"
    most = figures.caption("dynamics_most_ours", ["Bicubic", "SRCNN, the authors'"])
    assert most.startswith("The image with the largest gain: side by side HR, Bicubic, SRCNN (the authors')")
    assert most.endswith("; weights trained here")
    assert figures.caption("another_one") == "Another one"


def test_outputs_carry_what_is_seen() -> None:
    data, metadata = DisplayFormatter().format(drawn(figures.Drawing))
    assert metadata["image/png"]["alt"] == drawn(figures.Drawing).seen
    data, metadata = DisplayFormatter().format(drawn(figures.Photographs))
    assert data["image/jpeg"]
    assert list(metadata) == ["image/jpeg"]
