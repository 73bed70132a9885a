"""Image files to train on, each by itself or inside a zip archive.

DIV2K (Agustsson and Timofte, CVPR Workshops 2017) is read as it is published, in archives or unpacked.

ROOT/train/DIV2K holds DIV2K_train_HR.zip (images 1 to 800) and DIV2K_valid_HR.zip (801 to 900), and perhaps
the published LR images in DIV2K_train_LR_bicubic_X<s>.zip and DIV2K_valid_LR_bicubic_X<s>.zip. Each may be
unpacked instead, DIV2K_train_HR/0001.png or DIV2K_train_LR_bicubic/X2/0001x2.png; a folder goes before an
archive. A part without LR has it made from HR.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hdsr.datasets import check_utf8, how_to_get, image_paths, is_altered, not_there, samples
from hdsr.errors import HdsrError, listed
from hdsr.fetch import manifest
from hdsr.files import check_regular
from hdsr.images import decode_image, read_image
from hdsr.paths import data_root, div2k_folder
from hdsr.training.config import DIV2K_IMAGES

MOST_PACKED = 100
"""How many times larger an image file may be than it is in an archive: they are packed in themselves."""


@dataclass(frozen=True)
class ImageSource:
    """One image file."""

    path: Path
    """The file, or the archive that holds it."""
    member: zipfile.ZipInfo | None = None
    """Its entry in the archive."""

    def __str__(self) -> str:
        return f"{self.member.filename} in {self.path}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return PurePosixPath(self.member.filename).stem if self.member else self.path.stem

    @property
    def stamp(self) -> tuple[str, int, int]:
        """What changes when the file does: name, length, and CRC (in an archive) or time of change."""
        if self.member:
            return self.name, self.member.file_size, self.member.CRC
        status = self.path.stat()
        return self.name, status.st_size, status.st_mtime_ns

    def read(self) -> NDArray[np.uint8]:
        """The image as uint8 RGB, (height, width, 3).

        Raises:
            HdsrError: naming the file and its archive, if it is damaged or not an image.
        """
        if self.member is None:
            return read_image(self.path)
        if self.member.file_size > MOST_PACKED * max(self.member.compress_size, 1):
            raise HdsrError(f"{self} is packed more than {MOST_PACKED} times, which no image can be")
        try:
            with zipfile.ZipFile(self.path) as archive:
                data = archive.read(self.member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise HdsrError(f"{self} cannot be unpacked: {error}") from None
        return decode_image(data, str(self))


def sources_in(place: Path, names: list[str]) -> list[ImageSource]:
    """The named image files in a folder, or anywhere in a zip archive.

    Raises:
        HdsrError: if some are missing, or the archive is damaged.
    """
    if place.is_dir():
        found = {name: ImageSource(place / name) for name in names if (place / name).is_file()}
    else:
        members = {PurePosixPath(member.filename).name: member for member in members_of(place)}
        found = {name: ImageSource(place, members[name]) for name in names if name in members}
    missing = [name for name in names if name not in found]
    if missing:
        raise HdsrError(
            f"{place} lacks {len(missing)} of {len(names)} images: {listed(missing)}; complete or remove it"
        )
    return [found[name] for name in names]


def members_of(archive: Path) -> list[zipfile.ZipInfo]:
    """The entries of a zip archive."""
    check_regular(archive, "a zip archive")
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise HdsrError(f"{archive} is no whole zip archive ({error}): fetch it again") from None


_PARTS = {"train": range(1, 801), "valid": range(801, DIV2K_IMAGES + 1)}
"""Of DIV2K, by the numbers of their images."""
TRAINING_SETS = ("T91", "BSD200", "BSDS500test", "CID22", "TESTIMAGES", "WikipediaHQ", "CLIC2025")


def training_images(root: str | Path | None, set_name: str) -> tuple[Path, ...]:
    """The images of ROOT/train/<set_name>/HR, in the order of their names; for "samples" the built-in ones.

    Those of a published set are taken in any format, as copies that were made smaller are of use too.

    Raises:
        HdsrError: if there are none, some of a published set are missing, or a file has the name of a
            published one and is another.
    """
    if set_name == "samples":
        return samples(scale=2).hr_paths
    folder = data_root(root) / "train" / set_name / "HR"
    entries = manifest.images_of(set_name) if set_name in TRAINING_SETS else ()
    if not folder.is_dir():
        raise HdsrError(not_there(set_name, folder))
    if not entries:
        paths = image_paths(folder)
        check_utf8(paths)
        return paths
    there = {path.stem: path for path in image_paths(folder, {entry.file_name for entry in entries})}
    missing = [entry.file_name for entry in entries if entry.image not in there]
    if missing:
        raise HdsrError(
            f"training set {set_name} is incomplete: {folder} lacks {len(missing)} of {len(entries)} images: "
            f"{listed(missing)}; {how_to_get(set_name)}"
        )
    paths = tuple(there[entry.image] for entry in entries)
    known = {entry.file_name: entry.checksum for entry in entries}
    altered = [path.name for path in paths if path.name in known and is_altered(path, known[path.name])]
    if altered:
        raise HdsrError(
            f"training set {set_name} in {folder} has other images than the published under their names: "
            f"{listed(altered)}; {how_to_get(set_name)}"
        )
    return paths


def div2k_hr(root: Path, numbers: range) -> list[ImageSource]:
    """The HR images of these numbers.

    Raises:
        HdsrError: if an archive or an image of it is missing.
    """
    found = []
    for part, wanted in _parts_of(numbers):
        folder = div2k_folder(root)
        place = _first_there(folder / f"DIV2K_{part}_HR", folder / f"DIV2K_{part}_HR.zip")
        if place is None:
            archive = f"DIV2K_{part}_HR.zip"
            raise HdsrError(
                f"DIV2K's images {wanted[0]} to {wanted[-1]} are not in {folder}: neither an archive "
                f"{archive} nor a folder DIV2K_{part}_HR is there; {how_to_get(archive)}"
            )
        found += sources_in(place, [f"{number:04}.png" for number in wanted])
    return found


def div2k_lr(root: Path, numbers: range, scale: int) -> list[ImageSource | None]:
    """The published LR images of these numbers; None for those of a part that is there without LR.

    Raises:
        HdsrError: if LR of a part is there, but lacks images.
    """
    found: list[ImageSource | None] = []
    for part, wanted in _parts_of(numbers):
        stem = div2k_folder(root) / f"DIV2K_{part}_LR_bicubic"
        place = _first_there(stem / f"X{scale}", stem.with_name(f"{stem.name}_X{scale}.zip"))
        names = [f"{number:04}x{scale}.png" for number in wanted]
        found += sources_in(place, names) if place else [None] * len(names)
    return found


def _parts_of(numbers: range) -> list[tuple[str, list[int]]]:
    """The numbers by the part of DIV2K that they are in; parts without any left out."""
    shares = {part: [number for number in numbers if number in within] for part, within in _PARTS.items()}
    return [(part, wanted) for part, wanted in shares.items() if wanted]


def _first_there(folder: Path, archive: Path) -> Path | None:
    """The folder if there is one, else the archive, else None."""
    return next((place for place in (folder, archive) if place.exists()), None)
