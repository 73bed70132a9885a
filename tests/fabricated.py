"""Result rows made up for tests of what reads rows."""

from collections.abc import Iterable

import pandas as pd

from hdsr import results
from hdsr.measure.benchmarks import GAP_COLUMNS

IDENTITY = {
    "image_sha256": "0" * 64,
    "lr_sha256": "1" * 64,
    "lr_source": "imresize",
    "precision": "fp32",
    "device": "cpu",
    "protocol": "p",
    "code_version": "c",
    "seconds": 0.1,
}


def rows(
    psnr_db: dict[tuple[str, str], float],
    dataset: str = "Set5",
    scales: Iterable[int] = (2, 3, 4),
    images: int = 5,
    expected: int = 5,
) -> pd.DataFrame:
    """Rows of each (model, weights) whose mean PSNR is `psnr_db` less the scale; images differ by 0.1 dB."""
    return results.frame(
        results.Row(
            model=model,
            dataset=dataset,
            scale=scale,
            image=f"image_{index}",
            psnr_db=mean - scale + 0.1 * (index - (images - 1) / 2),
            ssim=mean / 50 - scale / 100,
            weights=weights,
            weights_sha256=weights,
            crop_px=scale,
            expected=expected,
            **IDENTITY,
        )
        for (model, weights), mean in psnr_db.items()
        for scale in scales
        for index in range(images)
    )


def gaps(*lines: tuple[str, str, str, int, str]) -> pd.DataFrame:
    """What could not be measured: model, weights, dataset, scale, reason."""
    return pd.DataFrame(lines, columns=list(GAP_COLUMNS))
