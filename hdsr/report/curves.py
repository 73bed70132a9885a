"""What training runs did: the curve of one, drawn from its log, and what each behind the weights gained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.report import training as training_record
from hdsr.report.figures import Drawing

_SIZE_IN = (10.0, 2.8)
_LEVELS = {"l1": np.asarray, "rmse": np.asarray, "mse": np.sqrt, "psnr": lambda loss: np.exp(loss / 2)}
"""What makes of a loss the error that has it, in levels of 255."""


def read_log(path: str | Path, config: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a run's log, in the order of their steps.

    Columns: step, loss (mean since the row before), learning_rate, gradient_norm, skipped (steps so far),
    psnr_db (of the held-out images; absent where none was taken), more_psnr_db (of the validation's other
    sets), seconds, minutes.
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


def gains(scales: Sequence[int]) -> Drawing:
    """What each run behind the weights that ship gained on held-out images over the first that was scored.

    Numbers: panel (the scale), run, device, psnr_db of the validation's set, more_psnr_db of its other sets.
    """
    lines, groups = [], {}
    for scale in scales:
        head = f"hdsrnet_x{scale}", checkpoint.describe(training_record.weights_path(scale))
        for name, about in training_record.lineage(*head):
            if about["config"]["scale"] == scale and about["validation_psnr_db"]:
                scores = [about[key] for key in ("validation_psnr_db", "more_validation_psnr_db")]
                lines.append((f"×{scale}", name, about["device"], *scores))
                held_out = about["config"]["validation"]
                groups["psnr_db"] = f"{held_out['images']} images of {held_out['set']}"
                groups["more_psnr_db"] = f"{sum(held_out['more'].values())} of {', '.join(held_out['more'])}"
    numbers = pd.DataFrame(lines, columns=["panel", "run", "device", *groups])
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    every = figure.subplots(1, len(scales), squeeze=False, sharey=True)[0]
    for axes, (panel, runs) in zip(every, numbers.groupby("panel", sort=False), strict=True):
        for color, column in zip(("C0", "C1"), groups, strict=True):
            gain = runs[column] - runs[column].iloc[0]
            axes.plot(runs["run"], gain, color, lw=1, label=groups[column])
            filled = [color if device != "cpu" else "white" for device in runs["device"]]
            axes.scatter(runs["run"], gain, s=16, c=filled, edgecolors=color, zorder=2)
        axes.set_title(panel, fontsize=9)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="x", rotation=60)
    every[0].set_ylabel("gain (dB)", fontsize=9)
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8)
    return Drawing("training_gains", figure, numbers)


def curve(name: str, log: pd.DataFrame, title: str) -> Drawing:
    """Loss of a run over its steps, and beside it PSNR of held-out images where it was taken twice or more.

    The log is that of `read_log`.
    """
    scored = log[log["psnr_db"].notna()]
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    loss, *held_out = figure.subplots(1, 1 + (len(scored) > 1), squeeze=False)[0]
    figure.suptitle(title, fontsize=11)
    loss.plot(log["step"], log["loss"], lw=1)
    loss.set(xlabel="step", title="loss (levels of 255)", yscale="log")
    for panel in held_out:
        panel.plot(scored["step"], scored["psnr_db"], marker="o", ms=3, lw=1)
        panel.set(xlabel="step", title="held-out PSNR (dB)")
    for axes in figure.axes:
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
        axes.locator_params(axis="x", nbins=4)
        axes.ticklabel_format(axis="x", style="plain")
        axes.tick_params(which="both", labelsize=8)
    loss.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))  # fewer, so that no two labels touch
    for axis in (loss.yaxis.set_major_formatter, loss.yaxis.set_minor_formatter):
        axis("{x:g}")
    return Drawing(name, figure, log.assign(panel=name))
