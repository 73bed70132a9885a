"""Gains by gradient energy: blocks and bins by hand, sums over images, trends."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fabricated import rows as scored_rows
from small_sets import dynamics_settings

from hdsr import metrics
from hdsr.datasets import load_benchmark
from hdsr.measure import benchmarks
from hdsr.report.figures_2_to_7 import sr_image
from hdsr.settings import DynamicsSettings
from hdsr.study import texture


def test_block_means_by_hand() -> None:
    plane = np.arange(24.0).reshape(4, 6)
    assert texture.block_means(plane, 2).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    assert texture.block_means(plane, 4).tolist() == [[10.5]]


def test_the_energy_of_a_ramp_is_its_slope_squared() -> None:
    ramp = np.repeat(np.arange(0, 200, 2, np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    slope = 2 * metrics.LUMA_WEIGHTS.sum()
    assert texture.gradient_energy(ramp) == pytest.approx(np.full((20, 100), slope**2))


def test_blocks_lie_inside_the_border_that_psnr_crops() -> None:
    hr = np.zeros((36, 52, 3), np.uint8)
    bicubic, sr = hr.copy(), hr.copy()
    bicubic[0], sr[2:18, 2:18] = 255, 10
    blocks = texture.blocks_of(hr, bicubic, sr, crop_px=2)
    error = (10 * metrics.LUMA_WEIGHTS.sum()) ** 2
    assert blocks["mse_bicubic"].tolist() == [0] * 6
    assert blocks["mse_network"].to_numpy() == pytest.approx([error, 0, 0, 0, 0, 0])


def made_blocks(energy: np.ndarray, bicubic: np.ndarray, network: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"energy": energy, "mse_bicubic": bicubic, "mse_network": network})


def test_tenths_go_from_the_least_energy_to_the_most() -> None:
    energy = np.arange(20.0)[::-1]
    lines = texture.in_tenths(made_blocks(energy, np.full(20, 4.0), energy / 10))
    assert lines.iloc[0].tolist() == [1, 0, 1, 2, 0.5, 4, 0.05]
    assert lines.iloc[-1].tolist() == [10, 18, 19, 2, 18.5, 4, 1.85]
    assert texture.in_tenths(made_blocks(*np.ones((3, 3))))["blocks"].tolist() == [1] * 3


def made_bins(*lines: tuple[int, int, float, float]) -> pd.DataFrame:
    """Lines of (bin, blocks, mse_bicubic, mse_network)."""
    about = {"weights": "ours", "scale": 4, "dataset": "Set5", "low": 0.0, "high": 1.0}
    return pd.DataFrame(
        {**about, "bin": bin_, "blocks": blocks, "mse_bicubic": bicubic, "mse_network": network}
        for bin_, blocks, bicubic, network in lines
    )


def test_shares_of_the_error_count_blocks() -> None:
    set5 = made_bins((1, 4, 4, 2.5), (2, 2, 20, 2))
    first, second, *other = texture.by_bin(pd.concat([set5, set5.assign(dataset="Set14")])).itertuples()
    assert second.gain_db == pytest.approx(10)
    assert (first.share, second.share) == pytest.approx((6 / 42, 36 / 42))
    assert [line.share for line in other] == [first.share, second.share]


def test_gains_of_images_are_those_of_their_psnr() -> None:
    scored = scored_rows({("bicubic", "none"): 30, ("hdsrnet", "ours"): 32.5}, scales=[4], images=2)
    lines = {"weights": "ours", "scale": 4, "dataset": "Set5", "energy": [20, 30]}
    found = texture.by_image(pd.DataFrame({**lines, "image": ["image_1", "image_0"]}), scored)
    assert found["image"].tolist() == ["image_1", "image_0"]
    assert found["gain_db"].to_numpy() == pytest.approx([2.5, 2.5])


@pytest.mark.parametrize(("gains_db", "sign"), [([1, 2, 3, 4], "+1.00"), ([4, 3, 2, 1], "-1.00")])
def test_trends_have_the_sign_of_the_rank_correlation(gains_db: list[int], sign: str) -> None:
    bins = texture.by_bin(
        made_bins(*((bin_, 1, 10.0, 10 / 10 ** (gain / 10)) for bin_, gain in enumerate(gains_db, 1)))
    )
    place = {"weights": "ours", "scale": 4, "dataset": "Set5"}
    images = pd.DataFrame([place | {"energy": rank, "gain_db": gain} for rank, gain in enumerate(gains_db)])
    printed = texture.trends(bins, images).printed.iloc[0]
    assert printed.tolist() == ["Set5", "trained here", "×4", sign, "+1.00 to +4.00", sign, "0.083", "4"]


def test_the_place_is_where_the_error_falls_most_or_least() -> None:
    hr = np.zeros((132, 196, 3), np.uint8)
    bicubic, sr = hr.copy(), hr.copy()
    bicubic[70, 70], bicubic[1, 130] = 200, 255
    sr[5, 130], sr[100, 1] = 200, 255
    assert texture.most_changed(hr, bicubic, sr, crop_px=2, most=True) == (66, 66, 64)
    assert texture.most_changed(hr, bicubic, sr, crop_px=2, most=False) == (130, 2, 64)
    small = [image[:40, 100:] for image in (hr, bicubic, sr)]
    assert texture.most_changed(*small, crop_px=2, most=False) == (2, 2, 36)


def test_extremes_are_those_of_the_largest_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(texture, "_extreme", lambda settings, rows, *given: found.append(given))
    lines = [(2, "a", 9.0), (4, "b", 1.0), (4, "c", 3.0), (2, "d", 0.0)]
    images = pd.DataFrame(lines, columns=["scale", "image", "gain_db"]).assign(weights="ours")
    list(texture.extremes(None, SimpleNamespace(rows=images), images))
    told = [(line["image"], name, most) for line, name, most in found]
    assert told == [("c", "most_ours", True), ("b", "least_ours", False)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DynamicsSettings:
    return dynamics_settings(tmp_path, monkeypatch, size=(84, 100))


def test_saved_images_are_summed_and_shown(settings: DynamicsSettings) -> None:
    measured = benchmarks.evaluate_methods(settings.measurement, progress=False)
    energies = texture.measure_energies(settings, measured)
    assert energies.images["blocks"].tolist() == [30, 30]
    assert energies.bins["blocks"].tolist() == [6] * 10
    errors = []
    for image, _, hr in load_benchmark("Own", 2, settings.root):
        rows = measured.rows[(measured.rows["image"] == image) & (measured.rows["model"] == "bicubic")]
        error = texture.squared_error(sr_image(settings.report / "images", rows.iloc[0], hr), hr)
        errors.append(texture.block_means(error[2:-2, 2:-2], 16).mean())
    assert energies.bins["mse_bicubic"].mean() == pytest.approx(np.mean(errors), rel=1e-5)
    bins, images = texture.by_bin(energies.bins), texture.by_image(energies.images, measured.rows)
    drawing = texture.drawing(bins, images, "ours")
    assert drawing._repr_png_().startswith(b"\x89PNG")
    assert texture.table(bins).printed["tenth"].tolist() == [str(number) for number in range(1, 11)]
    most, least = texture.extremes(settings, measured, images)
    ranked = images.sort_values("gain_db")["image"].tolist()
    assert [least.subject, most.subject] == [f"{image} of Own at ×2" for image in ranked]
    assert (most.name, least.name) == ("dynamics_most_ours", "dynamics_least_ours")
    assert most.numbers["panel"].tolist() == ["Bicubic", "HDSRNet, trained here"]
