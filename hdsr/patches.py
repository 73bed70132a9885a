"""Random aligned LR-HR patches, drawn so that step n always sees the same ones."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from hdsr.config import TrainingConfig, TrainingSet
from hdsr.datasets import training_images
from hdsr.errors import HdsrError
from hdsr.images import read_image
from hdsr.resize import imresize

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """An HR image (cropped to a multiple of the scale) and its bicubic LR; uint8 RGB."""

    name: str
    lr: Image
    hr: Image


@dataclass(frozen=True)
class TrainingData:
    """Decoded images: those to train on with how likely each is drawn, and those held out."""

    pairs: tuple[Pair, ...]
    probability: NDArray[np.float64]
    held_out: tuple[Pair, ...]
    sha256: str
    """Of all HR pixels and names, so that a checkpoint can say what it was trained on."""
    left_out: int
    """Images smaller than one patch."""


def held_out_paths(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` paths spread evenly over the sorted ones: the same ones every time."""
    if count >= len(paths):
        raise HdsrError(f"cannot hold out {count} of {len(paths)} images for validation")
    return [paths[i * len(paths) // count] for i in range(count)]


def load_pair(path: Path, scale: int) -> Pair:
    """Decode one HR image and make its LR."""
    hr = read_image(path)
    height, width = (size // scale * scale for size in hr.shape[:2])
    hr = hr[:height, :width]
    return Pair(path.stem, imresize(hr, 1 / scale), hr)


def load_training_data(config: TrainingConfig, root: Path, progress: bool = True) -> TrainingData:
    """Decode every image that the configuration names; a broken or too small one stops here, by name."""
    folders = {training_set.name: training_images(root, training_set.name) for training_set in config.sets}
    validation = config.validation
    candidates = folders.get(validation.set) or training_images(root, validation.set)
    kept_back = held_out_paths(candidates, validation.images)
    jobs = [
        (path, training_set)
        for training_set in config.sets
        for path in folders[training_set.name]
        if path not in kept_back
    ]
    bar = tqdm(jobs, desc="decoding", unit="image", disable=None if progress else True, leave=False)
    decoded = [(load_pair(path, config.scale), training_set) for path, training_set in bar]
    large = [
        (pair, training_set) for pair, training_set in decoded if min(pair.hr.shape[:2]) >= config.patch_px
    ]
    if not large:
        raise HdsrError(f"no training image is as large as patch_px {config.patch_px}")
    pairs = tuple(pair for pair, _ in large)
    shares = draw_probability(pairs, [training_set for _, training_set in large])
    held_out = tuple(load_pair(path, config.scale) for path in kept_back)
    return TrainingData(pairs, shares, held_out, fingerprint(pairs), left_out=len(decoded) - len(large))


def draw_probability(pairs: Sequence[Pair], sets: Sequence[TrainingSet]) -> NDArray[np.float64]:
    """Probability of each image: its set's weight, shared out by area."""
    area = np.array([pair.hr.shape[0] * pair.hr.shape[1] for pair in pairs], dtype=np.float64)
    names = np.array([training_set.name for training_set in sets])
    weight = np.array([training_set.weight for training_set in sets])
    for name in np.unique(names):
        area[names == name] /= area[names == name].sum()
    return weight * area / (weight * area).sum()


def fingerprint(pairs: Sequence[Pair]) -> str:
    """SHA-256 of names and HR pixels."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.name} {pair.hr.shape}".encode())
        digest.update(np.ascontiguousarray(pair.hr))
    return digest.hexdigest()


def draw_patch(pair: Pair, lr_px: int, scale: int, random: np.random.Generator) -> tuple[Image, Image]:
    """One aligned patch, flipped and transposed at random: LR (lr_px, lr_px, 3) and HR scale times that."""
    top, left = (int(random.integers(size - lr_px + 1)) for size in pair.lr.shape[:2])
    flip_up, flip_left, transpose = random.integers(2, size=3)
    patches = []
    for image, factor in ((pair.lr, 1), (pair.hr, scale)):
        y, x, side = top * factor, left * factor, lr_px * factor
        patch = image[y : y + side, x : x + side]
        patch = patch[:: -1 if flip_up else 1, :: -1 if flip_left else 1]
        patches.append(patch.swapaxes(0, 1) if transpose else patch)
    return patches[0], patches[1]


def draw_batch(
    data: TrainingData, config: TrainingConfig, step: int, rank: int = 0, world: int = 1
) -> tuple[Tensor, Tensor]:
    """The batch of one step: LR and HR as float32 in 0..255, (batch, 3, height, width), channels_last.

    It depends on nothing but the configuration's seed and the step, so a resumed run sees what an
    uninterrupted one sees. Process `rank` of `world` gets every world-th patch of it.
    """
    lr_px = config.patch_px // config.scale
    chosen = np.random.default_rng([config.seed, step]).choice(
        len(data.pairs), config.batch_size, p=data.probability
    )
    patches = [
        draw_patch(data.pairs[index], lr_px, config.scale, np.random.default_rng([config.seed, step, place]))
        for place, index in enumerate(chosen)
        if place % world == rank
    ]
    lr, hr = (
        torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() for side in zip(*patches, strict=True)
    )
    return lr, hr


def batches(
    data: TrainingData, config: TrainingConfig, first_step: int, rank: int = 0, world: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches from `first_step` on, the next one drawn while the present one is used."""
    with ThreadPoolExecutor(1) as pool:
        step = first_step
        upcoming = pool.submit(draw_batch, data, config, step, rank, world)
        while True:
            ready = upcoming.result()
            step += 1
            upcoming = pool.submit(draw_batch, data, config, step, rank, world)
            yield ready
