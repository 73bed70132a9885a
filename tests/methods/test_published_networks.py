"""Eight published networks of the luma, with their authors' weights: scores of one image of Set5 each."""

from pathlib import Path

import numpy as np
import pytest
from real_scores import set5_psnr_db

from hdsr.errors import HdsrError
from hdsr.fetch.weights import find_weights
from hdsr.methods import registry

BUTTERFLY_DB = {
    "a_plus": {2: 32.042},
    "srcnn": {2: 32.762, 3: 27.955, 4: 25.466},
    "fsrcnn": {2: 33.354, 3: 28.685, 4: 25.662},
    "vdsr": {2: 34.500, 3: 29.964, 4: 27.289},
    "cscn": {2: 33.320, 3: 28.616, 4: 26.192},
    "dncnn": {2: 34.496, 3: 30.028, 4: 27.265},
    "lapsrn": {2: 34.219, 4: 27.191},
    "idn": {2: 35.031, 3: 30.584, 4: 27.682},
}
"""Y-PSNR of `butterfly` in the run whose means over Set5 were SET5_DB to 0.0001 dB."""
SET5_DB = {
    "a_plus": {2: 36.5737},
    "srcnn": {2: 36.6827, 3: 32.7657, 4: 30.5019},
    "fsrcnn": {2: 37.0225, 3: 33.1753, 4: 30.7227},
    "vdsr": {2: 37.5504, 3: 33.6770, 4: 31.3583},
    "cscn": {2: 36.9377, 3: 33.1198, 4: 30.8768},
    "dncnn": {2: 37.5723, 3: 33.7525, 4: 31.4074},
    "lapsrn": {2: 37.4697, 4: 31.5260},
    "idn": {2: 37.8430, 3: 34.1209, 4: 31.8151},
}
"""What others measured on their own with the same files, 8-bit LR, enlarged in floating point."""
SLOW = ("vdsr", "dncnn")
"""One network for all scales, at HR size: tested at x4."""
CASES = [
    (model, scale)
    for model, scores in BUTTERFLY_DB.items()
    for scale in scores
    if scale == 4 or model not in SLOW
]


@pytest.mark.parametrize(("model", "scale"), CASES)
def test_one_image_scores_as_in_the_run_that_met_set5(real_data_root: Path, model: str, scale: int) -> None:
    found = set5_psnr_db(real_data_root, model, scale, ("butterfly",))
    assert found == pytest.approx(BUTTERFLY_DB[model][scale], abs=2e-3)


def test_set5_is_met_where_it_takes_a_second(real_data_root: Path) -> None:
    for model in ("srcnn", "fsrcnn"):
        assert set5_psnr_db(real_data_root, model, 4) == pytest.approx(SET5_DB[model][4], abs=1e-3)


@pytest.mark.parametrize("model", BUTTERFLY_DB)
def test_a_file_cut_short_is_named_in_one_line(real_data_root: Path, tmp_path: Path, model: str) -> None:
    scale = 4 if 4 in BUTTERFLY_DB[model] else 2
    first, *others = find_weights(scale, "authors", real_data_root, model)
    for other in others:
        (tmp_path / other.name).symlink_to(other)
    content = first.read_bytes()
    for length in (0, 100, len(content) // 2):
        (tmp_path / first.name).write_bytes(content[:length])
        with pytest.raises(HdsrError, match=rf"{first.name} is not .*published") as caught:
            registry.load(model, scale, tmp_path / first.name)
        assert "\n" not in str(caught.value)


def test_a_published_file_with_one_bit_changed_is_not_used(real_data_root: Path, tmp_path: Path) -> None:
    content = bytearray((real_data_root / "weights" / "idn_x4.caffemodel").read_bytes())
    content[1_000_000] ^= 1
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "idn_x4.caffemodel").write_bytes(content)
    with pytest.raises(HdsrError, match=r"idn_x4\.caffemodel is not what is known by that name"):
        registry.load("idn", 4, root=tmp_path)


@pytest.mark.parametrize("model", BUTTERFLY_DB)
def test_the_file_of_another_network_is_refused(real_data_root: Path, tmp_path: Path, model: str) -> None:
    scale = 4 if 4 in BUTTERFLY_DB[model] else 2
    _, *others = find_weights(scale, "authors", real_data_root, model)
    for other in others:
        (tmp_path / other.name).symlink_to(other)
    foreign = "lapsrn_x2.mat" if model != "lapsrn" else "vdsr_official.mat"
    (tmp_path / foreign).symlink_to(real_data_root / "weights" / foreign)
    with pytest.raises(HdsrError, match=rf"{foreign} is not"):
        registry.load(model, scale, tmp_path / foreign)


@pytest.mark.parametrize(("model", "scale", "published"), [("a_plus", 3, "x2"), ("lapsrn", 3, "x2, x4")])
def test_a_scale_without_published_weights(model: str, scale: int, published: str, tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=f"published for {published} only"):
        registry.load(model, scale, root=tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (4, 9), (5, 3)])
def test_tiny_images_are_enlarged(real_data_root: Path, size: tuple[int, int]) -> None:
    lr = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for model in BUTTERFLY_DB:
        method = registry.load(model, 2, root=real_data_root)
        assert method(lr).shape == (2 * size[0], 2 * size[1], 3)
