"""What notebooks say of the suite and of themselves."""

from pathlib import Path

import pandas as pd
from fabricated import gaps, rows

from hdsr.report import overview, psnr_tables


def states(report: Path) -> dict[str, str]:
    numbers = overview.contents(report)
    return dict(zip(numbers["subject"], numbers["state"], strict=True))


def test_an_empty_report_holds_nothing(tmp_path: Path) -> None:
    found = states(tmp_path)
    assert found["PSNR and SSIM on Set5"] == "not in this report"


def test_states_name_the_methods_that_were_measured(tmp_path: Path) -> None:
    measured = rows({("bicubic", "none"): 36.0, ("hdsrnet", "ours"): 39.0})
    psnr_tables.comparison(measured, "Set5", gaps()).write(tmp_path / "tables")
    partial = rows({("bicubic", "none"): 30.0}, "Urban100", images=3, expected=100)
    psnr_tables.comparison(partial, "Urban100", gaps()).write(tmp_path / "tables")
    found = states(tmp_path)
    assert found["PSNR and SSIM on Set5"] == "measured: Bicubic, HDSRNet"
    assert found["PSNR and SSIM on Urban100"] == "published numbers only"


def test_states_of_counts_and_of_verdicts(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    counts = pd.DataFrame({"method": ["ACNet", "HDSRNet", "VDSR"], "macs": [3.0, 2.0, None]})
    counts.to_csv(tmp_path / "tables" / "table_VII_complexity.csv", index=False)
    verdicts = pd.DataFrame({"verdict": ["contradicted", "reproduced", "reproduced"]})
    verdicts.to_csv(tmp_path / "tables" / "scorecard_printed.csv", index=False)
    found = states(tmp_path)
    assert found["parameters and FLOPs of three networks"] == "measured: ACNet, HDSRNet"
    assert found["those that the printed numbers alone decide"] == "2 reproduced, 1 contradicted"
    assert found["others that measurements decide"] == "not in this report"


def test_differences_from_matlab_are_counted_or_said_not_to_be() -> None:
    counted = pd.DataFrame(
        [("Set5", 2, 5, 425592, 0)], columns=["set", "scale", "images", "values", "differing"]
    )
    table = overview.beside_matlab(counted)
    assert table.printed.to_numpy().tolist() == [["Set5", "×2", "5", "425,592", "0"]]
    assert table.notes == ()
    (note,) = overview.beside_matlab(counted.head(0)).notes
    assert "No set that reference images are of" in note


def test_presence_counts_what_is_missing_and_names_what_is_damaged() -> None:
    status = pd.DataFrame(
        {
            "group": ["benchmarks", "benchmarks"],
            "set": ["Set5", "Set5"],
            "scale": ["HR", "2"],
            "images": [5, 5],
            "present": [3, 5],
            "verified": [2, 5],
            "missing": [("baby", "bird"), ()],
            "damaged": [("head",), ()],
            "bytes": [1_240_000, 300_000],
        }
    )
    table = overview.presence(status)
    assert table.printed.iloc[0].tolist() == ["Set5", "HR", "5", "3", "2", "2", "head", "1.2"]
    assert table.brief is not None
    assert table.brief.to_numpy().tolist() == [["Set5", "10", "8", "2", "head", "1.5"]]


def test_provenance_names_code_images_and_weights() -> None:
    measured = rows({("bicubic", "none"): 36.0, ("hdsrnet", "ours"): 39.0}, scales=[2], images=3)
    measured["weights_sha256"] = measured["weights"].map({"none": "none", "ours": 4 * "0123456789abcdef"})
    lines = overview.provenance(measured).numbers.set_index("of")["value"]
    assert lines["Set5"] == "3 of 5 images, LR from imresize"
    assert lines["HDSRNet, trained here, ×2"] == "SHA-256 0123456789abcdef"
    assert {"commit", "python", "torch", "protocol", "precision", "device"} <= set(lines.index)


def test_provenance_without_rows_names_the_code() -> None:
    kinds = overview.provenance().numbers["kind"].unique().tolist()
    assert kinds == ["code", "version", "machine"]
