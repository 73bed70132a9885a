"""Image files to train on, each by itself or inside a zip archive."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hdsr.errors import HdsrError
from hdsr.files import check_regular
from hdsr.images import decode_image, read_image

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
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise HdsrError(
            f"{place} lacks {len(missing)} of {len(names)} images: {', '.join(missing[:5])}{more}; "
            f"complete or remove it"
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
