"""Tables II to V from rows: what stands beside what, marks, differences, intervals and gaps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import gaps, rows

from hdsr import datasets, paper
from hdsr.fetch import manifest
from hdsr.images import write_png
from hdsr.measure import benchmarks
from hdsr.report import psnr_tables, tables
from hdsr.report.statistics import half_width
from hdsr.settings import MeasurementSettings
from hdsr.suite import parameters

BICUBIC, OURS, AUTHORS = ("bicubic", "none"), ("hdsrnet", "ours"), ("hdsrnet", "authors")


def line(table: tables.Table, method: str, weights: str = "") -> dict[str, str]:
    """One printed line, its cells by heading; a footnote is told in full."""
    printed = table.printed.set_axis([" ".join(head).strip() for head in table.printed.columns], axis=1)
    chosen = printed[(printed["method"] == method) & (printed["weights"] == weights)]
    assert len(chosen) == 1
    cells = chosen.iloc[0].to_dict()
    told = [note.partition(" ") for note in table.notes]
    note = {number: reason for number, _, reason in told}.get(cells.get("note"), "")
    return cells | ({"note": note} if "note" in cells else {})


def test_every_published_method_stands_in_the_papers_order() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    published = paper.quality().query("dataset == 'Set5'")["method"].drop_duplicates()
    assert table.printed["", "method"].tolist() == published.tolist()
    assert table.name == "table_II_Set5"


def test_measured_stands_beside_published_with_the_difference_and_the_source_of_weights() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 36.0, OURS: 39.0, AUTHORS: 39.9}), "Set5", gaps())
    ours = line(table, "HDSRNet", "trained here")
    assert ours["×2 paper"] == "**37.95**/**0.9604**"
    assert ours["×2 measured"] == "*37.00*/*0.7600*"
    assert ours["×2 difference"] == "-0.95/-0.2004"
    authors = line(table, "HDSRNet", "the authors'")
    assert authors["×2 measured"] == "**37.90**/**0.7780**"
    assert authors["×2 difference"] == "-0.05/-0.1824"
    numbers = table.numbers.query("method == 'HDSRNet' and weights == 'authors' and scale == 2").iloc[0]
    assert numbers["psnr_difference_db"] == pytest.approx(-0.05)


def test_best_and_second_are_computed_apart_for_psnr_and_ssim_and_shared_by_equals() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 30.0}, "B100", images=100, expected=100), "B100", gaps())
    assert line(table, "IDN")["×2 paper"] == "*32.08*/*0.8985*"
    assert line(table, "MemNet")["×2 paper"] == "*32.08*/0.8978"
    assert line(table, "DAN")["×4 paper"] == "*27.51*/0.7248"
    assert line(table, "DSRCNN")["×4 paper"] == "27.50/*0.7341*"


def test_best_and_second_are_those_of_the_numbers_whatever_the_paper_marks() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 30.0}, "Set14", images=14, expected=14), "Set14", gaps())
    assert line(table, "PGAN")["×4 paper"] == "27.75/**0.8164**"
    assert line(table, "HDSRNet")["×4 paper"] == "**28.56**/*0.7799*"


def test_each_gain_over_bicubic_has_an_interval_of_paired_differences() -> None:
    measured = rows({BICUBIC: 36.0, OURS: 39.0})
    own = measured["model"] == "hdsrnet"
    measured.loc[own, "psnr_db"] += np.tile([0.1, -0.1, 0.3, -0.3, 0.0], 3)
    table = psnr_tables.comparison(measured, "Set5", gaps())
    width = half_width([3.1, 2.9, 3.3, 2.7, 3.0])
    cells = line(table, "HDSRNet", "trained here")
    assert cells["×2 PSNR over bicubic"] == f"+3.00 ± {width:.2f}"
    assert line(table, "Bicubic", "needs none")["×2 PSNR over bicubic"] == "–"
    assert line(table, "SRCNN")["×2 PSNR over bicubic"] == "–"
    assert any("n = 5" in note for note in table.notes)


def test_two_measured_values_are_not_ranked() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    assert line(table, "HDSRNet", "trained here")["×4 measured"] == "35.00/0.7400"


def test_what_is_not_measured_says_why() -> None:
    lack = [("hdsrnet", "authors", "Set5", scale, "no weights of the authors") for scale in (2, 3, 4)]
    table = psnr_tables.comparison(rows({BICUBIC: 36.0}), "Set5", gaps(*lack))
    assert line(table, "DRCN")["note"] == "not measured: no implementation here"
    assert line(table, "SRCNN")["note"] == "not measured: not asked for in this run"
    assert line(table, "HDSRNet", "the authors'")["note"] == "not measured: no weights of the authors"
    assert line(table, "HDSRNet", "the authors'")["×2 measured"] == "–"
    assert line(table, "Bicubic", "needs none")["note"] == ""
    assert table.numbers["note"].map(bool).eq(table.numbers["psnr_db"].isna()).all()


def test_reasons_that_differ_only_in_the_scale_are_told_once() -> None:
    lack = [("hdsrnet", "authors", "Set5", scale, f"no weights for x{scale}") for scale in (2, 3, 4)]
    table = psnr_tables.comparison(rows({BICUBIC: 36.0}), "Set5", gaps(*lack))
    note = "not measured: no weights for x2 (likewise at the other scales)"
    assert line(table, "HDSRNet", "the authors'")["note"] == note


def test_a_method_that_was_not_asked_for_says_so() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 36.0}), "Set5", gaps())
    assert line(table, "HDSRNet")["note"] == "not measured: not asked for in this run"


def test_a_set_of_which_nothing_is_there_still_shows_the_published_numbers() -> None:
    lack = [(*BICUBIC, "Urban100", scale, "the set is not there") for scale in (2, 3, 4)]
    table = psnr_tables.comparison(rows({BICUBIC: 36.0}), "Urban100", gaps(*lack))
    assert line(table, "HDSRNet")["×2 paper"] == "**32.00**/**0.9267**"
    assert line(table, "Bicubic", "needs none")["note"] == "not measured: the set is not there"
    assert table.numbers["psnr_db"].isna().all()


def test_an_incomplete_set_is_counted_and_has_no_mean() -> None:
    means = {BICUBIC: 30.0, OURS: 32.0}
    partial = pd.concat(
        rows(means, "Urban100", scales, images, expected=100) for scales, images in (([4], 3), ([2, 3], 7))
    )
    table = psnr_tables.comparison(partial, "Urban100", gaps())
    ours = line(table, "HDSRNet", "trained here")
    assert (ours["×4 measured"], ours["×4 difference"]) == ("3 of 100 images", "–")
    assert table.numbers[["psnr_db", "gain_db"]].isna().all(axis=None)
    assert any("3 of 100 images" in note for note in table.notes)
    assert "mean" not in " ".join(psnr_tables.per_image(partial, "Urban100").printed["image"])


def stand_in(root: Path, images: int) -> MeasurementSettings:
    """The first images of Urban100 by name, their pixels made from numbers, and what measures them."""
    random = np.random.default_rng(100)
    for entry in manifest.images_of("Urban100")[:images]:
        path = root / "benchmarks" / "Urban100" / "HR" / entry.file_name
        write_png(path, random.integers(0, 256, (24, 24, 3), np.uint8))
    chosen = {"datasets": ["Urban100"], "scales": [4], "methods": ["bicubic"]}
    return parameters.schema_of("benchmarks")(**{"profile": "test", "data_root": str(root), **chosen})


def test_the_table_of_urban100_appears_when_the_last_of_its_images_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(datasets, "is_altered", lambda *_: False)
    for images, cell in ((99, "99 of 100 images"), (100, None)):
        measured = benchmarks.evaluate_methods(stand_in(tmp_path, images), progress=False)
        table = psnr_tables.comparison(measured.rows, "Urban100", measured.gaps)
        mean = f"{measured.rows['psnr_db'].mean():.2f}/{measured.rows['ssim'].mean():.4f}"
        assert line(table, "Bicubic", "needs none")["×4 measured"] == (cell or mean)
        assert line(table, "HDSRNet")["×4 paper"] == "**26.01**/*0.7827*"
    assert table.name == "table_V_Urban100"
    assert table.numbers.query("method == 'Bicubic' and scale == 4")["psnr_db"].notna().all()


def test_a_set_without_published_numbers_shows_the_gain_over_bicubic() -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 30.0, OURS: 32.5}, "samples"), "samples", gaps())
    assert line(table, "HDSRNet", "trained here")["×3 over bicubic"] == "+2.50/+0.0500"
    assert line(table, "Bicubic", "needs none")["×3 over bicubic"] == "–"
    assert not [head for head in table.printed.columns if head[1] == "paper"]


def test_rows_behind_a_mean_are_shown_with_it() -> None:
    table = psnr_tables.per_image(
        rows({BICUBIC: 30.0, OURS: 32.0, AUTHORS: 33.0}, scales=[2], images=3, expected=3), "Set5"
    )
    assert table.printed.columns.tolist() == [
        "image",
        "scale",
        "Bicubic",
        "HDSRNet, trained here",
        "HDSRNet, the authors'",
    ]
    assert table.printed.iloc[0, 1:].tolist() == ["×2", "27.90", "29.90", "30.90"]
    assert table.printed.iloc[-1].tolist() == ["mean of 3", "×2", "28.00", "30.00", "31.00"]
    assert len(table.numbers) == 9


def test_files_hold_the_same_table_alike_each_time(tmp_path: Path) -> None:
    table = psnr_tables.comparison(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    assert table.write(tmp_path) is table
    first = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(first) == {f"table_II_Set5.{ending}" for ending in ("csv", "md", "tex")}
    table.write(tmp_path)
    assert first == {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    numbers = pd.read_csv(tmp_path / "table_II_Set5.csv", keep_default_na=True)
    assert numbers.query("method == 'HDSRNet' and scale == 2")["psnr_db"].tolist() == [pytest.approx(37.0)]
    assert "| HDSRNet | trained here | **37.95**/**0.9604** | 37.00/0.7600 |" in first["table_II_Set5.md"]
