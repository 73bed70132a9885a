"""What `pytest --nbval` compares: chosen away from the edges of rounding, printed to two decimals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import rows

from hdsr import results
from hdsr.errors import HdsrError
from hdsr.suite import execute as execution
from hdsr.suite import regression


@pytest.fixture(autouse=True)
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of compared values of its own."""
    path = tmp_path / "compared.csv"
    monkeypatch.setattr(regression, "COMPARED", path)
    return path


def scored(*values: float) -> pd.DataFrame:
    """Rows of bicubic on images with these PSNR values in dB."""
    table = rows({("bicubic", "none"): 30.0}, "samples", [2], len(values), len(values))
    return table.assign(psnr_db=values)


def test_the_edge_of_rounding_is_half_way_between_two_printed_values() -> None:
    distances = regression.edge_distance(np.array([30.005, 30.0, 30.0149, 30.0051, 30.0249]))
    assert distances == pytest.approx([0, 0.005, 0.0001, 0.0001, 0.0001], abs=1e-9)


def test_values_near_an_edge_and_of_other_precision_are_left_out() -> None:
    table = pd.concat([scored(30.0, 30.0055, 30.01), scored(31.0, 31.0, 31.0).assign(precision="bf16")])
    chosen = regression.comparable(table)
    assert chosen["image"].tolist() == ["image_0", "image_2"]
    assert chosen["psnr_db"].tolist() == [30.0, 30.01]


def test_the_mean_of_a_whole_set_is_compared_and_that_of_a_part_is_not() -> None:
    assert "mean" in regression.comparable(scored(30.0, 30.02))["image"].tolist()
    assert "mean" not in regression.comparable(scored(30.0, 30.02).assign(expected=3))["image"].tolist()


def test_the_choice_is_renewed_only_when_it_changes() -> None:
    assert regression.renew(scored(30.0, 31.0))
    assert not regression.renew(scored(30.0, 31.0))
    assert regression.renew(scored(30.0, 32.0))


def test_what_was_left_out_is_printed_as_a_dot() -> None:
    table = rows({("bicubic", "none"): 30.0}, "samples", [2, 3], 2, 2)
    regression.renew(table.assign(psnr_db=[30.0, 31.0, 29.0, 28.0052]))
    lines = regression.report(table.assign(psnr_db=[30.0, 31.0, 29.0, 28.0052])).splitlines()
    assert [line.split() for line in lines] == [
        ["dataset", "method", "image", "×2", "×3"],
        ["samples", "Bicubic", "image_0", "30.00", "29.00"],
        ["samples", "Bicubic", "image_1", "31.00", "·"],
        ["samples", "Bicubic", "mean", "30.50", "28.50"],
    ]


def test_a_tiny_difference_prints_alike_and_a_hundredth_does_not() -> None:
    regression.renew(scored(30.0039, 31.0))
    stored = regression.report(scored(30.0039, 31.0))
    assert regression.report(scored(30.0039 + 5e-5, 31.0)) == stored
    assert regression.report(scored(30.0139, 31.0)) != stored


def test_rows_that_nothing_was_chosen_of_say_so(compared: Path) -> None:
    expected = "No value of this run is compared: notebooks/compared.csv names none of its images."
    assert regression.report(scored(30.0)) == expected
    regression.renew(scored(30.0))
    assert regression.report(scored(30.0).assign(dataset="Set5")) == expected


def test_a_compared_value_that_moved_to_an_edge_is_an_error() -> None:
    regression.renew(scored(30.0, 31.0))
    regression.check(scored(30.0, 31.0))
    with pytest.raises(HdsrError, match=r"30\.00510 dB, bicubic on image_0 at x2, is within 0\.001 dB"):
        regression.check(scored(30.0051, 31.0))


@pytest.fixture
def refreshed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of notebooks as they are executed by stand-ins that write rows."""
    names = ["01_data", "02_benchmarks"]
    executed: list[str] = []

    def execute(name: str, reports: Path) -> None:
        executed.append(name)
        path = reports / "quick" / "rows" / "benchmarks.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        results.replace(path, (results.Row(**line) for line in scored(30.0, 31.0).to_dict("records")))

    monkeypatch.setattr(execution, "refresh", execute)
    monkeypatch.setattr(execution, "notebook_names", lambda: names)
    return executed


def test_a_full_refresh_runs_again_when_the_choice_changed(
    refreshed: list[str], tmp_path: Path, compared: Path
) -> None:
    order = ["01_data", "02_benchmarks"]
    regression.refresh(order, tmp_path)
    assert refreshed == order * 2
    assert compared.is_file()
    regression.refresh(order, tmp_path)
    assert refreshed == order * 3


def test_a_refresh_of_one_notebook_leaves_the_choice_as_it_is(
    refreshed: list[str], tmp_path: Path, compared: Path
) -> None:
    regression.refresh(["02_benchmarks"], tmp_path)
    assert refreshed == ["02_benchmarks"]
    assert not compared.exists()
