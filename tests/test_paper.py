"""The published numbers, against what is printed on the paper's pages."""

import pytest

from hdsr import paper


def test_tables_have_as_many_cells_as_are_printed() -> None:
    counts = paper.quality().groupby(["dataset", "scale"]).size().unstack()
    assert counts.loc[["Set5", "Set14", "B100", "Urban100"]].to_numpy().tolist() == [
        [31, 30, 32],
        [30, 30, 31],
        [27, 26, 28],
        [27, 25, 29],
    ]
    assert not paper.quality().duplicated(["dataset", "method", "scale"]).any()


@pytest.mark.parametrize(
    ("dataset", "method", "scale", "psnr_db", "ssim"),
    [
        ("Set5", "HDSRNet", 2, 37.95, 0.9604),
        ("Set14", "PGAN", 4, 27.75, 0.8164),
        ("B100", "MemNet", 2, 32.08, 0.8978),
        ("Urban100", "Bicubic", 4, 23.14, 0.6577),
    ],
)
def test_quality_of_some_printed_cells(
    dataset: str, method: str, scale: int, psnr_db: float, ssim: float
) -> None:
    cell = paper.quality().query("dataset == @dataset and method == @method and scale == @scale")
    assert cell[["psnr_db", "ssim"]].to_numpy().tolist() == [[psnr_db, ssim]]


def test_each_column_of_the_tables_has_a_red_and_a_blue_mark() -> None:
    marks = paper.marks()
    counts = marks.groupby(["dataset", "scale", "metric", "rank"]).size()
    assert len(counts) == 4 * 3 * 2 * 2
    assert counts[counts > 1].index.tolist() == [("B100", 2, "ssim", 2)]
    assert marks.query("rank == 1")["method"].unique().tolist() == ["HDSRNet"]
    blue = marks.query("dataset == 'Set5' and rank == 2")["method"].tolist()
    assert blue == ["IDN", "IDN", "DCLS", "IDN", "DCLS", "DSRCNN"]
    assert len(marks.merge(paper.quality(), on=["table", "dataset", "scale", "method"])) == len(marks)


def test_run_time_and_complexity_of_hdsrnet() -> None:
    assert paper.runtime().query("method == 'HDSRNet'")["runtime_ms"].tolist() == [14.17, 26.11]
    cell = paper.complexity().query("method == 'HDSRNet'")
    assert cell[["parameters_k", "flops_g"]].to_numpy().tolist() == [[1819, 110.99]]


def test_names_of_images_stay_text_even_where_they_are_numbers() -> None:
    figures = paper.figures()
    assert figures["figure"].tolist() == [2, 3, 4, 5, 6, 7]
    assert figures["image"].tolist() == ["zebra", "223061", "24077", "img_014", "img_073", "img_015"]


@pytest.mark.parametrize(
    ("model", "printed"),
    [
        ("bicubic", "Bicubic"),
        ("hdsrnet", "HDSRNet"),
        ("carn_m", "CARN-M"),
        ("acnet", "ACNet"),
        ("own", "own"),
    ],
)
def test_methods_are_labelled_as_printed(model: str, printed: str) -> None:
    assert paper.label(model) == printed


def test_contents_name_each_table_and_figure_once() -> None:
    contents = paper.contents()
    items = contents.loc[contents["item"] != "Claim", "item"]
    assert items.tolist() == [
        "Figure 1",
        *(f"Table {number}" for number in ("II", "III", "IV", "V", "VI", "VII")),
        *(f"Figure {number}" for number in range(2, 8)),
    ]
