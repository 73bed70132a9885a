"""What is seen of a look: pixels, and small pieces of HTML."""

import base64
import html
import io
from dataclasses import dataclass

import imagecodecs
import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from hdsr import metrics
from hdsr.explore.look import Enlargement, FeatureMaps, Look, layer_labels, scores
from hdsr.explore.subjects import Image
from hdsr.network import HDSRNet
from hdsr.study import diagram, trace

ERROR_COLORS = "inferno"
ERROR_LIMIT = 32.0
"""Gray levels of luma at which the error map is brightest."""
FEATURE_COLORS = "viridis"
SHEET_PX = 928
"""Width of a sheet of feature maps."""
COLUMNS = 8
GAP_PX = 4
TALLEST = 1.5
"""Height of a map on a sheet over the width that there is for one, at most."""
BRIGHTEST = 99.8
"""Percentile of the values that has the brightest color: single outliers must not darken all others."""
ROOM_FOR_TEXT = 0.07
DPI = 130
JOIN_RADIUS = 0.6
"""Half the side of what answers to a click on a sum, which is drawn small, in units of the drawing."""
KERNEL_COLORS, ON_KERNEL_COLORS = ("#7fb2e5", "#c3dff5", "#f6d39b", "#e79b5c"), "#222222"


@dataclass(frozen=True)
class Sheet:
    """Feature maps side by side, in the order of their channels, row by row."""

    picture: Image
    low: float
    """Value of the darkest color; NaN where every map has a scale of its own."""
    high: float
    silent: int
    """Maps that are zero everywhere."""
    count: int
    shape: tuple[int, int]
    """Height and width of a map."""


def png(image: Image) -> bytes:
    """An image as the bytes of a PNG file."""
    return imagecodecs.png_encode(np.ascontiguousarray(image), level=3)


def error_map(sr: Image, hr: Image) -> Image:
    """Where an image is wrong: the difference of luma, from black (none) to yellow (ERROR_LIMIT or more)."""
    error = np.abs(metrics.luma(sr) - metrics.luma(hr))
    return colored(error / ERROR_LIMIT, ERROR_COLORS)


def colored(values: NDArray[np.floating], colors: str) -> Image:
    """Values as colors, 0 to 1 from one end of a matplotlib color map to the other; others are clipped."""
    return matplotlib.colormaps[colors](np.clip(values, 0, 1), bytes=True)[..., :3]


def sheet(maps: FeatureMaps, each: bool = False) -> Sheet:
    """Feature maps (channels, height, width) as one picture; `each` may have a brightness of its own."""
    count, height, width = maps.shape
    columns = min(COLUMNS, count)
    tile_px = (SHEET_PX + GAP_PX) // columns - GAP_PX
    share = min(tile_px / width, TALLEST * tile_px / height)
    tile = (max(1, round(share * height)), max(1, round(share * width)))
    # averaged, not sampled: a fine pattern must not show as a coarse one that the network does not have
    small = F.adaptive_avg_pool2d(torch.from_numpy(maps), tile).numpy()
    low, high = _limits(small, each)
    tiles = colored((small - low) / np.maximum(high - low, np.finfo(np.float32).tiny), FEATURE_COLORS)
    silent = int((np.abs(maps).max(axis=(1, 2)) == 0).sum())
    ends = (float("nan"),) * 2 if each else (float(low), float(high))
    return Sheet(_tiled(tiles, columns), *ends, silent, count, (height, width))


def _limits(maps: FeatureMaps, each: bool) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Values of the darkest and the brightest color, of all maps or of each."""
    axes = (1, 2) if each else None
    return maps.min(axis=axes, keepdims=each), np.percentile(maps, BRIGHTEST, axis=axes, keepdims=each)


def _tiled(tiles: NDArray[np.uint8], columns: int) -> Image:
    """Pictures of one size (count, height, width, 3) row by row, with white gaps between them."""
    # takes nearly as long to import as torch, which the panel need not wait for
    from torchvision.utils import make_grid

    white = np.full((-len(tiles) % columns, *tiles.shape[1:]), 255, np.uint8)
    pictures = torch.from_numpy(np.concatenate([tiles, white])).permute(0, 3, 1, 2)
    if len(pictures) == 1:
        return tiles[0]
    grid = make_grid(pictures, columns, padding=GAP_PX, pad_value=255)
    return grid[:, GAP_PX:-GAP_PX, GAP_PX:-GAP_PX].permute(1, 2, 0).numpy()


def sheet_words(shown: Sheet) -> str:
    """What a sheet shows, in a sentence."""
    height, width = shown.shape
    colors = "each from its own lowest to its own highest value"
    if not np.isnan(shown.low):
        colors = f"all from {shown.low:.3g} (dark) to {shown.high:.3g} (bright)"
    silent = f"; zero everywhere: {shown.silent}" if shown.silent else ""
    return f"{shown.count} maps of {width} × {height}, {colors}{silent}."


def image_html(image: Image, description: str) -> str:
    """An image as an element of HTML that loads nothing."""
    data = base64.b64encode(png(image)).decode()
    return f'<img class="hdsr-picture" src="data:image/png;base64,{data}" alt="{html.escape(description)}">'


def scores_html(seen: Look) -> str:
    """The scores as a table, the gain over bicubic beside them."""
    lines = scores(seen)
    if lines.empty:
        return '<p class="hdsr-note">Nobody knows the true image, so nothing can be scored.</p>'
    first = lines.iloc[0]
    rows = "".join(
        f"<tr><th scope='row'>{_row_name(line.panel, line.temperature)}</th><td>{line.psnr_db:.2f}</td>"
        f"<td>{_gain(line.psnr_db - first.psnr_db, '.2f', index)}</td><td>{line.ssim:.4f}</td>"
        f"<td>{_gain(line.ssim - first.ssim, '.4f', index)}</td></tr>"
        for index, line in enumerate(lines.itertuples())
    )
    heads = "<th></th><th scope='col' colspan='2'>PSNR (dB)</th><th scope='col' colspan='2'>SSIM</th>"
    return f"<table class='hdsr-scores'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row_name(panel: str, temperature: float) -> str:
    return panel if np.isnan(temperature) else f"HDSRNet<small>temperature {temperature:.3g}</small>"


def _gain(difference: float, digits: str, index: int) -> str:
    """A difference with its sign; nothing in the first line, which all others are compared with."""
    if index == 0:
        return ""
    side = "better" if difference > 0 else "worse"
    return f"<span class='hdsr-{side}'>{difference:+{digits}}</span>"


def error_html(seen: Look) -> str:
    """The error map with its legend, where the true image is known."""
    hr = seen.subject.hr
    if hr is None:
        return ""
    described = "Error map of HDSRNet: the brighter, the farther its luma is from the true one"
    image = image_html(error_map(seen.chosen.sr, hr), described)
    colors = ",".join(to_hex(matplotlib.colormaps[ERROR_COLORS](stop / 8)) for stop in range(9))
    ramp = f"<span style='background:linear-gradient(to right,{colors})'></span>"
    legend = f"<div class='hdsr-ramp'>0{ramp}{ERROR_LIMIT:.0f} gray levels or more</div>"
    return f"<div class='hdsr-error-map'><h3>Error of HDSRNet</h3>{image}{legend}</div>"


def mixes_html(enlargement: Enlargement) -> str:
    """A bar for each dynamic convolution: the shares of its kernels for this image."""
    keys = "".join(
        f"<span><i style='background:{color}'></i>kernel {kernel}</span>"
        for kernel, color in enumerate(KERNEL_COLORS, 1)
    )
    lines = zip(enlargement.shares, enlargement.live, strict=True)
    bars = "".join(_bar(index, shares, live) for index, (shares, live) in enumerate(lines, 1))
    return f"<div class='hdsr-keys'>{keys}</div><div class='hdsr-mixes' role='list'>{bars}</div>"


def _bar(index: int, shares: NDArray[np.floating], live: int) -> str:
    """One dynamic convolution's bar."""
    spoken = ", ".join(f"kernel {kernel} {share:.1%}" for kernel, share in enumerate(shares, 1))
    parts = "".join(
        f"<span style='width:{100 * share:.3f}%;background:{color}'>{_share_text(share)}</span>"
        for share, color in zip(shares, KERNEL_COLORS, strict=True)
    )
    return (
        f"<div role='listitem' aria-label='Dynamic convolution {index}: {spoken}; {_state(shares, live)}'>"
        f"<b>block {index}</b><div class='hdsr-bar'>{parts}</div><small>{_state(shares, live)}</small></div>"
    )


def _share_text(share: float) -> str:
    """A share, where its part of the bar has room for it."""
    return f"{share:.1%}" if share >= ROOM_FOR_TEXT else ""


def _state(shares: NDArray[np.floating], live: int) -> str:
    """How far a mix is from uniform, or that it cannot be anything else."""
    if live == 0:
        return "attention dead, so always uniform"
    off = np.abs(shares - 1 / len(shares)).max()
    return f"off uniform by {off:.2%} at most, {live} live units"


def figure_1(network: HDSRNet, seen: Look) -> tuple[bytes, list[dict[str, str | float]]]:
    """The figure with this subject going through it as PNG, and its parts.

    Returns:
        The picture, and for each part its name, its label, and its left, top, width and height in shares of
        the picture.
    """
    figure = diagram.architecture(network, seen.subject.lr, seen.chosen.sr).figure
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    layout = diagram.laid_out(trace.parts(network))
    to_share = figure.axes[0].transData + figure.transFigure.inverted()
    places = []
    for name, label in layer_labels(network.scale).items():
        half_width, half_height = _half_sides(layout, name)
        x, y = layout.x[name], layout.y[name]
        (left, bottom), (right, top) = to_share.transform(
            [(x - half_width, y - half_height), (x + half_width, y + half_height)]
        )
        box = {"left": left, "top": 1 - top, "width": right - left, "height": top - bottom}
        places.append({"name": name, "label": label, **{side: float(share) for side, share in box.items()}})
    return stream.getvalue(), places


def _half_sides(layout: diagram.Layout, name: str) -> tuple[float, float]:
    """Half the width and half the height of a part, in units of the drawing."""
    if layout.parts[name].module is None:
        return JOIN_RADIUS, JOIN_RADIUS
    return diagram.BOX_WIDTH / 2, diagram.BOX_HEIGHT / 2
