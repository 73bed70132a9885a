"""The registry of every method that the tables can measure, each as one call from an LR to an SR image.

A new network takes one file in hdsr/methods/ and one row in LOADERS.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from hdsr import checkpoint, inference, paper, resize
from hdsr.errors import HdsrError, unknown
from hdsr.fetch import weights as weights_of
from hdsr.files import sha256
from hdsr.methods import (
    a_plus,
    acnet,
    carn_m,
    cscn,
    dcls,
    dncnn,
    fsrcnn,
    idn,
    lapsrn,
    lesrcnn,
    luma,
    srcnn,
    vdsr,
)
from hdsr.methods.luma import Given, LumaRunner
from hdsr.network import check_scale
from hdsr.provenance import code_version
from hdsr.results import NO_WEIGHTS
from hdsr.upscaling import run as runners
from hdsr.upscaling.run import Image, Precision, check_precision, network_upscaler, torch_device

Upscaler = Callable[[Image], Image]
ENSEMBLE = "_ensemble"
"""Ends the name of a network that is run eight times; see `hdsr.upscaling.run.self_ensemble`."""


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
    luma: LumaRunner | None = None
    """For methods that see the luma alone: Y of the LR image, from 16 to 235, (height, width), to that of the
    SR image, neither rounded nor clipped."""

    def __call__(self, lr: Image) -> Image:
        return self.upscale(lr)


@dataclass(frozen=True)
class Request:
    """What a loader is asked for."""

    name: str
    """The method's, as LOADERS has it."""
    scale: int
    weights: str | Path
    """ "ours", "authors", "others", a file, or "none"."""
    device: torch.device
    precision: Precision
    root: str | Path | None
    """The data folder, where published weights lie."""


@dataclass(frozen=True)
class Entry:
    """A row of the registry: how a method is loaded, and whose weights there are for it."""

    load: Callable[[Request], Method]
    sources: tuple[str, ...] = ()
    """Of "ours" (trained here), "authors" and "others" (published by the paper's authors, or by others), the
    preferred one first; empty: it has no weights."""
    shows_all: bool = False
    """Whether tables show every source of weights; else the first one that is there."""
    only_by_name: bool = False
    """Whether it is left out where all methods are asked for."""


def _load_bicubic(request: Request) -> Method:
    """MATLAB's bicubic enlargement: the baseline of every table."""
    return Method(
        name=request.name,
        label=paper.label(request.name),
        weights_label=NO_WEIGHTS,
        weights_sha256=NO_WEIGHTS,
        code_version=code_version(resize),
        upscale=partial(resize.imresize, factor=request.scale),
        luma=partial(resize.imresize_float, factor=request.scale),
    )


def _read_hdsrnet(path: Path, scale: int) -> nn.Module:
    """HDSRNet in its folded form."""
    return inference.fold(checkpoint.load_pretrained(scale, path))


def read_srcnn(path: Path, scale: int) -> nn.Module:
    """SRCNN with the authors' weights, or as trained here."""
    if path.suffix == ".mat":
        return srcnn.load(path, scale)
    return checkpoint.load_for_scale(path, scale, srcnn.SRCNN)


Run = Callable[[nn.Module, Request], tuple[Upscaler, LumaRunner | None]]
"""Makes `Method.upscale` and `Method.luma` of a network."""


def _on_rgb(module: nn.Module, request: Request) -> tuple[Upscaler, None]:
    """Run a network that enlarges RGB in 0..255; of a method named so, eight times."""
    ensemble = request.name.endswith(ENSEMBLE)
    return network_upscaler(module, request.device, request.precision, ensemble), None


def _on_luma(given: Given, eight_bit: bool = False) -> Run:
    """How to run a network of the luma; see `hdsr.methods.luma`."""

    def run(module: nn.Module, request: Request) -> tuple[Upscaler, LumaRunner]:
        enlarge = luma.luma_runner(module, request.scale, request.device, request.precision, given)
        return luma.with_color(enlarge, request.scale, eight_bit), enlarge

    return run


def _network_loader(
    read: Callable[..., nn.Module], *code: ModuleType, run: Run = _on_rgb
) -> Callable[[Request], Method]:
    """The loader of a network.

    Args:
        read: takes the files of weights, one or more, and the scale; HdsrError where they do not fit.
        code: the modules that make its pixels, on which, and on what they import, its rows depend.
        run: makes calls on images of it.
    """

    def load_network(request: Request) -> Method:
        model = request.name.removesuffix(ENSEMBLE)
        paths = weights_of.find_weights(request.scale, request.weights, request.root, model)
        digest = _digest_of(paths)
        upscale, of_luma = run(read(*paths, request.scale), request)
        return Method(
            name=request.name,
            label=paper.label(request.name),
            weights_label=_weights_label(request, digest),
            weights_sha256=digest,
            code_version=code_version(*code, runners),
            upscale=upscale,
            luma=of_luma,
        )

    return load_network


def _luma_loader(
    read: Callable[..., nn.Module], code: ModuleType, given: Given, eight_bit: bool = False
) -> Callable[[Request], Method]:
    """The loader of a network of the luma; see `hdsr.methods.luma` for `given` and `eight_bit`."""
    return _network_loader(read, code, luma, run=_on_luma(given, eight_bit))


def _digest_of(paths: tuple[Path, ...]) -> str:
    """The SHA-256 of a file, or that of the SHA-256 of several."""
    digests = [sha256(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


LOADERS: dict[str, Entry] = {
    "bicubic": Entry(_load_bicubic),
    "a_plus": Entry(_luma_loader(a_plus.load, a_plus, given="enlarged"), ("authors",)),
    "srcnn": Entry(_luma_loader(read_srcnn, srcnn, given="enlarged"), ("authors", "ours")),
    "fsrcnn": Entry(_luma_loader(fsrcnn.load, fsrcnn, given="lr"), ("authors",)),
    "vdsr": Entry(_luma_loader(vdsr.load, vdsr, given="enlarged"), ("authors", "others")),
    "cscn": Entry(_luma_loader(cscn.load, cscn, given="lr", eight_bit=True), ("authors",)),
    "dncnn": Entry(_luma_loader(dncnn.load, dncnn, given="enlarged"), ("authors",)),
    "lapsrn": Entry(_luma_loader(lapsrn.load, lapsrn, given="lr", eight_bit=True), ("authors",)),
    "idn": Entry(_luma_loader(idn.load, idn, given="lr_residual"), ("authors",)),
    "carn_m": Entry(_network_loader(carn_m.load, carn_m), ("authors",)),
    "lesrcnn": Entry(_network_loader(lesrcnn.load, lesrcnn), ("authors",)),
    "acnet": Entry(_network_loader(acnet.load, acnet), ("authors",)),
    "dcls": Entry(_network_loader(dcls.load, dcls), ("authors",)),
    "hdsrnet": Entry(
        _network_loader(_read_hdsrnet, checkpoint, inference),
        ("ours", "authors"),
        shows_all=True,
    ),
    f"hdsrnet{ENSEMBLE}": Entry(
        _network_loader(_read_hdsrnet, checkpoint, inference), ("ours", "authors"), only_by_name=True
    ),
}
"""Every method by name."""


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
        weights: "ours", "authors", "others" or a file; None for the first source of the method that is there.
            Methods without weights take no notice of it.
        device: as torch names it: "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16" for bfloat16 by autocast.
        root: the data folder; see `hdsr.paths.data_root`.

    Raises:
        HdsrError: for an unknown name, scale, device or precision, or weights that are missing or do not fit.
    """
    if name not in LOADERS:
        raise unknown("model", name, LOADERS)
    check_scale(scale)
    check_precision(precision)
    chosen = chosen_weights(name, weights, scale, root)
    return LOADERS[name].load(Request(name, scale, chosen, torch_device(device), precision, root))


def chosen_weights(name: str, weights: str | Path | None, scale: int, root: str | Path | None) -> str | Path:
    """The weights asked for, or the first that are there; HdsrError for a source that the method lacks."""
    sources = LOADERS[name].sources
    if not sources:
        return NO_WEIGHTS
    if weights is None:
        present = (source for source in sources if is_present(name, source, scale, root))
        return next(present, sources[0])
    if is_source(weights) and weights not in sources:
        expected = " or ".join([*map(repr, sources), "a file"])
        raise HdsrError(f"{name} has no weights of the source {weights!r}: expected {expected}")
    return weights


def is_present(name: str, source: str, scale: int, root: str | Path | None) -> bool:
    """Whether the files of a method's weights are there."""
    return all(path.is_file() for path in weights_files(name, source, scale, root))


def weights_files(name: str, source: str, scale: int, root: str | Path | None) -> tuple[Path, ...]:
    """Where the files of a method's weights lie."""
    return weights_of.weights_files(scale, source, root, name.removesuffix(ENSEMBLE))


def is_source(weights: str | Path) -> bool:
    """Whether weights are named by their source rather than by a file."""
    return weights in ("ours", *weights_of.PUBLISHED)


def _weights_label(request: Request, digest: str) -> str:
    """How rows and tables call these weights; a file's name alone would not tell two runs apart."""
    if is_source(request.weights):
        return str(request.weights)
    return f"{Path(request.weights).name}@{digest[:8]}"
