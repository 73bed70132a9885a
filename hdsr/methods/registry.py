"""The registry of every method that the tables can measure, each as one call from an LR to an SR image.

A new network takes one file in hdsr/methods/ and one row in LOADERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hdsr import checkpoint, inference, paper, resize
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.methods import acnet, blocks, carn_m, dcls, lesrcnn, luma, srcnn, vdsr
from hdsr.methods.luma import luma_upscaler
from hdsr.network import check_scale
from hdsr.provenance import code_version
from hdsr.results import NO_WEIGHTS
from hdsr.upscaling import run as runners
from hdsr.upscaling.run import Image, Precision, check_precision, network_upscaler, torch_device

Upscaler = Callable[[Image], Image]


@dataclass(frozen=True)
class Method:
    """A way to enlarge images by one scale. Calling it takes and returns uint8 RGB (height, width, 3)."""

    name: str
    label: str
    """As the paper prints it."""
    weights_label: str
    """ "ours", "authors", "others", a file's name with the start of its hash, or "none"."""
    weights_sha256: str
    code_version: str
    """Changes with the code that makes the image; see `code_version`."""
    upscale: Upscaler
    luma: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    """For methods that see the luma alone: Y of the LR image in 0..255, (height, width), to that of the SR
    image, neither rounded nor clipped."""

    def __call__(self, lr: Image) -> Image:
        return self.upscale(lr)


@dataclass(frozen=True)
class Request:
    """What a loader is asked for."""

    name: str
    """The method's, as LOADERS has it."""
    scale: int
    weights: str | Path
    """ "ours", "authors", a file, or "none"."""
    device: torch.device
    precision: Precision
    root: str | Path | None
    """The data folder, where published weights lie."""


@dataclass(frozen=True)
class Entry:
    """A row of the registry: how a method is loaded, and whose weights there are for it."""

    load: Callable[[Request], Method]
    sources: tuple[str, ...] = ()
    """Of "ours" (trained here) and "authors" (published), the default first; empty: it has no weights."""
    publisher: str = "authors"
    """How rows name published weights: "others" where not the paper's authors trained them."""

    def label(self, weights: str | Path) -> str:
        """How rows name a source of weights; a file has its hash added by `weights_label`."""
        return self.publisher if weights == "authors" else str(weights)


def load_bicubic(request: Request) -> Method:
    """MATLAB's bicubic enlargement: the baseline of every table."""

    def upscale(lr: Image) -> Image:
        return resize.imresize(lr, request.scale)

    def enlarge(luma: NDArray[np.float64]) -> NDArray[np.float64]:
        return resize.imresize_float(luma, request.scale)

    label = paper.label(request.name)
    return Method(request.name, label, NO_WEIGHTS, NO_WEIGHTS, code_version(resize), upscale, enlarge)


def read_hdsrnet(path: Path, scale: int) -> nn.Module:
    """HDSRNet in its folded form."""
    return inference.fold(checkpoint.load_pretrained(scale, path))


def read_srcnn(path: Path, scale: int) -> nn.Module:
    """SRCNN as trained here."""
    return checkpoint.load_for_scale(path, scale, srcnn.SRCNN)


def on_rgb(module: nn.Module, request: Request) -> Upscaler:
    """Run a network that enlarges RGB in 0..255."""
    return network_upscaler(module, request.device, request.precision)


def on_luma(module: nn.Module, request: Request) -> Upscaler:
    """Run a network that sharpens the luma of the bicubically enlarged image."""
    return luma_upscaler(module, request.scale, request.device, request.precision)


def network_loader(
    read: Callable[[Path, int], nn.Module],
    *code: ModuleType,
    run: Callable[[nn.Module, Request], Upscaler] = on_rgb,
) -> Callable[[Request], Method]:
    """The loader of a network.

    Args:
        read: takes a file of weights and the scale; HdsrError where the file does not fit.
        code: the modules that make its pixels, on which its rows depend.
        run: makes a call on uint8 images of it.
    """

    def load_network(request: Request) -> Method:
        path = checkpoint.find_weights(request.scale, request.weights, request.root, request.name)
        digest = sha256(path)
        return Method(
            name=request.name,
            label=paper.label(request.name),
            weights_label=weights_label(request, digest),
            weights_sha256=digest,
            code_version=code_version(*code, runners),
            upscale=run(read(path, request.scale), request),
        )

    return load_network


LOADERS: dict[str, Entry] = {
    "bicubic": Entry(load_bicubic),
    "srcnn": Entry(network_loader(read_srcnn, srcnn, luma, resize, run=on_luma), ("ours",)),
    "vdsr": Entry(
        network_loader(vdsr.load, vdsr, blocks, luma, resize, run=on_luma), ("authors",), publisher="others"
    ),
    "carn_m": Entry(network_loader(carn_m.load, carn_m, blocks), ("authors",)),
    "lesrcnn": Entry(network_loader(lesrcnn.load, lesrcnn, blocks), ("authors",)),
    "acnet": Entry(network_loader(acnet.load, acnet, blocks), ("authors",)),
    "dcls": Entry(network_loader(dcls.load, dcls, blocks), ("authors",)),
    "hdsrnet": Entry(network_loader(read_hdsrnet, checkpoint, inference), ("ours", "authors")),
}
"""Every method by name, in the paper's order."""


def load(
    name: str,
    scale: int,
    weights: str | Path | None = None,
    device: str = "cpu",
    precision: Precision = "fp32",
    root: str | Path | None = None,
) -> Method:
    """The method `name`, ready to enlarge by `scale`.

    Args:
        name: a key of LOADERS.
        scale: 2, 3 or 4.
        weights: "ours", "authors" or a file; None for the first that the method has. Methods without
            weights take no notice of it.
        device: as torch names it: "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16" for bfloat16 by autocast.
        root: the data folder; see `hdsr.paths.data_root`.

    Raises:
        HdsrError: for an unknown name, scale, device or precision, or weights that are missing or do not fit.
    """
    if name not in LOADERS:
        raise HdsrError(f"unknown model {name!r}: expected one of {', '.join(LOADERS)}")
    check_scale(scale)
    check_precision(precision)
    chosen = chosen_weights(name, weights)
    return LOADERS[name].load(Request(name, scale, chosen, torch_device(device), precision, root))


def chosen_weights(name: str, weights: str | Path | None) -> str | Path:
    """The weights asked for, or the method's own first; HdsrError for a source that it does not have."""
    sources = LOADERS[name].sources
    if not sources:
        return NO_WEIGHTS
    if weights is None:
        return sources[0]
    if is_source(weights) and weights not in sources:
        expected = " or ".join([*map(repr, sources), "a file"])
        raise HdsrError(f"{name} has no weights of the source {weights!r}: expected {expected}")
    return weights


def is_source(weights: str | Path) -> bool:
    """Whether weights are named by their source rather than by a file."""
    return weights in ("ours", "authors")


def weights_label(request: Request, digest: str) -> str:
    """How rows and tables call these weights; a file's name alone would not tell two runs apart."""
    if is_source(request.weights):
        return LOADERS[request.name].label(request.weights)
    return f"{Path(request.weights).name}@{digest[:8]}"
