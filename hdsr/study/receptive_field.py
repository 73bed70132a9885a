"""The effective receptive field: how much an output pixel's color depends on each LR pixel around it.

After Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks" (NeurIPS
2016), on photographs instead of noise. The dynamic convolutions' attention sees the whole image, so the
gradient has two parts: through the convolutions alone, the mix of the kernels held, and through the mix.
"""

import copy
import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr import metrics, network, results
from hdsr.errors import HdsrError
from hdsr.network import HDSRNet
from hdsr.progress import bar
from hdsr.provenance import code_version
from hdsr.report.figures import WIDTH_IN, Drawing, small_labels
from hdsr.report.tables import Table, labelled, source_label
from hdsr.settings import DynamicsSettings
from hdsr.study import trace
from hdsr.study.ablation import attending, dynamic_layers, frozen
from hdsr.study.networks import Trained, benchmarks, trained_networks
from hdsr.upscaling.run import Image

Map = NDArray[np.float64]

PATCH_PX = 57
"""Side of a patch in LR pixels, odd: the theoretical field, and a margin that only the attention sees."""
CENTRE = PATCH_PX // 2
CONVOLUTIONS, ATTENTION = "convolutions", "attention"
_GROUP = ["weights", "scale"]
_IDENTITY = [*_GROUP, "weights_sha256", "patches", "patches_sha256", "code_version", *results.VERSIONS]
_CELLS = [f"x{x - CENTRE:+d}" for x in range(PATCH_PX)]
COLUMNS = [*_IDENTITY, "part", "y", *_CELLS]
_DIGITS = 3
"""Significant digits of a gradient in a row."""
_HELD = (0.5, 0.95)
"""Shares of the gradient that squares are found for."""


def gradient_map(module: nn.Module, patch: Image, scale: int) -> Tensor:
    """Gradients of luma with respect to a patch, (outputs, 3, PATCH_PX, PATCH_PX), in double precision.

    The outputs are the `scale` HR pixels on the diagonal of the central LR pixel.
    """
    lr = torch.from_numpy(patch.copy()).permute(2, 0, 1)[None].double().requires_grad_()
    luma = torch.from_numpy(metrics.LUMA_WEIGHTS) @ module(lr)[0].flatten(1)
    luma = luma.reshape(scale * PATCH_PX, scale * PATCH_PX)
    # they have every place within an LR pixel once along each axis; all scale**2 take as many gradients
    diagonal = [scale * CENTRE + place for place in range(scale)]
    found = [torch.autograd.grad(luma[at, at], lr, retain_graph=True)[0] for at in diagonal]
    return torch.cat(found)


def gradient_maps(network: HDSRNet, patch: Image) -> dict[str, Map]:
    """Mean absolute gradient at each LR pixel, summed over its colors, through convolutions and attention.

    Taken in double precision, for the second is a difference.
    """
    exact = copy.deepcopy(network).double()
    with attending(exact, [layer.attention for layer in dynamic_layers(exact)]) as used:
        whole = gradient_map(exact, patch, network.scale)
    with attending(exact, frozen(torch.cat(used).detach().numpy())):
        local = gradient_map(exact, patch, network.scale)
    found = {CONVOLUTIONS: local, ATTENTION: whole - local}
    return {name: gradient.abs().sum(1).mean(0).numpy() for name, gradient in found.items()}


CODE_VERSION = code_version(network, attending, dynamic_layers, frozen, gradient_map, gradient_maps)


def patches(settings: DynamicsSettings, scale: int) -> list[Image]:
    """Central LR patches of images that are spread evenly over all sets; smaller images have none."""
    found = [
        _central(lr)
        for benchmark in benchmarks(settings, scale)
        for _, lr, _ in benchmark
        if min(lr.shape[:2]) >= PATCH_PX
    ]
    count = min(settings.patches, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def _central(lr: Image) -> Image:
    top, left = ((length - PATCH_PX) // 2 for length in lr.shape[:2])
    return lr[top : top + PATCH_PX, left : left + PATCH_PX]


def measure_fields(settings: DynamicsSettings, progress: bool = True) -> pd.DataFrame:
    """Mean maps of every network; they go to rows/dynamics_field.csv, and are reused by their identity.

    Returns:
        A line for each network, part of the gradient and line of the map, COLUMNS.

    Raises:
        HdsrError: if no image is large enough.
    """
    path = settings.report / "rows" / "dynamics_field.csv"
    texts = ("weights", "weights_sha256", "patches_sha256", "code_version", *results.VERSIONS)
    known, maps = results.read_table(path, COLUMNS, texts), []
    for trained in trained_networks(settings):
        images = patches(settings, trained.network.scale)
        if not images:
            raise HdsrError(f"no LR image of {', '.join(settings.set_names)} has {PATCH_PX} pixels each way")
        compute = partial(_mean_maps, trained, images, progress)
        maps.append(results.reused(known, _identity(trained, images), compute)[COLUMNS])
        results.write_table(pd.concat(maps, ignore_index=True), path)
    return pd.concat(maps, ignore_index=True)


def _identity(trained: Trained, images: list[Image]) -> dict[str, object]:
    digest = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
    about = {**trained.about, "patches": len(images), "patches_sha256": digest, "code_version": CODE_VERSION}
    return about | results.made_with()


def _mean_maps(trained: Trained, images: list[Image], progress: bool) -> pd.DataFrame:
    shown = bar(images, f"field of {trained.title}", unit="patch", shown=progress)
    found = [gradient_maps(trained.network, image) for image in shown]
    maps = []
    for part in (CONVOLUTIONS, ATTENTION):
        cells = pd.DataFrame(np.mean([one[part] for one in found], axis=0), columns=_CELLS)
        cells = cells.map(lambda value: float(f"{value:.{_DIGITS}g}"))
        maps.append(cells.assign(part=part, y=cells.index - CENTRE))
    return pd.concat(maps)


def _map_of(rows: pd.DataFrame, part: str) -> Map:
    """The map of one part, (PATCH_PX, PATCH_PX), of the rows of one network."""
    return rows[rows["part"] == part].sort_values("y")[_CELLS].to_numpy(dtype=np.float64)


def held_px(gradient: Map, share: float) -> int:
    """Side of the smallest square around the central pixel that holds a share of the gradient."""
    centre, total = len(gradient) // 2, gradient.sum()
    for margin in range(centre + 1):
        inside = slice(centre - margin, centre + margin + 1)
        if gradient[inside, inside].sum() >= share * total:
            break
    return 2 * margin + 1


def theoretical(scale: int) -> trace.Reach:
    """The LR pixels that an output pixel depends on, the attention apart."""
    return list(trace.reaches(trace.parts(HDSRNet(scale))).values())[-1]


def numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per network.

    Columns: weights, scale, patches, theoretical_px (side of the square that outputs can depend on, the
    attention apart), half_px and most_px (side of the squares that hold half and 95 % of the gradient through
    convolutions), attention (share of the gradient that goes through the attention).
    """
    lines = []
    for (weights, scale), part in rows.groupby(_GROUP, sort=False):
        local, through = _map_of(part, CONVOLUTIONS), _map_of(part, ATTENTION)
        sides = [held_px(local, share) for share in _HELD]
        whole = local.sum() + through.sum()
        lines.append(
            (weights, scale, part["patches"].iloc[0], theoretical(scale).px, *sides, through.sum() / whole)
        )
    columns = [*_GROUP, "patches", "theoretical_px", "half_px", "most_px", "attention"]
    return pd.DataFrame(lines, columns=columns)


def table(lines: pd.DataFrame) -> Table:
    """`numbers` to read."""
    printed = labelled(lines)[["weights", "scale"]].assign(
        patches=lines["patches"].astype(str),
        **{
            "theoretical (LR px)": lines["theoretical_px"].astype(str),
            f"{_HELD[0]:.0%} within (LR px)": lines["half_px"].astype(str),
            f"{_HELD[1]:.0%} within (LR px)": lines["most_px"].astype(str),
            "through attention": lines["attention"].map("{:.1e}".format),
        },
    )
    return Table("dynamics_field", "Sides of the receptive field, theoretical and effective", lines, printed)


def drawing(rows: pd.DataFrame, weights: str) -> Drawing:
    """The maps of one source of weights, a line per scale, the theoretical square drawn in.

    At the right is what goes through the attention, in the same colors.
    """
    rows = rows[rows["weights"] == weights]
    scales = rows["scale"].unique()
    figure = Figure(figsize=(0.8 * WIDTH_IN, 3.4 * len(scales) + 0.4), layout="constrained")
    panels = figure.subplots(len(scales), 2, squeeze=False)
    peak = max(_map_of(rows[rows["scale"] == scale], CONVOLUTIONS).max() for scale in scales)
    colors = LogNorm(peak * 1e-8, peak)
    for line, scale in zip(panels, scales, strict=True):
        for axes, part in zip(line, (CONVOLUTIONS, ATTENTION), strict=True):
            gradient = _map_of(rows[rows["scale"] == scale], part)
            picture = _show_map(axes, gradient, colors, theoretical(scale))
            axes.set_title(f"×{scale}: through the {part}", fontsize=9)
    figure.colorbar(picture, ax=panels, label="mean |gradient| of luma (levels per level)", extend="min")
    count = rows["patches"].iloc[0]
    figure.suptitle(f"Effective receptive field, {source_label(weights)}, {count} patches", fontsize=11)
    sides = numbers(rows)
    panel = "×" + sides["scale"].astype(str)
    return Drawing(f"dynamics_field_{Path(weights).stem}", figure, sides.assign(panel=panel))


def _show_map(axes: Axes, gradient: Map, colors: LogNorm, reach: trace.Reach) -> object:
    """One map around the central pixel; what is too small for the colors, and nothing at all, is black."""
    edge = CENTRE + 0.5
    shown = np.maximum(gradient, colors.vmin / 10)
    picture = axes.imshow(shown, norm=colors, cmap="inferno", extent=(-edge, edge, edge, -edge))
    low, high = min(reach.low) - 0.5, max(reach.high) + 0.5
    axes.add_patch(Rectangle((low, low), high - low, high - low, fill=False, color="white", lw=1.2, ls="--"))
    small_labels(axes, "LR px from the output pixel")
    return picture
