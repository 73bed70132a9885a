"""VDSR: its score with the published weights, and its residual by hand."""

from pathlib import Path

import pytest
import torch
from real_scores import set5_psnr_db
from torch import nn

from hdsr.errors import HdsrError
from hdsr.measure.counters import parameters
from hdsr.methods import vdsr
from hdsr.methods.vdsr import VDSR


@pytest.mark.parametrize(("scale", "psnr_db"), [(2, 34.659), (3, 30.002), (4, 27.134)])
def test_one_image_scores_as_in_the_run_that_met_set5(
    real_data_root: Path, scale: int, psnr_db: float
) -> None:
    """Over all of Set5 that run had 37.542, 33.729 and 31.253 dB; 37.54, 33.73 and 31.25 are known."""
    assert set5_psnr_db(real_data_root, "vdsr", scale, ("butterfly",)) == pytest.approx(psnr_db, abs=2e-3)


def test_the_luma_is_added_to_what_the_layers_give() -> None:
    network = VDSR(channels=1)
    for layer in (network.entry, *network.inner, network.exit):
        nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0, 1, 1] = 1
    nn.init.constant_(network.exit.weight[:, :, 1, 1], -0.25)
    assert network(torch.full((1, 1, 3, 3), 0.5)).flatten().tolist() == [0.375] * 9


def test_parameter_count() -> None:
    assert parameters(VDSR()) == 18 * 9 * 64 * 64 + 2 * 9 * 64 == 664_704


def test_other_files_are_refused(real_data_root: Path) -> None:
    with pytest.raises(HdsrError, match=r"carn_m\.pth is not"):
        vdsr.load(real_data_root / "weights" / "carn_m.pth", 2)
