"""Figures from saved images and rows: places, panels, captions, files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import rows
from numpy.typing import NDArray
from PIL import Image

from hdsr import figures, metrics, paper
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.images import write_png

CROP = figures.Crop("figure_9", "Set5", "image_1", 2, x=10, y=20, width=16, height=12)
SR_LEVEL = {"bicubic": 100, "hdsrnet": 120}


@pytest.fixture
def hr() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture
def scored(tmp_path: Path, hr: NDArray[np.uint8]) -> pd.DataFrame:
    """Rows of two methods whose images, each of one color, lie beneath tmp_path."""
    table = rows({("bicubic", "none"): 28.0, ("hdsrnet", "ours"): 30.0}, scales=[2])
    for row in table.itertuples():
        path = tmp_path / row.weights / row.model / "Set5" / "x2" / f"{row.image}.png"
        write_png(path, np.full_like(hr, SR_LEVEL[row.model]))
    return table


def test_panels_carry_the_rows_psnr_and_that_of_the_place(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    drawing = figures.comparison(CROP, hr, scored, tmp_path)
    assert drawing.numbers["panel"].tolist() == ["Bicubic", "HDSRNet, trained here"]
    assert drawing.numbers["psnr_db"].tolist() == scored.query("image == 'image_1'")["psnr_db"].tolist()
    place = hr[20:32, 10:26]
    expected = [metrics.psnr_y(np.full_like(place, level), place, 0) for level in SR_LEVEL.values()]
    assert drawing.numbers["crop_psnr_db"].tolist() == pytest.approx(expected)
    titles = [axes.get_title() for axes in drawing.figure.axes]
    assert [title.split("\n")[0] for title in titles] == [
        "(a) HR",
        "(b) Bicubic",
        "(c) HDSRNet, trained here",
    ]
    assert titles[1].split("\n")[1] == f"image 25.90 dB, inset {expected[0]:.2f} dB"


def test_numbers_of_figures_stand_in_one_table(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    table = figures.numbers([figures.comparison(CROP, hr, scored, tmp_path)])
    assert table.printed.iloc[0, :4].tolist() == ["figure_9", "Bicubic", "25.90", "0.5400"]


def test_each_panel_frames_the_place_and_enlarges_it(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    panel = figures.comparison(CROP, hr, scored, tmp_path).figure.axes[0]
    frame = panel.patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (10, 20, 16, 12)
    inset = panel.child_axes[0]
    assert np.array_equal(inset.images[0].get_array(), hr[20:32, 10:26])


@pytest.mark.parametrize(("x", "y", "left"), [(0, 0, False), (60, 40, True), (60, 0, False), (0, 40, False)])
def test_the_inset_leaves_the_place_visible(
    x: int, y: int, left: bool, scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    crop = figures.Crop("figure_9", "Set5", "image_1", 2, x=x, y=y, width=16, height=16)
    panel = figures.comparison(crop, hr, scored, tmp_path).figure.axes[0]
    inset = panel.child_axes[0]
    place = inset.get_axes_locator()(inset, None)
    assert bool(place.x0 == pytest.approx(panel.get_position().x0)) is left
    assert bool(place.x1 == pytest.approx(panel.get_position().x1)) is not left


def test_files_are_a_png_a_pdf_and_the_numbers(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    figures.comparison(CROP, hr, scored, tmp_path).write(tmp_path / "figures")
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {"figure_9.png", "figure_9.pdf", "figure_9.csv"}
    with Image.open(tmp_path / "figures" / "figure_9.png") as picture:
        assert picture.width == figures.WIDTH_IN * figures.PRINT_DPI


def test_an_image_without_rows_is_named(scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path) -> None:
    crop = figures.Crop("figure_9", "Set5", "absent", 2, x=0, y=0, width=16, height=16)
    assert crop.rows(scored).empty
    with pytest.raises(HdsrError, match="no rows for Figure 9: absent of Set5 at ×2"):
        figures.comparison(crop, hr, scored, tmp_path)


def test_a_saved_image_of_another_size_is_named(scored: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"image_1\.png has shape \(60, 80, 3\)"):
        figures.comparison(CROP, np.zeros((64, 80, 3), np.uint8), scored, tmp_path)


def test_the_papers_places_are_those_of_its_figures() -> None:
    crops = figures.crops(["Set14", "B100", "Urban100"])
    assert [crop.name for crop in crops] == [f"figure_{number}" for number in paper.figures()["figure"]]
    assert crops[0] == figures.Crop("figure_2", "Set14", "zebra", 2, 126, 226, 55, 55)
    assert crops[0].title == "Figure 2: zebra of Set14 at ×2"


def test_the_samples_places_lie_inside_their_images() -> None:
    for crop in figures.crops(["samples"]):
        hr = figures.hr_image(crop)
        assert crop.of(hr).shape == (crop.height, crop.width, 3)
    assert {crop.scale for crop in figures.crops(["samples"])} == {2, 3, 4}


def test_an_image_that_the_set_lacks_is_named() -> None:
    crop = figures.Crop("samples", "samples", "nobody", 2, 0, 0, 8, 8)
    with pytest.raises(HdsrError, match="samples holds no image 'nobody'"):
        figures.hr_image(crop)


def test_thumbnails_show_each_image_with_its_size() -> None:
    images = {name: hr for name, _, hr in load_benchmark("samples", 4)}
    drawing = figures.thumbnails(images)
    titles = [axes.get_title() for axes in drawing.figure.axes if axes.get_title()]
    assert titles == [f"{name}, {hr.shape[1]} × {hr.shape[0]}" for name, hr in images.items()]
    assert drawing._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", range(2, 8))
def test_the_papers_places_lie_inside_the_real_images(figure: int, real_data_root: Path) -> None:
    crop = next(
        crop for crop in figures.crops(["Set14", "B100", "Urban100"]) if crop.name == f"figure_{figure}"
    )
    assert crop.of(figures.hr_image(crop, real_data_root)).shape == (crop.height, crop.width, 3)
