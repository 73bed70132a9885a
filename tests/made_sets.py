"""Small training sets made from numbers, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

from hdsr.resize import imresize
from hdsr.training.config import TrainingConfig

TWO_SETS = TrainingConfig(
    scale=2,
    sets=[{"name": "Big", "weight": 3}, {"name": "Small", "weight": 1}],
    validation={"set": "Big", "images": 2},
    patch_px=16,
    batch_size=6,
    steps=1,
    seed=5,
)
"""A run on what `write_two_sets` writes."""


def write_set(root: Path, name: str, sizes: list[tuple[int, int]]) -> None:
    folder = root / "train" / name / "HR"
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(name))
    for i, (height, width) in enumerate(sizes):
        coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        Image.fromarray(imresize(coarse, 8)[:height, :width]).save(folder / f"{name}{i:02}.png")


def write_two_sets(root: Path) -> None:
    write_set(root, "Big", [(40, 33), (20, 20), (31, 50), (48, 48)])
    write_set(root, "Small", [(16, 16), (15, 40), (18, 22)])
