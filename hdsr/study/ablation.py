"""What dynamic convolutions are worth: PSNR with every mix frozen, and at other temperatures.

Nothing is trained again: the attentions of a network are exchanged, and put back afterwards. Rows go to a
file of their own, one per image and treatment, and are reused by their identity; the untreated network's are
those of the benchmark tables.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import SymmetricalLogLocator
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr import metrics, results
from hdsr.datasets import Benchmark
from hdsr.evaluation import unscored
from hdsr.inference import FoldedHDSRNet, fold
from hdsr.network import DynamicConv2d, KernelAttention
from hdsr.progress import bar
from hdsr.provenance import code_version
from hdsr.report import statistics
from hdsr.report.figures import WIDTH_IN, Drawing, small_labels
from hdsr.report.tables import ABSENT, Table, crossed, labelled, source_label
from hdsr.report.thresholds import THRESHOLDS
from hdsr.settings import DynamicsSettings
from hdsr.study.mixes import mean_mix, mix_of
from hdsr.study.networks import MODEL, Trained, benchmarks, trained_networks
from hdsr.upscaling.run import Image, network_upscaler

MEAN, UNIFORM, OTHER = "mean", "uniform", "other"
_FROZEN = {MEAN: "the mean mix", UNIFORM: "the uniform mix", OTHER: "another image's mix"}
_COOLED = "temperature"
_SIGNIFICANT, _VISIBLE_DB = (THRESHOLDS[name].value for name in ("significant", "visible"))
_LINEAR_DB = 10 * _VISIBLE_DB
"""Changes up to this are drawn on a linear scale, larger ones on a logarithmic one."""
_PLACE = ["weights", "scale", "dataset"]
_IMAGE = [*_PLACE, "image", "weights_sha256", "lr_sha256"]


class ConstantMix(nn.Module):
    """The same shares of the kernels for every image.

    Input (batch, channels, height, width), of which only the batch matters; output (batch, kernels).
    """

    shares: Tensor

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)

    def forward(self, features: Tensor) -> Tensor:
        return self.shares.to(features).expand(len(features), -1)


def dynamic_layers(network: nn.Module) -> list[DynamicConv2d]:
    """The dynamic convolutions of a network, plain or folded, from the entry on."""
    return [module for module in network.modules() if isinstance(module, DynamicConv2d)]


def frozen(shares: NDArray[np.floating]) -> list[ConstantMix]:
    """Attentions that give these shares, (layers, kernels), whatever the image."""
    return [ConstantMix(torch.tensor(layer)) for layer in shares]


def cooled(network: nn.Module, temperature: float) -> list[KernelAttention]:
    """The network's own attentions, with their own weights, at another temperature."""
    attentions = [copy.deepcopy(layer.attention) for layer in dynamic_layers(network)]
    for attention in attentions:
        attention.temperature = temperature
    return attentions


@contextmanager
def attending(network: nn.Module, attentions: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Let these attentions, one for each dynamic convolution, take the place of the network's own.

    Yields:
        A list to which every call of the network adds the shares that it used: (batch, kernels) for each
        layer in turn.
    """
    layers, used = dynamic_layers(network), []
    own = [layer.attention for layer in layers]
    hooks = [
        attention.register_forward_hook(lambda _, __, shares: used.append(shares)) for attention in attentions
    ]
    try:
        for layer, attention in zip(layers, attentions, strict=True):
            layer.attention = attention
        yield used
    finally:
        for layer, attention in zip(layers, own, strict=True):
            layer.attention = attention
        for hook in hooks:
            hook.remove()


CODE_VERSION = code_version(ConstantMix, dynamic_layers, frozen, cooled, attending)


@dataclass(frozen=True)
class Treatment:
    """What is done to the attention of a network for one image.

    Attributes:
        name: MEAN, UNIFORM, OTHER, or _COOLED and a temperature.
        given: in words, what is put in its place.
        sha256: of the shares or the temperature.
        attentions: makes the modules for a network.
    """

    name: str
    given: str
    sha256: str
    attentions: Callable[[nn.Module], Sequence[nn.Module]]


@dataclass(frozen=True)
class TreatedRow(results.Row):
    """The score of one image under one treatment."""

    treatment: str
    given: str
    given_sha256: str
    largest_share: float
    """Of one kernel in any layer."""

    @property
    def place(self) -> tuple[object, ...]:
        return (*super().place, self.treatment)

    @property
    def identity(self) -> tuple[object, ...]:
        # the share comes of the scoring, as the scores do: a row that is looked for does not have it yet
        return results.Row.identity.fget(replace(self, largest_share=0.0))


def _freezing(name: str, given: str, shares: NDArray[np.floating]) -> Treatment:
    digest = hashlib.sha256(np.round(shares, 6).tobytes()).hexdigest()
    return Treatment(name, given, digest, lambda _: frozen(shares))


def _cooling(temperature: float) -> Treatment:
    name = f"{_COOLED} {temperature:g}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Treatment(name, name, digest, lambda network: cooled(network, temperature))


def treatments(
    mixes: pd.DataFrame, dataset: str, images: Sequence[str], index: int, temperatures: Sequence[float]
) -> list[Treatment]:
    """The treatments of one image of a set. Another image is the next, after the last one the first.

    `mixes` are those of one network; see `hdsr.study.mixes.measure_mixes`.
    """
    (mean, words), own = mean_mix(mixes, dataset), mix_of(mixes, dataset, images[index])
    chosen = [
        _freezing(MEAN, words, mean),
        _freezing(UNIFORM, "a quarter of each kernel", np.full_like(own, 1 / own.shape[1])),
    ]
    if len(images) > 1:
        other = images[(index + 1) % len(images)]
        chosen.append(_freezing(OTHER, f"that of {other}", mix_of(mixes, dataset, other)))
    return [*chosen, *map(_cooling, temperatures)]


def measure_treatments(
    settings: DynamicsSettings, mixes: pd.DataFrame, progress: bool = True
) -> pd.DataFrame:
    """Score every network on every image under every treatment; rows go to rows/dynamics.csv.

    `mixes` are those that `hdsr.study.mixes.measure_mixes` returns.
    """
    path = settings.report / "rows" / "dynamics.csv"
    known = {row.identity: row for row in results.read(path, TreatedRow)}
    rows: list[TreatedRow] = []
    for trained in trained_networks(settings):
        folded = fold(trained.network)
        own = mixes[(mixes[list(trained.about)] == pd.Series(trained.about)).all(axis=1)]
        for benchmark in benchmarks(settings, trained.network.scale):
            title = f"treatments of {trained.title} on {benchmark.name}"
            names = [path.stem for path in benchmark.hr_paths]
            shown = bar(benchmark, title, len(benchmark), unit="image", shown=progress)
            for index, item in enumerate(shown):
                chosen = treatments(own, benchmark.name, names, index, settings.temperatures)
                rows += _treated_rows(trained, folded, benchmark, item, chosen, path, known)
    return results.frame(rows, TreatedRow)


def _treated_rows(
    trained: Trained,
    folded: FoldedHDSRNet,
    benchmark: Benchmark,
    item: tuple[str, Image, Image],
    chosen: Sequence[Treatment],
    path: Path,
    known: dict[tuple[object, ...], TreatedRow],
) -> Iterator[TreatedRow]:
    name, lr, hr = item
    plain = unscored(trained.method, benchmark, name, lr, hr, "fp32", "cpu")
    for treatment in chosen:
        row = _treated(plain, treatment)
        scored = known.get(row.identity)
        if scored is None:
            scored = _score(row, treatment, folded, lr, hr)
            results.add(path, scored)
        yield replace(scored, expected=row.expected)


def _treated(plain: results.Row, treatment: Treatment) -> TreatedRow:
    fields = {name: getattr(plain, name) for name in results.COLUMNS}
    fields["code_version"] = f"{plain.code_version}-{CODE_VERSION}"
    about = {"treatment": treatment.name, "given": treatment.given, "given_sha256": treatment.sha256}
    return TreatedRow(**fields, **about, largest_share=math.nan)


def _score(row: TreatedRow, treatment: Treatment, folded: FoldedHDSRNet, lr: Image, hr: Image) -> TreatedRow:
    with attending(folded, treatment.attentions(folded)) as used:
        sr = network_upscaler(folded, torch.device("cpu"), "fp32")(lr)
    psnr_db, ssim = metrics.scores(sr, hr, row.crop_px)
    return replace(
        row,
        psnr_db=psnr_db,
        ssim=ssim,
        largest_share=round(max(float(shares.max()) for shares in used), 6),
    )


def changes(rows: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """How far PSNR moves under each treatment, a line for each network, set and treatment.

    Columns: weights, scale, dataset, treatment, given, n, expected, psnr_db (mean over the set), change_db
    (its distance from the untreated network's), half_width_db (of the change's interval, paired by image),
    p_holm (of no change, corrected by Holm; see `hdsr.report.statistics`), largest_db (the largest
    change of an image, either way), largest_share. Sets that are not whole have no means, as everywhere.

    Args:
        rows: what `measure_treatments` returns.
        scored: result rows of the untreated networks, among others.
    """
    own = scored.loc[scored["model"] == MODEL, [*_IMAGE, "psnr_db"]]
    both = rows.merge(own, on=_IMAGE, suffixes=("", "_own"))
    both["change_db"] = both["psnr_db"] - both["psnr_db_own"]
    groups = both.groupby([*_PLACE, "treatment"], sort=False)
    lines = pd.DataFrame(
        {**dict(zip([*_PLACE, "treatment"], place, strict=True)), **_change(part)} for place, part in groups
    )
    return lines.assign(p_holm=statistics.holm(lines.pop("p_value")))


def _change(part: pd.DataFrame) -> dict[str, object]:
    given = part["given"].unique()
    line = {
        "given": given[0] if len(given) == 1 else "",
        "n": len(part),
        "expected": part["expected"].iloc[0],
    }
    line |= dict.fromkeys(("psnr_db", "change_db", "half_width_db", "p_value"), math.nan)
    if line["n"] == line["expected"]:
        line |= part[["psnr_db", "change_db"]].mean()
        line["half_width_db"] = statistics.half_width(part["change_db"])
        line["p_value"] = statistics.p_value(part["change_db"])
    return line | {"largest_db": part["change_db"].abs().max(), "largest_share": part["largest_share"].max()}


def table(numbers: pd.DataFrame) -> Table:
    """`changes` to read: a line per treatment and source of weights, a column per scale and set."""
    width = (" ± " + numbers["half_width_db"].map("{:.3f}".format)).where(
        numbers["half_width_db"].notna(), ""
    )
    certain = (numbers["p_holm"] < _SIGNIFICANT).map({True: "†", False: ""})
    cell = numbers["change_db"].map(_signed) + width + certain
    moved = numbers.assign(cell=cell, mix=numbers["treatment"].replace(_FROZEN))
    own_db = (numbers["psnr_db"] - numbers["change_db"]).map("{:.2f} dB".format)
    own = numbers.assign(cell=own_db, mix="its own: PSNR").drop_duplicates(_PLACE)
    shown = pd.concat(part for _, part in pd.concat([own, moved]).groupby("weights", sort=False))
    shown["cell"] = shown["cell"].where(shown["change_db"].notna(), ABSENT)
    printed = crossed(labelled(shown), ["weights", "mix"], ["scale", "dataset"])
    caption = "Change of PSNR (dB) ± half of its 95 % interval (Student's t, paired by image)"
    return Table("dynamics", caption, numbers, printed, _notes(numbers))


def _signed(change_db: float) -> str:
    """A change with its sign, unless it rounds to nothing."""
    text = f"{change_db:+.3f}"
    return text.lstrip("+-") if float(text) == 0 else text


def _notes(numbers: pd.DataFrame) -> tuple[str, ...]:
    """What is put in, how many comparisons † heeds, and which sets are not whole."""
    means = numbers[numbers["treatment"] == MEAN].groupby("given")["dataset"].unique()
    given = "; ".join(f"{', '.join(datasets)}: {given}" for given, datasets in means.items())
    said = [
        f"The mean mix is, for {given}. Another image is the next of the set, after the last the first.",
        "Changes are to the network with its own attention and a temperature of 40, its weights the same.",
        f"† p < {_SIGNIFICANT} after Holm's correction for {numbers['p_holm'].count()} comparisons; a change "
        f"under {_VISIBLE_DB} dB cannot be seen in a printed table.",
    ]
    for line in numbers[numbers["n"] < numbers["expected"]].drop_duplicates("dataset").itertuples():
        said.append(f"{line.dataset} has no means: {line.n} of {line.expected} images are here.")
    return tuple(said)


def drawing(numbers: pd.DataFrame) -> Drawing:
    """Change of PSNR over the temperature: a panel per network, a line per set; frozen mixes at the side."""
    whole = numbers[numbers["change_db"].notna()]
    networks = list(whole.groupby(["weights", "scale"], sort=False))
    columns = min(3, len(networks))
    lines = -(-len(networks) // columns)
    figure = Figure(figsize=(WIDTH_IN, 3.0 * lines), layout="constrained")
    for axes, ((weights, scale), part) in zip(
        figure.subplots(lines, columns, squeeze=False).flat, networks, strict=False
    ):
        _plot_network(axes, part)
        axes.set_title(f"{source_label(weights)}, ×{scale}", fontsize=9)
    for axes in figure.axes[len(networks) :]:
        axes.set_axis_off()
    return Drawing("dynamics", figure, whole.assign(panel=whole["dataset"]))


def _plot_network(axes: Axes, part: pd.DataFrame) -> None:
    """Temperatures and frozen mixes of one network, evenly spaced, with the intervals of the changes."""
    names = list(part["treatment"].unique())
    for index, (dataset, lines) in enumerate(part.groupby("dataset", sort=False)):
        place = np.array([names.index(name) for name in lines["treatment"]]) + 0.12 * index
        axes.errorbar(
            place, lines["change_db"], lines["half_width_db"], fmt="o", ms=4, lw=1, capsize=2, label=dataset
        )
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.axhspan(-_VISIBLE_DB, _VISIBLE_DB, color="0.9", zorder=0)
    labels = [name.replace(f"{_COOLED} ", "T = ") for name in names]
    axes.set_xticks(range(len(names)), labels)
    # a low temperature costs some dB, beside which all that a frozen mix costs would seem nothing
    axes.set_yscale("symlog", linthresh=_LINEAR_DB)
    axes.margins(y=0.08)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=0.1))  # none close to 0
    axes.yaxis.set_major_formatter("{x:g}")
    small_labels(axes, y=f"change of PSNR (dB; log beyond ±{_LINEAR_DB:g})")
