"""The sensitivity table: rows of every variation, reused by identity, and differences from the reference."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hdsr import checkpoint, metrics, results
from hdsr.datasets import load_benchmark
from hdsr.images import write_png
from hdsr.measure import sensitivity
from hdsr.measure.protocols import VARIATIONS
from hdsr.measure.sensitivity import VariationRow
from hdsr.network import HDSRNet
from hdsr.settings import BenchmarkTableSettings
from hdsr.suite import parameters

LINES = len(VARIATIONS) + len([variation for variation in VARIATIONS if not variation.models])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkTableSettings:
    """Parameters for two images of Set5 at x2, and weights of HDSRNet made from numbers."""
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(checkpoint, "OWN_WEIGHTS", tmp_path / "weights")
    checkpoint.save(HDSRNet(2), tmp_path / "weights" / "hdsrnet_x2.safetensors", {})
    random = np.random.default_rng(0)
    for name in ("baby", "bird"):
        path = tmp_path / "benchmarks" / "Set5" / "HR" / f"{name}.png"
        write_png(path, random.integers(0, 256, (36, 48, 3), np.uint8))
    chosen = {"datasets": ["Set5"], "scales": [2, 3], "sensitivity_scales": [2]}
    return parameters.validate("benchmarks", {"profile": "test", "data_root": str(tmp_path), **chosen})


@pytest.fixture
def rows(settings: BenchmarkTableSettings) -> pd.DataFrame:
    return sensitivity.measure(settings, progress=False)


def test_each_image_has_a_row_for_every_variation(
    rows: pd.DataFrame, settings: BenchmarkTableSettings
) -> None:
    assert len(rows) == 2 * LINES
    assert rows.groupby(["model", "variation"]).size().eq(2).all()
    assert set(rows["scale"]) == {2}
    stored = results.load(settings.report / "rows" / "sensitivity.csv", VariationRow)
    keys = ["model", "image", "variation"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(keys, ignore_index=True) for table in (stored, rows)), check_exact=True
    )


def test_rows_say_what_was_varied(rows: pd.DataFrame) -> None:
    by_name = rows.query("model == 'bicubic' and image == 'baby'").set_index("variation")
    assert by_name.loc["border_kept", "crop_px"] == 0
    assert by_name.drop("border_kept")["crop_px"].eq(2).all()
    assert by_name.loc["lr_pillow", "lr_source"] == "lr_pillow"
    assert by_name["lr_sha256"].nunique() == 4
    assert by_name["image_sha256"].nunique() == 1


def test_the_reference_is_the_score_of_the_benchmark_tables(
    rows: pd.DataFrame, settings: BenchmarkTableSettings
) -> None:
    found = rows.query("model == 'bicubic' and variation == 'reference'")["psnr_db"]
    pairs = load_benchmark("Set5", 2, settings.root)
    expected = [metrics.psnr_y(sensitivity.load("bicubic", 2)(lr), hr, 2) for _, lr, hr in pairs]
    assert found.tolist() == pytest.approx(expected)


def test_a_second_call_computes_nothing(
    rows: pd.DataFrame, settings: BenchmarkTableSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "add", None)
    pd.testing.assert_frame_equal(sensitivity.measure(settings, progress=False), rows)


def test_rows_of_other_code_are_scored_anew(
    rows: pd.DataFrame, settings: BenchmarkTableSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensitivity, "PROTOCOL", "changed")
    sensitivity.measure(settings, progress=False)
    stored = results.load(settings.report / "rows" / "sensitivity.csv", VariationRow)
    assert len(stored) == len(rows)
    assert set(stored["protocol"]) == {"changed"}


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows, as if the two images were the whole set."""
    return rows.assign(expected=2)


def test_lines_are_differences_from_the_reference(rows: pd.DataFrame) -> None:
    table = sensitivity.table(whole(rows))
    means = whole(rows).query("model == 'bicubic'").groupby("variation")[["psnr_db", "ssim"]].mean()
    printed = table.printed.set_axis([" ".join(head).strip() for head in table.printed.columns], axis=1)
    cells = printed.set_index("what is done")["×2 Bicubic"]
    assert cells["as everywhere here"] == "{:.2f}/{:.4f}".format(*means.loc["reference"])
    moved = means.loc["rgb"] - means.loc["reference"]
    assert cells["PSNR and SSIM on RGB"] == "{:+.2f}/{:+.4f}".format(*moved)
    assert list(cells.index) == [variation.words for variation in VARIATIONS]
    assert printed["×2 HDSRNet, trained here"].iloc[-1] == "–"
    assert table.name == "sensitivity_Set5"


def test_notes_give_the_papers_margins_and_its_bicubic_row(rows: pd.DataFrame) -> None:
    notes = " ".join(sensitivity.table(whole(rows)).notes)
    assert "0.12 dB at ×2, 0.10 dB at ×3, 0.03 dB at ×4" in notes
    assert "at ×2 (printed: 33.66/0.9299)" in notes


def test_a_set_that_is_not_whole_has_no_means(rows: pd.DataFrame) -> None:
    printed = sensitivity.table(rows).printed
    assert printed.iloc[:, 1:].eq("–").all(axis=None)
