"""How dynamic the mixes of the kernels are: their spread over images, layer by layer, and their entropy.

Unlike `hdsr.study.mixes`, which shows the mix of each image, this looks at many images, those of training
among them, and keeps rows that are reused by their identity.
"""

import hashlib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hdsr import datasets, network
from hdsr.errors import HdsrError
from hdsr.images import pixels_sha256, read_image
from hdsr.provenance import code_version
from hdsr.report.figures import WIDTH_IN, Drawing
from hdsr.report.tables import Table, source_label
from hdsr.resize import imresize
from hdsr.results import read_table, write_table
from hdsr.settings import DynamicsSettings
from hdsr.study import mixes
from hdsr.study.mixes import WRAPPED, kernel_mix
from hdsr.study.networks import Subject, benchmarks, subjects
from hdsr.training import sources

Image = NDArray[np.uint8]
TESTED, AVERAGED = "tested", "averaged"
"""Roles of images: benchmark images, and those whose mean mix others are frozen to."""
GROUP = ["weights", "scale"]
IDENTITY = ["weights_sha256", "lr_sha256", "code_version"]
"""What a mix depends on."""
SHARES = [f"share_{kernel}" for kernel in (1, 2, 3, 4)]
COLUMNS = [*GROUP, "weights_sha256", "role", "dataset", "image", "lr_sha256", "code_version", "layer"]
COLUMNS += [*SHARES, "live", "inputs"]
DIGITS = 7
"""Decimals of a share: the last bits differ with the number of threads."""
PROTOCOL = code_version(network, kernel_mix)
STEADY = 0.02
"""Mixes whose shares differ by less between any two images are called nearly the same for all."""

Place = tuple[str, str, str]
"""Role, set and image."""
Lines = list[tuple[object, ...]]
"""Of an image: layer, its shares and live units, for each layer."""


@dataclass(frozen=True)
class MeanMix:
    """A mix for all images: shares (layers, kernels), and in words what they are the mean of."""

    shares: NDArray[np.float64]
    words: str


def measure(settings: DynamicsSettings, progress: bool = True) -> pd.DataFrame:
    """The mix of every benchmark image, and the mean one of the training images.

    Rows go to rows/dynamics_mixes.csv; those of the same images, weights and code are reused. Sets that are
    not there have no rows.

    Returns:
        One line per image and layer, COLUMNS; `live` has a 1 for each unit of the attention's hidden layer
        that is above zero, and a 0 for each other; `inputs` counts the channels before the convolution that
        are above zero anywhere. Training images share a line: the mean of their shares, what is live on any.
    """
    path = settings.report / "rows" / "dynamics_mixes.csv"
    known = _stored(path)
    rows: list[tuple[object, ...]] = []
    for subject in subjects(settings):
        before = len(known)
        title = f"mixes of {subject.title}"
        for place, images in tqdm(pictures(settings, subject.network.scale), title, disable=not progress):
            rows += _rows_of(subject, place, images, known)
        if len(known) > before:
            write_table(pd.DataFrame(rows, columns=COLUMNS), path)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_table(frame, path)
    return frame


def _stored(path: Path) -> dict[tuple[object, ...], Lines]:
    """What a file holds, by identity."""
    rows = read_table(path, COLUMNS, [*IDENTITY, "live"])
    wanted = ["layer", *SHARES, "live", "inputs"]
    groups = rows.drop_duplicates([*IDENTITY, "layer"]).groupby(IDENTITY, sort=False)
    return {key: list(part[wanted].itertuples(index=False, name=None)) for key, part in groups}


def _rows_of(
    subject: Subject, place: Place, images: Sequence[Image], known: dict[tuple[object, ...], Lines]
) -> Iterator[tuple[object, ...]]:
    """The rows of one image, or of the mean of several; known ones are reused."""
    digests = [pixels_sha256(image) for image in images]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    identity = (subject.method.weights_sha256, digest, PROTOCOL)
    if identity not in known:
        known[identity] = list(mean_lines(subject, images))
    weights, weights_sha256, scale = subject.about.values()
    for line in known[identity]:
        yield (weights, scale, weights_sha256, *place, digest, PROTOCOL, *line)


def mean_lines(subject: Subject, images: Sequence[Image]) -> Iterator[tuple[object, ...]]:
    """Layer, mean shares, and the units and number of inputs that are live on any of the images."""
    shares, live, inputs = zip(*(kernel_mix(subject.network, image) for image in images), strict=True)
    means, counts = np.mean(shares, axis=0, dtype=np.float64), np.any(inputs, axis=0).sum(axis=1)
    for index, units in enumerate(np.any(live, axis=0)):
        rounded = (round(float(share), DIGITS) for share in means[index])
        yield (index + 1, *rounded, "".join(str(int(unit)) for unit in units), int(counts[index]))


def pictures(settings: DynamicsSettings, scale: int) -> Iterator[tuple[Place, list[Image]]]:
    """Role, set and name of each benchmark image, with its LR; then of all training images together."""
    for benchmark in benchmarks(settings, scale):
        for name, lr, _ in benchmark:
            yield (TESTED, benchmark.name, name), [lr]
    found = {name: files for name in settings.training_sets if (files := _training_files(settings, name))}
    images = [shrunk(path, scale) for files in found.values() for path in files]
    if images:
        yield (AVERAGED, ", ".join(found), f"{len(images)} images"), images


def _training_files(settings: DynamicsSettings, name: str) -> tuple[Path, ...]:
    """The files of a set of training images; none where it is not there, or not all of it."""
    try:
        return sources.training_images(settings.root, name)
    except HdsrError:
        return ()


def shrunk(path: Path, scale: int) -> Image:
    """The LR image of an HR file."""
    return imresize(datasets.cropped(read_image(path), scale, path), 1 / scale)


def mix_of(rows: pd.DataFrame, dataset: str, image: str) -> NDArray[np.float64]:
    """Shares of one benchmark image, (layers, kernels).

    Args:
        rows: what `measure` returns, of one network.
    """
    here = rows[(rows["role"] == TESTED) & (rows["dataset"] == dataset) & (rows["image"] == image)]
    return here.sort_values("layer")[SHARES].to_numpy()


def mean_mix(rows: pd.DataFrame, dataset: str) -> MeanMix:
    """The mean mix of the training images; where there are none, of the images of the set itself.

    Args:
        rows: what `measure` returns, of one network.
        dataset: the benchmark set that the mix is for.
    """
    averaged = rows[rows["role"] == AVERAGED].sort_values("layer")
    if len(averaged):
        words = f"mean over {averaged['image'].iloc[0]} of {averaged['dataset'].iloc[0]}"
        return MeanMix(averaged[SHARES].to_numpy(), words)
    own = rows[(rows["role"] == TESTED) & (rows["dataset"] == dataset)]
    words = f"mean over {own['image'].nunique()} images of {dataset}"
    return MeanMix(own.groupby("layer")[SHARES].mean().to_numpy(), words)


def entropy_bits(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of mixes, shares along the last axis; 2 for a uniform one of four kernels.

    Shares that add up to 1 only to rounding are divided by their sum: entropies differ by less than that.
    """
    shares = shares / shares.sum(axis=-1, keepdims=True)
    logarithms = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    return -(shares * logarithms).sum(axis=-1)


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """How the mixes of each layer spread over the benchmark images.

    Columns: weights, scale, layer, largest, differs (see `hdsr.study.mixes.spread`), entropy_bits (mean over
    images), image_bits (of what it lacks to a uniform mix's, as much tells one image from another: the
    entropy of the mean mix less the mean entropy), units, dead (units that are live on no image),
    inputs (channels before the convolution, the most that are live in an image), n (images).
    """
    tested = rows[rows["role"] == TESTED]
    groups = tested.groupby([*GROUP, "layer"], sort=False)
    lines = [(*place, *_layer_numbers(part)) for place, part in groups]
    entropies = pd.DataFrame(
        lines, columns=[*GROUP, "layer", "entropy_bits", "image_bits", "units", "dead", "inputs", "n"]
    )
    return mixes.spread(_by_kernel(tested)).drop(columns="live_units").merge(entropies)


def _layer_numbers(part: pd.DataFrame) -> tuple[float, ...]:
    """Mean entropy, what of it depends on the image; units, dead units, inputs and images of one layer."""
    shares = part[SHARES].to_numpy()
    mean_entropy = entropy_bits(shares).mean()
    live = np.array([[unit == "1" for unit in units] for units in part["live"]])
    image_bits = max(0.0, entropy_bits(shares.mean(axis=0)) - mean_entropy)
    dead = int((~live.any(axis=0)).sum())
    return mean_entropy, image_bits, live.shape[1], dead, part["inputs"].max(), len(part)


def _by_kernel(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as `hdsr.study.mixes` has them: a line per kernel, its share in the column `share`."""
    named = rows.rename(columns=dict(zip(SHARES, (1, 2, 3, 4), strict=True)))
    kept = [*GROUP, "dataset", "image", "layer", "live"]
    lines = named.melt(kept, [1, 2, 3, 4], var_name="kernel", value_name="share")
    return lines.assign(live_units=lines["live"].str.count("1"))


def table(numbers: pd.DataFrame) -> Table:
    """`by_layer` to read."""
    printed = pd.DataFrame(
        {
            "weights": numbers["weights"].map(source_label),
            "scale": "×" + numbers["scale"].astype(str),
            "layer": numbers["layer"].astype(str),
            "largest share": numbers["largest"].map("{:.4f}".format),
            "differs by": numbers["differs"].map("{:.1e}".format),
            "below 2 bits by": (2 - numbers["entropy_bits"]).map("{:.1e}".format),
            "of the image (bits)": numbers["image_bits"].map("{:.1e}".format),
            "dead units": numbers["dead"].astype(str) + " of " + numbers["units"].astype(str),
            "live inputs": numbers["inputs"].astype(str),
        }
    )
    notes = (
        "Of one kernel: its largest mean share, the most that its share differs between two images. Entropy: "
        "by how much its mean is below that of a uniform mix, and how much of that depends on the image.",
    )
    caption = f"Kernel mixes of the dynamic convolutions over {numbers['n'].max()} images"
    return Table("dynamics_mixes", caption, numbers, printed, notes)


def sentence(numbers: pd.DataFrame) -> str:
    """What the numbers say of how dynamic the mixes are, a paragraph for each network.

    Args:
        numbers: see `by_layer`.
    """
    return "\n".join(
        textwrap.fill(f"HDSRNet, {source_label(weights)}, ×{scale}: {_of_network(part)}", WRAPPED)
        for (weights, scale), part in numbers.groupby(GROUP, sort=False)
    )


def _of_network(part: pd.DataFrame) -> str:
    """What the layers of one network say."""
    network, images = len(part), part["n"].iloc[0]
    alive = part[part["dead"] < part["units"]]
    if alive.empty:
        return (
            f"attention is dead in all {network} layers{_blind(part)}: on none of {images} images a unit is "
            "live, so every image gets the uniform mix, and no convolution is dynamic."
        )
    most, lacking = part.loc[part["differs"].idxmax()], part.loc[part["entropy_bits"].idxmin()]
    said = f"mixes vary across {images} images by less than {STEADY}"
    meaning = ": every image gets nearly the same kernels"
    if most["differs"] >= STEADY:
        moving = (part["differs"] >= STEADY).sum()
        said = f"mixes vary across {images} images by {STEADY} or more in {moving} of {network} layers"
        meaning = ""
    return (
        f"{said} (at most {most['differs']:.2g}, layer {most['layer']}){meaning}. The mixes lack at most "
        f"{2 - lacking['entropy_bits']:.1e} of a uniform one's 2 bits (layer {lacking['layer']}); at most "
        f"{part['image_bits'].max():.1e} bits tell images apart. Attention is dead in "
        f"{network - len(alive)} of {network} layers{_blind(part)}; in the others {alive['dead'].sum()} of "
        f"{alive['units'].sum()} units are live on no image."
    )


def _blind(part: pd.DataFrame) -> str:
    """In how many layers there is nothing to attend to, if in any."""
    count = int((part["inputs"] == 0).sum())
    return f" ({count} get nothing but zeros: the dilated convolution before them is dead)" if count else ""


def drawing(rows: pd.DataFrame, weights: str) -> Drawing:
    """How far each share is from uniform: a panel per scale, a dot per image, a column per kernel.

    Args:
        rows: what `measure` returns.
        weights: the source whose rows are drawn.
    """
    lines = _by_kernel(rows[(rows["role"] == TESTED) & (rows["weights"] == weights)])
    lines["off"] = lines["share"] - 1 / len(SHARES)
    scales = lines["scale"].unique()
    figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
    panels = figure.subplots(1, len(scales), squeeze=False)[0]
    for panel, scale in zip(panels, scales, strict=True):
        strip(panel, lines[lines["scale"] == scale])
        panel.set_title(f"×{scale}", fontsize=9)
    panels[0].set_ylabel("share less uniform", fontsize=8)
    images = len(lines[["dataset", "image"]].drop_duplicates())
    figure.suptitle(f"Kernel mixes of HDSRNet, {source_label(weights)}, on {images} images", fontsize=11)
    numbers = by_layer(rows[rows["weights"] == weights])
    panel = "×" + numbers["scale"].astype(str)
    return Drawing(f"dynamics_mixes_{Path(weights).stem}", figure, numbers.assign(panel=panel))


def strip(panel: Axes, lines: pd.DataFrame) -> None:
    """Dots of one network, the images of a kernel beside one another; kernels have colors, layers places."""
    width = len(SHARES) + 1
    for kernel, part in lines.groupby("kernel", sort=False):
        rank = part.groupby("layer").cumcount() / (len(part) / part["layer"].nunique()) - 0.5
        place = (part["layer"] - 1) * width + kernel - 1 + 0.7 * rank
        panel.scatter(place, part["off"], s=5, color=f"C{kernel - 1}", label=f"kernel {kernel}", lw=0)
    panel.axhline(0, color="black", lw=0.7, zorder=0)
    network = sorted(lines["layer"].unique())
    panel.set_xticks([(layer - 1) * width + 1.5 for layer in network], network)
    panel.set_xlabel("dynamic convolution", fontsize=8)
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    panel.tick_params(labelsize=8)
    panel.legend(fontsize=7, markerscale=2, ncols=2)
