"""What a network makes of a subject: the enlarged image, its scores, its kernel mixes, its feature maps.

Networks are read by any thread and changed by none: what records or mixes in another way is a copy.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from hdsr import metrics
from hdsr.checkpoint import load_for_scale
from hdsr.errors import HdsrError
from hdsr.explore.subjects import Image, Subject
from hdsr.fetch.weights import find_weights
from hdsr.inference import Advance, FoldedHDSRNet, fold, ignore
from hdsr.methods import registry
from hdsr.methods.registry import Method
from hdsr.network import HDSRNet
from hdsr.report.tables import source_label
from hdsr.resize import imresize
from hdsr.study import trace
from hdsr.study.diagram import words
from hdsr.study.mixes import attentions, recorded
from hdsr.study.trace import IMAGE, PRODUCT, SUM, Part
from hdsr.upscaling.files import assembled
from hdsr.upscaling.memory import strip_rows
from hdsr.upscaling.run import as_batch, strip_runner

FeatureMaps = NDArray[np.float32]
"""(channels, height, width)."""
NETWORKS_KEPT = 3


@dataclass(frozen=True)
class Networks:
    """HDSRNet with some weights, as the paper draws it and as it is fastest. Equal up to rounding."""

    source: str
    """ "ours", "authors" or a file."""
    plain: HDSRNet
    folded: FoldedHDSRNet

    @property
    def temperature(self) -> float:
        """The softmax temperature that the weights were trained at."""
        return attentions(self.plain)[0].temperature


@dataclass(frozen=True)
class Enlargement:
    """An enlarged image, and how its kernels were mixed."""

    temperature: float
    sr: Image
    shares: NDArray[np.float32]
    """(dynamic convolutions, kernels), each row summing to 1."""
    live: list[int]
    """Live units of each dynamic convolution's attention; see `hdsr.study.mixes.Mix`."""


@dataclass(frozen=True)
class Look:
    """A subject beside what bicubic and the network make of it."""

    subject: Subject
    scale: int
    bicubic: Image
    trained: Enlargement
    """At the temperature that the weights were trained at."""
    chosen: Enlargement
    """At the temperature that was chosen; `trained` itself if that is the same."""
    other: tuple[str, Image] | None = None
    """Name and result of another method, if one was asked for."""


def networks(scale: int, source: str, root: str | Path | None = None) -> Networks:
    """The networks of a source of weights: "ours", "authors" or a file; a few stay loaded.

    Raises:
        HdsrError: if the weights are not there, damaged, or for another scale.
    """
    path = find_weights(scale, source, root)[0]
    return _loaded(source, path, scale, path.stat().st_mtime_ns)


@lru_cache(maxsize=NETWORKS_KEPT)
def _loaded(source: str, path: Path, scale: int, changed_ns: int) -> Networks:
    """The networks in a file as it is since `changed_ns`."""
    plain = load_for_scale(path, scale).to(memory_format=torch.channels_last)
    return Networks(source, plain, fold(plain))


def method(name: str, source: str, scale: int, root: str | Path | None = None) -> Method:
    """A method of the registry; a few stay loaded.

    Raises:
        HdsrError: if its weights are not there, damaged, or for another scale.
    """
    files = registry.weights_files(name, source, scale, root)
    changed_ns = max(path.stat().st_mtime_ns if path.is_file() else 0 for path in files)
    return _loaded_method(name, source, scale, root, changed_ns)


@lru_cache(maxsize=NETWORKS_KEPT)
def _loaded_method(name: str, source: str, scale: int, root: str | Path | None, changed_ns: int) -> Method:
    """A method whose weights are as they are since `changed_ns`."""
    return registry.load(name, scale, source, root=root)


def look(
    subject: Subject, made_by: Networks, temperature: float | None = None, advance: Advance = ignore
) -> Look:
    """Enlarge a subject; see `Look`.

    Args:
        subject: at the scale of the networks.
        made_by: the networks.
        temperature: of the softmax that mixes the kernels; None for the one that they were trained at.
        advance: is told how many rows a convolution has made.

    Raises:
        HdsrError: if the memory does not suffice.
    """
    scale = made_by.plain.scale
    trained = enlarge(subject.lr, made_by, advance=advance)
    first = Look(subject, scale, imresize(subject.lr, scale), trained, trained)
    return first if temperature is None else at(first, made_by, temperature, advance)


def at(seen: Look, made_by: Networks, temperature: float, advance: Advance = ignore) -> Look:
    """The same subject enlarged at another temperature."""
    for known in (seen.chosen, seen.trained):
        if known.temperature == temperature:
            return replace(seen, chosen=known)
    return replace(seen, chosen=enlarge(seen.subject.lr, made_by, temperature, advance))


def beside(seen: Look, other: Method | None) -> Look:
    """The same with the result of another method, or without."""
    if other is None:
        return replace(seen, other=None)
    if seen.other is not None and seen.other[0] == _name_of(other):
        return seen
    return replace(seen, other=(_name_of(other), other(seen.subject.lr)))


def _name_of(other: Method) -> str:
    """A method and its weights, in words."""
    return f"{other.label}, {source_label(other.weights_label)}"


def enlarge(
    lr: Image, made_by: Networks, temperature: float | None = None, advance: Advance = ignore
) -> Enlargement:
    """Enlarge an image with the kernels mixed at a temperature, by default the trained one."""
    network, recording = recorded(made_by.folded, temperature)
    rows = strip_rows(*lr.shape[:2], network.scale, "fp32")
    strips = strip_runner(network, torch.device("cpu"), "fp32")(lr.astype(np.float32), rows, advance)
    sr = assembled(strips, network.scale, lr)
    mix = recording.mix()
    return Enlargement(attentions(network)[0].temperature, sr, mix.shares, mix.live.sum(axis=1).tolist())


def scores(seen: Look) -> pd.DataFrame:
    """Y-PSNR (dB) and SSIM as the tables take them: panel, temperature, psnr_db, ssim. Empty without HR.

    Raises:
        HdsrError: for an image that is too small for SSIM.
    """
    judged = [("Bicubic", np.nan, seen.bicubic)]
    if seen.other is not None:
        judged.append((seen.other[0], np.nan, seen.other[1]))
    judged.append(("HDSRNet", seen.trained.temperature, seen.trained.sr))
    if seen.chosen is not seen.trained:
        judged.append(("HDSRNet, other temperature", seen.chosen.temperature, seen.chosen.sr))
    lines = []
    for panel, temperature, sr in judged if seen.subject.hr is not None else []:
        lines.append((panel, temperature, *metrics.scores(sr, seen.subject.hr, seen.scale)))
    return pd.DataFrame(lines, columns=["panel", "temperature", "psnr_db", "ssim"])


@torch.inference_mode()
def feature_maps(lr: Image, made_by: Networks, part: str, temperature: float | None = None) -> FeatureMaps:
    """What a part of the network puts out for an image: with activation, pixel shuffle and mean shift.

    Args:
        lr: uint8 RGB, (height, width, 3).
        made_by: the networks, of which the plain one is run.
        part: as `hdsr.study.trace.parts` names it.
        temperature: see `look`.

    Raises:
        HdsrError: for an unknown part, or an image too large for the memory.
    """
    network, _ = recorded(made_by.plain, temperature)
    _check_fits(lr, network.scale)
    maps = trace.cut_behind(network, part)(as_batch(lr.astype(np.float32), torch.device("cpu")))
    return maps[0].contiguous().numpy()


def _check_fits(lr: Image, scale: int) -> None:
    """Raise HdsrError unless the memory suffices for feature maps of the whole image."""
    height, width = lr.shape[:2]
    if strip_rows(height, width, scale, "fp32") < height:
        raise HdsrError(f"an image of {metrics.size(lr)} pixels is too large for its feature maps to be kept")


@lru_cache
def layer_labels(scale: int) -> dict[str, str]:
    """What can be looked at, by the name of its part: every layer of Figure 1, every sum, and the product."""
    with torch.device("meta"):
        found = trace.parts(HDSRNet(scale))
    return {name: _label(part) for name, part in found.items() if part.kind != IMAGE}


def _label(part: Part) -> str:
    """A part as a person would point at it in Figure 1."""
    if part.kind == PRODUCT:
        return "product of both branches"
    if part.kind == SUM:
        return f"{_place(part.inputs[0])}: sum"
    return f"{_place(part.name)}: {words(part)}"


def _place(name: str) -> str:
    """Where in Figure 1 a layer stands, in words."""
    branch, *inside = name.split(".")
    if branch == "reconstruction":
        return "CB"
    if inside[0] == "entry":
        return "upper, entry"
    return f"{branch}, {'block' if inside[0] == 'blocks' else 'layer'} {int(inside[1]) + 1}"
