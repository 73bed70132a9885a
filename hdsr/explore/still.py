"""What the page shows, as one picture that needs no JupyterLab."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hdsr.explore.look import Enlargement, Look, scores
from hdsr.explore.pictures import ERROR_LIMIT, KERNEL_COLORS, ON_KERNEL_COLORS, Sheet, error_map, sheet_words
from hdsr.report.figures import WIDTH_IN, Drawing, Photographs
from hdsr.report.tables import Table, texts

CAPTION_SIZE = 8
WRAPPED = 64
"""Letters in a line of a caption."""
HEAD_IN, PICTURE_HEAD_IN, LOWER_IN = 0.3, 0.4, 5.2


def drawing(seen: Look, weights: str, layer: str, shown: Sheet) -> Drawing:
    """Before and after, the error where HR is known, the kernel mixes, and the feature maps of one layer.

    The title says whose `weights` made it.

    Its numbers have one line per panel: panel, temperature, psnr_db, ssim for images; panel, share_1 to
    share_4, live_units for dynamic convolutions.
    """
    judged = scores(seen).iloc[[0, -1]] if seen.subject.hr is not None else scores(seen)
    pictures = _panels(seen, judged)
    height, width = seen.bicubic.shape[:2]
    upper_in = WIDTH_IN / len(pictures) * height / width + PICTURE_HEAD_IN
    figure = Figure(figsize=(WIDTH_IN, HEAD_IN + upper_in + LOWER_IN), layout="constrained")
    temperature = f"temperature {seen.chosen.temperature:.3g}"
    figure.suptitle(f"{seen.subject.name} at ×{seen.scale}, HDSRNet {weights}, {temperature}", size=11)
    upper, lower = figure.subfigures(2, 1, height_ratios=(upper_in, LOWER_IN))
    for axes, (caption, picture) in zip(
        upper.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True
    ):
        _show(axes, picture, caption)
    left, right = lower.subplots(1, 2, width_ratios=(1.25, 1))
    _show(left, shown.picture, f"{layer}\n{textwrap.fill(sheet_words(shown), WRAPPED)}")
    _draw_mixes(right, seen.chosen)
    return Photographs("explore", figure, pd.concat([judged, _mix_numbers(seen.chosen)], ignore_index=True))


def _panels(seen: Look, judged: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """The upper pictures with their captions."""
    results = [("Bicubic", seen.bicubic), ("HDSRNet", seen.chosen.sr)]
    if seen.subject.hr is None:
        return results
    told = [f"{line.psnr_db:.2f} dB / {line.ssim:.4f}" for line in judged.itertuples()]
    first, last = told[0], told[-1]
    return [
        (f"Bicubic\n{first}", seen.bicubic),
        (f"HDSRNet\n{last}", seen.chosen.sr),
        ("True image (HR)\n", seen.subject.hr),
        (f"Error of HDSRNet\n0 to {ERROR_LIMIT:.0f} gray levels", error_map(seen.chosen.sr, seen.subject.hr)),
    ]


def _show(axes: Axes, picture: np.ndarray, caption: str) -> None:
    axes.imshow(picture, interpolation="lanczos")
    axes.set_title(caption, fontsize=CAPTION_SIZE)
    axes.set_axis_off()


def _draw_mixes(axes: Axes, enlargement: Enlargement) -> None:
    """A bar for each dynamic convolution, the first one on top."""
    states = [f"{live} live units" if live else "attention dead" for live in enlargement.live]
    names = [f"block {index}\n{state}" for index, state in enumerate(states, 1)]
    start = np.zeros(len(names))
    for kernel, color in enumerate(KERNEL_COLORS):
        shares = enlargement.shares[:, kernel]
        bars = axes.barh(names, shares, left=start, color=color, edgecolor="white", height=0.5)
        labels = [f"{share:.1%}" for share in shares]
        axes.bar_label(bars, labels, label_type="center", color=ON_KERNEL_COLORS, fontsize=7)
        start = start + shares
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xticks=[])
    axes.set_title(
        "How this image mixes the kernels of each\ndynamic convolution, 1 to 4 from left to right",
        fontsize=CAPTION_SIZE,
    )
    axes.tick_params(labelsize=CAPTION_SIZE, length=0)
    axes.spines[:].set_visible(False)


def _mix_numbers(enlargement: Enlargement) -> pd.DataFrame:
    """The mixes, a line for each dynamic convolution."""
    columns = [f"share_{kernel}" for kernel in range(1, enlargement.shares.shape[1] + 1)]
    names = [f"block {index}" for index in range(1, len(enlargement.live) + 1)]
    return pd.DataFrame(enlargement.shares, columns=columns).assign(panel=names, live_units=enlargement.live)


def table(numbers: pd.DataFrame) -> Table:
    """The numbers of a `drawing`, to read."""
    shown = {
        "temperature": ("softmax temperature", "{:.3g}"),
        "psnr_db": ("PSNR (dB)", "{:.2f}"),
        "ssim": ("SSIM", "{:.4f}"),
        "live_units": ("live units", "{:.0f}"),
    }
    shares = [column for column in numbers if column.startswith("share_")]
    shown |= {column: (column.replace("share_", "kernel "), "{:.4f}") for column in shares}
    printed = {head: texts(numbers[column], form) for column, (head, form) in shown.items()}
    caption = "What the picture shows, in numbers"
    return Table("explore", caption, numbers, numbers[["panel"]].assign(**printed))
