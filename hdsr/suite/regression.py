"""What `pytest --nbval` compares: PSNR to two decimals, less the values that lie at an edge of rounding.

Two machines may differ in the fifth decimal of a PSNR. Where that could turn the second one, the value is
left out of the comparison. What is left in is fixed in notebooks/compared.csv when outputs are renewed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hdsr import paths, results
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.report.tables import with_variants

COMPARED = paths.COMPARED
MARGIN_DB = 0.001
KEY = ["dataset", "image", "model", "weights", "scale"]
MEAN = "mean"


def edge_distance(psnr_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far values in dB are from the nearest one at which their second decimal turns."""
    return np.abs(psnr_db * 100 % 1 - 0.5) / 100


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """The fp32 rows and means of whole sets that are at least MARGIN_DB from an edge of rounding.

    Columns: dataset, image ("mean" for a mean), model, weights, scale, psnr_db.
    """
    values = with_means(rows)
    return values[edge_distance(values["psnr_db"].to_numpy()) >= MARGIN_DB].reset_index(drop=True)


def with_means(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR of fp32 rows, followed by the means of whole sets."""
    rows = rows[rows["precision"] == "fp32"]
    means = results.summarize(rows).query("complete").assign(image=MEAN)
    return pd.concat([rows, means], ignore_index=True)[[*KEY, "psnr_db"]]


def renew(rows: pd.DataFrame) -> bool:
    """Fix anew which values are compared; return whether the file changed."""
    text = comparable(rows).to_csv(index=False)
    if COMPARED.is_file() and COMPARED.read_text(encoding="utf-8") == text:
        return False
    with atomic_path(COMPARED) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR of those rows and means that notebooks/compared.csv names."""
    values = with_means(rows)
    if not COMPARED.is_file():
        return values.head(0)
    return values.merge(pd.read_csv(COMPARED, dtype={"image": str})[KEY], on=KEY)


def check(rows: pd.DataFrame) -> None:
    """Raise HdsrError if a value that is compared has come to lie at an edge of rounding."""
    values = chosen(rows)
    unsafe = values[edge_distance(values["psnr_db"].to_numpy()) < MARGIN_DB]
    if len(unsafe):
        value = unsafe.iloc[0]
        place = f"{value['model']} on {value['image']} at x{value['scale']}"
        raise HdsrError(
            f"{value['psnr_db']:.5f} dB, {place}, is within {MARGIN_DB} dB of an edge of rounding: "
            "refresh all notebooks, which leaves it out"
        )


def refresh(names: Sequence[str], reports: Path) -> None:
    """Execute notebooks in place; where these are all, fix anew what is compared.

    Args:
        names: notebooks such as "02_benchmarks".
        reports: folder for the reports that they write.

    Raises:
        HdsrError: for a cell that failed, or a compared value that has come to lie at an edge of rounding
            while only some notebooks are refreshed.
    """
    from hdsr.suite import execute  # which notebooks, that import this module to compare, do without

    for name in names:
        execute.refresh(name, reports)
    rows = results.load(reports / "quick" / "rows" / "benchmarks.csv")
    if set(names) == set(execute.notebook_names()) and renew(rows):
        for name in names:
            execute.refresh(name, reports)
    check(rows)


def report(rows: pd.DataFrame) -> str:
    """The compared values of these rows as a text table; a dot stands for what is not compared."""
    values = chosen(rows)
    if values.empty:
        return "No value of this run is compared: notebooks/compared.csv names none of its images."
    lines = with_variants(values).drop(columns="method").rename(columns={"variant": "method"})
    lines["scale"] = "×" + lines["scale"].astype(str)
    lines["psnr_db"] = lines["psnr_db"].map("{:.2f}".format)
    table = lines.pivot(index=["dataset", "method", "image"], columns="scale", values="psnr_db").fillna("·")
    return table.reset_index().rename_axis(columns=None).to_string(index=False)
