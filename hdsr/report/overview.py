"""What a notebook says of the suite and of itself: what is reproduced where, and what made its numbers."""

import sys
from pathlib import Path

import pandas as pd

from hdsr import paper
from hdsr.provenance import commit, versions
from hdsr.report.tables import ABSENT, Table, with_variants
from hdsr.results import NO_WEIGHTS, VERSIONS

_MEASURED = ("psnr_db", "median_ms", "macs")
"""The column of a table's file that holds what was measured."""


def contents(report: Path) -> pd.DataFrame:
    """The paper's tables and claims, the notebook for each, and how far a report has it (state)."""
    items = paper.contents()
    items = items[items["output"].str.startswith("tables/")]
    return items.assign(state=[state(report / f"{output}.csv") for output in items["output"]])


def presence(status: pd.DataFrame) -> Table:
    """What `hdsr.fetch.inventory.status` says of published sets and weights, to read."""
    numbers = status.assign(
        missing=status["images"] - status["present"],
        damaged=status["damaged"].map(", ".join),
        megabytes=(status["bytes"] / 1e6).round(1),
    ).drop(columns=["group", "bytes"])
    sums = dict.fromkeys(("images", "present", "missing"), "sum")
    sums |= {"damaged": lambda names: ", ".join(filter(None, names)), "megabytes": "sum"}
    brief = numbers.groupby("set", sort=False, as_index=False).agg(sums).round(1)
    printed, brief = (part.astype(str).replace({"damaged": {"": ABSENT}}) for part in (numbers, brief))
    return Table("presence", "Published images and weights", numbers, printed, brief=brief)


def beside_matlab(numbers: pd.DataFrame) -> Table:
    """What `hdsr.measure.matlab.matlab_differences` counted, to read."""
    printed = numbers.assign(
        scale="×" + numbers["scale"].astype(str), values=numbers["values"].map("{:,}".format)
    )
    notes = () if len(numbers) else ("No set that reference images are of is in the data folder.",)
    return Table(
        "matlab", "Values of LR images that differ from MATLAB's", numbers, printed.astype(str), notes
    )


def state(path: Path) -> str:
    """How far a table of the paper has been reproduced, read off its file in a report."""
    if not path.is_file():
        return "not in this report"
    numbers = pd.read_csv(path)
    if "verdict" in numbers:
        return ", ".join(f"{count} {verdict}" for verdict, count in numbers["verdict"].value_counts().items())
    value = next(column for column in _MEASURED if column in numbers)
    measured = numbers.loc[numbers[value].notna(), "method"].unique()
    return f"measured: {', '.join(measured)}" if len(measured) else "published numbers only"


def provenance(rows: pd.DataFrame | None = None) -> Table:
    """What made the numbers of a notebook: code and versions; of result rows also images and weights."""
    lines = [("code", "commit", commit() or "outside a checkout")]
    lines += [("version", name, number) for name, number in versions().items()]
    if torch := sys.modules.get("torch"):
        lines.append(("machine", "threads of torch", str(torch.get_num_threads())))
    if rows is not None:
        lines += _measured_with(rows)
    numbers = pd.DataFrame(lines, columns=["kind", "of", "value"])
    return Table("provenance", "What this was made with", numbers, numbers)


def _measured_with(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Lines of `provenance` on result rows: how they were scored, on which images, with which weights."""
    columns = ("protocol", "precision", "device")
    lines = [("scores", column, ", ".join(rows[column].unique())) for column in columns]
    lines += [("rows made with", name, ", ".join(rows[name].unique())) for name in VERSIONS if name in rows]
    for (dataset, source), part in rows.groupby(["dataset", "lr_source"], sort=False):
        count = f"{part['image'].nunique()} of {part['expected'].iloc[0]} images"
        lines.append(("images", dataset, f"{count}, LR from {source}"))
    weights = with_variants(rows[rows["weights"] != NO_WEIGHTS])[["variant", "scale", "weights_sha256"]]
    for variant, scale, digest in weights.drop_duplicates().itertuples(index=False, name=None):
        lines.append(("weights", f"{variant}, ×{scale}", f"SHA-256 {digest[:16]}"))
    return lines
