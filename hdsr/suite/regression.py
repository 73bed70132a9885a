"""What `pytest --nbval` compares: PSNR, as numbers, with notebooks/compared.csv; one line tells of it.

Two machines may differ in the fifth decimal, which can turn a printed digit: so no digits are compared.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdsr import results
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.paths import COMPARED

_TOLERANCE_DB = 0.005
"""A hundred times what machines differ by, and half of the last digit that tables print."""
_KEY = ["dataset", "image", "model", "weights", "scale"]


def report(rows: pd.DataFrame) -> str:
    """In one line, how many of these rows and means are the stored ones; or the one that is farthest off."""
    both = _beside_stored(rows)
    if both.empty:
        return "No value of this run is compared: notebooks/compared.csv names none of its images."
    if (both["off_db"] <= _TOLERANCE_DB).all():
        return f"{len(both)} values are those of notebooks/compared.csv, within {_TOLERANCE_DB} dB"
    worst = both.loc[both["off_db"].idxmax()]
    return (
        f"{worst['model']} on {worst['image']} at x{worst['scale']}: {worst['psnr_db']:.4f} dB, "
        f"in notebooks/compared.csv {worst['stored_db']:.4f} dB"
    )


def refresh(names: Sequence[str], reports: Path) -> None:
    """Execute notebooks in place; where these are all, store anew what is compared if it has changed.

    Args:
        names: notebooks such as "02_benchmarks".
        reports: folder for the reports that they write.

    Raises:
        HdsrError: for a cell that failed, or a value that has changed while only some are refreshed.
    """
    from hdsr.suite import execute  # which notebooks, that import this module to compare, do without

    for name in names:
        execute.refresh(name, reports)
    rows = results.load(reports / "quick" / "rows" / "benchmarks.csv")
    if set(names) == set(execute.notebook_names()):
        for name in names if renew(rows) else ():
            execute.refresh(name, reports)
    elif (_beside_stored(rows)["off_db"] > _TOLERANCE_DB).any():
        raise HdsrError(f"{report(rows)}: refresh all notebooks")


def renew(rows: pd.DataFrame) -> bool:
    """Store these rows and means, unless they are the stored ones; return whether the file changed."""
    values, both = _with_means(rows), _beside_stored(rows)
    if len(both) == len(values) == len(_stored()) and (both["off_db"] <= _TOLERANCE_DB).all():
        return False
    with atomic_path(COMPARED) as temporary:
        values.to_csv(temporary, index=False)
    return True


def _beside_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """The values that are stored, too: with columns stored_db, and off_db, their distance."""
    both = _with_means(rows).merge(_stored().rename(columns={"psnr_db": "stored_db"}), on=_KEY)
    return both.assign(off_db=(both["psnr_db"] - both["stored_db"]).abs())


def _with_means(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR of fp32 rows, followed by the means of whole sets."""
    rows = rows[rows["precision"] == "fp32"]
    means = results.summarize(rows).query("complete").assign(image="mean")
    return pd.concat([rows, means], ignore_index=True)[[*_KEY, "psnr_db"]]


def _stored() -> pd.DataFrame:
    if not COMPARED.is_file():
        return pd.DataFrame(columns=[*_KEY, "psnr_db"]).astype({"scale": int})
    return pd.read_csv(COMPARED, dtype={"image": str})
