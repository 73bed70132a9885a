"""What an enlargement of files is going to write, and what stands against it: known before any network is."""

import os
from collections.abc import Sequence
from pathlib import Path

from hdsr.datasets import SUFFIXES, image_paths
from hdsr.errors import HdsrError
from hdsr.files import read_bytes
from hdsr.images import image_size


def check(paths: Sequence[Path], out: Path, ending: str, overwrite: bool) -> dict[Path, Path]:
    """The input of every output; HdsrError for what would stop all of it, or leave nothing to do.

    Args:
        paths: image files, and folders of image files.
        out: a folder, or, for one image file, a file that ends in .png.
        ending: what follows an image's name in the folder, such as "_x4.png".
        overwrite: whether outputs may be there already.
    """
    planned, faults = plan(list(paths), out, ending, overwrite), []
    for path in planned.values():
        try:
            image_size(read_bytes(path, "an image"), str(path))
            return planned
        except HdsrError as error:
            faults.append(str(error))
    raise HdsrError("; ".join(faults))


def plan(paths: list[Path], out: Path, ending: str, overwrite: bool) -> dict[Path, Path]:
    """The input of every output, or an HdsrError if one would replace what it must not; see `check`."""
    files = [file for path in paths for file in (image_paths(path) if path.is_dir() else [path])]
    is_file = _names_a_file(out)
    if is_file and (len(files) != 1 or paths[0].is_dir()):
        raise HdsrError(f"{out} names one file, but there are folders or {len(files)} images: name a folder")
    planned: dict[Path, Path] = {}
    for path in files:
        output = out if is_file else out / f"{path.stem}{ending}"
        if output in planned:
            raise HdsrError(f"{planned[output]} and {path} would both be written to {output}")
        planned[output] = path
    inputs = {os.path.realpath(path): path for path in files}
    for output, path in planned.items():
        if (replaced := inputs.get(os.path.realpath(output))) is not None:
            raise HdsrError(f"the result of {path} would replace the input {replaced}")
        if not overwrite and output.exists():
            raise HdsrError(f"{output} exists already: choose another folder or allow it to be overwritten")
        if output.is_fifo():  # to open one waits for a reader, and cannot be interrupted
            raise HdsrError(f"{output} is a pipe, expected a file to replace")
    return planned


def not_written(output: Path, error: OSError) -> HdsrError:
    """Why a result could not be written, by its own name: what is written first has another."""
    return HdsrError(f"{output} cannot be written: {error.strerror or error}")


def _names_a_file(out: Path) -> bool:
    """Whether results are to go to a file rather than a folder; HdsrError for a kind that is not written."""
    if out.is_dir() or out.suffix.lower() not in SUFFIXES:
        return False
    if out.suffix.lower() != ".png":
        raise HdsrError(f"{out}: results are written as PNG, so name a file that ends in .png, or a folder")
    return True


def make_folder(folder: Path) -> None:
    """Make the folder for the results, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise HdsrError(f"{folder} is or lies in a file, expected a folder for the results") from None
    except OSError as error:
        raise HdsrError(f"the folder {folder} cannot be made: {error.strerror}") from None
