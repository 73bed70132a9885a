"""The log of a training run: one row of log.csv at each validation and every few steps between."""

from pathlib import Path

import pandas as pd

from hdsr.errors import HdsrError
from hdsr.files import atomic_path, check_regular

COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "gradient_norm",
    "skipped",
    "psnr_db",
    "more_psnr_db",
    "seconds",
)
HEADER = ",".join(COLUMNS) + "\n"


def append(path: Path, row: tuple) -> None:
    """Append a row to the CSV log, with its header if it is new."""
    frame = pd.DataFrame([row], columns=COLUMNS)
    try:
        frame.to_csv(path, mode="a", index=False, header=not path.exists())
    except OSError as error:
        raise HdsrError(f"cannot write {path}: {error.strerror}") from None


def cut(path: Path, step: int, saved: str | None = None) -> None:
    """Set the log back to what it was at `step`, where a run goes on; there is none at step 0.

    Args:
        path: of the log.
        step: the last one whose row stays.
        saved: what the log said then; without it, the file's whole lines up to `step`.

    Raises:
        HdsrError: if the file is something else than such a log.
    """
    there = read(path)
    header, *rows = there.splitlines(keepends=True) or [HEADER]
    if not HEADER.startswith(header):
        raise HdsrError(f"{path} is not the log of such a run: move it away, then resume")
    if step == 0:
        path.unlink(missing_ok=True)
        return
    kept = [row for row in rows if row.endswith("\n") and 0 < step_of(row) <= step]
    with atomic_path(path) as temporary:
        temporary.write_text(HEADER + "".join(kept) if saved is None else saved)


def read(path: Path) -> str:
    """What a log says; nothing if there is none."""
    if not path.exists():
        return ""
    check_regular(path, "the log of a run")
    return path.read_text(errors="replace")


def step_of(row: str) -> int:
    """The step that a row is of; 0 for anything else."""
    number = row.split(",")[0]
    return int(number) if number.isdecimal() else 0
