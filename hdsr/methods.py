"""Every method that the tables can measure, as one call from an LR to an SR image.

A new network takes one file, with its loader below it or here, and one line in LOADERS.
"""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hdsr import checkpoint, inference, layers, network, resize
from hdsr.errors import HdsrError
from hdsr.files import sha256

Image = NDArray[np.uint8]
Precision = Literal["fp32", "bf16"]
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
        code_version=code_version(layers, network, inference, network_runner, network_upscaler),
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


def check_precision(precision: str) -> None:
    """Raise HdsrError unless it is "fp32" or "bf16"."""
    if precision not in ("fp32", "bf16"):
        raise HdsrError(f"unknown precision {precision!r}: expected fp32 or bf16")


def torch_device(name: str) -> torch.device:
    """The device of that name, or an HdsrError if torch cannot compute on it here."""
    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError):
        expected = ", ".join(devices())
        raise HdsrError(f"device {name!r} cannot be used here: expected one of {expected}") from None
    return torch.device(name)


def devices() -> list[str]:
    """The devices that torch can use here."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *["mps"] * torch.backends.mps.is_available()]


def network_upscaler(
    module: nn.Module, device: torch.device, precision: Precision
) -> Callable[[Image], Image]:
    """A network as a call on uint8 images, its result rounded and clipped; see `network_runner`."""
    run = network_runner(module, device, precision)

    def upscale(lr: Image) -> Image:
        return np.rint(run(lr.astype(np.float32)).clip(0, 255)).astype(np.uint8)

    return upscale


def network_runner(
    module: nn.Module, device: torch.device, precision: Precision
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A network as a call on single images, (height, width, 3) in 0..255; its result is not rounded.

    The image goes through whole: the network's global pooling would see a tile as another image.

    Args:
        module: RGB in 0..255, (batch, 3, height, width), to the same `scale` times larger.
        device: where it runs; it is moved there.
        precision: "fp32", or "bf16" for bfloat16 by autocast.
    """
    module = module.to(device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.tensor(image, device=device).permute(2, 0, 1)[None]
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            result = module(batch.contiguous(memory_format=torch.channels_last))
        return np.ascontiguousarray(result[0].float().permute(1, 2, 0).cpu().numpy())

    return run


def weights_label(weights: str | Path, digest: str) -> str:
    """How rows and tables call these weights; a file's name alone would not tell two runs apart."""
    if weights in ("ours", "authors"):
        return str(weights)
    return f"{Path(weights).name}@{digest[:8]}"


def code_version(*sources: Any) -> str:
    """Short SHA-256 of what the code of modules or functions does.

    It is taken over the syntax tree without docstrings, so comments, formatting and documentation do not
    change it, and rows made before such an edit stay valid.
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(textwrap.dedent(inspect.getsource(source)))
        digest.update(ast.unparse(without_docstrings(tree)).encode())
    return digest.hexdigest()[:12]


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The tree less every statement that is only a string: docstrings and notes beneath attributes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not is_text(statement)]
    return tree


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
