"""What published images, archives and weights there are: where each lies, its length, its hashes.

The lengths of DIV2K's archives, which its authors do not state, are those that TensorFlow Datasets recorded.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from hdsr.errors import HdsrError
from hdsr.fetch.checksums import Checksum
from hdsr.files import atomic_path, bare, sha256
from hdsr.paths import MANIFESTS

BENCHMARKS = MANIFESTS / "benchmarks.csv"
TRAINING = MANIFESTS / "train291.csv"
PHOTOGRAPHS = MANIFESTS / "photographs.csv"
WEIGHTS = MANIFESTS / "weights.csv"
ARCHIVES = MANIFESTS / "div2k.csv"
SHIPPED = "SHA256SUMS"
PUBLIC_REPOSITORIES = "https://raw.githubusercontent.com"


class InRepository:
    """Mixed into entries for a file of a public repository, as it was at one commit."""

    repository: str
    commit: str
    path: str

    @property
    def mirrored(self) -> str:
        """Its address below that of a mirror."""
        return f"{self.repository}/{self.commit}/{quote(self.path)}"

    @property
    def url(self) -> str:
        return f"{PUBLIC_REPOSITORIES}/{self.mirrored}"


@dataclass(frozen=True)
class ImageEntry(InRepository):
    """One image of a published set."""

    dataset: str
    image: str
    """Its canonical name, without suffix."""
    width: int
    height: int
    mode: str
    """As Pillow names it: RGB or L."""
    bytes: int
    sha256: str
    git_blob_sha1: str
    """SHA-1 of `blob <bytes>\\0` and the content."""
    repository: str
    commit: str
    path: str
    licence: str = ""
    """As its publisher states it; empty where none was looked up."""

    @property
    def file_name(self) -> str:
        """The name it has in a data folder; its source may call it otherwise."""
        return self.image + Path(self.path).suffix

    @property
    def checksum(self) -> Checksum:
        return Checksum("SHA-256", self.sha256, self.bytes)


@dataclass(frozen=True)
class WeightsEntry(InRepository):
    """One published file of weights."""

    model: str
    scales: tuple[int, ...]
    file: str
    """The name it has in a data folder's weights/."""
    repository: str
    commit: str
    path: str
    git_blob_sha1: str
    sha256: str | None
    bytes: int | None
    licence: str
    trained_by: str
    """"authors" of the method's paper, or "others"."""

    @property
    def checksum(self) -> Checksum:
        """The SHA-256 where it is known, else git's hash."""
        if self.sha256 is None:
            return Checksum("git blob SHA-1", self.git_blob_sha1, self.bytes)
        return Checksum("SHA-256", self.sha256, self.bytes)


@dataclass(frozen=True)
class ArchiveEntry:
    """One archive of DIV2K."""

    file: str
    md5: str
    bytes: int
    url: str

    @property
    def mirrored(self) -> str:
        """Its address below that of a mirror."""
        return self.file

    @property
    def checksum(self) -> Checksum:
        return Checksum("MD5", self.md5, self.bytes)


@cache
def benchmarks() -> tuple[ImageEntry, ...]:
    """Set5, Set14, B100 and Urban100."""
    return tuple(map(_image_entry, rows(BENCHMARKS)))


@cache
def training() -> tuple[ImageEntry, ...]:
    """T91 and BSD200, together the classic 291 training images."""
    return tuple(map(_image_entry, rows(TRAINING)))


@cache
def photographs() -> tuple[ImageEntry, ...]:
    """More images to train on: BSDS500's test images, CID22, TESTIMAGES, WikipediaHQ and CLIC2025."""
    return tuple(map(_image_entry, rows(PHOTOGRAPHS)))


@cache
def weights() -> tuple[WeightsEntry, ...]:
    """The published weights of HDSRNet and of the networks it is compared with."""
    return tuple(map(_weights_entry, rows(WEIGHTS)))


def weights_of(model: str, scale: int | None = None, trained_by: str = "authors") -> tuple[WeightsEntry, ...]:
    """The published files of a method of the registry (carn_m is CARN-M), for one scale or for any."""
    return tuple(
        entry
        for entry in weights()
        if bare(entry.model) == bare(model)
        and entry.trained_by == trained_by
        and (scale is None or scale in entry.scales)
    )


def shipped(folder: Path) -> dict[str, Checksum]:
    """The weights trained here by their files' names, as the list SHA256SUMS in their folder knows them."""
    listed = folder / SHIPPED
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    pairs = (line.split("  ", 1) for line in lines)
    return {name: Checksum("SHA-256", digest, None) for digest, name in pairs}


def list_shipped(path: Path) -> None:
    """Put a file of weights trained here on the list in its folder, in the place of the one of its name."""
    known = shipped(path.parent) | {path.name: Checksum("SHA-256", sha256(path), None)}
    with atomic_path(path.parent / SHIPPED) as temporary:
        lines = [f"{known[name].digest}  {name}\n" for name in sorted(known)]
        temporary.write_text("".join(lines), encoding="utf-8")


@cache
def archives() -> tuple[ArchiveEntry, ...]:
    """DIV2K as its authors publish it."""
    return tuple(ArchiveEntry(**row | {"bytes": int(row["bytes"])}) for row in rows(ARCHIVES))


def images_of(dataset: str) -> tuple[ImageEntry, ...]:
    """The images of a published benchmark or training set by name; none if it is unknown."""
    entries = (entry for entry in (*benchmarks(), *training(), *photographs()) if entry.dataset == dataset)
    return tuple(sorted(entries, key=lambda entry: entry.image))


def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a manifest by column."""
    if not path.is_file():
        raise HdsrError(f"no manifest at {path}: run the project from its own checkout")
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _image_entry(row: dict[str, str]) -> ImageEntry:
    numbers = {column: int(row[column]) for column in ("width", "height", "bytes")}
    return ImageEntry(**row | numbers)


def _weights_entry(row: dict[str, str]) -> WeightsEntry:
    """A line of weights.csv; a hash or length that is not known is None."""
    text = ("model", "file", "repository", "commit", "path", "git_blob_sha1", "licence", "trained_by")
    known = {column: row[column] for column in text}
    scales = tuple(int(scale) for scale in row["scale"].split("+"))
    length = int(row["bytes"]) if row["bytes"] else None
    return WeightsEntry(scales=scales, sha256=row["sha256"] or None, bytes=length, **known)
