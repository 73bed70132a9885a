"""Random aligned LR-HR patches, drawn so that step n always sees the same ones."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hdsr.training.config import TrainingConfig
from hdsr.training.data import Pair, TrainingData

Image = NDArray[np.uint8]


def square(image: Image, top: int, left: int, side: int) -> Image:
    """The square part of an image whose upper left pixel is (top, left)."""
    return image[top : top + side, left : left + side]


def detail(patch: Image) -> int:
    """How much a patch varies: the sum of absolute differences of neighbors along both axes."""
    values = patch.astype(np.int16)
    return sum(int(np.abs(np.diff(values, axis=axis)).sum()) for axis in (0, 1))


def draw_patch(
    pair: Pair, lr_px: int, scale: int, random: np.random.Generator, draws: int = 1
) -> tuple[Image, Image]:
    """One aligned patch, flipped and transposed at random: LR (lr_px, lr_px, 3) and HR scale times that.

    Of `draws` places that are drawn, the one whose LR has the most detail.
    """
    corners = [[int(random.integers(size - lr_px + 1)) for size in pair.lr.shape[:2]] for _ in range(draws)]
    top, left = max(corners, key=lambda corner: detail(square(pair.lr, *corner, lr_px)))
    flip_up, flip_left, transpose = random.integers(2, size=3)
    patches = []
    for image, factor in ((pair.lr, 1), (pair.hr, scale)):
        patch = square(image, top * factor, left * factor, lr_px * factor)
        patch = patch[:: -1 if flip_up else 1, :: -1 if flip_left else 1]
        patches.append(patch.swapaxes(0, 1) if transpose else patch)
    return patches[0], patches[1]


def draw_batch(
    data: TrainingData, config: TrainingConfig, step: int, rank: int = 0, world: int = 1, late: bool = False
) -> tuple[Tensor, Tensor]:
    """The batch of one step: LR and HR as float32 in 0..255, (batch, 3, height, width), channels_last.

    It depends on nothing but the configuration's seed, the step and whether it is one of the `late` ones, so
    a resumed run sees what an uninterrupted one sees. Process `rank` of `world` gets every world-th patch.
    """
    form = config.late if late else config
    lr_px = form.patch_px // config.input_scale
    chosen = np.random.default_rng([config.seed, step]).choice(
        len(data.pairs), form.batch_size, p=data.probability_of(form.patch_px)
    )
    patches = [
        draw_patch(
            data.pairs[index],
            lr_px,
            config.input_scale,
            np.random.default_rng([config.seed, step, place]),
            config.draws,
        )
        for place, index in enumerate(chosen)
        if place % world == rank
    ]
    lr, hr = (
        torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() for side in zip(*patches, strict=True)
    )
    return lr, hr


def batches(
    data: TrainingData,
    config: TrainingConfig,
    first_step: int,
    rank: int = 0,
    world: int = 1,
    is_late: Callable[[int], bool] = lambda step: False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches from `first_step` on, the next one drawn while the present one is used.

    `is_late` says of a step, when its batch is about to be drawn, whether it takes the late patches.
    """
    with ThreadPoolExecutor(1) as pool:
        step = first_step
        upcoming = pool.submit(draw_batch, data, config, step, rank, world, is_late(step))
        while True:
            ready = upcoming.result()
            step += 1
            upcoming = pool.submit(draw_batch, data, config, step, rank, world, is_late(step))
            yield ready
