"""Patches are shrunk as whole images are."""

import numpy as np
import pytest
import torch

from hdsr.resize import imresize
from hdsr.training.shrink import margin_px, shrink


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_patch_with_its_margin_becomes_the_part_of_the_lr_image(scale: int) -> None:
    hr = np.random.default_rng(scale).integers(0, 256, (40 * scale, 30 * scale, 3), dtype=np.uint8)
    margin = margin_px(scale)
    window = hr[10 * scale - margin : 25 * scale + margin, 12 * scale - margin : 20 * scale + margin]
    found = shrink(torch.from_numpy(window.copy())[None], scale)[0].numpy()
    expected = imresize(hr, 1 / scale)[10:25, 12:20]
    if scale == 3:  # thirds are rounded in float32, so a tie may fall to either side
        assert np.abs(found.astype(int) - expected).max() <= 1
        assert (found != expected).mean() < 0.01
    else:
        assert np.array_equal(found, expected)
