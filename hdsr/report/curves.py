"""Curves of training runs, drawn from their logs."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.paths import LOGS
from hdsr.report import training as training_record
from hdsr.report.figures import Drawing

ROW_SIZE_IN = (10.0, 2.8)
"""Width of a drawing, height of one row of its panels."""
MOST_IN_A_ROW = 3


def read_log(path: str | Path) -> pd.DataFrame:
    """The rows of a run's log, in the order of their steps.

    Columns: step, loss (mean since the row before), learning_rate, gradient_norm,
    skipped (steps so far), psnr_db (of the held-out images; absent where none was taken), seconds, minutes.

    Raises:
        HdsrError: naming the file, if it is missing or no log.
    """
    try:
        log = pd.read_csv(path)
        return log.assign(minutes=log["seconds"] / 60)
    except FileNotFoundError:
        raise HdsrError(f"no training log at {path}") from None
    except (KeyError, ValueError):
        raise HdsrError(f"{path} is not a training log: it lacks the columns of one") from None


def shipped_logs(scales: tuple[int, ...]) -> dict[str, pd.DataFrame]:
    """Logs of the runs that made the weights that ship, each after that which it goes on from.

    They are named as their configurations are in short: `×2` for hdsrnet_x2.
    """
    heads = {
        f"hdsrnet_x{scale}": checkpoint.describe(training_record.weights_path(scale)) for scale in scales
    }
    names = [name for head in heads.items() for name, _ in training_record.lineage(*head)]
    return {_label_of(name): read_log(LOGS / f"{name}.csv") for name in dict.fromkeys(names)}


def _label_of(name: str) -> str:
    """A run's configuration in short: `×2` for hdsrnet_x2."""
    return re.sub(r"^x(?=\d)", "×", name.removeprefix("hdsrnet_"))


def curves(name: str, logs: Mapping[str, pd.DataFrame], title: str) -> Drawing:
    """Loss of runs over the steps in one panel, and beside it the held-out PSNR of each in its own.

    Args:
        name: stem of the drawing's files.
        logs: rows of each run by its label; see `read_log`.
        title: what the runs are, as a heading.
    """
    rows = math.ceil(len(logs) / MOST_IN_A_ROW)
    columns = math.ceil(len(logs) / rows)
    figure = Figure(figsize=(ROW_SIZE_IN[0], rows * ROW_SIZE_IN[1]), layout="constrained")
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[1.6, *[1] * columns])
    loss = figure.add_subplot(grid[:, 0])
    panels = [figure.add_subplot(grid[i // columns, 1 + i % columns]) for i in range(len(logs))]
    figure.suptitle(title, fontsize=11)
    for index, (panel, (label, log)) in enumerate(zip(panels, logs.items(), strict=True)):
        loss.plot(log["step"], log["loss"], f"C{index}", lw=1, label=label)
        scored = log[log["psnr_db"].notna()]
        panel.plot(scored["step"], scored["psnr_db"], f"C{index}", marker="o", ms=3, lw=1)
        panel.set(xlabel="step", title=f"{label}: held-out dB")
    loss.set(xlabel="step", title="loss (levels of 255)", yscale="log")
    loss.legend(fontsize=8)
    for axes in figure.axes:
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
        axes.locator_params(axis="x", nbins=4)
        axes.ticklabel_format(axis="x", style="plain")
        axes.tick_params(which="both", labelsize=8)
    for axis in (loss.yaxis.set_major_formatter, loss.yaxis.set_minor_formatter):
        axis("{x:g}")
    numbers = pd.concat([log.assign(panel=label) for label, log in logs.items()], ignore_index=True)
    return Drawing(name, figure, numbers)
