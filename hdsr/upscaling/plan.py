"""What an enlargement of files is going to write, and what stands against it: known before any network is."""

import os
from collections.abc import Sequence
from pathlib import Path

from hdsr.errors import HdsrError
from hdsr.files import check_regular


def check(paths: Sequence[Path], scale: int, out_dir: Path, overwrite: bool) -> None:
    """Raise HdsrError for what would stop `upscale_files`, or leave it nothing to do."""
    plan(list(paths), scale, out_dir, overwrite)
    faults = [fault for path in paths if (fault := fault_of(path))]
    if len(faults) == len(paths):
        raise HdsrError("; ".join(faults))


def fault_of(path: Path) -> str:
    """Why there is no image at a path; empty where a file is."""
    try:
        check_regular(path, "an image")
    except HdsrError as error:
        return str(error)
    return ""


def plan(paths: list[Path], scale: int, out_dir: Path, overwrite: bool) -> dict[Path, Path]:
    """The input of every output, or an HdsrError if one would replace what it must not."""
    planned: dict[Path, Path] = {}
    for path in paths:
        output = out_dir / f"{path.stem}_x{scale}.png"
        if output in planned:
            raise HdsrError(f"{planned[output]} and {path} would both be written to {output}")
        planned[output] = path
    inputs = {os.path.realpath(path): path for path in paths}
    for output, path in planned.items():
        if (replaced := inputs.get(os.path.realpath(output))) is not None:
            raise HdsrError(f"the result of {path} would replace the input {replaced}")
        if not overwrite and output.exists():
            raise HdsrError(f"{output} exists already: choose another folder or allow it to be overwritten")
    return planned


def make_folder(folder: Path) -> None:
    """Make the folder for the results, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise HdsrError(f"{folder} is or lies in a file, expected a folder for the results") from None
    except OSError as error:
        raise HdsrError(f"the folder {folder} cannot be made: {error.strerror}") from None
