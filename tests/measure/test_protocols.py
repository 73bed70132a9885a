"""Habits of measuring: the reference is the metrics' own, and each other one by a known case."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hdsr import metrics
from hdsr.datasets import load_benchmark
from hdsr.measure import protocols
from hdsr.measure.protocols import VARIATIONS
from hdsr.resize import imresize

BY_NAME = {variation.name: variation for variation in VARIATIONS}


@pytest.fixture(scope="module")
def hr() -> NDArray[np.uint8]:
    return next(hr for name, _, hr in load_benchmark("samples", 4) if name == "chelsea")[:120, :160]


@pytest.fixture(scope="module")
def sr(hr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return imresize(imresize(hr, 0.25), 4)


def scores(name: str, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> tuple[float, float]:
    variation = BY_NAME[name]
    return variation.score(sr, hr, 4, 4 if variation.crop else 0)


def test_the_reference_is_how_rows_are_scored(sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> None:
    expected = metrics.psnr_y(sr, hr, 4), metrics.ssim_y(sr, hr, 4)
    assert scores(protocols.REFERENCE, sr, hr) == pytest.approx(expected, abs=1e-6)


def test_border_and_window_are_those_of_the_metrics(sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> None:
    expected = metrics.psnr_y(sr, hr, 0), metrics.ssim_y(sr, hr, 0)
    assert scores("border_kept", sr, hr) == pytest.approx(expected, abs=1e-6)
    assert scores("ssim_same", sr, hr)[1] == pytest.approx(metrics.ssim_y(sr, hr, 4, "same"), abs=1e-6)


def test_a_shift_of_the_luma_moves_ssim_only(sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> None:
    reference, unshifted = scores(protocols.REFERENCE, sr, hr), scores("luma_unshifted", sr, hr)
    assert unshifted[0] == pytest.approx(reference[0], abs=1e-9)
    assert abs(unshifted[1] - reference[1]) > 1e-5


def test_rounding_hides_a_difference_of_less_than_half_a_step() -> None:
    gray = np.full((24, 24, 3), 100, np.uint8)
    bluer = gray.copy()
    bluer[..., 2] += 1  # the luma rises by 24.966 / 255, from 101.88 to 101.98
    assert metrics.psnr_y(bluer, gray, 4) == pytest.approx(68.31, abs=0.01)
    with np.errstate(divide="ignore"):
        assert scores("luma_rounded", bluer, gray)[0] == float("inf")


def test_psnr_on_rgb_is_over_all_values() -> None:
    gray = np.full((24, 24, 3), 100, np.uint8)
    redder = gray.copy()
    redder[..., 0] += 6  # mean squared error 36 / 3
    assert scores("rgb", redder, gray)[0] == pytest.approx(10 * np.log10(255**2 / 12))


def test_resizing_in_floating_point_is_the_8_bit_one_before_its_rounding(hr: NDArray[np.uint8]) -> None:
    plane = hr[..., 1]
    floating = protocols.resized(plane.astype(np.float64), 0.25)
    assert np.abs(floating - imresize(plane, 0.25)).max() < 1.6


@pytest.mark.parametrize(("name", "close"), [("lr_pillow", True), ("lr_torch", True), ("lr_aliased", False)])
def test_antialiased_libraries_come_close_to_matlab(name: str, close: bool, hr: NDArray[np.uint8]) -> None:
    lr = BY_NAME[name].shrink(hr, 4)
    assert (lr.shape, lr.dtype) == ((30, 40, 3), np.uint8)
    away = np.abs(lr.astype(int) - imresize(hr, 0.25))[2:-2, 2:-2]
    assert bool(away.max() <= 2) is close


def test_the_papers_bicubic_row_is_that_of_rounded_luma_resized_alone(real_data_root) -> None:
    for scale, expected in ((2, (33.66, 0.9299)), (3, (30.39, 0.8682)), (4, (28.42, 0.8104))):
        images = [hr for _, _, hr in load_benchmark("Set5", scale, real_data_root)]
        found = np.mean([protocols.luma_only_scores(hr, hr, scale, scale) for hr in images], axis=0)
        assert (round(found[0], 2), round(found[1], 4)) == expected
