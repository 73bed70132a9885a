"""LESRCNN: its published scores, its files, and one pair of layers by hand."""

from pathlib import Path

import pytest
import torch
from real_scores import set5_psnr_db
from torch import nn

from hdsr.errors import HdsrError
from hdsr.formats.pytorch import load_tensors
from hdsr.methods import lesrcnn
from hdsr.methods.lesrcnn import ResidualPair


def test_set5_is_met(real_data_root: Path) -> None:
    assert set5_psnr_db(real_data_root, "lesrcnn", 4) == pytest.approx(31.92, abs=0.01)


@pytest.mark.parametrize(("scale", "psnr_db"), [(2, 34.953), (3, 30.578)])
def test_one_image_scores_as_in_the_run_that_met_set5(
    real_data_root: Path, scale: int, psnr_db: float
) -> None:
    """Over all of Set5 that run had 37.798 and 34.028 dB; 37.80 and 34.03 are known."""
    assert set5_psnr_db(real_data_root, "lesrcnn", scale, ("butterfly",)) == pytest.approx(psnr_db, abs=2e-3)


def test_every_published_key_is_needed_and_no_other_taken(real_data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "lesrcnn.pth"
    whole = load_tensors(real_data_root / "weights" / "lesrcnn_x4.pth")
    for key in ("conv9.0.weight", "conv17_3.0.weight", "upsample.up.body.2.bias"):
        torch.save({other: value for other, value in whole.items() if other != key}, path)
        with pytest.raises(HdsrError, match=rf"lesrcnn\.pth is not LESRCNN: missing {key}"):
            lesrcnn.load(path, 4)
    with pytest.raises(HdsrError, match=r"lesrcnn_x4\.pth is not LESRCNN: unknown upsample\.up\.body\.2"):
        lesrcnn.load(real_data_root / "weights" / "lesrcnn_x4.pth", 2)


@pytest.mark.parametrize(("value", "expected"), [(2.0, 2 + 5 * 6.0), (-2.0, 0.0)])
def test_a_pair_by_hand(value: float, expected: float) -> None:
    """The ReLU comes first and goes for both ways, so a negative input leaves no trace."""
    pair = ResidualPair(1)
    nn.init.constant_(pair.spatial.weight, 3)
    nn.init.constant_(pair.pointwise.weight, 5)
    assert pair(torch.full((1, 1, 1, 1), value)).item() == expected
