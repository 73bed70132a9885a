"""Tables from rows: what stands beside what, marks, differences, gaps, and the files they are written to."""

from pathlib import Path

import pandas as pd
import pytest
from fabricated import gaps, rows

from hdsr import paper, tables

BICUBIC, OURS, AUTHORS = ("bicubic", "none"), ("hdsrnet", "ours"), ("hdsrnet", "authors")


def line(table: tables.Table, method: str, weights: str = "") -> dict[str, str]:
    """One printed line, its cells by heading."""
    printed = table.printed.set_axis([" ".join(head).strip() for head in table.printed.columns], axis=1)
    chosen = printed[(printed["method"] == method) & (printed["weights"] == weights)]
    assert len(chosen) == 1
    return chosen.iloc[0].to_dict()


def test_every_published_method_stands_in_the_papers_order() -> None:
    table = tables.quality(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    published = paper.quality().query("dataset == 'Set5'")["method"].drop_duplicates()
    assert table.printed["", "method"].tolist() == published.tolist()
    assert table.name == "table_II_Set5"


def test_measured_stands_beside_published_with_the_difference_and_the_source_of_weights() -> None:
    table = tables.quality(rows({BICUBIC: 36.0, OURS: 39.0, AUTHORS: 39.9}), "Set5", gaps())
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
    table = tables.quality(rows({BICUBIC: 30.0}, "B100", images=100, expected=100), "B100", gaps())
    assert line(table, "IDN")["×2 paper"] == "*32.08*/*0.8985*"
    assert line(table, "MemNet")["×2 paper"] == "*32.08*/0.8978"
    assert line(table, "DAN")["×4 paper"] == "*27.51*/0.7248"
    assert line(table, "DSRCNN")["×4 paper"] == "27.50/*0.7341*"


def test_an_oddity_of_the_paper_is_marked_by_its_value() -> None:
    table = tables.quality(rows({BICUBIC: 30.0}, "Set14", images=14, expected=14), "Set14", gaps())
    assert line(table, "PGAN")["×4 paper"] == "27.75/**0.8164**"
    assert line(table, "HDSRNet")["×4 paper"] == "**28.56**/*0.7799*"


def test_two_measured_values_are_not_ranked() -> None:
    table = tables.quality(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    assert line(table, "HDSRNet", "trained here")["×4 measured"] == "35.00/0.7400"


def test_what_is_not_measured_says_why() -> None:
    lack = [("hdsrnet", "authors", "Set5", scale, "no weights of the authors") for scale in (2, 3, 4)]
    table = tables.quality(rows({BICUBIC: 36.0}), "Set5", gaps(*lack))
    assert line(table, "SRCNN")["note"] == "not measured: no implementation here"
    assert line(table, "HDSRNet", "the authors'")["note"] == "not measured: no weights of the authors"
    assert line(table, "HDSRNet", "the authors'")["×2 measured"] == "–"
    assert line(table, "Bicubic", "needs none")["note"] == ""
    assert table.numbers["note"].map(bool).eq(table.numbers["psnr_db"].isna()).all()


def test_reasons_that_differ_only_in_the_scale_are_told_once() -> None:
    lack = [("hdsrnet", "authors", "Set5", scale, f"no weights for x{scale}") for scale in (2, 3, 4)]
    table = tables.quality(rows({BICUBIC: 36.0}), "Set5", gaps(*lack))
    note = "not measured: no weights for x2 (likewise at the other scales)"
    assert line(table, "HDSRNet", "the authors'")["note"] == note


def test_a_method_that_was_not_asked_for_says_so() -> None:
    table = tables.quality(rows({BICUBIC: 36.0}), "Set5", gaps())
    assert line(table, "HDSRNet")["note"] == "not measured: not asked for in this run"


def test_a_set_of_which_nothing_is_there_still_shows_the_published_numbers() -> None:
    lack = [(*BICUBIC, "Urban100", scale, "the set is not there") for scale in (2, 3, 4)]
    table = tables.quality(rows({BICUBIC: 36.0}), "Urban100", gaps(*lack))
    assert line(table, "HDSRNet")["×2 paper"] == "**32.00**/**0.9267**"
    assert line(table, "Bicubic", "needs none")["note"] == "not measured: the set is not there"
    assert table.numbers["psnr_db"].isna().all()


def test_an_incomplete_set_is_counted_and_has_no_mean() -> None:
    partial = rows({BICUBIC: 30.0, OURS: 32.0}, "Urban100", images=3, expected=100)
    table = tables.quality(partial, "Urban100", gaps())
    ours = line(table, "HDSRNet", "trained here")
    assert (ours["×4 measured"], ours["×4 difference"]) == ("3 of 100 images", "–")
    assert table.numbers["psnr_db"].isna().all()
    assert any("3 of 100 images" in note for note in table.notes)
    assert "mean" not in " ".join(tables.per_image(partial, "Urban100").printed["image"])


def test_a_set_without_published_numbers_shows_the_gain_over_bicubic() -> None:
    table = tables.quality(rows({BICUBIC: 30.0, OURS: 32.5}, "samples"), "samples", gaps())
    assert line(table, "HDSRNet", "trained here")["×3 over bicubic"] == "+2.50/+0.0500"
    assert line(table, "Bicubic", "needs none")["×3 over bicubic"] == "–"
    assert not [head for head in table.printed.columns if head[1] == "paper"]


def test_rows_behind_a_mean_are_shown_with_it() -> None:
    table = tables.per_image(
        rows({BICUBIC: 30.0, OURS: 32.0, AUTHORS: 33.0}, scales=[2], images=3, expected=3), "Set5"
    )
    assert [head[1] for head in table.printed.columns[1:]] == [
        "Bicubic",
        "HDSRNet, trained here",
        "HDSRNet, the authors'",
    ]
    assert table.printed.iloc[0, 1:].tolist() == ["27.90", "29.90", "30.90"]
    assert table.printed.iloc[-1].tolist() == ["mean of 3", "28.00", "30.00", "31.00"]
    assert len(table.numbers) == 9


def test_files_hold_the_same_table_alike_each_time(tmp_path: Path) -> None:
    table = tables.quality(rows({BICUBIC: 36.0, OURS: 39.0}), "Set5", gaps())
    assert table.write(tmp_path) is table
    first = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(first) == {f"table_II_Set5.{ending}" for ending in ("csv", "md", "html")}
    table.write(tmp_path)
    assert first == {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    numbers = pd.read_csv(tmp_path / "table_II_Set5.csv", keep_default_na=True)
    assert numbers.query("method == 'HDSRNet' and scale == 2")["psnr_db"].tolist() == [pytest.approx(37.0)]
    assert "| HDSRNet | trained here | **37.95**/**0.9604** | 37.00/0.7600 |" in first["table_II_Set5.md"]


def test_text_stands_left_and_is_wrapped_where_it_is_long() -> None:
    printed = pd.DataFrame(
        {"word": ["a"], "number": ["-0.1/+2"], "sentence": ["word " * 9], "count": ["3 of 9 images"]}
    )
    styles = {style["selector"].split(":")[0]: style["props"] for style in tables.column_styles(printed)}
    assert list(styles) == ["th.col0", "th.col2"]
    assert "normal" not in styles["th.col0"]
    assert "normal" in styles["th.col2"]


def test_html_marks_in_red_and_blue_and_escapes_what_it_is_given() -> None:
    assert (
        tables.colored("**1**/*2*")
        == '<span style="color:#c00000">1</span>/<span style="color:#0050c8">2</span>'
    )
    table = tables.quality(rows({("<b>", "none"): 30.0}, "samples"), "samples", gaps())
    assert "&lt;b&gt;" in table._repr_html_()
    assert 'id="T_table_samples"' in table._repr_html_()
