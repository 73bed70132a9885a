"""imresize against images that MATLAB wrote, and against what MATLAB documents."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hdsr import resize
from hdsr.errors import HdsrError
from hdsr.resize import contributions, imresize, imresize_float

SETS = {"Set5": 5, "Set14": 14}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("dataset", SETS)
def test_not_one_value_differs_from_matlab(
    golden_root: Path, real_data_root: Path, dataset: str, scale: int
) -> None:
    written_by_matlab = sorted((golden_root / "matlab_bicubic" / dataset / f"X{scale}").glob("*.png"))
    assert len(written_by_matlab) == SETS[dataset]
    for path in written_by_matlab:
        name = path.stem.removesuffix(f"x{scale}")
        hr = np.asarray(Image.open(real_data_root / "benchmarks" / dataset / "HR" / f"{name}.png"))
        height, width = (size // scale * scale for size in hr.shape[:2])
        np.testing.assert_array_equal(
            imresize(hr[:height, :width], 1 / scale), np.asarray(Image.open(path)), name
        )


def test_borders_differ_only_near_the_border() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    replicate, symmetric = (imresize(image, 0.5, border) for border in ("replicate", "symmetric"))
    assert (replicate != symmetric).any()
    np.testing.assert_array_equal(replicate[2:-2, 2:-2], symmetric[2:-2, 2:-2])


@pytest.mark.parametrize("resized", [imresize, imresize_float])
def test_symmetric_border_is_that_of_a_mirrored_image(resized: Callable[..., np.ndarray]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    mirrored = np.pad(image, ((12, 12), (10, 10), (0, 0)), mode="symmetric")
    expected = resized(mirrored, 0.5)[6:12, 5:10]
    np.testing.assert_allclose(resized(image, 0.5, "symmetric"), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("factor", [1 / 3, 0.7, 3])
@pytest.mark.parametrize("resized", [imresize, imresize_float])
def test_how_many_values_are_made_at_once_does_not_matter(
    resized: Callable[..., np.ndarray], factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(2).integers(0, 256, (23, 17, 3), dtype=np.uint8)
    at_once = resized(image, factor)
    for values in (1, 100):
        monkeypatch.setattr(resize, "VALUES_AT_ONCE", values)
        np.testing.assert_array_equal(resized(image, factor), at_once)


def test_hand_computed_enlargement() -> None:
    # Doubling puts outputs at quarter offsets, where the kernel is (-9, 111, 29, -3) / 128 or mirrored; with
    # the border repeated, the second pixel of two weighs -9, 29 - 3, 111 - 9 and 111 + 29 - 3.
    weights, indices = contributions(2, 2.0, "replicate")
    share = (weights * (indices == 1)).sum(axis=1)
    np.testing.assert_allclose(128 * share, [-9, 26, 102, 137])
    row = imresize(np.array([[0, 64]], dtype=np.uint8), 2)
    np.testing.assert_array_equal(row, [[0, 13, 51, 69], [0, 13, 51, 69]])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from([1 / 4, 1 / 3, 1 / 2, 0.7, 1, 1.5, 2, 3, 4]),
    st.integers(0, 255),
    st.sampled_from(["replicate", "symmetric"]),
)
def test_size_and_flat_images(height: int, width: int, factor: float, level: int, border: str) -> None:
    flat = np.full((height, width, 3), level, dtype=np.uint8)
    resized = imresize(flat, factor, border)
    assert resized.shape == (int(np.ceil(factor * height)), int(np.ceil(factor * width)), 3)
    assert (resized == level).all()


def test_factor_one_changes_nothing_and_channels_are_independent() -> None:
    image = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(imresize(image, 1), image)
    np.testing.assert_array_equal(imresize(image, 3)[..., 1], imresize(image[..., 1], 3))


@pytest.mark.parametrize(
    ("image", "factor", "border", "complaint"),
    [
        (np.zeros((4, 4)), 0.5, "replicate", "uint8 array, not float64"),
        ([[1]], 0.5, "replicate", "uint8 array, not list"),
        (np.zeros(4, np.uint8), 0.5, "replicate", r"not \(4,\)"),
        (np.zeros((0, 4), np.uint8), 0.5, "replicate", r"not \(0, 4\)"),
        (np.zeros((4, 4), np.uint8), 0, "replicate", "positive finite factor, not 0"),
        (np.zeros((4, 4), np.uint8), -2, "replicate", "positive finite factor, not -2"),
        (np.zeros((4, 4), np.uint8), float("nan"), "replicate", "not nan"),
        (np.zeros((4, 4), np.uint8), float("inf"), "replicate", "not inf"),
        (np.zeros((4, 4), np.uint8), "2", "replicate", "one number"),
        (np.zeros((4, 4), np.uint8), 2, "reflect", "unknown border 'reflect'"),
    ],
)
def test_what_matlab_rejects(image: object, factor: object, border: str, complaint: str) -> None:
    with pytest.raises(HdsrError, match=complaint):
        imresize(image, factor, border)
