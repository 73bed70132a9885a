"""Counting the values in which our LR images differ from MATLAB's."""

from pathlib import Path

import numpy as np
import pytest

from hdsr.images import write_png
from hdsr.measure import matlab
from hdsr.resize import imresize


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A set of one image at x2, with a reference that differs in one value."""
    hr = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    write_png(tmp_path / "benchmarks" / "Set5" / "HR" / "baby.png", hr)
    reference = imresize(hr, 0.5)
    reference[3, 4, 1] ^= 1
    write_png(tmp_path / "matlab_bicubic" / "Set5" / "X2" / "babyx2.png", reference)
    return tmp_path


def test_a_single_differing_value_is_counted(folders: Path) -> None:
    lines = matlab.matlab_differences(folders, ["Set5", "Set14"], [2, 3], folders)
    assert lines.to_numpy().tolist() == [["Set5", 2, 1, 12 * 16 * 3, 1]]


def test_an_image_of_another_size_differs_in_every_value(folders: Path) -> None:
    write_png(folders / "matlab_bicubic" / "Set5" / "X2" / "babyx2.png", np.zeros((12, 15, 3), np.uint8))
    lines = matlab.matlab_differences(folders, ["Set5"], [2], folders)
    assert lines["differing"].tolist() == [12 * 16 * 3]


def test_no_value_differs_from_matlab(golden_root: Path, real_data_root: Path) -> None:
    lines = matlab.matlab_differences(golden_root, ["Set5", "Set14"], [2, 3, 4], real_data_root)
    assert lines["images"].tolist() == [5, 5, 5, 14, 14, 14]
    assert not lines["differing"].any()
