"""CARN-M: its published scores, its file, and its cascade by hand."""

from pathlib import Path

import pytest
import torch
from real_scores import set5_psnr_db
from torch import nn

from hdsr.errors import HdsrError
from hdsr.formats.pytorch import load_tensors
from hdsr.measure.counters import parameters
from hdsr.methods import carn_m
from hdsr.methods.carn_m import CARNM, Cascade


class Doubling(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return 2 * features


@pytest.mark.parametrize(("scale", "psnr_db"), [(3, 34.06), (4, 31.89)])
def test_set5_is_met(real_data_root: Path, scale: int, psnr_db: float) -> None:
    assert set5_psnr_db(real_data_root, "carn_m", scale) == pytest.approx(psnr_db, abs=0.01)


def test_one_image_scores_as_in_the_run_that_met_set5(real_data_root: Path) -> None:
    """Over all of Set5 that run had 37.682 dB; 37.68 is known."""
    assert set5_psnr_db(real_data_root, "carn_m", 2, ("butterfly",)) == pytest.approx(34.599, abs=2e-3)


def test_every_published_key_is_needed_and_no_other_taken(real_data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "carn_m.pth"
    whole = load_tensors(real_data_root / "weights" / "carn_m.pth")
    for key in ("b2.c3.body.0.bias", "upsample.up3.body.0.bias", "add_mean.shifter.weight"):
        torch.save({other: value for other, value in whole.items() if other != key}, path)
        with pytest.raises(HdsrError, match=rf"carn_m\.pth is not CARNM: missing .*{key}"):
            carn_m.load(path, 4)
    torch.save(whole | {"exit.scale": torch.zeros(1)}, path)
    with pytest.raises(HdsrError, match=r"carn_m\.pth is not CARNM: unknown exit\.scale"):
        carn_m.load(path, 4)


def test_another_mean_shift_is_refused(real_data_root: Path, tmp_path: Path) -> None:
    tensors = load_tensors(real_data_root / "weights" / "carn_m.pth")
    torch.save(tensors | {"sub_mean.shifter.bias": torch.zeros(3)}, tmp_path / "carn_m.pth")
    with pytest.raises(HdsrError, match=r"sub_mean\.shifter\.bias is not the built-in mean shift"):
        carn_m.load(tmp_path / "carn_m.pth", 2)


def test_a_cascade_by_hand() -> None:
    """All weights 1, one channel holding 1, the block doubling: 1, then 1 + 2, then 3 + 6, then 9 + 18."""
    cascade = Cascade(1, [Doubling()])
    for fusion in cascade.fusions:
        nn.init.ones_(fusion.weight)
        nn.init.zeros_(fusion.bias)
    assert [fusion.in_channels for fusion in cascade.fusions] == [2, 3, 4]
    assert cascade(torch.ones(1, 1, 1, 1)).item() == 27


def test_parameter_count() -> None:
    """Entry, three blocks with three fusions each, three outer fusions, upsampler, exit."""
    block = 2 * (16 * 9 * 64 + 64) + 64 * 64 + 64
    fusions = (2 + 3 + 4) * 64 * 64 + 3 * 64
    stage = 16 * 9 * 256 + 256
    expected = (27 * 64 + 64) + 3 * (block + fusions) + fusions + 2 * stage + (64 * 27 + 3)
    assert parameters(CARNM(4)) == expected
