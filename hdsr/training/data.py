"""The images to train on: pairs of LR and HR with how often each is drawn, and those held out."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdsr import images, resize
from hdsr.datasets import cropped
from hdsr.errors import HdsrError
from hdsr.provenance import code_version
from hdsr.resize import imresize
from hdsr.training.cache import cached_images
from hdsr.training.config import TrainingConfig, TrainingSet, image_numbers
from hdsr.training.shrink import margin_px
from hdsr.training.sources import ImageSource, div2k_hr, div2k_lr, training_images
from hdsr.upscaling.pipeline import in_parallel

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """An HR image (cropped to a multiple of the scale) and its bicubic LR; uint8 RGB."""

    name: str
    lr: Image | None
    """None where patches get theirs from HR: see `TrainingConfig.any_phase`."""
    hr: Image
    published_lr: bool = False
    """Whether LR was read from a file rather than made from HR."""


@dataclass(frozen=True)
class TrainingData:
    """Decoded images: those to train on with how likely each is drawn, and those held out."""

    pairs: tuple[Pair, ...]
    probability: NDArray[np.float64]
    held_out: tuple[tuple[Pair, ...], ...]
    """Those of the validation's set, and those of its other sets, where there are any."""
    sha256: str
    """Of all names, HR pixels and published LR, so that a checkpoint can say what it was trained on."""
    left_out: int
    """Images smaller than one patch."""


def load_training_data(config: TrainingConfig, root: Path, progress: bool = True) -> TrainingData:
    """Every image that the configuration names, decoded; a broken or too small one stops here, by name."""
    loaded = {item.name: load_set(item, root, config, progress) for item in config.sets}
    held_out = {
        name: held_out_pairs(config, name, images, loaded, root, progress)
        for name, images in {
            config.validation.set: config.validation.images,
            **config.validation.more,
        }.items()
        if images
    }
    kept_back = {(name, pair.name) for name, pairs in held_out.items() for pair in pairs}
    for item in config.sets:
        for factor in item.shrunk:
            loaded[item.name] = loaded[item.name] + load_set(item, root, config, progress, factor)
    candidates = [
        (pair, item)
        for item in config.sets
        for pair in loaded[item.name]
        if pair.name not in item.exclude and (item.name, pair.name) not in kept_back
    ]
    smallest = config.patch_px + (2 * margin_px(config.scale) if config.any_phase else 0)
    large = [(pair, item) for pair, item in candidates if min(pair.hr.shape[:2]) >= smallest]
    if not large:
        around = " with what its LR is made of" if config.any_phase else ""
        raise HdsrError(f"no training image is as large as patch_px {config.patch_px}{around}")
    pairs = tuple(pair for pair, _ in large)
    shares = draw_probability(pairs, [item for _, item in large])
    first, *more = held_out.values() or [()]
    groups = (first, tuple(pair for pairs in more for pair in pairs)) if more else (first,) if first else ()
    return TrainingData(pairs, shares, groups, fingerprint(pairs), left_out=len(candidates) - len(large))


def load_set(
    item: TrainingSet, root: Path, config: TrainingConfig, progress: bool, factor: float = 1.0
) -> list[Pair]:
    """All images of a set with their LR, read-only: decoded once, mapped from the cache from then on.

    With a `factor` below 1, copies that bicubic has shrunk to it stand for the HR images.
    """
    scale = config.scale
    hr_sources, lr_sources = set_sources(item, root, scale)
    unknown = set(item.exclude) - {source.name for source in hr_sources}
    if unknown:
        raise HdsrError(f"cannot exclude {sorted(unknown)[0]!r} from {item.name}: it has no such image")
    title = cache_title(item, hr_sources)
    count = len(hr_sources)
    origin = [code_version(images), [source.stamp for source in hr_sources]]
    threads = os.cpu_count() or 1
    decoded = in_parallel(ImageSource.read, hr_sources, threads)
    whole = cached_images(f"{title}_HR", origin, decoded, count, progress)
    if factor < 1:
        title, origin = f"{title}-{factor:g}", [origin, factor, code_version(resize)]
        made = in_parallel(partial(imresize, factor=factor), whole, threads)
        whole = cached_images(f"{title}_HR", origin, made, count, progress)
        lr_sources = [None] * count
    hr = [cropped(image, scale, source) for image, source in zip(whole, hr_sources, strict=True)]
    if config.any_phase and factor < 1:
        return [Pair(source.name, None, image) for source, image in zip(hr_sources, hr, strict=True)]
    lr_origin = [origin, scale, code_version(resize), [source and source.stamp for source in lr_sources]]
    triples = zip(hr, hr_sources, lr_sources, strict=True)
    made = in_parallel(lambda triple: lr_image(*triple, scale), triples, threads)
    lr = cached_images(f"{title}_LR_x{scale}", lr_origin, made, count, progress)
    return [
        Pair(source.name, small, large, published is not None)
        for source, small, large, published in zip(hr_sources, lr, hr, lr_sources, strict=True)
    ]


def cache_title(item: TrainingSet, sources: list[ImageSource]) -> str:
    """Name of a set's cache files; sets of one name in other folders have other files."""
    folder = hashlib.sha256(str(sources[0].path.parent).encode()).hexdigest()[:8]
    words = (item.name.replace("/", "_"), item.images, folder)
    return "-".join(word for word in words if word)


def set_sources(
    item: TrainingSet, root: Path, scale: int
) -> tuple[list[ImageSource], list[ImageSource | None]]:
    """The HR files of a set, and the LR file of each where there is one."""
    if item.name == "DIV2K":
        numbers = image_numbers(item.images or "1-800")
        return div2k_hr(root, numbers), div2k_lr(root, numbers, scale)
    hr = [ImageSource(path) for path in training_images(root, item.name)]
    return hr, [None] * len(hr)


def lr_image(hr: Image, hr_source: ImageSource, lr_source: ImageSource | None, scale: int) -> Image:
    """The LR image of an HR one: from its file if there is one, else made by MATLAB's bicubic."""
    if lr_source is None:
        return imresize(hr, 1 / scale)
    lr = lr_source.read()
    if (lr.shape[0] * scale, lr.shape[1] * scale) != hr.shape[:2]:
        raise HdsrError(
            f"{lr_source} has {lr.shape[1]} x {lr.shape[0]} pixels, expected 1/{scale} of the "
            f"{hr.shape[1]} x {hr.shape[0]} of {hr_source}"
        )
    return lr


def held_out_pairs(
    config: TrainingConfig,
    name: str,
    images: int | str,
    loaded: dict[str, list[Pair]],
    root: Path,
    progress: bool,
) -> tuple[Pair, ...]:
    """The pairs of one set to validate on, in memory."""
    as_range = isinstance(images, str)
    if as_range or name not in loaded:
        item = TrainingSet(name=name, images=images if as_range else None)
        candidates = load_set(item, root, config, progress)
    else:
        candidates = loaded[name]
    chosen = candidates if as_range else evenly_spread(candidates, images)
    excluded = {image for item in config.sets if item.name == name for image in item.exclude}
    chosen = [pair for pair in chosen if pair.name not in excluded]
    return tuple(replace(pair, lr=np.array(pair.lr), hr=np.array(pair.hr)) for pair in chosen)


def evenly_spread(candidates: Sequence[Pair], count: int) -> list[Pair]:
    """`count` of the candidates, spread evenly: the same ones every time."""
    if count >= len(candidates):
        raise HdsrError(f"cannot hold out {count} of {len(candidates)} images for validation")
    return [candidates[i * len(candidates) // count] for i in range(count)]


def draw_probability(pairs: Sequence[Pair], sets: Sequence[TrainingSet]) -> NDArray[np.float64]:
    """Probability of each image: its set's weight, shared out by area."""
    area = np.array([pair.hr.shape[0] * pair.hr.shape[1] for pair in pairs], dtype=np.float64)
    names = np.array([training_set.name for training_set in sets])
    weight = np.array([training_set.weight for training_set in sets])
    for name in np.unique(names):
        area[names == name] /= area[names == name].sum()
    return weight * area / (weight * area).sum()


def fingerprint(pairs: Sequence[Pair]) -> str:
    """SHA-256 of names, HR pixels and published LR."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.name} {pair.hr.shape}".encode())
        digest.update(np.ascontiguousarray(pair.hr))
        if pair.published_lr:
            digest.update(np.ascontiguousarray(pair.lr))
    return digest.hexdigest()
