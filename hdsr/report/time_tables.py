"""Measured times as tables: Table VI on this machine and on a GPU, and what a training step takes."""

import pandas as pd

from hdsr import paper
from hdsr.measure.runtime import PUBLISHED, REFERENCE
from hdsr.report.tables import Table, texts

PRECISIONS = ("fp32", "tf32", "bf16")
OLDEST = "VDSR"
"""Times on a GPU are divided by its time there: the oldest network in Table VI."""


def runtime(rows: pd.DataFrame) -> Table:
    """Table VI: the paper's GPU times, what was measured, and of both the ratio to HDSRNet as published.

    The rows are those of `hdsr.measure.runtime.measure_runtime`, of one device and precision.
    """
    numbers = _with_paper_times(rows)
    printed = {("", "network"): numbers["method"], ("", "form"): numbers["form"]}
    lines = pd.DataFrame(printed).drop_duplicates(ignore_index=True)
    for hr_px, part in numbers.groupby("hr_px", sort=False):
        for name, cells in _runtime_cells(part.reset_index(drop=True)).items():
            lines[f"HR {hr_px} × {hr_px}", name] = cells
    caption = "Table VI: run time at x4, as the paper prints it for its GPU and as measured here"
    return Table("table_VI", caption, numbers, lines, _runtime_notes(rows))


def gpu_times(bench: pd.DataFrame) -> pd.DataFrame:
    """The networks of Table VI on a GPU, as rows of `make bench` have them, a line per size and precision.

    Columns: method, form, hr_px, precision, device, n; median, quartile1 and quartile3 in ms; ratio (to
    VDSR's in the same turns); paper_ms, paper_ratio (to VDSR's).
    """
    rows = bench[(bench["part"] == "gpu") & (bench["what"] == "time, Table VI")].reset_index(drop=True)
    rows = rows.rename(columns={"form": "title", "dtype": "precision"}).assign(ratio=1 / rows["ratio"])
    named = rows["title"].str.extract("^(?P<method>.*), (?P<form>.*)$")
    hr_px = rows["size"].str.extract(r"(\d+)x", expand=False).astype(int)
    return _with_paper_times(rows.join(named).assign(hr_px=hr_px), OLDEST)


def gpu(bench: pd.DataFrame) -> Table:
    """Table VI on GPUs, the authors' and that of `make bench`: times and ratios to VDSR's."""
    numbers = gpu_times(bench)
    places = numbers.drop_duplicates(["hr_px", "method", "form"])
    printed = pd.DataFrame(
        {
            ("", "HR"): places["hr_px"].map("{0} × {0}".format),
            ("", "network"): places["method"],
            ("", "form"): places["form"],
            ("the paper's GPU", "ms"): texts(places["paper_ms"], "{:.2f}"),
            ("the paper's GPU", "÷ VDSR"): texts(places["paper_ratio"], "{:.2f}"),
        }
    )
    columns = numbers.sort_values("precision", key=lambda names: names.map(PRECISIONS.index), kind="stable")
    for (device, precision), part in columns.groupby(["device", "precision"], sort=False):
        for name, column in {"ms": "median", "÷ VDSR": "ratio"}.items():
            printed[f"{device}, {precision}", name] = part[column].map("{:.2f}".format).to_numpy()
    caption = "Table VI on GPUs, at ×4: what can be compared are ratios to VDSR on the same card"
    notes = ("No GPU was measured: `make bench PARTS=gpu` does so where there is one.",)
    if len(numbers):
        turns = f"Medians of {numbers['n'].iloc[0]} turns"
        launches = "A small image leaves a large card waiting for launches, of which VDSR has the fewest."
        notes = (f"{turns}; random weights; VDSR without the enlargement before it.", launches)
    return Table("table_VI_gpu", caption, numbers, printed, notes)


def _with_paper_times(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """The rows with paper_ms and paper_ratio, which forms that the paper does not have lack."""
    published = paper.runtime()[["method", "hr_px", "runtime_ms"]].rename(columns={"runtime_ms": "paper_ms"})
    reference = published[published["method"] == reference].set_index("hr_px")["paper_ms"]
    published["paper_ratio"] = published["paper_ms"] / published["hr_px"].map(reference)
    return rows.merge(published.assign(form=PUBLISHED), how="left", on=["method", "form", "hr_px"])


def _runtime_cells(part: pd.DataFrame) -> dict[str, pd.Series]:
    spread = part["quartile1_ms"].map("{:.0f}".format) + " to " + part["quartile3_ms"].map("{:.0f}".format)
    return {
        "paper, GPU (ms)": texts(part["paper_ms"], "{:.2f}"),
        "paper ÷ HDSRNet": texts(part["paper_ratio"], "{:.2f}"),
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
