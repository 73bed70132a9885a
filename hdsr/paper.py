"""What the paper prints, transcribed once, in data/paper/.

Tian et al. 2024, arXiv 2402.15704v1; later versions call the network ADSRNet instead of HDSRNet.
"""

from collections import defaultdict

import pandas as pd

from hdsr import paths
from hdsr.files import bare


def quality() -> pd.DataFrame:
    """Tables II to V: PSNR in dB and SSIM of every method on every set and scale, in the paper's order.

    Columns: table, dataset, method, reference (number in the bibliography, absent for bicubic and HDSRNet),
    scale, psnr_db, ssim. Cells that the paper leaves empty have no line.
    """
    return read("quality", reference="Int64", scale=int, psnr_db=float, ssim=float)


def selfexsr() -> pd.DataFrame:
    """Results of each image that Huang et al. published with SelfExSR's code (CVPR 2015), not this paper's.

    Columns: dataset, scale, image, method (as this paper prints it), psnr_db, ssim: on luma rounded to whole
    numbers, one-channel files by their gray values. Urban100 at x2 is of half-size images.
    """
    return read("selfexsr", scale=int, psnr_db=float, ssim=float)


def marks() -> pd.DataFrame:
    """The paper's own marks in Tables II to V: what it prints in red as best and in blue as second.

    Columns: table, dataset, scale, metric ("psnr_db" or "ssim"), rank (1 for red, 2 for blue), method.
    """
    return read("marks", scale=int, rank=int)


def runtime() -> pd.DataFrame:
    """Table VI: milliseconds on the authors' GPU. Columns: table, method, scale, hr_px (edge), runtime_ms."""
    return read("runtime", scale=int, hr_px=int, runtime_ms=float)


def complexity() -> pd.DataFrame:
    """Table VII. Columns: table, method, scale, hr_px (edge), parameters_k (thousands), flops_g (10^9)."""
    return read("complexity", scale=int, hr_px=int, parameters_k=float, flops_g=float)


def figures() -> pd.DataFrame:
    """Enlarged places in Figures 2 to 7.

    Each is where the HR image correlates best with the paper's enlargement of it: exact to the pixel, in
    Figure 6 to about one.

    Columns: figure, dataset, image, scale, and x, y (left upper corner), width, height in HR pixels.
    """
    return read("figures", figure=int, scale=int, x=int, y=int, width=int, height=int)


def contents() -> pd.DataFrame:
    """What the paper shows and claims, and where this suite reproduces it.

    Columns: item, subject, notebook (empty where no notebook does), and output: the file in a report folder
    that the notebook writes, without its ending.
    """
    return read("contents").fillna("")


def read(name: str, **types: object) -> pd.DataFrame:
    """One file of data/paper/; columns without a type are text."""
    return pd.read_csv(paths.PAPER_TABLES / f"{name}.csv", dtype=defaultdict(lambda: str, types))


def label(model: str) -> str:
    """How the paper prints the method that the registry calls `model`; the name itself if it prints none.

    Names are compared by their letters and digits: carn_m is CARN-M. hdsrnet_ensemble is HDSRNet+.
    """
    printed = pd.concat([quality(), runtime(), complexity()])["method"].unique()
    found = next((method for method in printed if bare(method) == bare(model)), model)
    return f"{label(model.removesuffix('_ensemble'))}+" if found.endswith("_ensemble") else found
