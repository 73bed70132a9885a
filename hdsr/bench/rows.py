"""The rows of `make bench`, and their file.

A part can be measured anew by itself; the rows of the others stay as they are, each with its own date.
"""

import contextlib
import dataclasses
import datetime
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from hdsr import paths, provenance
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.measure.latency import machine, quartiles

GIB = 2**30
PACKAGES = ("python", "torch", "numpy", "onnxruntime")
TABLE_VI = "time, Table VI"
"""What rows are called that the paper's Table VI can be compared with."""
NOT_MEASURED = "not measured"
"""What rows are called that say in their note what is missing, and why."""


@dataclass(frozen=True)
class Row:
    """One measured quantity; the fields are columns of the file, in its order."""

    what: str
    """The quantity: "time", "rate", "peak memory"."""
    form: str
    """What was measured: "published form", "folded"."""
    scale: int | None
    size: str
    """LR width x height, or the names of sets."""
    dtype: str
    unit: str
    n: int
    """Repetitions."""
    median: float
    quartile1: float | None = None
    quartile3: float | None = None
    ratio: float | None = None
    """How many times better than the baseline: less time or memory, or a higher rate; median over turns."""
    baseline: str = ""
    note: str = ""
    threads: int = field(default_factory=torch.get_num_threads)


ON_A_GPU = {"gpu", "training"}
"""Parts that take a GPU where there is one."""
OF_EACH_MACHINE = {"peers"}
"""Parts whose rows of other machines stay: which program is the fastest depends on the processor."""
FACTS = ("device", "machine", "versions", "commit", "measured")
"""What all rows of a run share."""
COLUMNS = ("part", *(field.name for field in dataclasses.fields(Row)), *FACTS)


NUMBERS = ("median", "quartile1", "quartile3", "ratio")
"""Columns of measurements, written in five digits; a part may have none in some of them."""
TEXT = ("form", "size", "dtype", "unit", "baseline", "note")
"""Columns that may be empty."""


@contextlib.contextmanager
def in_threads(number: int) -> Iterator[None]:
    """Let PyTorch, and rows that are made within, have that number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Request:
    """What a part is asked for."""

    root: Path
    """The data folder."""
    progress: bool | None = None
    """True or False; None shows bars on a terminal only."""


Part = Callable[[Request], list[Row]]


def spread(values: list[float]) -> dict[str, float]:
    """n, median and quartiles of repeated measurements, as fields of a row."""
    if len(values) == 1:
        return {"n": 1, "median": values[0]}
    median, quartile1, quartile3 = quartiles(values)
    return {"n": len(values), "median": median, "quartile1": quartile1, "quartile3": quartile3}


def facts(on_gpu: bool = False) -> dict[str, object]:
    """What every row of a run shares; see FACTS."""
    found = provenance.versions() | {"onnxruntime": provenance.version("onnxruntime")}
    return {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "machine": machine(),
        "versions": ", ".join(f"{name} {found[name]}" for name in PACKAGES),
        "commit": provenance.commit() or "outside a checkout",
        "measured": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
    }


def measure_parts(parts: dict[str, Part], request: Request, out: str | Path) -> pd.DataFrame:
    """Measure parts one after another; each replaces its rows in `out` as soon as it is done.

    A part that cannot be measured here leaves one row that says why, unless it has rows from elsewhere.

    Returns:
        The whole file; see COLUMNS.

    Raises:
        HdsrError: before any work, if `out` is something else than a file of such rows.
    """
    if Path(out).is_dir():
        raise HdsrError(f"{out} is a folder: expected a CSV file of benchmark rows")
    known = read(out).dropna(subset="median")["part"].unique() if Path(out).exists() else ()
    for name, part in parts.items():
        try:
            rows = part(request)
        except HdsrError as error:
            why = reason(error, request)
            if name in known:
                tqdm.write(f"{name}: not measured: {why}; the rows that are there stay", file=sys.stderr)
                continue
            rows = [Row(NOT_MEASURED, "", None, "", "", "", 0, float("nan"), note=why)]
        frame = pd.DataFrame([dataclasses.asdict(row) for row in rows]).assign(
            **facts(name in ON_A_GPU and torch.cuda.is_available())
        )
        frame.insert(0, "part", name)
        replace(out, name, frame.astype(dict.fromkeys(NUMBERS, float)))
    return read(out)


def reason(error: HdsrError, request: Request) -> str:
    """Why a part was not measured, without the folders of this machine: the file is read elsewhere."""
    return str(error).replace(str(request.root), "DATA").replace(f"{paths.PROJECT}/", "")


def row_lines(rows: pd.DataFrame) -> list[str]:
    """One line for each row, to be read in a terminal."""
    texts = []
    for row in rows.itertuples():
        place = " ".join(filter(None, [row.form, row.size, row.dtype]))
        scale = "" if pd.isna(row.scale) else f" x{row.scale}"
        ratio = "" if pd.isna(row.ratio) else f", ratio {row.ratio:.2f} to {row.baseline}"
        value = row.note if pd.isna(row.median) else f"{row.median:.4g} {row.unit} (n {row.n}){ratio}"
        texts.append(f"{row.part}: {row.what}{scale} {place}: {value}")
    return texts


def replace(path: str | Path, part: str, rows: pd.DataFrame) -> None:
    """Write the rows of one part to the file, in place of those it had; see OF_EACH_MACHINE."""
    others = []
    if Path(path).is_file():
        known = read(path)
        replaced = known["part"] == part
        if part in OF_EACH_MACHINE:
            replaced &= known["machine"].isin(rows["machine"])
        others = [known[~replaced]]
    whole = pd.concat([*others, rows]).sort_values("part", kind="stable")
    with atomic_path(path) as temporary:
        whole.to_csv(temporary, index=False, float_format="%.5g")


def read(path: str | Path) -> pd.DataFrame:
    """The rows of a file; text columns without text are empty.

    Raises:
        HdsrError: if it is not a file of such rows.
    """
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str) | {"scale": "Int64"})
    missing = [column for column in COLUMNS if column not in rows]
    if missing:
        raise HdsrError(f"{path} is not a file of benchmark rows: it lacks {', '.join(missing)}")
    return rows.fillna(dict.fromkeys(TEXT, ""))
