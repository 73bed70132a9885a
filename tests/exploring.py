"""What the tests of hdsr.explore share: small images, an untrained network, and settings that use both."""

from pathlib import Path

import numpy as np
from skimage import data
from untrained import image_like_network

from hdsr import checkpoint
from hdsr.images import write_png
from hdsr.settings import ExploreSettings
from hdsr.suite import parameters

SIDE_PX = 40


def photograph(side_px: int = SIDE_PX) -> np.ndarray:
    """A part of a photograph, uint8 RGB."""
    return data.astronaut()[100 : 100 + side_px, 190 : 190 + side_px].copy()


def weights_in(folder: Path, scale: int = 2) -> Path:
    """A file of untrained weights."""
    path = folder / f"untrained_x{scale}.safetensors"
    checkpoint.save(image_like_network(scale), path, {})
    return path


def settings_in(folder: Path, scales: tuple[int, ...] = (2, 4)) -> ExploreSettings:
    """Two small images and untrained weights for x2, which lie in a folder."""
    images = folder / "tiny"
    for name in ("first", "second"):
        write_png(images / f"{name}.png", photograph()[:, :: 1 if name == "first" else -1])
    weights = [str(weights_in(folder))]
    return parameters.schema_of("explore")(
        data_root=str(folder), datasets=[str(images)], scales=list(scales), weights=weights
    )
