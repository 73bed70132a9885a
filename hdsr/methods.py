"""Every method that the tables can measure, as one call from an LR to an SR image.

A new network takes one file, with its loader below it or here, and one line in LOADERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from hdsr import checkpoint, inference, layers, network, resize, runners
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.fingerprints import code_version
from hdsr.runners import Image, Precision, check_precision, network_upscaler, torch_device

NO_WEIGHTS = "none"


@dataclass(frozen=True)
class Method:
    """A way to enlarge images by one scale. Calling it takes and returns uint8 RGB (height, width, 3)."""

    name: str
    label: str
    """As the paper prints it."""
    weights_label: str
    """ "ours", "authors", a file's name with the start of its hash, or "none"."""
    weights_sha256: str
    code_version: str
    """Changes with the code that makes the image; see `code_version`."""
    upscale: Callable[[Image], Image]

    def __call__(self, lr: Image) -> Image:
        return self.upscale(lr)


@dataclass(frozen=True)
class Request:
    """What a loader is asked for."""

    scale: int
    weights: str | Path
    """ "ours", "authors" or a file."""
    device: torch.device
    precision: Precision
    root: str | Path | None
    """The data folder, where the authors' weights lie."""


def load_bicubic(request: Request) -> Method:
    """MATLAB's bicubic enlargement: the baseline of every table."""

    def upscale(lr: Image) -> Image:
        return resize.imresize(lr, request.scale)

    return Method("bicubic", "Bicubic", NO_WEIGHTS, NO_WEIGHTS, code_version(resize), upscale)


def load_hdsrnet(request: Request) -> Method:
    """HDSRNet in its folded form."""
    path = checkpoint.weights_path(request.scale, request.weights, request.root)
    loaded = checkpoint.load_pretrained(request.scale, request.weights, request.root)
    digest = sha256(path)
    return Method(
        name="hdsrnet",
        label="HDSRNet",
        weights_label=weights_label(request.weights, digest),
        weights_sha256=digest,
        code_version=code_version(layers, network, inference, runners),
        upscale=network_upscaler(inference.fold(loaded), request.device, request.precision),
    )


LOADERS: dict[str, Callable[[Request], Method]] = {
    "bicubic": load_bicubic,
    "hdsrnet": load_hdsrnet,
}


def load(
    name: str,
    scale: int,
    weights: str | Path = "ours",
    device: str = "cpu",
    precision: Precision = "fp32",
    root: str | Path | None = None,
) -> Method:
    """The method `name`, ready to enlarge by `scale`.

    Args:
        name: a key of LOADERS.
        scale: 2, 3 or 4.
        weights: "ours", "authors" or a file; methods without weights take no notice of it.
        device: as torch names it: "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16" for bfloat16 by autocast.
        root: the data folder; see `hdsr.paths.data_root`.

    Raises:
        HdsrError: for an unknown name, scale, device or precision, or weights that do not fit.
    """
    if name not in LOADERS:
        raise HdsrError(f"unknown model {name!r}: expected one of {', '.join(LOADERS)}")
    if scale not in network.SCALES:
        raise HdsrError(f"unknown scale {scale!r}: expected 2, 3 or 4")
    check_precision(precision)
    return LOADERS[name](Request(scale, weights, torch_device(device), precision, root))


def weights_label(weights: str | Path, digest: str) -> str:
    """How rows and tables call these weights; a file's name alone would not tell two runs apart."""
    if weights in ("ours", "authors"):
        return str(weights)
    return f"{Path(weights).name}@{digest[:8]}"
