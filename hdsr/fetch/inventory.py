"""What of the published files a data folder holds, and whether each is whole."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import pandas as pd

from hdsr.fetch.published import PHOTOGRAPHS, TRAINING, WEIGHTS, PublishedFile, published_files
from hdsr.paths import data_root
from hdsr.progress import bar

HASHING_THREADS = 4
COPY_SUFFIXES = (".png", ".jpg", ".webp", ".bmp", ".tif")


@dataclass(frozen=True)
class Finding:
    """What was found where a published file belongs."""

    file: PublishedFile
    path: Path
    bytes: int
    """Its length; 0 if it is not there."""
    present: bool
    fault: str | None
    """Why it is not the published file; None if it is, or if it is not there."""
    copy: bool = False
    """Whether it is an image of that name in another format: training takes it, no hash can judge it."""

    @property
    def verified(self) -> bool:
        """Whether the published file is there, to the last byte."""
        return self.present and self.fault is None and not self.copy


def inspect(
    root: Path, files: Sequence[PublishedFile] | None = None, progress: bool | None = None
) -> list[Finding]:
    """Read every file that is there, and compare it with its published length and hash.

    Args:
        root: the data folder.
        files: which; None for all of the manifests.
        progress: show a bar; None: on a terminal.
    """
    files = published_files() if files is None else files
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        found = pool.map(partial(_find, root=root), files)
        return list(bar(found, "verify", len(files), unit="file", leave=False, shown=progress))


def _find(file: PublishedFile, root: Path) -> Finding:
    """What is in the place of one file."""
    path = file.path_in(root)
    if path.is_file():
        return Finding(file, path, path.stat().st_size, True, file.checksum.fault(path))
    copies = (path.with_suffix(suffix) for suffix in COPY_SUFFIXES if file.group in (TRAINING, PHOTOGRAPHS))
    copy = next(filter(Path.is_file, copies), None)
    if copy is None:
        return Finding(file, path, 0, False, None)
    return Finding(file, copy, copy.stat().st_size, True, None, copy=True)


def status(root: str | Path | None = None) -> pd.DataFrame:
    """What of the published sets and weights a data folder holds: a line for each set and scale.

    Columns: group, set, scale ("HR" serves all), images, present, verified and copies (images in another
    format than the published one; of weights, files), missing and damaged (tuples of names), bytes (of what
    is there). Of DIV2K only archives are looked at.
    """
    findings = inspect(data_root(root))
    return pd.DataFrame([_line(list(part)) for _, part in groupby(findings, _kind)])


def _kind(finding: Finding) -> tuple[str, str, str]:
    """What one line of `status` is about."""
    return finding.file.group, finding.file.set_name, finding.file.scale


def _line(findings: list[Finding]) -> dict[str, object]:
    """The line of `status` for files of one kind."""
    group, set_name, scale = _kind(findings[0])
    return {
        "group": group,
        "set": set_name,
        "scale": scale,
        "images": _count(findings),
        "present": _count(item for item in findings if item.present),
        "verified": _count(item for item in findings if item.verified),
        "copies": _count(item for item in findings if item.copy),
        "missing": _names(item for item in findings if not item.present),
        "damaged": _names(item for item in findings if item.fault),
        "bytes": sum(item.bytes for item in findings),
    }


def _count(findings: Iterable[Finding]) -> int:
    """Images in these files; files, where they are weights."""
    return sum(1 if item.file.group == WEIGHTS else item.file.images for item in findings)


def _names(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Images by their names without suffix, archives and weights by those of their files."""
    return tuple(item.path.stem if item.file.images == 1 else item.file.file_name for item in findings)
