"""The log of a training run: one row of log.csv at each validation and every few steps between."""

from pathlib import Path

import pandas as pd

from hdsr.errors import HdsrError
from hdsr.files import atomic_path

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


def append(path: Path, row: tuple) -> None:
    """Append a row to the CSV log, with its header if it is new."""
    frame = pd.DataFrame([row], columns=COLUMNS)
    try:
        frame.to_csv(path, mode="a", index=False, header=not path.exists())
    except OSError as error:
        raise HdsrError(f"cannot write {path}: {error.strerror}") from None


def cut(path: Path, step: int) -> None:
    """Drop the log's rows past `step` and a last line that was only half written; at step 0 the whole log."""
    if not path.exists():
        return
    if step == 0:
        path.unlink()
        return
    header, *rows = path.read_text(errors="replace").splitlines(keepends=True) or [""]
    if header.rstrip("\n") != ",".join(COLUMNS):
        raise HdsrError(f"{path} is not the log of such a run: move it away, then resume")
    numbers = [row.split(",")[0] for row in rows]
    kept = [
        row for row, number in zip(rows, numbers, strict=True) if number.isdigit() and int(number) <= step
    ]
    with atomic_path(path) as temporary:
        temporary.write_text(header + "".join(row for row in kept if row.endswith("\n")))
