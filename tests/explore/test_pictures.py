"""What is seen of a look: pixels, and HTML that says the same in words."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from contrast import READABLE, contrast
from exploring import photograph
from PIL import Image

from hdsr.explore import pictures
from hdsr.explore.look import Enlargement, Look
from hdsr.explore.subjects import Subject
from hdsr.explore.widgets import packaged


def enlargement(sr: np.ndarray, temperature: float = 40.0) -> Enlargement:
    shares = np.full((5, 4), 0.25, np.float32)
    shares[1] = (0.9, 0.05, 0.03, 0.02)
    return Enlargement(temperature, sr, shares, [3, 16, 0, 1, 1])


def seen(hr: np.ndarray | None) -> Look:
    sr, lr = photograph(), photograph()[::2, ::2]
    return Look(Subject("tiny <b>", lr, hr), 2, sr, enlargement(sr), enlargement(sr, 2.0))


def test_no_error_is_black_and_the_limit_is_the_brightest() -> None:
    gray = np.full((1, 3, 3), 100, np.uint8)
    other = gray.copy()
    other[0, 1], other[0, 2] = 110, 200
    none, some, most = pictures.error_map(other, gray)[0].astype(int).sum(axis=1)
    assert none < 10 < some < most
    assert np.array_equal(pictures.error_map(other, gray)[0, 2], pictures.colored(np.ones(1), "inferno")[0])


def test_png_keeps_every_pixel() -> None:
    with Image.open(BytesIO(pictures.png(photograph()))) as image:
        assert np.array_equal(np.array(image), photograph())


@pytest.mark.parametrize(
    ("shape", "columns"), [((64, 20, 30), 8), ((3, 40, 40), 3), ((64, 200, 3), 8), ((5, 1, 1), 5)]
)
def test_a_sheet_holds_every_map_and_is_as_wide_as_the_page(shape: tuple[int, ...], columns: int) -> None:
    maps = np.random.default_rng(0).random(shape, np.float32)
    shown = pictures.sheet(maps)
    height, width, _ = shown.picture.shape
    assert width <= pictures.SHEET_PX
    lines = -(-shape[0] // columns)
    assert height <= lines * (pictures.TALLEST * pictures.SHEET_PX / columns + pictures.GAP_PX)
    assert (shown.count, shown.shape, shown.silent) == (shape[0], shape[1:], 0)


def test_maps_share_a_scale_or_have_one_each() -> None:
    maps = np.zeros((3, 8, 8), np.float32)
    maps[0, :4], maps[1, :4] = 1.0, 100.0
    alike, each = pictures.sheet(maps), pictures.sheet(maps, each=True)
    third = alike.picture.shape[1] // 3
    quiet = np.s_[:, 2 : third - 6]
    assert np.ptp(alike.picture[quiet].astype(int), axis=(0, 1)).max() < 10
    assert np.ptp(each.picture[quiet].astype(int), axis=(0, 1)).max() > 100
    assert pictures.sheet_words(alike) == (
        "3 maps of 8 × 8, all from 0 (dark) to 100 (bright); zero everywhere: 1."
    )
    assert "each from its own lowest to its own highest value" in pictures.sheet_words(each)


def test_pictures_in_html_load_nothing_and_escape_their_description() -> None:
    element = pictures.image_html(photograph(), 'a "cat" <img>')
    assert 'alt="a &quot;cat&quot; &lt;img&gt;"' in element
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', element)
    assert base64.b64decode(encoded[1]) == pictures.png(photograph())


def test_scores_show_the_gain_over_bicubic() -> None:
    hr = photograph()
    hr[20, 20] ^= 7
    table = pictures.scores_html(seen(hr))
    assert table.count("<tr>") == 4
    assert "HDSRNet<small>temperature 40</small>" in table
    assert "HDSRNet<small>temperature 2</small>" in table
    assert "+0.00" in table
    assert "nothing can be scored" in pictures.scores_html(seen(None))


def test_the_error_map_needs_a_true_image() -> None:
    assert pictures.error_html(seen(None)) == ""
    assert 'alt="Error map of HDSRNet' in pictures.error_html(seen(photograph()))


def test_there_is_a_bar_for_every_dynamic_convolution() -> None:
    bars = pictures.mixes_html(enlargement(photograph()))
    assert bars.count("role='listitem'") == 5
    assert "Dynamic convolution 2: kernel 1 90.0%, kernel 2 5.0%, kernel 3 3.0%, kernel 4 2.0%" in bars
    assert "width:90.000%" in bars
    assert bars.count("attention dead, so always uniform</small>") == 1
    assert "off uniform by 65.00% at most, 16 live units" in bars


def test_shares_are_readable_on_the_color_of_their_kernel_and_gains_in_both_themes() -> None:
    style = packaged("explore.css")
    assert f"color: {pictures.ON_KERNEL_COLORS};" in style
    for color in pictures.KERNEL_COLORS:
        assert contrast(pictures.ON_KERNEL_COLORS, color) >= READABLE
    grounds = ("#ffffff", "#111111")  # of JupyterLab's own light and dark theme
    for name in ("good", "bad"):
        colors = re.findall(rf"--hdsr-{name}: (#\w+)", style)
        assert all(contrast(*pair) >= READABLE for pair in zip(colors, grounds, strict=True))
