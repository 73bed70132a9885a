"""The published files of all manifests alike: what each belongs to, where it comes from, where it goes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from hdsr.errors import unknown
from hdsr.fetch import manifest
from hdsr.fetch.checksums import Checksum
from hdsr.paths import div2k_folder

BENCHMARKS, TRAINING, PHOTOGRAPHS = "benchmarks", "train291", "photographs"
DIV2K, WEIGHTS = "DIV2K", "weights"
GROUPS = (BENCHMARKS, WEIGHTS, TRAINING, PHOTOGRAPHS, DIV2K)
HR = "HR"
DIV2K_COUNTS = {"train": 800, "valid": 100}
"""Images in an archive, by the part of DIV2K that its name tells."""


@dataclass(frozen=True)
class PublishedFile:
    """A file that can be fetched, and its place in a data folder."""

    group: str
    """One of GROUPS."""
    set_name: str
    """The set that it is of, or the network whose weights it holds."""
    scale: str
    """"HR", which serves every scale, or those that it is made for, as "2" or "2+3+4"."""
    folder: str
    """Relative to the data folder."""
    file_name: str
    images: int
    """Images in it: 1, more in an archive, none in weights."""
    source: manifest.ImageEntry | manifest.ArchiveEntry | manifest.WeightsEntry

    @property
    def checksum(self) -> Checksum:
        return self.source.checksum

    def path_in(self, root: Path) -> Path:
        """Where it belongs in a data folder."""
        folder = div2k_folder(root) if self.group == DIV2K else root / self.folder
        return folder / self.file_name

    def address(self, mirror: str | None) -> str:
        """Where it is fetched: its published address, or the one that it has on a mirror."""
        return f"{mirror.rstrip('/')}/{self.source.mirrored}" if mirror else self.source.url


@cache
def published_files() -> tuple[PublishedFile, ...]:
    """Every file of every manifest, sets and scales together."""
    return (
        *(_of_image(entry, BENCHMARKS, "benchmarks") for entry in manifest.benchmarks()),
        *(_of_image(entry, TRAINING, "train") for entry in manifest.training()),
        *(_of_image(entry, PHOTOGRAPHS, "train") for entry in manifest.photographs()),
        *sorted(map(_of_archive, manifest.archives()), key=lambda file: (file.scale != HR, file.scale)),
        *map(_of_weights, manifest.weights()),
    )


def _of_image(entry: manifest.ImageEntry, group: str, folder: str) -> PublishedFile:
    """An image of a benchmark or a training set, which lies below `folder`."""
    return PublishedFile(group, entry.dataset, HR, f"{folder}/{entry.dataset}/HR", entry.file_name, 1, entry)


def _of_archive(entry: manifest.ArchiveEntry) -> PublishedFile:
    """An archive of DIV2K, whose name tells its part and, for LR images, their scale."""
    part, scale = re.search(r"_(train|valid)_(?:HR|LR_bicubic_X(\d))", entry.file).groups()
    return PublishedFile(DIV2K, DIV2K, scale or HR, "train/DIV2K", entry.file, DIV2K_COUNTS[part], entry)


def _of_weights(entry: manifest.WeightsEntry) -> PublishedFile:
    scales = "+".join(map(str, entry.scales))
    return PublishedFile(WEIGHTS, entry.model, scales, "weights", entry.file, 0, entry)


def selected(names: Sequence[str]) -> tuple[PublishedFile, ...]:
    """The files that names stand for, in the order of the manifests, each once.

    Args:
        names: groups (benchmarks, weights, train291, photographs, DIV2K), sets (Set5, T91), networks whose
            weights are published (HDSRNet), or names of single files; small and capital letters are alike.

    Raises:
        HdsrError: naming the first that stands for nothing.
    """
    wanted = {name.casefold() for name in names}
    known = set(chain.from_iterable(map(_names_of, published_files())))
    for name in names:
        if name.casefold() not in known:
            sets = distinct(file.set_name for file in published_files())
            raise unknown("published name", name, distinct([*GROUPS, *sets]), ", or the name of a file")
    return tuple(file for file in published_files() if not wanted.isdisjoint(_names_of(file)))


def _names_of(file: PublishedFile) -> tuple[str, str, str]:
    """Everything that stands for a file, in small letters."""
    return file.group.casefold(), file.set_name.casefold(), file.file_name.casefold()


def distinct(names: Iterable[str]) -> list[str]:
    """Names in their order, each once."""
    return list(dict.fromkeys(names))
