"""Pages of the benchmark's rows: tables of ratios, and how time and memory grow with the image."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hdsr import paths
from hdsr.bench.forms import FOLDED
from hdsr.bench.rows import COLUMNS as COLUMNS_OF_FILE
from hdsr.bench.rows import NOT_MEASURED, TABLE_VI, read
from hdsr.measure.latency import machine
from hdsr.report.figures import WIDTH_IN, Drawing
from hdsr.report.tables import ABSENT, MANY_LINES, Table, texts

GROWTH = "growth"
QUANTITIES = {"time": "time (ms)", "working memory": "memory beyond the loaded network (GiB)"}
"""What is drawn against the number of pixels, and the labels of the axes."""
TITLES = {
    "inference": "One image, in turns",
    "end_to_end": "Whole benchmark sets with metrics, in turns, each time in a process of its own",
    "memory": "A large photograph by the command, in a process of its own",
    "training": "One training step, in turns, and the share of its time that goes into patches",
    "gpu": "On a GPU: its own rates, Table VI, both forms by size",
    "peers": "The same network by other programs, in turns, each in a process of its own",
}
RATIO_NOTE = "Ratio: how many times better than the baseline, that is less time, or a higher rate."
COLUMNS = ["what", "form", "scale", "size", "dtype", "threads"]
MARKERS = "os^Dv"


def rows() -> pd.DataFrame:
    """The rows in reports/bench.csv; none if `make bench` has not been run."""
    return read(paths.BENCH) if paths.BENCH.is_file() else pd.DataFrame(columns=COLUMNS_OF_FILE)


def origin(rows: pd.DataFrame) -> list[str]:
    """Where and when rows were measured, and whether that was a machine like this one."""
    here = machine()
    lines = []
    for (name, device), part in rows.groupby(["machine", "device"], sort=False):
        dates = " and ".join(sorted(part["measured"].unique()))
        place = "a machine like this one" if name == here else f"another machine than this one ({here})"
        threads = " and ".join(map(str, part["threads"].unique()))
        made_with = f"threads: {threads}; {part['versions'].iloc[-1]}"
        name = name if device == "cpu" else f"{device} beside {name}"
        lines.append(f"Measured on {dates} on {place}: {name}, {made_with}.")
    return lines


def tables(rows: pd.DataFrame) -> list[Table]:
    """A table of rows for each part but growth: median, quartiles and n of each quantity, and the ratio."""
    return [table(rows[rows["part"] == part], part, title) for part, title in TITLES.items()]


def table(rows: pd.DataFrame, part: str, title: str) -> Table:
    """The table of one part; without rows it says that the part was not measured."""
    numbers = rows.reset_index(drop=True)
    machines = ["machine"] * (numbers["machine"].nunique() > 1)
    printed = numbers[[*COLUMNS, *machines]].astype("string").fillna("")
    printed["scale"] = ("×" + printed["scale"]).replace("×", "")
    printed["median (quartiles)"] = [measured(line) for line in numbers.itertuples()]
    printed["n"] = numbers["n"].astype(str)
    printed["ratio"] = texts(numbers["ratio"], "{:.2f}")
    printed["to"], printed["note"] = numbers["baseline"], numbers["note"]
    missing = [f"Not measured: {note}." for note in numbers.loc[numbers["what"] == NOT_MEASURED, "note"]]
    notes = (RATIO_NOTE, *origin(numbers), *missing) if len(numbers) else ("This part was not measured.",)
    printed = printed.replace("", ABSENT).astype(object)
    brief = side_by_side(printed) if machines or len(printed) > MANY_LINES else None
    return Table(f"bench_{part}", title, numbers, printed, notes, brief)


def side_by_side(printed: pd.DataFrame) -> pd.DataFrame:
    """The ratios of a printed table alone: those of all machines in one line, or of all scales, or sizes.

    Table VI has a table of its own.
    """
    compared = printed[(printed["ratio"] != ABSENT) & (printed["what"] != TABLE_VI)]
    varied = [name for name in ("machine", "scale") if name in compared and compared[name].nunique() > 1]
    across = varied[0] if varied else "size"
    keys = [name for name in ("what", "form", "scale", "size", "dtype", "threads", "to") if name != across]
    keys = [name for name in keys if name == "form" or compared[name].nunique() > 1]
    wide = compared.set_index([*keys, across])["ratio"].unstack(across, fill_value=ABSENT, sort=False)
    names = [("", name) for name in keys] + [("ratio", str(name)) for name in wide.columns]
    return wide.reset_index().set_axis(pd.MultiIndex.from_tuples(names), axis=1)


def measured(line: object) -> str:
    """A row's median with its unit, and its quartiles if it has them."""
    if pd.isna(line.median):
        return ABSENT
    spread = "" if pd.isna(line.quartile1) else f" ({line.quartile1:.4g} to {line.quartile3:.4g})"
    return f"{line.median:.4g}{spread} {line.unit}"


def beside_peers(rows: pd.DataFrame) -> str:
    """How fast the folded network is beside other programs at x4, in a sentence for each machine."""
    times = rows[(rows["part"] == "peers") & (rows["what"] == "time") & (rows["scale"] == 4)]
    others = times[times["form"] != FOLDED]
    if others.empty:
        return "Beside other programs the network was not timed."
    sentences = []
    for name, here in others.groupby("machine", sort=False):
        told = [
            ", ".join(f"{1 / line.ratio:.2f} times as fast as {line.form}" for line in part.itertuples())
            + f" in {dtype}"
            for dtype, part in here.groupby("dtype", sort=False)
        ]
        sentences.append(f"On {name}, at ×4 and LR {here['size'].iloc[0]}, it is {'; '.join(told)}.")
    return "\n".join(sentences)


def slopes(rows: pd.DataFrame) -> pd.DataFrame:
    """How each form's time and memory grow: the exponent of the number of LR pixels, by least squares.

    Columns: panel, what, form, dtype, slope (1: in proportion to the pixels), intercept (of the logarithm),
    n (sizes). A form with fewer than two sizes has no line.
    """
    growing = rows[(rows["part"] == GROWTH) & rows["what"].isin(QUANTITIES) & (rows["median"] > 0)]
    lines = []
    for (what, form, dtype), part in growing.groupby(["what", "form", "dtype"], sort=False):
        if len(part) > 1:
            slope, intercept = np.polyfit(np.log(pixels(part)), np.log(part["median"]), 1)
            lines.append((f"{what}, {form}, {dtype}", what, form, dtype, slope, intercept, len(part)))
    return pd.DataFrame(lines, columns=["panel", "what", "form", "dtype", "slope", "intercept", "n"])


def pixels(rows: pd.DataFrame) -> pd.Series:
    """LR pixels of rows whose size is width x height."""
    sides = rows["size"].str.split("x", expand=True).astype(int)
    return sides[0] * sides[1]


def growth(rows: pd.DataFrame) -> Drawing:
    """Time and memory against LR pixels, both logarithmic, with a fitted line and its slope for each form."""
    fitted = slopes(rows)
    figure = Figure(figsize=(WIDTH_IN, 0.45 * WIDTH_IN), layout="constrained")
    for axes, (what, label) in zip(figure.subplots(1, 2), QUANTITIES.items(), strict=True):
        part = rows[(rows["part"] == GROWTH) & (rows["what"] == what)]
        draw_growth(axes, part, fitted[fitted["what"] == what])
        axes.set(xlabel="LR pixels", ylabel=label, title=f"{label.split(' (')[0]} at ×4")
    return Drawing("growth", figure, fitted)


def draw_growth(axes: Axes, rows: pd.DataFrame, fitted: pd.DataFrame) -> None:
    """Points of every form, and its fitted line, on logarithmic axes."""
    axes.set(xscale="log", yscale="log")
    for line, marker in zip(fitted.itertuples(), itertools.cycle(MARKERS), strict=False):
        part = rows[(rows["form"] == line.form) & (rows["dtype"] == line.dtype) & (rows["median"] > 0)]
        x = pixels(part)
        title = f"{line.form}, {line.dtype}: slope {line.slope:.2f}"
        points = axes.plot(x, part["median"], marker, label=title)[0]
        axes.plot(x, np.exp(line.intercept) * x**line.slope, color=points.get_color(), lw=0.8)
    axes.grid(which="major", alpha=0.3)
    if len(fitted):
        axes.legend(fontsize=8)
