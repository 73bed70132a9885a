import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from scipy.signal import convolve2d
from skimage import data as photographs
from skimage.exposure import rescale_intensity
from skimage.metrics import structural_similarity

from hdsr import metrics
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.resize import imresize

BICUBIC = {
    ("Set5", 2): (33.6741, 0.93029),
    ("Set5", 3): (30.4047, 0.86891),
    ("Set5", 4): (28.4302, 0.81114),
    ("Set14", 2): (30.3263, 0.86985),
    ("Set14", 3): (27.6336, 0.77588),
    ("Set14", 4): (26.0914, 0.70480),
    ("B100", 2): (29.5605, 0.84340),
    ("B100", 3): (27.2097, 0.73907),
    ("B100", 4): (25.9620, 0.66807),
}
"""Y-PSNR in dB and SSIM of MATLAB's bicubic, border repeated, to four and five digits."""


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gray(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize(("dataset", "scale"), BICUBIC)
def test_bicubic_has_the_known_scores(dataset, scale, real_data_root):
    scores = []
    for _, lr, hr in load_benchmark(dataset, scale, real_data_root):
        sr = imresize(lr, scale)
        scores.append((metrics.psnr_y(sr, hr, scale), metrics.ssim_y(sr, hr, scale)))
    psnr_db, ssim = np.mean(scores, axis=0)
    assert (round(psnr_db, 4), round(ssim, 5)) == BICUBIC[dataset, scale]


@pytest.mark.parametrize(
    ("color", "expected"),
    [((0, 0, 0), 16.0), ((255, 255, 255), 235.0), ((255, 0, 0), 81.481), ((0, 0, 1), 16 + 24.966 / 255)],
)
def test_luma_by_hand(color, expected):
    assert metrics.luma(np.full((2, 3, 3), color, np.uint8)) == pytest.approx(np.full((2, 3), expected))


def test_psnr_by_hand():
    one_level = 219 / 255  # a gray level in luma
    expected = 20 * math.log10(255 / one_level)
    assert metrics.psnr_y(gray(8, 8, 100), gray(8, 8, 101), 2) == pytest.approx(expected, abs=1e-9)


def test_psnr_leaves_the_border_out():
    hr = random_image(20, 30)
    sr = hr.copy()
    sr[:3] = sr[-3:] = 0
    sr[:, :3] = sr[:, -3:] = 255
    assert metrics.psnr_y(sr, hr, 3) == math.inf
    assert metrics.psnr_y(sr, hr, 2) < 30


def test_ssim_of_flat_images_by_hand():
    first, second = (16 + 219 * level / 255 for level in (80, 120))
    c1 = (0.01 * 255) ** 2
    expected = (2 * first * second + c1) / (first**2 + second**2 + c1)
    for window in ("valid", "same"):
        assert metrics.ssim_y(gray(20, 20, 80), gray(20, 20, 120), 0, window) == pytest.approx(
            expected, abs=1e-9
        )


@pytest.mark.parametrize("window", ["valid", "same"])
def test_ssim_by_its_definition(window):
    hr, sr = random_image(31, 27), random_image(31, 27, seed=1)
    assert metrics.ssim_y(sr, hr, 3, window) == pytest.approx(
        ssim_from_definition(sr, hr, 3, window), abs=1e-9
    )


def ssim_from_definition(sr, hr, crop_px, window):
    """Wang et al. 2004, equation 13, with a two-dimensional window and, for "same", an explicit mirror."""
    offsets = np.arange(-5, 6)
    gaussian = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    gaussian /= gaussian.sum()
    x, y = (metrics.luma(image)[crop_px:-crop_px, crop_px:-crop_px] for image in (sr, hr))
    if window == "same":
        x, y = (np.pad(image, 5, mode="symmetric") for image in (x, y))

    def local_mean(image):
        return convolve2d(image, gaussian, mode="valid")

    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x, variance_y = local_mean(x * x) - mean_x**2, local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return similarity.mean()


@pytest.mark.parametrize(("height", "width"), [(11, 11), (50, 83), (90, 12), (91, 129)])
def test_ssim_is_that_of_scikit_image(height, width):
    hr = rescale_intensity(photographs.coffee()[:height, :width], out_range=np.uint8)
    sr = np.clip(hr + np.random.default_rng(0).normal(0, 12, hr.shape), 0, 255).astype(np.uint8)
    inside, everywhere = structural_similarity(
        *(metrics.luma(sr), metrics.luma(hr)),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    assert metrics.ssim_y(sr, hr, 0) == pytest.approx(inside, abs=1e-9)
    assert metrics.ssim_y(sr, hr, 0, "same") == pytest.approx(everywhere.mean(), abs=1e-9)


def test_scores_take_no_thread_but_the_caller_s():
    lines = """
        import time
        import numpy as np
        from hdsr import metrics
        image = np.random.default_rng(0).integers(0, 256, (90, 4000, 3), dtype=np.uint8)
        metrics.scores(image, image, 4)
        time.sleep(1)  # for which threads of numpy's BLAS may wait in a loop when they start
        before = time.process_time(), time.thread_time()
        metrics.scores(image[::-1].copy(), image, 4)
        print((time.process_time() - before[0]) / (time.thread_time() - before[1]))
    """
    command = [sys.executable, "-c", textwrap.dedent(lines)]
    times = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(times) < 1.3


def test_identical_images_are_perfect():
    image = random_image(16, 16)
    assert metrics.psnr_y(image, image, 2) == math.inf
    assert metrics.ssim_y(image, image, 2) == 1


def test_both_scores_are_those_of_each_metric():
    hr, sr = random_image(70, 45), random_image(70, 45, seed=1)
    assert metrics.scores(sr, hr, 3) == (metrics.psnr_y(sr, hr, 3), metrics.ssim_y(sr, hr, 3))
    assert metrics.scores(hr, hr, 3) == (math.inf, 1)


@pytest.mark.parametrize("metric", [metrics.psnr_y, metrics.ssim_y, metrics.scores])
@pytest.mark.parametrize(
    ("sr", "hr", "crop_px", "message"),
    [
        (gray(20, 30, 0), gray(20, 32, 0), 2, "30 x 20 against 32 x 20"),
        (gray(20, 30, 0).astype(float), gray(20, 30, 0), 2, "uint8 arrays, not float64"),
        ([[0]], gray(20, 30, 0), 2, "uint8 arrays, not list"),
        (gray(20, 30, 0)[..., 0], gray(20, 30, 0), 2, r"not \(20, 30\)"),
        (gray(20, 30, 0), gray(20, 30, 0), 10, "30 x 20 pixels is too small: 10 pixels cropped"),
        (gray(30, 20, 0), gray(30, 20, 0), 10, "20 x 30 pixels is too small: 10 pixels cropped"),
        (gray(20, 30, 0), gray(20, 30, 0), -1, "from 0 upwards, not -1"),
        (gray(20, 30, 0), gray(20, 30, 0), 1.5, "from 0 upwards, not 1.5"),
    ],
)
def test_bad_input_is_named(metric, sr, hr, crop_px, message):
    with pytest.raises(HdsrError, match=message):
        metric(sr, hr, crop_px)


def test_ssim_needs_room_for_its_window():
    assert metrics.ssim_y(gray(15, 15, 9), gray(15, 15, 9), 2) == 1
    for height, width in ((14, 15), (15, 14)):
        with pytest.raises(HdsrError, match="at least 11 x 11"):
            metrics.ssim_y(gray(height, width, 9), gray(height, width, 9), 2)


def test_unknown_window_is_named():
    with pytest.raises(HdsrError, match="'full': expected 'valid' or 'same'"):
        metrics.ssim_y(gray(20, 20, 0), gray(20, 20, 0), 0, "full")
