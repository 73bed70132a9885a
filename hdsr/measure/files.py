"""Scores of image files by any protocol, by the command `hdsr score`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdsr.datasets import files_in, image_paths
from hdsr.errors import HdsrError, listed
from hdsr.images import as_rgb, read_picture
from hdsr.measure import protocols
from hdsr.measure.protocols import Scores

_ENDING = re.compile(r"_?x([2-8])$")
"""How the name of an enlarged image ends, and the scale in it."""


@dataclass(frozen=True)
class Pair:
    """A file to judge, and the true one."""

    sr: Path
    hr: Path

    @property
    def scale(self) -> int:
        """The scale that the name of SR ends in; 0 if it does not."""
        found = _ENDING.search(self.sr.stem)
        return int(found[1]) if found else 0


def pairs(sr: Path, hr: Path) -> list[Pair]:
    """The file or files to judge, each with the true one.

    In folders they have the same name, but for the suffix and endings such as _x4 and x4, of which `hdsr
    degrade` and `hdsr upscale` append one each.

    Raises:
        HdsrError: if one is a file and the other a folder, or a file to judge has no true one.
    """
    for path in (sr, hr):
        if not path.exists():
            raise HdsrError(f"no file or folder {path}: expected images")
    if sr.is_dir() != hr.is_dir():
        raise HdsrError(f"{sr} and {hr} are a file and a folder: expected two files, or two folders")
    if not sr.is_dir():
        return [Pair(sr, hr)]
    known, judged = {path.stem: path for path in image_paths(hr)}, {}
    for path in image_paths(sr):
        once = _ENDING.sub("", path.stem)
        names = (path.stem, once, _ENDING.sub("", once))
        judged[path] = next((known[name] for name in names if name in known), None)
    alone = [path.name for path, true in judged.items() if true is None]
    if alone:
        raise HdsrError(f"{hr} has no image for {listed(alone)}: names have to be the same, but for _x4")
    return [Pair(*each) for each in judged.items()]


def unjudged(hr: Path, judged: list[Pair]) -> tuple[str, ...]:
    """The files of a folder of true images for which none is to be judged."""
    taken = {pair.hr for pair in judged}
    return tuple(path.name for path in files_in(hr) if path not in taken) if hr.is_dir() else ()


def score(pair: Pair, protocol: str, crop_px: int | None = None) -> tuple[Scores, int]:
    """PSNR in dB and SSIM, and how many pixels were cropped on every side.

    Args:
        pair: the files. Where HR is larger by less than the scale in the name of SR, it is cut from the top
            left: benchmarks have it a multiple of the scale.
        protocol: a name in `protocols.NAMED`.
        crop_px: pixels cropped; None for what the protocol says of the scale in the name of SR.

    Raises:
        HdsrError: naming the file, if one cannot be read or the two cannot be compared.
    """
    way, scale = protocols.named(protocol), pair.scale if crop_px is None else crop_px
    if crop_px is not None:
        way = replace(way, border="scale")
    sr, hr = pixels(pair.sr), pixels(pair.hr)
    if all(
        0 <= whole - made < max(pair.scale, 1) for whole, made in zip(hr.shape[:2], sr.shape[:2], strict=True)
    ):
        hr = hr[: sr.shape[0], : sr.shape[1]]
    try:
        return protocols.score(sr, hr, scale, way), way.crop_px(scale)
    except HdsrError as error:
        raise HdsrError(f"{pair.sr}: {error}") from None


def pixels(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8: (height, width) if it has gray values alone, else RGB (height, width, 3)."""
    picture = read_picture(path)
    rgb = as_rgb(picture, str(path))
    return rgb[..., 0] if picture.pixels.shape[2] <= 2 else rgb


def score_lines(judged: list[Pair], protocol: str, crop_px: int | None) -> Iterator[str | HdsrError]:
    """The score of every pair in a line, or why there is none, then their mean."""
    done: list[Scores] = []
    crops: set[int] = set()
    for pair in judged:
        try:
            scores, cropped_px = score(pair, protocol, crop_px)
        except HdsrError as error:
            yield error
            continue
        except MemoryError:
            yield HdsrError(f"{pair.sr}: there is not enough memory to compare it")
            continue
        done.append(scores)
        crops.add(cropped_px)
        yield f"{pair.sr.name}: {scores[0]:.4f} dB, SSIM {scores[1]:.6f}"
    if done:
        psnr_db, ssim = np.mean(done, axis=0)
        count = f"{len(done)} images" if len(done) == len(judged) else f"{len(done)} of {len(judged)} images"
        border = " or ".join(map(str, sorted(crops)))
        how = f"{protocols.TITLES[protocol]}; {border} px cropped on every side"
        yield f"mean of {count}: {psnr_db:.4f} dB, SSIM {ssim:.6f} ({how})"
