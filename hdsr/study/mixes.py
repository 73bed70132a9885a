"""How each image mixes the kernels of the dynamic convolutions: the shares that their attention gives."""

import copy
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr import checkpoint
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.images import pixels_sha256
from hdsr.measure.benchmarks import without_folders
from hdsr.network import HDSRNet, KernelAttention
from hdsr.report.figures import Drawing
from hdsr.report.tables import Table, source_label
from hdsr.results import write_table
from hdsr.settings import NetworkSettings

GROUP = ["weights", "scale"]
Network = TypeVar("Network", bound=nn.Module)
PLACE = [*GROUP, "layer", "kernel"]
WRAPPED = 90
"""Letters in a line of text."""


@dataclass(frozen=True)
class Mixes:
    """The mixes that were measured, and what could not be.

    Attributes:
        rows: weights, scale, dataset, image, image_sha256 (of LR), layer (1 to 5, from the entry on), kernel
            (1 to 4), share (0 to 1; the kernels of one layer and image add up to 1), live_units (of the
            attention's hidden layer; see `Mix`).
        gaps: why there are no rows of some weights or sets, a sentence each.
    """

    rows: pd.DataFrame
    gaps: tuple[str, ...]


class Mix(NamedTuple):
    """How an image mixes the kernels of each dynamic convolution, a row each."""

    shares: NDArray[np.float32]
    """(layers, kernels); each row sums to 1."""
    live: NDArray[np.bool_]
    """(layers, units): which outputs of the attention's hidden layer are above zero. Where there is none, the
    mix is uniform whatever the image."""
    inputs: NDArray[np.bool_]
    """(layers, channels): which channels of what is convolved are above zero anywhere in the image."""


@dataclass
class Recording:
    """What the attentions of a network have been given and have made since it began to be recorded."""

    shares: list[Tensor] = field(default_factory=list)
    live: list[Tensor] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)

    def mix(self) -> Mix:
        """The same as arrays, for the one image that has gone through the network."""
        return Mix(*(torch.stack(found).cpu().numpy() for found in (self.shares, self.live, self.inputs)))

    def note_shares(self, attention: KernelAttention, given: tuple[Tensor], output: Tensor) -> None:
        """The forward hook of an attention."""
        self.shares.append(output[0])
        self.inputs.append(given[0][0].amax(dim=(1, 2)) > 0)

    def note_units(self, squeeze: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        """The forward hook of an attention's first layer."""
        self.live.append(output[0].flatten() > 0)


def recorded(network: Network, temperature: float | None = None) -> tuple[Network, Recording]:
    """A network of the same weights that is nobody else's, and what its attentions do from now on.

    The given one stays as it is, so that other threads may run it meanwhile.

    Args:
        network: plain or folded.
        temperature: of the softmax that mixes the kernels; None for the one that it was trained at.

    Raises:
        HdsrError: for a temperature that is not above 0.
    """
    if temperature is not None and not temperature > 0:
        raise HdsrError(f"a softmax temperature is a number above 0, not {temperature!r}")
    own, recording = copy.deepcopy(network, _shared_tensors(network)), Recording()
    for attention in attentions(own):
        attention.temperature = temperature or attention.temperature
        attention.register_forward_hook(recording.note_shares)
        attention.squeeze.register_forward_hook(recording.note_units)
    return own, recording


def _shared_tensors(network: nn.Module) -> dict[int, Tensor]:
    """What a copy of a network need not copy, as `copy.deepcopy` takes it."""
    return {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}


def attentions(network: nn.Module) -> list[KernelAttention]:
    """The attentions of a network's dynamic convolutions, from the entry on."""
    return [module for module in network.modules() if isinstance(module, KernelAttention)]


@torch.inference_mode()
def kernel_mix(network: HDSRNet, lr: NDArray[np.uint8]) -> Mix:
    """The mixes of an image. Only the upper network is run.

    Args:
        network: in float32, on the CPU.
        lr: uint8 RGB, (height, width, 3).
    """
    network, recording = recorded(network)
    network.upper(torch.from_numpy(lr.copy()).permute(2, 0, 1)[None].float() - network.mean)
    return recording.mix()


def measure(settings: NetworkSettings) -> Mixes:
    """Mixes of every image at every scale with all weights asked for; rows go to rows/kernel_mixes.csv.

    Raises:
        HdsrError: if nothing can be measured.
    """
    lines, gaps = [], []
    for source in settings.weights:
        for scale in settings.scales:
            try:
                network = checkpoint.load_pretrained(scale, source, settings.root)
                lines += list(_mixes_of(network, Path(source).name, settings))
            except HdsrError as error:
                gaps.append(without_folders(str(error), settings))
    if not lines:
        raise HdsrError(f"no kernel mix can be measured: {gaps[0]}")
    rows = pd.DataFrame(lines)
    write_table(rows, settings.report / "rows" / "kernel_mixes.csv")
    return Mixes(rows, tuple(dict.fromkeys(gaps)))


def _mixes_of(network: HDSRNet, source: str, settings: NetworkSettings) -> Iterator[dict[str, object]]:
    """The rows of one network on all sets."""
    network = network.to(memory_format=torch.channels_last)
    for dataset in settings.datasets:
        benchmark = load_benchmark(dataset, network.scale, settings.root)
        for image, lr, _ in benchmark:
            about = {"weights": source, "scale": network.scale, "dataset": benchmark.name, "image": image}
            about["image_sha256"] = pixels_sha256(lr)
            mix = kernel_mix(network, lr)
            for (layer, kernel), share in np.ndenumerate(mix.shares):
                place = {"layer": layer + 1, "kernel": kernel + 1}
                yield about | place | {"share": float(share), "live_units": int(mix.live[layer].sum())}


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """How the mixes of each layer spread.

    Columns: weights, scale, layer, largest (share of one kernel, mean over images), differs (the largest
    difference of one kernel's share between two images), live_units (the most in any image).
    """
    shares = rows.groupby(PLACE, sort=False)["share"]
    kernels = pd.DataFrame({"mean": shares.mean(), "range": shares.max() - shares.min()})
    layers = kernels.groupby([*GROUP, "layer"], sort=False)
    live = rows.groupby([*GROUP, "layer"], sort=False)["live_units"].max()
    return layers.agg(largest=("mean", "max"), differs=("range", "max")).join(live).reset_index()


def spread_table(rows: pd.DataFrame) -> Table:
    """`spread` to read."""
    numbers = spread(rows)
    printed = pd.DataFrame(
        {
            "weights": numbers["weights"].map(source_label),
            "scale": "×" + numbers["scale"].astype(str),
            "dynamic convolution": numbers["layer"].astype(str),
            "largest mean share": numbers["largest"].map("{:.4f}".format),
            "largest difference between images": numbers["differs"].map("{:.1e}".format),
            "live units of 16": numbers["live_units"].astype(str),
        }
    )
    images = rows.groupby("dataset", sort=False)["image"].nunique()
    where = ", ".join(f"{count} of {name}" for name, count in images.items())
    return Table("kernel_mixes", f"Kernel mixes over images ({where}); uniform is 0.25", numbers, printed)


def verdict(rows: pd.DataFrame) -> str:
    """What the numbers say of how dynamic the convolutions are, a paragraph per source of weights."""
    sentences = []
    for source, part in spread(rows).groupby("weights", sort=False):
        largest, differs = part.loc[part["largest"].idxmax()], part.loc[part["differs"].idxmax()]
        sentences.append(
            f"HDSRNet, {source_label(source)}: of a uniform 0.25, the largest share of one kernel is "
            f"{largest['largest']:.4f} on average ({_layer_name(largest)}); between two images a share "
            f"differs by {differs['differs']:.1e} at most ({_layer_name(differs)}). In "
            f"{(part['live_units'] == 0).sum()} of {len(part)} layers no unit of the attention is live: "
            "there the mix is uniform for every image."
        )
    return "\n".join(textwrap.fill(sentence, WRAPPED) for sentence in sentences)


def _layer_name(line: pd.Series) -> str:
    """A layer of `spread` in words."""
    return f"×{line['scale']}, dynamic convolution {line['layer']}"


def drawing(rows: pd.DataFrame, weights: str) -> Drawing:
    """How far each share is from uniform: a panel per scale, a line per image, a column per kernel.

    Args:
        rows: see `Mixes`.
        weights: the source whose rows are drawn.
    """
    rows = rows[rows["weights"] == weights]
    off = rows.assign(off=rows["share"] - 1 / rows["kernel"].max())
    limit, images = off["off"].abs().max(), len(off[["dataset", "image"]].drop_duplicates())
    figure = Figure(figsize=(10.0, 1.0 + 0.22 * images), layout="constrained")
    panels = figure.subplots(1, off["scale"].nunique(), squeeze=False, sharey=True)[0]
    for panel, (scale, part) in zip(panels, off.groupby("scale", sort=False), strict=True):
        shares = part.pivot(index=["dataset", "image"], columns=["layer", "kernel"], values="off")
        picture = panel.imshow(shares, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        panel.set_title(f"×{scale}", fontsize=9)
        _mark_layers(panel, shares)
    bar = figure.colorbar(picture, ax=list(panels), label="share less uniform")
    bar.formatter.set_powerlimits((-2, 2))
    figure.suptitle(f"Kernel mixes of HDSRNet, {source_label(weights)}", fontsize=11)
    return Drawing(f"kernel_mixes_{Path(weights).stem}", figure, rows.assign(panel=rows["image"]))


def _mark_layers(panel: Axes, shares: pd.DataFrame) -> None:
    """Name images and layers, and part the layers by lines."""
    layers = shares.columns.get_level_values("layer")
    width = len(layers) // layers.nunique()
    for cut in range(width, len(layers), width):
        panel.axvline(cut - 0.5, color="black", lw=0.7)
    middles = [width * place + (width - 1) / 2 for place in range(layers.nunique())]
    panel.set_xticks(middles, layers.unique())
    panel.set_yticks(range(len(shares)), shares.index.get_level_values("image"))
    panel.set_xlabel("dynamic convolution, four kernels each", fontsize=8)
    panel.tick_params(labelsize=7, length=0)
