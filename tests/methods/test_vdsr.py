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


def test_one_image_scores_with_the_weights_of_others_as_it_did(real_data_root: Path) -> None:
    """0.115 dB more than with the enlarged image rounded to 8 bits, which met the 31.25 dB known of Set5."""
    found = set5_psnr_db(real_data_root, "vdsr", 4, ("butterfly",), weights="others")
    assert found == pytest.approx(27.249, abs=2e-3)


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
