"""How each image mixes the kernels of the dynamic convolutions: the shares that their attention gives."""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr import datasets, network, results
from hdsr.errors import HdsrError
from hdsr.images import pixels_sha256, read_image
from hdsr.network import HDSRNet, KernelAttention
from hdsr.progress import bar
from hdsr.provenance import code_version
from hdsr.report.figures import WIDTH_IN, Drawing, small_labels
from hdsr.report.tables import Table, labelled, source_label
from hdsr.resize import imresize
from hdsr.settings import NetworkSettings
from hdsr.study.networks import Trained, benchmarks, missing, trained_networks
from hdsr.training import sources
from hdsr.upscaling.run import Image

TESTED, AVERAGED = "tested", "averaged"
"""Roles of images: benchmark images, and training images, of which only the mean mix is kept."""
_GROUP = ["weights", "scale"]
IDENTITY = ["weights_sha256", "lr_sha256", "code_version", *results.VERSIONS]
"""What a mix depends on."""
SHARES = [f"share_{kernel}" for kernel in (1, 2, 3, 4)]
COLUMNS = [*_GROUP, "role", "dataset", "image", *IDENTITY, "layer", *SHARES, "live", "inputs"]
_DIGITS = 7
"""Decimals of a share: the last bits differ with the number of threads."""

_Network = TypeVar("_Network", bound=nn.Module)
_Place = tuple[str, str, str]
"""Role, set and image."""


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

    def _note_shares(self, attention: KernelAttention, given: tuple[Tensor], output: Tensor) -> None:
        self.shares.append(output[0])
        self.inputs.append(given[0][0].amax(dim=(1, 2)) > 0)

    def _note_units(self, squeeze: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        self.live.append(output[0].flatten() > 0)


def recorded(network: _Network, temperature: float | None = None) -> tuple[_Network, Recording]:
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
    # what the copy is told to have copied already it shares, so that weights are in memory once
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    own, recording = copy.deepcopy(network, shared), Recording()
    for attention in attentions(own):
        attention.temperature = temperature or attention.temperature
        attention.register_forward_hook(recording._note_shares)
        attention.squeeze.register_forward_hook(recording._note_units)
    return own, recording


def attentions(network: nn.Module) -> list[KernelAttention]:
    """The attentions of a network's dynamic convolutions, from the entry on."""
    return [module for module in network.modules() if isinstance(module, KernelAttention)]


@torch.inference_mode()
def kernel_mix(network: HDSRNet, lr: NDArray[np.uint8]) -> Mix:
    """The mixes of an image, uint8 RGB. Only the upper network is run, in float32 on the CPU."""
    network, recording = recorded(network)
    network.upper(torch.from_numpy(lr.copy()).permute(2, 0, 1)[None].float() - network.mean)
    return recording.mix()


def measure_mixes(
    settings: NetworkSettings, name: str, training_sets: Sequence[str] = (), progress: bool = True
) -> pd.DataFrame:
    """The mix of every benchmark image, and the mean one of the images of the training sets that are there.

    Rows go to rows/<name>.csv; those of the same images, weights, code and versions are reused.

    Returns:
        One line per image and layer, COLUMNS; `live` has a 1 for each unit of the attention's hidden layer
        that is above zero, and a 0 for each other; `inputs` counts the channels before the convolution that
        are above zero anywhere. Training images share a line: the mean of their shares, what is live on any.

    Raises:
        HdsrError: if no weights or no images are there.
    """
    path = settings.report / "rows" / f"{name}.csv"
    known = read(path).drop_duplicates([*IDENTITY, "layer"])
    parts: list[pd.DataFrame] = []
    for trained in trained_networks(settings):
        own = known[known["weights_sha256"] == trained.method.weights_sha256]
        images = _images(settings, trained.network.scale, training_sets)
        for place, lrs in bar(images, f"mixes of {trained.title}", shown=progress):
            parts.append(_rows_of(trained, place, lrs, own))
    if not parts:
        raise HdsrError(f"no kernel mix can be measured: {missing(settings)[0]}")
    rows = pd.concat(parts, ignore_index=True)[COLUMNS]
    results.write_table(rows, path)
    return rows


def read(path: Path) -> pd.DataFrame:
    """The rows in a file that `measure_mixes` wrote; none where there is no such file."""
    return results.read_table(path, COLUMNS, [*IDENTITY, "live"])


def _rows_of(trained: Trained, place: _Place, lrs: Sequence[Image], known: pd.DataFrame) -> pd.DataFrame:
    digests = [pixels_sha256(lr) for lr in lrs]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    values = (trained.method.weights_sha256, digest, CODE_VERSION, *results.made_with().values())
    identity = dict(zip(IDENTITY, values, strict=True))
    rows = results.reused(known, identity, partial(_mean_rows, trained.network, lrs))
    about = dict(zip(("role", "dataset", "image"), place, strict=True))
    return rows.assign(weights=trained.method.weights_label, scale=trained.network.scale, **about)


def _mean_rows(network: HDSRNet, lrs: Sequence[Image]) -> pd.DataFrame:
    """A line per layer: the mean shares, and the units and number of inputs that are live on any image."""
    shares, live, inputs = zip(*(kernel_mix(network, lr) for lr in lrs), strict=True)
    rows = pd.DataFrame(np.mean(shares, axis=0, dtype=np.float64).round(_DIGITS), columns=SHARES)
    units = ["".join(map(str, layer)) for layer in np.any(live, axis=0).astype(int)]
    return rows.assign(layer=rows.index + 1, live=units, inputs=np.any(inputs, axis=0).sum(axis=1))


CODE_VERSION = code_version(network, Recording, recorded, attentions, kernel_mix, _mean_rows)


def _images(
    settings: NetworkSettings, scale: int, training_sets: Sequence[str]
) -> Iterator[tuple[_Place, list[Image]]]:
    """Role, set and name of each benchmark image, with its LR; then of all training images together."""
    for benchmark in benchmarks(settings, scale):
        for name, lr, _ in benchmark:
            yield (TESTED, benchmark.name, name), [lr]
    found = {name: files for name in training_sets if (files := _training_files(settings, name))}
    images = [_shrunk(path, scale) for files in found.values() for path in files]
    if images:
        yield (AVERAGED, ", ".join(found), f"{len(images)} images"), images


def _training_files(settings: NetworkSettings, name: str) -> tuple[Path, ...]:
    """The files of a set of training images; none where it is not there, or not all of it."""
    try:
        return sources.training_images(settings.root, name)
    except HdsrError:
        return ()


def _shrunk(path: Path, scale: int) -> Image:
    return imresize(datasets.cropped(read_image(path), scale, path), 1 / scale)


def mix_of(rows: pd.DataFrame, dataset: str, image: str) -> NDArray[np.float64]:
    """Shares of one benchmark image, (layers, kernels), from the rows of one network."""
    here = rows[(rows["role"] == TESTED) & (rows["dataset"] == dataset) & (rows["image"] == image)]
    return here.sort_values("layer")[SHARES].to_numpy()


def mean_mix(rows: pd.DataFrame, dataset: str) -> tuple[NDArray[np.float64], str]:
    """The mean mix of the training images; where there are none, of the images of the benchmark set itself.

    Returns:
        Shares (layers, kernels) by the rows of one network, and in words what they are the mean of.
    """
    averaged = rows[rows["role"] == AVERAGED].sort_values("layer")
    if len(averaged):
        words = f"mean over {averaged['image'].iloc[0]} of {averaged['dataset'].iloc[0]}"
        return averaged[SHARES].to_numpy(), words
    own = rows[(rows["role"] == TESTED) & (rows["dataset"] == dataset)]
    words = f"mean over {own['image'].nunique()} images of {dataset}"
    return own.groupby("layer")[SHARES].mean().to_numpy(), words


def entropy_bits(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of mixes, shares along the last axis; 2 for a uniform one of four kernels.

    Shares that add up to 1 only to rounding are divided by their sum: entropies differ by less than that.
    """
    shares = shares / shares.sum(axis=-1, keepdims=True)
    logarithms = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    return -(shares * logarithms).sum(axis=-1)


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """How the mixes of each layer spread over the benchmark images.

    Columns: weights, scale, layer, largest (share of one kernel, mean over images), differs (the largest
    difference of one kernel's share between two images), entropy_bits (mean over images), image_bits (of what
    it lacks to a uniform mix's, as much tells one image from another: the entropy of the mean mix less the
    mean entropy), units, dead (units that are live on no image), inputs (channels before the convolution, the
    most that are live in an image), n (images).
    """
    keys = [*_GROUP, "layer"]
    groups = rows[rows["role"] == TESTED].groupby(keys, sort=False)
    return pd.DataFrame({**dict(zip(keys, place, strict=True)), **_spread(part)} for place, part in groups)


def _spread(part: pd.DataFrame) -> dict[str, float]:
    shares = part[SHARES].to_numpy()
    mean, mean_entropy = shares.mean(axis=0), entropy_bits(shares).mean()
    live = np.array([list(units) for units in part["live"]]) == "1"
    return {
        "largest": mean.max(),
        "differs": np.ptp(shares, axis=0).max(),
        "entropy_bits": mean_entropy,
        "image_bits": max(0.0, entropy_bits(mean) - mean_entropy),
        "units": live.shape[1],
        "dead": int((~live.any(axis=0)).sum()),
        "inputs": part["inputs"].max(),
        "n": len(part),
    }


def table(numbers: pd.DataFrame, name: str) -> Table:
    """`by_layer` to read."""
    printed = labelled(numbers)[["weights", "scale"]].assign(
        layer=numbers["layer"].astype(str),
        **{
            "largest share": numbers["largest"].map("{:.4f}".format),
            "differs by": numbers["differs"].map("{:.1e}".format),
            "below 2 bits by": (2 - numbers["entropy_bits"]).map("{:.1e}".format),
            "of the image (bits)": numbers["image_bits"].map("{:.1e}".format),
            "dead units": numbers["dead"].astype(str) + " of " + numbers["units"].astype(str),
            "live inputs": numbers["inputs"].astype(str),
        },
    )
    notes = (
        "Of one kernel: its largest mean share, the most that its share differs between two images. Entropy: "
        "by how much its mean is below that of a uniform mix, and how much of that depends on the image.",
        "Where all units are dead, every image gets the uniform mix. Where no input is live, the dilated "
        "convolution before is dead: there is nothing to attend to.",
    )
    caption = f"Kernel mixes of the dynamic convolutions over {numbers['n'].max()} images"
    return Table(name, caption, numbers, printed, notes)


def drawing(rows: pd.DataFrame, weights: str, name: str) -> Drawing:
    """How far each share is from uniform, by one source of weights: a panel per scale, a dot per image."""
    rows = rows[(rows["role"] == TESTED) & (rows["weights"] == weights)]
    scales = rows["scale"].unique()
    figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
    panels = figure.subplots(1, len(scales), squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        _strip(panel, rows[rows["scale"] == scale])
        panel.set_title(f"×{scale}", fontsize=9)
    images = len(rows[["dataset", "image"]].drop_duplicates())
    figure.suptitle(f"Kernel mixes of HDSRNet, {source_label(weights)}, on {images} images", fontsize=11)
    numbers = by_layer(rows)
    panel = "×" + numbers["scale"].astype(str)
    return Drawing(f"{name}_{Path(weights).stem}", figure, numbers.assign(panel=panel))


def _strip(panel: Axes, rows: pd.DataFrame) -> None:
    """Dots of one network, the images of a kernel beside one another; kernels have colors, layers places."""
    width, network = len(SHARES) + 1, sorted(rows["layer"].unique())
    rank = rows.groupby("layer").cumcount() / (len(rows) / len(network)) - 0.5
    for kernel, share in enumerate(SHARES):
        place = (rows["layer"] - 1) * width + kernel + 0.7 * rank
        off = rows[share] - 1 / len(SHARES)
        panel.scatter(place, off, s=5, color=f"C{kernel}", label=f"kernel {kernel + 1}", lw=0)
    panel.axhline(0, color="black", lw=0.7, zorder=0)
    panel.set_xticks([(layer - 1) * width + 1.5 for layer in network], network)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    small_labels(panel, "dynamic convolution", "share less uniform", markerscale=2, ncols=2)
