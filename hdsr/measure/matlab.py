"""LR images that MATLAB itself wrote, compared with those that `hdsr.resize` makes."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from hdsr.datasets import load_benchmark
from hdsr.images import read_image
from hdsr.resize import imresize

_COLUMNS = ("set", "scale", "images", "values", "differing")


def matlab_differences(
    golden: str | Path, datasets: Iterable[str], scales: Iterable[int], root: str | Path | None = None
) -> pd.DataFrame:
    """How many values of our LR images differ from MATLAB's.

    Args:
        golden: folder with matlab_bicubic/<Set>/X<scale>/<image>x<scale>.png.
        datasets: sets to compare; those without images of MATLAB are left out.
        scales: factors to compare.
        root: the data folder with the HR images; see `hdsr.paths.data_root`.

    Returns:
        One line per set and scale: set, scale, images, values (pixels times channels), differing.
    """
    folders = [
        (name, scale, Path(golden) / "matlab_bicubic" / name / f"X{scale}")
        for name in datasets
        for scale in scales
    ]
    lines = [_compare(name, scale, folder, root) for name, scale, folder in folders if folder.is_dir()]
    return pd.DataFrame(lines, columns=list(_COLUMNS))


def _compare(name: str, scale: int, folder: Path, root: str | Path | None) -> tuple[str, int, int, int, int]:
    images = values = differing = 0
    for image, _, hr in load_benchmark(name, scale, root):
        ours, matlab = imresize(hr, 1 / scale), read_image(folder / f"{image}x{scale}.png")
        images += 1
        values += ours.size
        differing += int(np.count_nonzero(ours != matlab)) if ours.shape == matlab.shape else ours.size
    return name, scale, images, values, differing
