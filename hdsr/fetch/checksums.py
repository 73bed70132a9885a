"""Checksums as publishers state them, and what is wrong with a file that does not have its own."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hdsr.files import sha256

Algorithm = Literal["SHA-256", "MD5", "git blob SHA-1"]


@dataclass(frozen=True)
class Checksum:
    """What a published file is known by."""

    algorithm: Algorithm
    digest: str
    """In hexadecimal."""
    bytes: int | None
    """The file's length, where it is known."""

    def fault(self, path: Path) -> str | None:
        """Why a file on disk is not the published one; None if it is."""
        if not path.is_file():
            return "it is not there"
        length = path.stat().st_size
        if self.bytes is not None and length != self.bytes:
            return f"it has {length:,} bytes, expected {self.bytes:,}"
        digest = DIGESTS[self.algorithm](path)
        if digest != self.digest:
            return f"its {self.algorithm} is {digest}, expected {self.digest}"
        return None


def _md5(path: Path) -> str:
    """Hexadecimal MD5 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def git_blob_sha1(path: Path) -> str:
    r"""The name that git gives to a file's content: the SHA-1 of `blob <bytes>\0` and the content."""
    opening = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: opening).hexdigest()


DIGESTS: dict[Algorithm, Callable[[Path], str]] = {
    "SHA-256": sha256,
    "MD5": _md5,
    "git blob SHA-1": git_blob_sha1,
}
