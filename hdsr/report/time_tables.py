"""Measured times as tables: Table VI, and what a training step takes."""

import pandas as pd

from hdsr import paper
from hdsr.measure.runtime import PUBLISHED, REFERENCE
from hdsr.report.tables import ABSENT, Table


def runtime(rows: pd.DataFrame) -> Table:
    """Table VI: the paper's GPU times, what was measured, and of both the ratio to HDSRNet as published.

    Args:
        rows: as `hdsr.measure.runtime.measure_runtime` returns them, of one device and precision.
    """
    numbers = _with_paper_times(rows)
    printed = {("", "network"): numbers["method"], ("", "form"): numbers["form"]}
    lines = pd.DataFrame(printed).drop_duplicates(ignore_index=True)
    for hr_px, part in numbers.groupby("hr_px", sort=False):
        for name, cells in _runtime_cells(part.reset_index(drop=True)).items():
            lines[f"HR {hr_px} × {hr_px}", name] = cells
    caption = "Table VI: run time at x4, as the paper prints it for its GPU and as measured here"
    return Table("table_VI", caption, numbers, lines, _runtime_notes(rows))


def _with_paper_times(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with paper_ms and paper_ratio, which forms that the paper does not have lack."""
    published = paper.runtime()[["method", "hr_px", "runtime_ms"]].rename(columns={"runtime_ms": "paper_ms"})
    reference = published[published["method"] == REFERENCE].set_index("hr_px")["paper_ms"]
    published["paper_ratio"] = published["paper_ms"] / published["hr_px"].map(reference)
    return rows.merge(published.assign(form=PUBLISHED), how="left", on=["method", "form", "hr_px"])


def _runtime_cells(part: pd.DataFrame) -> dict[str, pd.Series]:
    spread = part["quartile1_ms"].map("{:.0f}".format) + " to " + part["quartile3_ms"].map("{:.0f}".format)
    published = part[["paper_ms", "paper_ratio"]].map("{:.2f}".format, na_action="ignore").fillna(ABSENT)
    return {
        "paper, GPU (ms)": published["paper_ms"],
        "paper ÷ HDSRNet": published["paper_ratio"],
        "measured (ms)": part["median_ms"].map("{:.0f}".format) + " (" + spread + ")",
        "measured ÷ HDSRNet": part["ratio"].map("{:.2f}".format),
    }


def _runtime_notes(rows: pd.DataFrame) -> tuple[str, ...]:
    """What the figures depend on, and what they say nothing about."""
    facts = rows.iloc[0]
    return (
        f"Measured: medians (quartiles) of {facts['n']} turns after {facts['warmup']} to warm up, on "
        f"{facts['device']}, {facts['precision']}, CPU threads: {facts['threads']}; networks in turns.",
        "All have random weights, which take as long as trained ones. VDSR is timed on the luma of the image "
        "already enlarged, without that enlargement.",
        "Ratios are to HDSRNet as published, below 1 is faster. The paper's milliseconds are of a GPU: "
        "no verdict is drawn from comparing them with these.",
    )


def training_step(rows: pd.DataFrame) -> Table:
    """The rows of `hdsr.measure.training_step.ratios` as a table to read."""
    one = rows.iloc[0]
    ratio = zip(rows["ratio"], rows["ratio_quartile1"], rows["ratio_quartile3"], strict=True)
    printed = rows[["form", "precision", "layout"]].assign(
        **{
            "step (ms)": rows["step_ms"].map("{:.0f}".format),
            "steps per second": rows["steps_per_second"].map("{:.2f}".format),
            "times faster": ["{:.2f} ({:.2f} to {:.2f})".format(*line) for line in ratio],
        }
    )
    caption = f"A training step at ×{one['scale']}, {one['batch_size']} LR patches of {one['lr_px']} px"
    note = f"Medians of {one['n']} turns after {one['warmup']} to warm up, {one['device']}, "
    note += f"{one['threads']} threads. Times faster: median (quartiles) of the ratios within turns."
    return Table("training_step", caption, rows, printed, (note,))
