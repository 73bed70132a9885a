"""Benchmark sets as pairs of LR and HR images.

ROOT/benchmarks/<Set>/HR holds a set's images, with optional LR ones in LR_bicubic/X<s>/<image>x<s>.png.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdsr.errors import HdsrError, listed, unknown
from hdsr.fetch import manifest
from hdsr.fetch.checksums import Checksum
from hdsr.images import read_image
from hdsr.paths import data_root, expanded
from hdsr.resize import imresize

BENCHMARK_SETS = ("Set5", "Set14", "B100", "Urban100")
SPELLED = {name.lower(): name for name in ("samples", *BENCHMARK_SETS)}
"""The names of sets by themselves in small letters, in which they may be written."""
ALTERED = " (altered)"
"""What follows on the name of a published set some of whose files are others than the published."""
SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png", "rocket.jpg")
"""Color photographs that scikit-image's package carries, so that they need no download."""
FORMATS = (
    "png apng bmp dib gif jpg jpeg jpe jfif mpo jp2 j2k j2c jpc jpf jpx avif avifs webp tif tiff "
    "ppm pgm pbm pnm tga pcx sgi rgb rgba bw ico psd dds xbm xpm qoi"
)
SUFFIXES = tuple(f".{name}" for name in FORMATS.split())
"""Of files that are taken for images; what else lies in a folder is named, but not looked into."""

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Benchmark:
    """A set of images at one scale; iterating decodes them one by one, in the order of their names."""

    name: str
    scale: int
    hr_paths: tuple[Path, ...]
    lr_dir: Path | None
    """The folder of LR files; None where LR is made from HR."""
    expected: int | None
    """Images in the published set; None for a folder of one's own."""
    missing: tuple[str, ...]
    """Names of the published images that are not there."""
    description: str
    """How many images there are, and where they were looked for."""
    left_out: tuple[str, ...] = ()
    """Names of other files that lie beside the images."""
    altered: tuple[str, ...] = ()
    """Names of images of a published set that are not the published files; the set's name then says so."""

    @property
    def complete(self) -> bool:
        """Whether every image of the published set is there."""
        return not self.missing

    @property
    def lr_source(self) -> str:
        """Where LR images come from: "imresize" (made from HR) or "files"."""
        return "files" if self.lr_dir else "imresize"

    def __len__(self) -> int:
        return len(self.hr_paths)

    def __iter__(self) -> Iterator[tuple[str, Image, Image]]:
        """Yield (name, lr, hr): uint8 RGB, hr exactly `scale` times as high and wide as lr."""
        for path in self.hr_paths:
            yield path.stem, *self.pair(path)

    def pair(self, path: Path) -> tuple[Image, Image]:
        """The LR and the HR image of one of `hr_paths`."""
        hr = cropped(read_image(path), self.scale, path)
        return self.lr_of(path, hr), hr

    def lr_of(self, path: Path, hr: Image) -> Image:
        """The LR image of an HR one, from its file or made by MATLAB's bicubic."""
        if self.lr_dir is None:
            return imresize(hr, 1 / self.scale)
        lr_path = _lr_path_of(self.lr_dir, path, self.scale)
        lr = read_image(lr_path)
        if (lr.shape[0] * self.scale, lr.shape[1] * self.scale) != hr.shape[:2]:
            raise HdsrError(
                f"{lr_path} has {lr.shape[1]} x {lr.shape[0]} pixels, expected 1/{self.scale} of the "
                f"{hr.shape[1]} x {hr.shape[0]} of {path}"
            )
        return lr


def load_benchmark(name: str | Path, scale: int, root: str | Path | None = None) -> Benchmark:
    """The images of a set at one scale.

    Args:
        name: Set5, Set14, B100, Urban100 or another set in ROOT/benchmarks; "samples" for the built-in
            photographs; or a folder of images (or one with HR/ and perhaps LR_bicubic/X<s>/ in it).
        scale: whole number from 2 upwards. HR is cropped to a multiple of it from the top left.
        root: the data folder; see `hdsr.paths.data_root`.

    Raises:
        HdsrError: for another scale, or if set, all images or some LR files are missing.
    """
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 2:
        raise HdsrError(f"unknown scale {scale!r}: expected a whole number from 2 upwards")
    name = SPELLED.get(str(name).lower(), name)
    if name == "samples":
        return samples(scale)
    published = data_root(root) / "benchmarks" / str(name)
    if str(name) in BENCHMARK_SETS:
        return _published_benchmark(str(name), scale, published)
    folder = published if _is_plain_name(name) and published.is_dir() else expanded(name)
    if not folder.is_dir():
        besides = f", a set in {published.parent}, or a folder of images"
        raise unknown("data set", name, ("samples", *BENCHMARK_SETS), besides)
    return _own_benchmark(Path(os.path.abspath(folder)), scale)  # by which even "." has a name


def _is_plain_name(name: str | Path) -> bool:
    """Whether a name is that of a set rather than a path."""
    return len(Path(name).parts) == 1 and str(name) not in (".", "..")


def samples(scale: int) -> Benchmark:
    """The built-in photographs: faces, fur, text, machines, night sky and cells under a microscope."""
    folder = Path(str(resources.files("skimage") / "data"))
    absent = [file for file in SAMPLES if not (folder / file).is_file()]
    if absent:
        raise HdsrError(f"scikit-image lacks {', '.join(absent)} in {folder}: install it anew")
    description = f"samples: {len(SAMPLES)} photographs that scikit-image carries"
    paths = tuple(folder / file for file in SAMPLES)
    return Benchmark("samples", scale, paths, None, len(SAMPLES), (), description)


def _published_benchmark(name: str, scale: int, folder: Path) -> Benchmark:
    """A set that the manifest lists, as far as it is there; files that it does not list are left aside."""
    images, entries = _images_dir(folder), manifest.images_of(name)
    expected = [images / entry.file_name for entry in entries]
    present = tuple(path for path in expected if path.is_file())
    missing = tuple(path.stem for path in expected if not path.is_file())
    if not present:
        raise HdsrError(not_there(name, images))
    description = f"{name}: {len(present)} of {len(expected)} images in {images}"
    if missing:
        description += f"; missing {listed(missing)}"
    lr_dir = _lr_dir_of(folder, present, scale)
    others = _other_files(images, expected)
    altered = tuple(
        path.stem for path, entry in zip(expected, entries, strict=True) if is_altered(path, entry.checksum)
    )
    if altered:
        name += ALTERED
        description += f"; not the published ones: {listed(altered)}; {how_to_get(folder.name)}"
    return Benchmark(name, scale, present, lr_dir, len(expected), missing, description, others, altered)


def is_altered(path: Path, checksum: Checksum) -> bool:
    """Whether a file is there and is not the published one."""
    return (
        path.is_file() and _fault_of(path, checksum, path.stat().st_size, path.stat().st_mtime_ns) is not None
    )


@lru_cache(maxsize=1024)
def _fault_of(path: Path, checksum: Checksum, *stamp: int) -> str | None:
    """Why a file is not the published one, found out once for each `stamp`: its length and time of change."""
    return checksum.fault(path)


def _own_benchmark(folder: Path, scale: int) -> Benchmark:
    """A folder of images, or one in the layout of the published sets."""
    if folder.name in BENCHMARK_SETS:
        return _published_benchmark(folder.name, scale, folder)
    if folder.name == "samples":
        raise HdsrError(f"{folder} has the name of the built-in set: give the folder another one")
    images = _images_dir(folder)
    paths = image_paths(images)
    check_utf8((folder, *paths))
    description = f"{folder.name}: {len(paths)} images in {images}"
    lr_dir, others = _lr_dir_of(folder, paths, scale), _other_files(images, paths)
    return Benchmark(folder.name, scale, paths, lr_dir, None, (), description, others)


def _images_dir(folder: Path) -> Path:
    """Where the HR images of a set lie: in HR/, or in the folder itself if it has no such subfolder."""
    flat = folder.is_dir() and not (folder / "HR").is_dir()
    return folder if flat else folder / "HR"


def image_paths(folder: Path, published: Collection[str] = ()) -> tuple[Path, ...]:
    """The image files of a folder by name; HdsrError if there are none or two share a name.

    A file that is called as one of the `published` is taken instead of copies of it in other formats.
    """
    paths = [path for path in files_in(folder) if path.suffix.lower() in SUFFIXES]
    whole = {path.stem for path in paths if path.name in published}
    paths = [path for path in paths if path.name in published or path.stem not in whole]
    if not paths:
        raise HdsrError(f"no images in {folder}: expected files that end in {', '.join(SUFFIXES)}")
    by_stem: dict[str, Path] = {}
    for path in paths:
        other = by_stem.setdefault(path.stem, path)
        if other != path:
            raise HdsrError(f"{other.name} and {path.name} in {folder} would both be called {path.stem!r}")
    return tuple(paths)


def check_utf8(paths: Iterable[Path]) -> None:
    """Raise HdsrError for a file or folder whose name rows, logs and hashes could not hold."""
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise HdsrError(f"{path.name!a} in {path.parent} is no name in UTF-8: rename it") from None


def files_in(folder: Path) -> list[Path]:
    """The files of a folder by name, but for hidden ones."""
    files = (path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))
    return sorted(files, key=lambda path: path.name)


def _other_files(folder: Path, images: Iterable[Path]) -> tuple[str, ...]:
    """The names of the files in a folder that are none of these images."""
    taken = {path.name for path in images}
    return tuple(path.name for path in files_in(folder) if path.name not in taken)


def _lr_dir_of(folder: Path, hr_paths: tuple[Path, ...], scale: int) -> Path | None:
    """The folder of LR files where there is one; HdsrError if it lacks one of the images."""
    lr_dir = folder / "LR_bicubic" / f"X{scale}"
    if not lr_dir.is_dir():
        return None
    expected = [_lr_path_of(lr_dir, path, scale) for path in hr_paths]
    if missing := [path.name for path in expected if not path.is_file()]:
        raise HdsrError(
            f"{lr_dir} lacks {len(missing)} of {len(expected)} LR images: {listed(missing)}; add them, or "
            f"remove the folder to have all LR images made from HR"
        )
    return lr_dir


def _lr_path_of(lr_dir: Path, hr_path: Path, scale: int) -> Path:
    """Where the LR image of an HR one lies."""
    return lr_dir / f"{hr_path.stem}x{scale}.png"


def cropped(image: Image, scale: int, source: object) -> Image:
    """An image cut to a multiple of the scale, its top left corner kept."""
    height, width = (length - length % scale for length in image.shape[:2])
    if not height or not width:
        raise HdsrError(f"{source} has {image.shape[1]} x {image.shape[0]} pixels: too small for x{scale}")
    return image[:height, :width]


def not_there(name: str, folder: Path) -> str:
    """One line for a set of which nothing is there."""
    count = len(manifest.images_of(name))
    missing = f"all {count} images are missing" if count else "its images are missing"
    advice = how_to_get(name) if count else "put them there"
    advice += ", or name another data folder (HDSR_DATA, or --data where a command has it)"
    return f"data set {name} is not in {folder}: {missing}; {advice}"


def how_to_get(name: str) -> str:
    """The command that brings what is published under a name; see `hdsr.fetch.published.selected`."""
    return f"`hdsr data fetch {name}` brings what is missing"
