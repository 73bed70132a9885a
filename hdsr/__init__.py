"""HDSRNet for image super-resolution: network, data sets, metrics, and a reproduction of its paper.

`HDSRNet`, `load_pretrained` and `upscale` are the front door; they are imported on first use, so that
commands that need no network start without loading one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdsr.checkpoint import load_pretrained
    from hdsr.network import HDSRNet
    from hdsr.upscaling.files import upscale

__all__ = ["HDSRNet", "load_pretrained", "upscale"]

_HOMES = {"HDSRNet": "hdsr.network", "load_pretrained": "hdsr.checkpoint", "upscale": "hdsr.upscaling.files"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("hdsr")
    if name not in _HOMES:
        raise AttributeError(f"module 'hdsr' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
