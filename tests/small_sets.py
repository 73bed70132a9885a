"""Settings of the dynamics notebook on small sets made from numbers, with weights made from numbers."""

from pathlib import Path

import numpy as np
import pytest
from untrained import image_like_network

from hdsr import checkpoint
from hdsr.fetch import weights
from hdsr.images import write_png
from hdsr.settings import DynamicsSettings
from hdsr.suite import parameters


def dynamics_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] = (36, 48), **chosen: object
) -> DynamicsSettings:
    """Two images of Own at x2, three training images of Learned, and weights for x2 only."""
    monkeypatch.setenv("HDSR_REPORTS", str(folder / "reports"))
    monkeypatch.setattr(weights, "OWN_WEIGHTS", folder / "weights")
    checkpoint.save(image_like_network(2), folder / "weights" / "hdsrnet_x2.safetensors", {})
    write_images(folder / "benchmarks" / "Own" / "HR", ("baby", "bird"), size)
    write_images(folder / "train" / "Learned" / "HR", ("a", "b", "c"), (20, 16))
    usual = {"datasets": ["Own"], "scales": [2], "temperatures": [1], "training_sets": ["Learned"]}
    return parameters.schema_of("dynamics")(
        **{"profile": "test", "data_root": str(folder), "patches": 1, **usual, **chosen}
    )


def write_images(folder: Path, names: tuple[str, ...], size: tuple[int, int]) -> None:
    random = np.random.default_rng(len(names))
    for name in names:
        write_png(folder / f"{name}.png", random.integers(0, 256, (*size, 3), np.uint8))
