"""Small training sets made from numbers, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

from hdsr.resize import imresize


def write_set(root: Path, name: str, sizes: list[tuple[int, int]]) -> None:
    folder = root / "train" / name / "HR"
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(name))
    for i, (height, width) in enumerate(sizes):
        coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        Image.fromarray(imresize(coarse, 8)[:height, :width]).save(folder / f"{name}{i:02}.png")
