"""Rows by protocol: reused by identity, right for a gray file, and a table of single changes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hdsr import checkpoint, metrics, results
from hdsr.datasets import load_benchmark
from hdsr.fetch import weights
from hdsr.images import read_image, read_picture, write_png
from hdsr.measure import benchmarks, protocols, sensitivity
from hdsr.measure.protocols import NAMED, VARIED
from hdsr.measure.sensitivity import ProtocolRow, ScoredImage
from hdsr.methods.luma import with_color
from hdsr.methods.registry import Method, load
from hdsr.network import HDSRNet
from hdsr.paths import PUBLISHED
from hdsr.provenance import code_version
from hdsr.report import protocol_tables
from hdsr.resize import imresize, imresize_float
from hdsr.settings import BenchmarkTableSettings
from hdsr.suite import parameters

OF_RGB = {"python", "matlab_rgb", "selfexsr", "hdsrnet"}
"""Named protocols that a network of RGB can be scored by."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchmarkTableSettings:
    """Parameters for two images at x2, one of them gray, and weights of HDSRNet made from numbers."""
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(weights, "OWN_WEIGHTS", tmp_path / "weights")
    checkpoint.save(HDSRNet(2), tmp_path / "weights" / "hdsrnet_x2.safetensors", {})
    random = np.random.default_rng(0)
    for name, shape in (("baby", (36, 48, 3)), ("bird", (36, 48))):
        path = tmp_path / "benchmarks" / "Own" / "HR" / f"{name}.png"
        write_png(path, random.integers(0, 256, shape, np.uint8))
    chosen = {"datasets": ["Own"], "scales": [2, 3], "sensitivity_scales": [2]}
    return parameters.schema_of("benchmarks")(**{"profile": "test", "data_root": str(tmp_path), **chosen})


@pytest.fixture
def rows(settings: BenchmarkTableSettings) -> pd.DataFrame:
    return sensitivity.score_by_protocols(settings, progress=False)


def test_protocols_can_be_tried_on_fewer_sets_than_are_measured(settings: BenchmarkTableSettings) -> None:
    fewer = settings.model_copy(update={"datasets": ("Own", "samples"), "sensitivity_datasets": ("Own",)})
    assert {benchmark.name for _, benchmark in sensitivity.measurable(fewer)} == {"Own"}


def of_bicubic(rows: pd.DataFrame, image: str) -> pd.DataFrame:
    return rows.query("model == 'bicubic' and image == @image").set_index("way")


def test_each_image_has_a_row_for_every_protocol_that_applies(
    rows: pd.DataFrame, settings: BenchmarkTableSettings
) -> None:
    assert set(of_bicubic(rows, "baby").index) == set(NAMED) | set(VARIED)
    own = set(rows.query("model == 'hdsrnet'")["way"])
    assert own & set(NAMED) == OF_RGB
    assert own & set(VARIED) == set(VARIED) - {"lr=rgb_float", "lr=luma_float", "sr=float"}
    assert set(rows["scale"]) == {2}
    stored = results.load(settings.report / "rows" / "protocols.csv", ProtocolRow)
    pd.testing.assert_frame_equal(stored, rows, check_exact=True)


def test_rows_say_what_was_changed(rows: pd.DataFrame) -> None:
    by_way = of_bicubic(rows, "baby")
    assert by_way.loc["border=none", "crop_px"] == 0
    assert by_way.loc["border=scale+6", "crop_px"] == 8
    assert by_way.loc["python", ["crop_px", "lr_source"]].tolist() == [2, "imresize"]
    assert by_way.loc["matlab_luma", "lr_source"] == "luma_float"


def test_scores_of_a_color_image(rows: pd.DataFrame, settings: BenchmarkTableSettings) -> None:
    _, lr, hr = next(iter(load_benchmark("Own", 2, settings.root)))
    psnr_db = of_bicubic(rows, "baby")["psnr_db"]
    assert psnr_db["python"] == metrics.psnr_y(imresize(lr, 2), hr, 2)
    plane = protocols.rounded(metrics.luma(hr))
    error = protocols.rounded(imresize_float(imresize_float(plane, 0.5), 2)) - plane
    expected = 10 * np.log10(255**2 / np.mean(error[2:-2, 2:-2] ** 2))
    assert psnr_db["matlab_luma"] == pytest.approx(expected)
    enlarged = metrics.luma(lr)
    error = imresize_float(enlarged, 2) - metrics.luma(hr)
    assert psnr_db["dncnn"] == pytest.approx(10 * np.log10(255**2 / np.mean(error[2:-2, 2:-2] ** 2)))
    error = protocols.rounded(imresize_float(imresize_float(hr, 0.5), 2)).clip(0, 255) - hr
    error = error @ metrics.LUMA_WEIGHTS
    assert psnr_db["lapsrn"] == pytest.approx(10 * np.log10(255**2 / np.mean(error[2:-2, 2:-2] ** 2)))


def test_a_gray_file_goes_by_its_gray_values_where_the_protocol_says_so(
    rows: pd.DataFrame, settings: BenchmarkTableSettings
) -> None:
    gray_gain_db = 20 * np.log10(255 / 219)
    for _, part in rows[rows["image"] == "bird"].groupby("model"):
        psnr_db = part.set_index("way")["psnr_db"]
        assert psnr_db["python"] - psnr_db["gray=gray"] == pytest.approx(gray_gain_db, abs=0.02)
    psnr_db = of_bicubic(rows, "bird")["psnr_db"]
    assert psnr_db["sr=float"] - psnr_db["dncnn"] == pytest.approx(gray_gain_db, abs=0.02)


def test_a_method_of_the_luma_is_given_the_gray_values_of_a_gray_file() -> None:
    def negative(plane: protocols.Plane) -> protocols.Plane:
        return 255.3 - plane.repeat(2, axis=0).repeat(2, axis=1)

    hr, lr = (np.random.default_rng(0).integers(0, 256, size, np.uint8) for size in ((24, 30), (12, 15)))
    method = Method("negative", "Negative", "none", "none", "1", with_color(negative, 2), negative)
    image = ScoredImage(method, 2, protocols.as_rgb(lr).astype(np.uint8), hr, None)
    error = (negative(lr.astype(float)).round().clip(0, 255) - hr)[2:-2, 2:-2]
    expected = 10 * np.log10(255**2 / np.mean(error**2))
    assert image.scores(VARIED["gray=gray"])[0] == pytest.approx(expected)


def test_color_is_put_to_a_luma_that_stays_as_it_is() -> None:
    lr = np.random.default_rng(0).integers(0, 256, (12, 15, 3), np.uint8)
    enlarged = imresize_float(lr, 2)
    image = ScoredImage(load("bicubic", 2), 2, lr, lr, None)
    colored = image.colored(protocols.luma(enlarged) + 5, lr)
    np.testing.assert_allclose(protocols.luma(colored), protocols.luma(enlarged) + 5)
    np.testing.assert_allclose(np.ptp(colored - enlarged, axis=2), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("model", "dataset", "scale", "name"), [("bicubic", "Set14", 2, "bridge"), ("fsrcnn", "Set5", 3, "bird")]
)
def test_published_scores_are_met_by_every_named_protocol(
    model: str, dataset: str, scale: int, name: str, real_data_root: Path
) -> None:
    """The first of the images is gray."""
    rows = pd.read_csv(PUBLISHED / "rows" / "protocols.csv")
    place = "model == @model and dataset == @dataset and scale == @scale and image == @name"
    published = rows.query(place).set_index("way")
    benchmark = load_benchmark(dataset, scale, real_data_root)
    path = next(path for path in benchmark.hr_paths if path.stem == name)
    lr, hr = benchmark.pair(path)
    true = hr if read_picture(path).pixels.shape[2] > 2 else hr[..., 0]
    image = ScoredImage(load(model, scale, root=real_data_root), scale, lr, true, None)
    for way, protocol in NAMED.items():
        psnr_db, ssim = image.scores(protocol)
        assert psnr_db == pytest.approx(published.loc[way, "psnr_db"], abs=1e-3), way
        assert ssim == pytest.approx(published.loc[way, "ssim"], abs=1e-5), way


def test_a_second_call_computes_nothing(
    rows: pd.DataFrame, settings: BenchmarkTableSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "add", None)
    pd.testing.assert_frame_equal(sensitivity.score_by_protocols(settings, progress=False), rows)


def test_saved_images_are_not_made_again(
    settings: BenchmarkTableSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmarks.evaluate_methods(settings, progress=False)
    saved = []
    monkeypatch.setattr(
        sensitivity, "read_image", lambda path: saved.append(path) or np.zeros((36, 48, 3), np.uint8)
    )
    sensitivity.score_by_protocols(settings, progress=False)
    assert {path.parts[-4] for path in saved} == {"bicubic", "hdsrnet"}


def for_bicubic(settings: BenchmarkTableSettings, **changes: object) -> BenchmarkTableSettings:
    return settings.model_copy(update={"methods": ("bicubic",), "scales": (2,), **changes})


def test_a_saved_image_that_is_not_the_scored_one_is_not_scored(settings: BenchmarkTableSettings) -> None:
    scored = benchmarks.evaluate_methods(for_bicubic(settings), progress=False).rows
    for picture in (settings.report / "images").rglob("*.png"):
        write_png(picture, 255 - read_image(picture))
    rows = sensitivity.score_by_protocols(for_bicubic(settings), progress=False).query("way == 'python'")
    assert rows["image"].tolist() == scored["image"].tolist() == ["baby", "bird"]
    assert rows["psnr_db"].tolist() == pytest.approx(scored["psnr_db"].tolist())


def test_rows_say_the_precision_and_device_of_the_settings(settings: BenchmarkTableSettings) -> None:
    chosen = for_bicubic(settings, precision="bf16", device="cpu:0")
    rows = sensitivity.score_by_protocols(chosen, progress=False)
    assert set(zip(rows["precision"], rows["device"], strict=True)) == {("bf16", "cpu:0")}


def test_all_rows_say_how_large_a_set_is_that_grew(settings: BenchmarkTableSettings) -> None:
    rows = sensitivity.score_by_protocols(for_bicubic(settings), progress=False)
    write_png(settings.root / "benchmarks" / "Own" / "HR" / "head.png", np.zeros((36, 36, 3), np.uint8))
    grown = sensitivity.score_by_protocols(for_bicubic(settings), progress=False)
    assert rows.groupby("image")["expected"].unique().to_dict() == {"baby": [2], "bird": [2]}
    assert grown.groupby("image")["expected"].unique().to_dict() == {"baby": [3], "bird": [3], "head": [3]}


def test_rows_of_other_code_are_scored_anew(
    rows: pd.DataFrame, settings: BenchmarkTableSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensitivity, "VERSION", "changed")
    sensitivity.score_by_protocols(settings, progress=False)
    stored = results.load(settings.report / "rows" / "protocols.csv", ProtocolRow)
    assert len(stored) == len(rows)
    assert set(stored["protocol"]) == {"changed"}


def test_how_an_image_is_scored_is_a_part_of_what_rows_are_made_by() -> None:
    assert sensitivity.VERSION == code_version(protocols, sensitivity.ScoredImage) != code_version(protocols)


def test_lines_are_differences_from_the_common_protocol(rows: pd.DataFrame) -> None:
    table = protocol_tables.sensitivity(rows)
    means = rows.query("model == 'bicubic'").groupby("way")[["psnr_db", "ssim"]].mean()
    printed = table.printed.set_axis([" ".join(head).strip() for head in table.printed.columns], axis=1)
    cells = printed.set_index("what is done")["×2 Bicubic"]
    assert cells["as everywhere here"] == "{:.2f}/{:.4f}".format(*means.loc["python"])
    moved = means.loc["values=rgb"] - means.loc["python"]
    assert cells["PSNR and SSIM on RGB"] == "{:+.2f}/{:+.4f}".format(*moved)
    assert list(cells.index)[1:] == [protocol.words for protocol in VARIED.values()]
    own = printed.set_index("what is done")["×2 HDSRNet, trained here"]
    assert own["SR not rounded"] == "–"
    assert table.name == "sensitivity_Own"


def test_single_changes_are_tried_on_the_first_set_that_is_there(settings: BenchmarkTableSettings) -> None:
    absent_first = settings.model_copy(update={"datasets": ("Set5", *settings.datasets)})
    rows = sensitivity.score_by_protocols(absent_first, progress=False)
    assert set(VARIED) <= set(rows["way"])
    assert protocol_tables.sensitivity(rows).name == "sensitivity_Own"


def test_without_single_changes_the_table_says_so(rows: pd.DataFrame, tmp_path: Path) -> None:
    table = protocol_tables.sensitivity(rows[rows["way"].isin(protocols.NAMED)])
    table.write(tmp_path)
    assert table.notes == ("Neither bicubic nor HDSRNet was measured on a set that is there.",)


def test_a_set_that_is_not_whole_has_no_means(rows: pd.DataFrame) -> None:
    assert protocol_tables.sensitivity(rows.assign(expected=100)).printed.iloc[:, 1:].eq("–").all(axis=None)
