"""Curves of training runs, drawn from their logs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.paths import LOGS
from hdsr.report import training as training_record
from hdsr.report.figures import Drawing

_SIZE_IN = (10.0, 2.8)
_LEVELS = {"l1": np.asarray, "rmse": np.asarray, "mse": np.sqrt, "psnr": lambda loss: np.exp(loss / 2)}
"""What makes of a loss the error that has it, in levels of 255."""
_MUCH_LONGER = 4
"""A run of more than so many times the shortest one's steps would squeeze it: they are logarithmic then."""


def read_log(path: str | Path, config: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a run's log, in the order of their steps.

    Columns: step, loss (mean since the row before), learning_rate, gradient_norm,
    skipped (steps so far), psnr_db (of the held-out images; absent where none was taken), seconds, minutes.
    Losses of all kinds are told as levels of 255: a mean squared error, or its logarithm, as its root. With a
    teacher it is the error to what is to be learnt, not to HR.

    Args:
        path: CSV file.
        config: fields of the run's `hdsr.training.config.TrainingConfig`.

    Raises:
        HdsrError: naming the file, if it is missing or no log.
    """
    kind = "mse" if config.get("network") == "srcnn" else config["loss"]
    try:
        log = pd.read_csv(path)
        return log.assign(loss=_LEVELS[kind](log["loss"]), minutes=log["seconds"] / 60)
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
    runs = dict(run for head in heads.items() for run in training_record.lineage(*head))
    return {_label_of(name): read_log(LOGS / f"{name}.csv", run["config"]) for name, run in runs.items()}


def _label_of(name: str) -> str:
    """A run's configuration in short: `×2` for hdsrnet_x2, `first ×4` for first_x4."""
    return re.sub(r"_?x(?=\d)", " ×", name.removeprefix("hdsrnet")).strip()


def curves(name: str, logs: Mapping[str, pd.DataFrame], title: str) -> Drawing:
    """Loss of named runs over the steps, and beside it the PSNR of held-out images.

    The logs are those of `read_log`. A run that was scored once has no curve of that: tables have its score.
    """
    scored = {label: log[log["psnr_db"].notna()] for label, log in logs.items()}
    scored = {label: log for label, log in scored.items() if len(log) > 1}
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    loss, *held_out = figure.subplots(1, 1 + bool(scored), squeeze=False)[0]
    figure.suptitle(title, fontsize=11)
    colors = {label: f"C{index}" for index, label in enumerate(logs)}
    for index, (label, log) in enumerate(logs.items()):
        style = ("-", "--")[index // 10 % 2]  # the ten colors come twice
        loss.plot(log["step"], log["loss"], colors[label], ls=style, lw=1, label=label)
    for panel in held_out:
        for label, log in scored.items():
            panel.plot(log["step"], log["psnr_db"], colors[label], marker="o", ms=3, lw=1, label=label)
        panel.set(xlabel="step", title="held-out PSNR (dB)")
    loss.set(xlabel="step", title="loss (levels of 255)", yscale="log")
    if len(logs) > 1:
        figure.legend(*loss.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    lengths = [log["step"].max() for log in logs.values() if len(log)]
    for axes in figure.axes:
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
        if lengths and max(lengths) > _MUCH_LONGER * min(lengths):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.locator_params(axis="x", nbins=4)
            axes.ticklabel_format(axis="x", style="plain")
        axes.tick_params(which="both", labelsize=8)
    for axis in (loss.yaxis.set_major_formatter, loss.yaxis.set_minor_formatter):
        axis("{x:g}")
    numbers = pd.concat([log.assign(panel=label) for label, log in logs.items()], ignore_index=True)
    return Drawing(name, figure, numbers)
