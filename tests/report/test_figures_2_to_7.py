"""Methods side by side from saved images and rows: places, panels, captions, files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import rows
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hdsr import metrics, paper
from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.report import figures_2_to_7
from hdsr.report.figures import Photographs
from hdsr.settings import FigureSettings
from hdsr.suite import pages

CROP = figures_2_to_7.Crop("figure_9", "Set5", "image_1", 2, x=10, y=20, width=16, height=12)
SR_LEVEL = {"bicubic": 100, "vdsr": 105, "carn_m": 110, "hdsrnet": 120}
PANELS = ("bicubic", "hdsrnet")


@pytest.fixture
def hr() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture
def scored(tmp_path: Path, hr: NDArray[np.uint8]) -> pd.DataFrame:
    """Rows of two methods whose images, each of one color, lie beneath tmp_path."""
    return with_images(rows({("bicubic", "none"): 28.0, ("hdsrnet", "ours"): 30.0}, scales=[2]), hr, tmp_path)


def with_images(table: pd.DataFrame, hr: NDArray[np.uint8], folder: Path) -> pd.DataFrame:
    for row in table.itertuples():
        path = folder / row.weights / row.model / "Set5" / "x2" / f"{row.image}.png"
        write_png(path, np.full_like(hr, SR_LEVEL[row.model]))
    return table


def test_where_no_set_is_there_places_in_the_samples_are_drawn(tmp_path: Path) -> None:
    settings = FigureSettings(profile="test", data_root=str(tmp_path), datasets=["Set14"], scales=[2, 4])
    names = [crop.name for crop in figures_2_to_7.available(settings)]
    assert names == ["figure_2", "samples_x2", "samples_x4"]
    built_in = settings.model_copy(update={"datasets": ("Set14", "samples")})
    assert [crop.name for crop in figures_2_to_7.available(built_in)] == names


def test_a_panel_that_is_no_method_is_named(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.raises(HdsrError, match="unknown panel 'hdrsnet': expected some of bicubic, "):
        figures_2_to_7.side_by_side(CROP, hr, scored, tmp_path, ["bicubic", "hdrsnet"])


def test_panels_carry_the_rows_psnr_and_that_of_the_place(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    drawing = figures_2_to_7.side_by_side(CROP, hr, scored, tmp_path, PANELS)
    assert drawing.numbers["panel"].tolist() == ["Bicubic", "HDSRNet, trained here"]
    assert drawing.numbers["psnr_db"].tolist() == scored.query("image == 'image_1'")["psnr_db"].tolist()
    place = hr[20:32, 10:26]
    expected = [metrics.psnr_y(np.full_like(place, level), place, 0) for level in (100, 120)]
    assert drawing.numbers["crop_psnr_db"].tolist() == pytest.approx(expected)
    titles = [axes.get_title() for axes in drawing.figure.axes]
    assert [title.split("\n")[0] for title in titles] == [
        "(a) HR",
        "(b) Bicubic",
        "(c) HDSRNet, trained here",
    ]
    ssim = metrics.ssim_y(np.full_like(place, 100), place, 0)
    assert titles[1].split("\n")[1] == f"image 25.90/0.5400, inset {expected[0]:.2f}/{ssim:.4f}"
    assert drawing.numbers["crop_ssim"].iloc[0] == pytest.approx(ssim)


def test_methods_stand_in_the_order_that_is_asked_for_as_far_as_they_are_measured(
    hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    methods = {("bicubic", "none"): 28.0, ("vdsr", "others"): 29.0, ("carn_m", "authors"): 29.5}
    table = with_images(rows({**methods, ("hdsrnet", "ours"): 30.0}, scales=[2]), hr, tmp_path)
    wanted = ("bicubic", "carn_m", "dcls", "hdsrnet")
    drawing = figures_2_to_7.side_by_side(CROP, hr, table, tmp_path, wanted)
    assert drawing.numbers["model"].tolist() == ["bicubic", "carn_m", "hdsrnet"]


def test_of_several_sources_of_weights_the_first_is_shown(hr: NDArray[np.uint8], tmp_path: Path) -> None:
    both = {("hdsrnet", "authors"): 31.0, ("hdsrnet", "ours"): 30.0}
    table = with_images(rows(both, scales=[2]), hr, tmp_path)
    drawing = figures_2_to_7.side_by_side(CROP, hr, table, tmp_path, PANELS)
    assert drawing.numbers["panel"].tolist() == ["HDSRNet, the authors'"]


def test_numbers_of_figures_stand_in_one_table(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    table = figures_2_to_7.numbers([figures_2_to_7.side_by_side(CROP, hr, scored, tmp_path, PANELS)])
    assert table.printed.iloc[0, :4].tolist() == ["figure_9", "Bicubic", "25.90", "0.5400"]


def test_each_panel_frames_the_place_and_enlarges_it(
    scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    panel = figures_2_to_7.side_by_side(CROP, hr, scored, tmp_path, PANELS).figure.axes[0]
    frame = panel.patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (10, 20, 16, 12)
    inset = panel.child_axes[0]
    assert np.array_equal(inset.images[0].get_array(), hr[20:32, 10:26])


@pytest.mark.parametrize(("x", "y", "left"), [(0, 0, False), (60, 40, True), (60, 0, False), (0, 40, False)])
def test_the_inset_leaves_the_place_visible(
    x: int, y: int, left: bool, scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path
) -> None:
    crop = figures_2_to_7.Crop("figure_9", "Set5", "image_1", 2, x=x, y=y, width=16, height=16)
    panel = figures_2_to_7.side_by_side(crop, hr, scored, tmp_path, PANELS).figure.axes[0]
    inset = panel.child_axes[0]
    place = inset.get_axes_locator()(inset, None)
    assert bool(place.x0 == pytest.approx(panel.get_position().x0)) is left
    assert bool(place.x1 == pytest.approx(panel.get_position().x1)) is not left


def test_an_image_without_rows_is_named(scored: pd.DataFrame, hr: NDArray[np.uint8], tmp_path: Path) -> None:
    crop = figures_2_to_7.Crop("figure_9", "Set5", "absent", 2, x=0, y=0, width=16, height=16)
    assert crop.rows(scored).empty
    with pytest.raises(HdsrError, match="no rows for Figure 9: absent of Set5 at ×2"):
        figures_2_to_7.side_by_side(crop, hr, scored, tmp_path, PANELS)


def test_a_saved_image_of_another_size_is_named(scored: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"image_1\.png has shape \(60, 80, 3\)"):
        figures_2_to_7.side_by_side(CROP, np.zeros((64, 80, 3), np.uint8), scored, tmp_path, PANELS)


def test_the_papers_places_are_those_of_its_figures() -> None:
    crops = figures_2_to_7.crops(["Set14", "B100", "Urban100"])
    assert [crop.name for crop in crops] == [f"figure_{number}" for number in paper.figures()["figure"]]
    assert crops[0] == figures_2_to_7.Crop("figure_2", "Set14", "zebra", 2, 129, 229, 50, 50)
    assert crops[0].title == "Figure 2: zebra of Set14 at ×2"


def test_the_samples_places_lie_inside_their_images() -> None:
    for crop in figures_2_to_7.crops(["samples"]):
        hr = figures_2_to_7.hr_image(crop)
        assert crop.of(hr).shape == (crop.height, crop.width, 3)
    assert {crop.scale for crop in figures_2_to_7.crops(["samples"])} == {2, 3, 4}


def test_an_image_that_the_set_lacks_is_named() -> None:
    crop = figures_2_to_7.Crop("samples", "samples", "nobody", 2, 0, 0, 8, 8)
    with pytest.raises(HdsrError, match="samples holds no image 'nobody'"):
        figures_2_to_7.hr_image(crop)


@pytest.mark.parametrize("figure", range(2, 8))
def test_the_papers_places_lie_inside_the_real_images(figure: int, real_data_root: Path) -> None:
    crop = next(
        crop
        for crop in figures_2_to_7.crops(["Set14", "B100", "Urban100"])
        if crop.name == f"figure_{figure}"
    )
    assert crop.of(figures_2_to_7.hr_image(crop, real_data_root)).shape == (crop.height, crop.width, 3)


def test_the_papers_picture_stands_beside_ours_where_the_user_has_it(tmp_path: Path) -> None:
    crop = figures_2_to_7.crops(["Set14"])[0]
    root = tmp_path / "data"
    assert figures_2_to_7.paper_picture(crop, root) is None
    for folder in (tmp_path, root):
        (folder / "paper" / "figures").mkdir(parents=True)
        PillowImage.new("RGB", (1500, 900)).save(folder / "paper" / "figures" / "Figure2.png")
        assert figures_2_to_7.paper_picture(crop, root) == folder / "paper" / "figures" / "Figure2.png"
    numbers = pd.DataFrame({"panel": ["Bicubic"]})
    drawing = Photographs("figure_2", Figure(figsize=(1, 1)), numbers, crop.title)
    shown = figures_2_to_7.Beside(drawing, root / "paper" / "figures" / "Figure2.png")._repr_html_()
    assert shown.count("<img") == 2
    published = pages.without_paper_pictures(shown)
    assert published.count("<img") == 1
    assert "Measured here" in published
    assert 'alt="Figure 2 as the paper prints it"' not in published
    assert figures_2_to_7.Beside(drawing, None)._repr_html_().count("<img") == 1
