"""Result rows: one CSV line per image, written so that a kill at any moment loses at most the image in hand.

A row is reused only where its whole identity is the same. A row of the same place (the same method, image,
scale, precision and device) but another identity takes the old one's place, so no image is counted twice.
"""

import csv
import dataclasses
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from filelock import FileLock

from hdsr.errors import HdsrError
from hdsr.files import atomic_path, check_regular, naming, short_name

LOCK_TIMEOUT_S = 30
"""How long another process may hold the lock of a file of rows, which it takes for one row at a time."""
NO_WEIGHTS = "none"
"""Stands in a row for source and hash of the weights of a method that has none."""
GROUP = ("model", "weights", "dataset", "scale", "precision", "device")
"""What one mean is taken over: all rows that agree in these."""


def _version(package: str) -> str:
    return dataclasses.field(kw_only=True, default_factory=partial(version, package))


@dataclasses.dataclass(frozen=True)
class Row:
    """The score of one image; the fields are the columns of the file, in its order."""

    model: str
    dataset: str
    scale: int
    image: str
    psnr_db: float
    """Y-PSNR in dB; infinite for a perfect image."""
    ssim: float
    weights: str
    """Where the weights came from: "ours", "authors", a file's name with the start of its hash, or "none"."""
    weights_sha256: str
    image_sha256: str
    """Of the HR image's pixels and shape."""
    lr_sha256: str
    """Of the LR image's pixels and shape."""
    lr_source: str
    """"imresize" or "files"."""
    crop_px: int
    precision: str
    device: str
    protocol: str
    """Version of the code that computes the scores."""
    code_version: str
    """Version of the code that computes the image."""
    seconds: float
    """Time the method took for this image, others beside it."""
    expected: int
    """Images in the whole set."""
    torch: str = _version("torch")
    """Versions of the packages that computed the image and its scores."""
    numpy: str = _version("numpy")

    @property
    def place(self) -> tuple[object, ...]:
        """What at most one row of a file has."""
        return (*(getattr(self, name) for name in GROUP), self.image)

    @property
    def identity(self) -> tuple[object, ...]:
        """Everything the scores depend on."""
        measured = ("psnr_db", "ssim", "seconds", "expected")
        return tuple(getattr(self, name) for name in columns(type(self)) if name not in measured)


def columns(kind: type[Row]) -> tuple[str, ...]:
    """The columns of a file of such rows."""
    return tuple(field.name for field in dataclasses.fields(kind))


COLUMNS = columns(Row)
VERSIONS = ("torch", "numpy")


def read(path: str | Path, kind: type[Row] = Row) -> list[Row]:
    """The rows of a file in its order; none if there is no file. A line cut short by a kill is left out.

    Args:
        path: CSV file.
        kind: what its rows are; a subclass of Row has more columns, and says more of their place.

    Raises:
        HdsrError: if the file is something else than a table of such rows.
    """
    return parse(Path(path), kind)[0]


def add(path: str | Path, *rows: Row) -> None:
    """Write rows of one kind to disk, in place of those of the same places if there are any.

    Several processes may add to one file at once. When this returns, the rows survive a kill. The file is
    read anew only where something else than this function, in this process, has changed it; it is written
    anew only where a row takes the place of another, or a line is damaged.
    """
    kind, added = type(rows[0]), {row.place for row in rows}
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{short_name(path.name)}.lock"), timeout=LOCK_TIMEOUT_S):
        places = _known_places(path, kind)
        if places is None or not places.isdisjoint(added):
            kept = [other for other in parse(path, kind)[0] if other.place not in added]
            replace(path, [*kept, *rows], kind)
            places = {other.place for other in kept}
        else:
            with naming(path), path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(lines(map(dataclasses.astuple, rows)))
                stream.flush()
                os.fsync(stream.fileno())
        _known[path, kind] = _stamp(path), places | added


_known: dict[tuple[Path, type[Row]], tuple[tuple[int, ...], set[tuple[object, ...]]]] = {}
"""Of the files that `add` has written to: how each looked then, and the places of its rows."""


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does; None if it is absent."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _known_places(path: Path, kind: type[Row]) -> set[tuple[object, ...]] | None:
    """The places of a file's rows; None if a row cannot be appended, since the file is absent or damaged."""
    stamp, places = _known.get((path, kind), (None, set()))
    if stamp is not None and stamp == _stamp(path):
        return places
    rows, whole = parse(path, kind)
    return {row.place for row in rows} if whole else None


def replace(path: Path, rows: Iterable[Row], kind: type[Row] = Row) -> None:
    """Write a file anew: either all of it changes or nothing."""
    with atomic_path(path) as temporary:
        text = lines([columns(kind), *map(dataclasses.astuple, rows)])
        temporary.write_text(text, encoding="utf-8", newline="")


def lines(records: Iterable[Iterable[object]]) -> str:
    """CSV lines, each ended by a line feed. Floats keep all their digits."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()


def parse(path: Path, kind: type[Row] = Row) -> tuple[list[Row], bool]:
    """The rows of a file, and whether they are all of it: False if it is absent or a line is damaged."""
    if not path.exists():
        return [], False
    check_regular(path, "a file of result rows")
    text = path.read_text(encoding="utf-8", errors="replace")
    header = lines([columns(kind)])
    if header.startswith(text):
        return [], text == header
    if not text.startswith(header):
        raise HdsrError(f"{path} is not a file of result rows: its first line does not list their columns")
    body = text[len(header) :]
    finished = body[: body.rfind("\n") + 1]
    rows = [row_of(record, kind) for record in csv.reader(io.StringIO(finished, newline=""))]
    whole = [row for row in rows if row is not None]
    return whole, finished == body and len(whole) == len(rows)


def row_of(record: list[str], kind: type[Row]) -> Row | None:
    """A row from its CSV record, or None if it is damaged."""
    fields = dataclasses.fields(kind)
    if len(record) != len(fields):
        return None
    try:
        return kind(**{field.name: field.type(value) for field, value in zip(fields, record, strict=True)})
    except ValueError:
        return None


def frame(rows: Iterable[Row], kind: type[Row] = Row) -> pd.DataFrame:
    """Rows as a table with the file's columns."""
    return pd.DataFrame([dataclasses.astuple(row) for row in rows], columns=list(columns(kind)))


def load(path: str | Path, kind: type[Row] = Row) -> pd.DataFrame:
    """The rows of a file as a table; see `read`."""
    return frame(read(path, kind), kind)


def prevailing(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one precision and device: those that most rows are of, of as many the later ones."""
    kinds = rows[["precision", "device"]].apply(tuple, axis=1)
    return rows[kinds == kinds[::-1].value_counts(sort=False).idxmax()] if len(rows) else rows


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Write rows of any kind as CSV; a file that says the same already stays as it is."""
    text = rows.to_csv(index=False)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def read_table(path: Path, columns: Sequence[str], texts: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a file that `write_table` wrote; none where it is absent or has other columns.

    Args:
        path: CSV file.
        columns: those that it has to have, in their order.
        texts: those of them that are text even where they look like numbers.
    """
    rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str)) if path.is_file() else pd.DataFrame()
    return rows if list(rows.columns) == list(columns) else pd.DataFrame(columns=list(columns))


def made_with() -> dict[str, str]:
    """Versions of the packages that rows of any kind depend on, by the columns that hold them."""
    return {name: version(name) for name in VERSIONS}


def reused(
    known: pd.DataFrame, identity: Mapping[str, object], compute: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """Those of the known rows that were made so, or else what is computed.

    Args:
        known: rows as `read_table` gives them.
        identity: columns with all that the rows depend on.
        compute: makes the rows, which get these columns.
    """
    stored = known.reindex(columns=list(identity)).astype(str)
    same = known[(stored == list(map(str, identity.values()))).all(axis=1)]
    return same if len(same) else compute().assign(**identity)


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over whole sets: one line per model, weights, dataset, scale, precision and device.

    Columns: these, then n and expected (images), complete, psnr_db and ssim. An incomplete set has no means
    (NaN): some of its images say nothing about all of them.
    """
    groups = rows.groupby(list(GROUP), sort=False)
    means = groups.agg(
        n=("image", "size"), expected=("expected", "last"), psnr_db=("psnr_db", "mean"), ssim=("ssim", "mean")
    )
    complete = means["n"] == means["expected"]
    means[["psnr_db", "ssim"]] = means[["psnr_db", "ssim"]].where(complete)
    means.insert(2, "complete", complete)
    return means.reset_index()
