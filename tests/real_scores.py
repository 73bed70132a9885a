"""Scores of a method on real benchmark images."""

from pathlib import Path

from hdsr import metrics
from hdsr.datasets import load_benchmark
from hdsr.methods import registry


def set5_psnr_db(
    root: Path, model: str, scale: int, images: tuple[str, ...] | None = None, weights: str = "authors"
) -> float:
    """Mean Y-PSNR over images of Set5, or all of it, with the method's published weights or others."""
    method = registry.load(model, scale, weights, root=root)
    scores = [
        metrics.psnr_y(method(lr), hr, scale)
        for name, lr, hr in load_benchmark("Set5", scale, root)
        if images is None or name in images
    ]
    return sum(scores) / len(scores)
