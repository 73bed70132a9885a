"""Protocols: the project's own is that of the metrics, and each choice is held by a known case."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from hdsr import metrics, paper
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.measure.protocols import CHOICES, COMMON, NAMED, TITLES, VARIED, Protocol, lr_image, luma, score
from hdsr.resize import imresize

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def hr() -> Image:
    return next(hr for name, _, hr in load_benchmark("samples", 4) if name == "chelsea")[:120, :160]


@pytest.fixture(scope="module")
def sr(hr: Image) -> Image:
    return imresize(imresize(hr, 0.25), 4)


def test_the_common_protocol_is_how_rows_are_scored(sr: Image, hr: Image) -> None:
    assert score(sr, hr, 4) == pytest.approx((metrics.psnr_y(sr, hr, 4), metrics.ssim_y(sr, hr, 4)), abs=1e-9)


@pytest.mark.parametrize(("border", "crop_px"), [("scale", 4), ("scale+6", 10), ("none", 0)])
def test_borders(border: str, crop_px: int, sr: Image, hr: Image) -> None:
    expected = metrics.psnr_y(sr, hr, crop_px), metrics.ssim_y(sr, hr, crop_px)
    assert score(sr, hr, 4, Protocol(border=border)) == pytest.approx(expected, abs=1e-9)


def test_windows_at_every_pixel(sr: Image, hr: Image) -> None:
    mirrored = score(sr, hr, 4, Protocol(ssim="mirrored"))[1]
    assert mirrored == pytest.approx(metrics.ssim_y(sr, hr, 4, "same"), abs=1e-9)
    inside = [np.pad(luma(image)[4:-4, 4:-4], 5, mode="edge") for image in (sr, hr)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = structural_similarity(*inside, **options)
    assert score(sr, hr, 4, Protocol(ssim="repeated"))[1] == pytest.approx(expected, abs=1e-9)


def test_a_shift_of_the_luma_moves_ssim_only(sr: Image, hr: Image) -> None:
    common, unshifted = score(sr, hr, 4), score(sr, hr, 4, Protocol(values="luma_unshifted"))
    assert unshifted[0] == pytest.approx(common[0], abs=1e-9)
    assert abs(unshifted[1] - common[1]) > 1e-5


@pytest.mark.parametrize("protocol", ["python", "matlab_luma"])
@pytest.mark.parametrize(("level", "beyond"), [(0, -40.0), (255, 300.0)])
def test_values_beyond_black_and_white_are_black_and_white(protocol: str, level: int, beyond: float) -> None:
    hr = np.full((24, 24), level, np.uint8)
    assert score(np.full((24, 24), beyond), hr, 2, protocol) == (float("inf"), pytest.approx(1))


def test_rounding_hides_a_difference_of_less_than_half_a_step() -> None:
    gray = np.full((24, 24, 3), 100, np.uint8)
    bluer = gray.copy()
    bluer[..., 2] += 1  # the luma rises by 24.966 / 255, from 101.88 to 101.98
    assert score(bluer, gray, 4)[0] == pytest.approx(68.31, abs=0.01)
    assert score(bluer, gray, 4, Protocol(values="luma_rounded"))[0] == float("inf")


def test_sr_in_floats_is_rounded_or_not() -> None:
    gray = np.full((24, 24, 3), 100, np.uint8)
    assert score(gray + 0.3, gray, 4)[0] == float("inf")
    expected = 10 * np.log10((255 / (0.3 * 219 / 255)) ** 2)
    assert score(gray + 0.3, gray, 4, Protocol(sr="float"))[0] == pytest.approx(expected)


def test_psnr_on_rgb_is_over_all_values() -> None:
    gray = np.full((24, 24, 3), 100, np.uint8)
    redder = gray.copy()
    redder[..., 0] += 6  # mean squared error 36 / 3
    expected = 10 * np.log10(255**2 / 12)
    assert score(redder, gray, 4, Protocol(values="rgb"))[0] == pytest.approx(expected)


def test_gray_values_have_less_psnr_than_their_luma(sr: Image, hr: Image) -> None:
    sr, hr = sr[..., 1], hr[..., 1]
    as_rgb, as_gray = score(sr, hr, 4)[0], score(sr, hr, 4, Protocol(gray="gray"))[0]
    assert as_rgb - as_gray == pytest.approx(20 * np.log10(255 / 219), abs=1e-9)
    in_color = np.repeat(sr[..., None], 3, axis=2)
    assert score(in_color, hr, 4, Protocol(gray="gray"))[0] == pytest.approx(as_gray, abs=1e-9)


def test_color_files_do_not_heed_the_rule_for_gray_ones(sr: Image, hr: Image) -> None:
    assert score(sr, hr, 4, Protocol(gray="gray")) == score(sr, hr, 4)


def test_lr_images(hr: Image) -> None:
    np.testing.assert_array_equal(lr_image(hr, 4, Protocol()), imresize(hr, 0.25))
    fine = lr_image(hr, 4, Protocol(lr="rgb_float"))
    assert np.abs(fine - imresize(hr, 0.25)).max() <= 1.01
    assert (fine % 1).any()
    plane = lr_image(hr, 4, Protocol(lr="luma_float"))
    np.testing.assert_allclose(plane, luma(fine), atol=0.6)  # the luma is rounded first
    whole = lr_image(np.full((24, 24), 100, np.uint8), 4, NAMED["matlab_luma"])
    np.testing.assert_allclose(whole, 100)
    for kind in ("pillow", "torch"):
        near = lr_image(hr, 4, Protocol(lr=kind)).astype(float) - imresize(hr, 0.25)
        assert 0 < np.abs(near[2:-2, 2:-2]).max() <= 3, kind
    np.testing.assert_array_equal(lr_image(hr[::1, :, :], 4, Protocol(lr="torch_aliased")).shape, (30, 40, 3))


def test_torch_without_antialiasing_passes_over_pixels(hr: Image) -> None:
    other = hr.copy()
    other[::8] = 255 - other[::8]
    for kind, unseen in (("torch_aliased", True), ("torch", False)):
        first, second = (lr_image(image, 8, Protocol(lr=kind)) for image in (hr, other))
        assert np.array_equal(first, second) == unseen, kind


def test_named_protocols_are_those_of_published_tables() -> None:
    assert {name: tuple(vars(protocol).values()) for name, protocol in NAMED.items()} == {
        "python": ("rgb", "rgb", "luma", "rgb", "scale", "inside"),
        "matlab_luma": ("luma_float", "float", "luma_rounded", "gray", "scale", "inside"),
        "matlab_rgb": ("rgb", "rgb", "luma_rounded", "rgb", "scale", "inside"),
        "selfexsr": ("rgb", "rgb", "luma_rounded", "gray", "scale", "inside"),
        "dncnn": ("rgb", "float", "luma", "gray", "scale", "inside"),
        "lapsrn": ("rgb_float", "rgb", "luma", "rgb", "scale", "repeated"),
        "hdsrnet": ("rgb", "rgb", "luma_unshifted", "rgb", "scale", "mirrored"),
    }


def test_single_changes_cover_every_choice() -> None:
    assert len(VARIED) == sum(len(options) - 1 for options in CHOICES.values())
    assert len({protocol.words for protocol in VARIED.values()}) == len(VARIED)
    assert set(TITLES) == set(NAMED)
    assert NAMED[COMMON].words == "as everywhere here"
    assert NAMED["hdsrnet"].words == "Y without its + 16, an SSIM window at every pixel, the image mirrored"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "mine"}, "unknown protocol 'mine': expected one of python, matlab_luma"),
        ({"sr": np.zeros((20, 21, 3), np.uint8)}, "images of different sizes: 21 x 20 against 20 x 20"),
        ({"sr": np.zeros((20, 20, 4), np.uint8)}, r"not \(20, 20, 4\)"),
        ({"hr": np.zeros((20, 20, 3))}, "the true image has to be uint8, not float64"),
        ({"scale": 5}, "20 x 20 pixels is too small: 5 pixels cropped"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(HdsrError, match=message):
        score(**{"sr": image, "hr": image, "scale": 2} | change)


def test_a_choice_that_there_is_not_is_refused() -> None:
    with pytest.raises(HdsrError, match="unknown border 'half': expected one of scale, scale"):
        replace(Protocol(), border="half")


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_of_another_publication_is_met_image_by_image(scale: int, real_data_root: Path) -> None:
    published = paper.selfexsr().query("dataset == 'Set5' and scale == @scale and method == 'Bicubic'")
    published = published.set_index("image")
    for name, lr, hr in load_benchmark("Set5", scale, real_data_root):
        psnr_db, ssim = score(imresize(lr, scale), hr, scale, "selfexsr")
        assert psnr_db == pytest.approx(published.loc[name, "psnr_db"], abs=2e-3)
        assert ssim == pytest.approx(published.loc[name, "ssim"], abs=2e-4)
