"""HDSRNet for image super-resolution: network, data sets, metrics, and a reproduction of its paper.

What `__all__` names is the front door; it is imported on first use, so that commands that need no network
start without loading one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdsr.checkpoint import load_pretrained
    from hdsr.metrics import psnr_y, ssim_y
    from hdsr.network import HDSRNet
    from hdsr.resize import imresize
    from hdsr.upscaling.files import upscale

__all__ = ["HDSRNet", "imresize", "load_pretrained", "psnr_y", "ssim_y", "upscale"]

_HOMES = {
    "HDSRNet": "hdsr.network",
    "imresize": "hdsr.resize",
    "load_pretrained": "hdsr.checkpoint",
    "psnr_y": "hdsr.metrics",
    "ssim_y": "hdsr.metrics",
    "upscale": "hdsr.upscaling.files",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("hdsr")
    if name not in _HOMES:
        raise AttributeError(f"module 'hdsr' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
