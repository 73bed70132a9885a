"""The paper's Figure 1, drawn from a trace of the network itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hdsr.network import HDSRNet
from hdsr.report.figures import Drawing
from hdsr.study.trace import CONVOLUTION, DILATED, DYNAMIC, IMAGE, PRODUCT, SUB_PIXEL, SUM, Part, parts

Image = NDArray[np.uint8]

COLORS = {
    "convolution + ReLU": "#7fffbf",
    "dilated convolution + ReLU": "#c8c8c8",
    "dynamic convolution + ReLU": "#22b8ff",
    "sub-pixel convolution": "#f01010",
    "convolution": "#ffdd80",
}
"""Of the paper's figure, by the words of its legend."""
_WORDS = {CONVOLUTION: "convolution", DILATED: "dilated convolution", DYNAMIC: "dynamic convolution"}
_WORDS |= {SUB_PIXEL: "sub-pixel convolution"}
_TITLES = {
    "upper": "Heterogeneous upper sub-network",
    "lower": "Symmetrical lower sub-network",
    "reconstruction": "CB",
}
LEVELS = {"upper": 5.0, "lower": -1.0, "reconstruction": 2.0}
"""Heights at which the branches run."""
BOX_WIDTH, BOX_HEIGHT, _RADIUS = 1.0, 2.6, 0.32
_STRETCH = (5.0, 43.0)
"""From where to where the two branches run."""
_PICTURE_WIDTH = 4.0
_LINE = {"color": "#404040", "lw": 1.0}
_ARROW = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **_LINE}


@dataclass
class Layout:
    """Where each part stands: the middle of a box, a sum or the product."""

    parts: dict[str, Part]
    x: dict[str, float] = field(default_factory=dict)
    y: dict[str, float] = field(default_factory=dict)

    def half(self, name: str) -> float:
        """Half the width of a part."""
        return BOX_WIDTH / 2 if self.parts[name].module is not None else _RADIUS

    def place(self, names: list[str], y: float, start: float, end: float) -> None:
        """Put parts on a line, boxes of one block side by side and equal gaps between all others."""
        touching = [_same_block(first, second) for first, second in pairwise(names)]
        widths = [2 * self.half(name) for name in names]
        gap = (end - start - sum(widths)) / (len(names) - 1 - sum(touching))
        x = start
        for name, width, close in zip(names, widths, [*touching, True], strict=True):
            self.x[name], self.y[name] = x + width / 2, y
            x += width + (0 if close else gap)


def _same_block(first: str, second: str) -> bool:
    return "blocks" in first and first.rpartition(".")[0] == second.rpartition(".")[0]


def branch_names(found: dict[str, Part], branch: str) -> list[str]:
    """Layers and sums of a branch, in their order: a sum is of the branch of what it adds."""
    member: dict[str, str] = {}
    for name, part in found.items():
        member[name] = member[part.inputs[0]] if part.kind == SUM else part.branch
    return [name for name in found if member[name] == branch]


def laid_out(found: dict[str, Part]) -> Layout:
    """Both branches between the same two places, the product where they end, the reconstruction behind it."""
    layout = Layout(found)
    for branch in ("upper", "lower"):
        layout.place(branch_names(found, branch), LEVELS[branch], *_STRETCH)
    product = next(name for name, part in found.items() if part.kind == PRODUCT)
    layout.x[product], layout.y[product] = _STRETCH[1] - _RADIUS, LEVELS["reconstruction"]
    x = _STRETCH[1] + 2.0
    for name in branch_names(found, "reconstruction"):
        layout.x[name], layout.y[name] = x, LEVELS["reconstruction"]
        x += BOX_WIDTH
    return layout


def architecture(network: HDSRNet, lr: Image, sr: Image) -> Drawing:
    """The network as boxes and arrows, an LR image (uint8 RGB) going in and what it makes of that coming out.

    Nothing is drawn that the network's trace does not show.
    """
    found = parts(network)
    layout = laid_out(found)
    figure = Figure(figsize=(14, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    _draw_frames(axes, layout)
    for name, part in found.items():
        _draw_inputs(axes, layout, part)
        _draw_part(axes, layout, name)
    _draw_pictures(axes, layout, lr, sr)
    _draw_legend(axes, found)
    figure.suptitle(f"Figure 1: HDSRNet ×{network.scale}, drawn from the module", fontsize=12)
    return Drawing("figure_1", figure, _branch_numbers(found))


def _branch_numbers(found: dict[str, Part]) -> pd.DataFrame:
    """Layers and parameters of each framed part: panel, layers, parameters."""
    lines = []
    for branch, title in _TITLES.items():
        layers = [part.module for part in found.values() if part.module is not None and part.branch == branch]
        counts = [parameter.numel() for layer in layers for parameter in layer.parameters()]
        lines.append((title, len(layers), sum(counts)))
    return pd.DataFrame(lines, columns=["panel", "layers", "parameters"])


def words(part: Part) -> str:
    """A layer as the legend calls it."""
    return _WORDS[part.kind] + (" + ReLU" if part.relu else "")


def _draw_part(axes: Axes, layout: Layout, name: str) -> None:
    """A colored box for a layer, a circle with its sign for a sum or the product."""
    part = layout.parts[name]
    if part.kind == IMAGE:
        return
    x, y = layout.x[name], layout.y[name]
    if part.module is None:
        sign = {SUM: "+", PRODUCT: "×"}[part.kind]
        circle = {"boxstyle": "circle,pad=0.1", "fc": "white", "ec": _LINE["color"]}
        axes.text(x, y, sign, ha="center", va="center", fontsize=9, bbox=circle, zorder=4)
        return
    corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
    axes.add_patch(Rectangle(corner, BOX_WIDTH, BOX_HEIGHT, fc=COLORS[words(part)], ec="#404040", zorder=3))


def _draw_inputs(axes: Axes, layout: Layout, part: Part) -> None:
    """Arrows to a part: along its branch from what comes before it, around from anything farther back."""
    for source in part.inputs:
        if source == IMAGE:
            _draw_path(
                axes, [(_STRETCH[0] - 2, LEVELS["reconstruction"]), (_STRETCH[0] - 2, layout.y[part.name])]
            )
            start = (_STRETCH[0] - 2, layout.y[part.name])
            _arrow(axes, start, (layout.x[part.name] - layout.half(part.name), layout.y[part.name]))
        elif part.kind == PRODUCT:
            side = _RADIUS if layout.y[source] > layout.y[part.name] else -_RADIUS
            _draw_path(axes, [(layout.x[source], layout.y[source]), (layout.x[part.name], layout.y[source])])
            start = (layout.x[part.name], layout.y[source] - side)
            _arrow(axes, start, (layout.x[part.name], layout.y[part.name] + side))
        elif part.kind == SUM and source != part.inputs[0]:
            _draw_skip(axes, layout, source, part.name)
        elif not _same_block(source, part.name):
            start = layout.x[source] + layout.half(source)
            end = layout.x[part.name] - layout.half(part.name)
            _arrow(axes, (start, layout.y[source]), (end, layout.y[part.name]))


def _draw_skip(axes: Axes, layout: Layout, source: str, target: str) -> None:
    """A line around all that lies between two parts: above in the upper branch, below in the lower one."""
    order = list(layout.parts)
    between = sum(
        layout.parts[name].module is not None for name in order[order.index(source) : order.index(target)]
    )
    upper = layout.y[source] > LEVELS["reconstruction"]
    start = layout.x[source] + layout.half(source) + 0.25
    height = layout.y[source] + (BOX_HEIGHT / 2 + 0.5 if upper else -BOX_HEIGHT / 2 - 0.16 * between)
    end = (layout.x[target], layout.y[target] + (_RADIUS if upper else -_RADIUS))
    _draw_path(axes, [(start, layout.y[source]), (start, height), (end[0], height)])
    _arrow(axes, (end[0], height), end)


def _draw_path(axes: Axes, corners: Iterable[tuple[float, float]]) -> None:
    axes.plot(*zip(*corners, strict=True), **_LINE, zorder=1)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops=_ARROW, zorder=2)


def _draw_frames(axes: Axes, layout: Layout) -> None:
    """Dashed frames around the two sub-networks, the first heterogeneous block, and the reconstruction."""
    left, right = _STRETCH[0] - 1, _STRETCH[1] + 0.6
    _frame(axes, left, LEVELS["upper"] - 1.8, right, LEVELS["upper"] + 4.0)
    axes.text(right - 0.5, LEVELS["upper"] + 3.3, _TITLES["upper"], ha="right", va="center")
    _frame(axes, left, LEVELS["lower"] - 5.4, right, LEVELS["lower"] + 1.7)
    axes.text(right - 0.5, LEVELS["lower"] - 4.9, _TITLES["lower"], ha="right", va="center")
    entry, *block = branch_names(layout.parts, "upper")[:5]
    start, end = layout.x[entry] + BOX_WIDTH / 2 + 0.1, layout.x[block[-1]] + _RADIUS + 0.15
    _frame(axes, start, LEVELS["upper"] - 1.6, end, LEVELS["upper"] + 3.2)
    axes.text((start + end) / 2, LEVELS["upper"] + 2.5, "Heterogeneous block", ha="center", va="center")
    boxes = [layout.x[name] for name in branch_names(layout.parts, "reconstruction")]
    y = LEVELS["reconstruction"]
    _frame(axes, min(boxes) - 0.8, y - 2.4, max(boxes) + 0.8, y + 1.7)
    axes.text((min(boxes) + max(boxes)) / 2, y - 1.9, _TITLES["reconstruction"], ha="center", va="center")


def _frame(axes: Axes, left: float, bottom: float, right: float, top: float) -> None:
    size = (right - left, top - bottom)
    axes.add_patch(Rectangle((left, bottom), *size, fill=False, ls=(0, (5, 3)), ec="#404040", lw=0.9))


def _draw_pictures(axes: Axes, layout: Layout, lr: Image, sr: Image) -> None:
    """The LR image on the left and the SR image, drawn larger, on the right."""
    y = LEVELS["reconstruction"]
    last = branch_names(layout.parts, "reconstruction")[-1]
    right = layout.x[last] + BOX_WIDTH / 2 + 1.6
    for image, left, width in ((lr, _STRETCH[0] - 7, _PICTURE_WIDTH), (sr, right, 2 * _PICTURE_WIDTH)):
        height = width * image.shape[0] / image.shape[1]
        axes.imshow(image, extent=(left, left + width, y - height / 2, y + height / 2), zorder=2)
    _draw_path(axes, [(_STRETCH[0] - 7 + _PICTURE_WIDTH, y), (_STRETCH[0] - 2, y)])
    _arrow(axes, (layout.x[last] + BOX_WIDTH / 2, y), (right, y))
    axes.set(xlim=(_STRETCH[0] - 7.2, right + 2 * _PICTURE_WIDTH + 0.2), ylim=(-8.4, 9.2))


def _draw_legend(axes: Axes, found: dict[str, Part]) -> None:
    present = {words(part) for part in found.values() if part.module is not None}
    kinds = [kind for kind in COLORS if kind in present]
    for index, kind in enumerate(kinds):
        x = _STRETCH[0] - 1 + index * 11.0
        axes.add_patch(Rectangle((x, -8.2), 1.8, 0.9, fc=COLORS[kind], ec="#404040"))
        axes.text(x + 2.1, -7.75, kind, va="center", fontsize=9)
