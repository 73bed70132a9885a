"""What `pytest --nbval` compares: measured values with stored ones, told in one line."""

from pathlib import Path

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


def test_values_are_compared_as_numbers_and_the_line_is_the_same_on_any_machine() -> None:
    regression.renew(scored(30.005, 31.0))
    line = "3 values are those of notebooks/compared.csv, within 0.005 dB"
    assert regression.report(scored(30.005, 31.0)) == line
    assert regression.report(scored(30.00499, 31.0)) == line
    part = scored(30.005, 31.0).head(1).assign(expected=2)
    assert regression.report(part) == line.replace("3", "1")


def test_a_value_that_is_a_hundredth_off_is_named() -> None:
    regression.renew(scored(30.0, 31.0, 32.0))
    moved = regression.report(scored(30.0, 31.0, 32.01))
    assert moved == "bicubic on image_2 at x2: 32.0100 dB, in notebooks/compared.csv 32.0000 dB"


def test_other_precisions_and_means_of_parts_are_left_out() -> None:
    regression.renew(pd.concat([scored(30.0), scored(31.0, 31.0).assign(precision="bf16")]))
    assert regression.report(scored(30.0)).startswith("2 values")
    regression.renew(scored(30.0, 30.02).assign(expected=3))
    assert regression.report(scored(30.0, 30.02)).startswith("2 values")


def test_what_is_stored_is_renewed_only_when_it_changes() -> None:
    assert regression.renew(scored(30.0, 31.0))
    assert not regression.renew(scored(30.0, 31.0))
    assert not regression.renew(scored(30.0, 31.004))
    assert regression.renew(scored(30.0, 31.006))
    assert regression.renew(scored(30.0))
    assert not regression.renew(scored(30.0))


def test_rows_of_which_nothing_is_stored_say_so() -> None:
    expected = "No value of this run is compared: notebooks/compared.csv names none of its images."
    assert regression.report(scored(30.0)) == expected
    regression.renew(scored(30.0))
    assert regression.report(scored(30.0).assign(dataset="Set5")) == expected


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


def test_a_full_refresh_runs_again_when_values_changed(
    refreshed: list[str], tmp_path: Path, compared: Path
) -> None:
    order = ["01_data", "02_benchmarks"]
    regression.refresh(order, tmp_path)
    assert refreshed == order * 2
    assert compared.is_file()
    regression.refresh(order, tmp_path)
    assert refreshed == order * 3


def test_a_refresh_of_one_notebook_stores_no_values(
    refreshed: list[str], tmp_path: Path, compared: Path
) -> None:
    regression.refresh(["02_benchmarks"], tmp_path)
    assert refreshed == ["02_benchmarks"]
    assert not compared.exists()


def test_a_refresh_of_one_notebook_whose_values_changed_asks_for_all(
    refreshed: list[str], tmp_path: Path
) -> None:
    regression.renew(scored(30.0, 31.1))
    with pytest.raises(HdsrError, match=r"image_1 at x2: 31\.0000 dB, .* 31\.1000 dB: refresh all notebooks"):
        regression.refresh(["02_benchmarks"], tmp_path)
