"""Files that are either whole or absent, and their hashes."""

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from hdsr.errors import HdsrError

LONGEST_STEM_BYTES = 160
"""Of the name of a temporary file or lock, whose rest is short: file systems allow 255 in all."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any failure.

    The temporary name keeps the suffix, so writers that choose a format by it still work. The content is
    flushed to disk before the rename, so a crash leaves either the old file or the new one. A link stays, and
    the file that it leads to is replaced; a device or pipe is written to. What killed processes have left in
    the folder is removed.

    Raises:
        OSError: for a folder of that name, before anything is written, and where the system refuses.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        with tempfile.TemporaryDirectory() as folder, naming(path):
            yield Path(folder) / path.name
            path.write_bytes((Path(folder) / path.name).read_bytes())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_remains(path.parent)
    temporary = path.with_name(f".{short_name(path.stem)}.{os.getpid()}.partial{path.suffix[-32:]}")
    try:
        with naming(path):
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error of the system that names no file, as that of a full disk, name this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def short_name(stem: str) -> str:
    """A name that leaves room for what is put around it; two long ones stay apart."""
    if len(os.fsencode(stem)) <= LONGEST_STEM_BYTES:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]
    return os.fsdecode(os.fsencode(stem)[: LONGEST_STEM_BYTES - 16]).encode(errors="ignore").decode() + digest


@cache
def _remove_remains(folder: Path) -> None:
    """Remove, once in a process, the temporary files of `atomic_path` in a folder whose process is gone."""
    found = list(folder.glob(".*.partial*"))
    if found:
        import psutil  # here, since make reads dependencies by a Python without the environment
    for remains in found:
        writer = re.search(r"\.(\d+)\.partial", remains.name)
        if writer and remains.is_file() and not psutil.pid_exists(int(writer[1])):
            remains.unlink(missing_ok=True)


@contextmanager
def sole_use_of(lock: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file, which is made if need be; HdsrError(refusal) while another process holds it."""
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, blocking=False):
            yield
    except Timeout:
        raise HdsrError(refusal) from None


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_bytes(path: str | Path, expected: str) -> bytes:
    """What is in a file; HdsrError, naming it and what was `expected`, where that is nothing."""
    import psutil

    check_regular(path, expected)
    try:
        if Path(path).stat().st_size > psutil.virtual_memory().available:
            raise HdsrError(f"{path} is larger than the memory that is free, expected {expected}")
        data = Path(path).read_bytes()
    except OSError as error:
        raise HdsrError(f"{path} cannot be read: {error.strerror}") from None
    if not data:
        raise HdsrError(f"{path} is an empty file, expected {expected}")
    return data


def check_regular(path: str | Path, expected: str) -> None:
    """Raise HdsrError for what is not there, and for folders, pipes and devices, which may never end."""
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise HdsrError(f"no file {path}: expected {expected}") from None
    except (OSError, ValueError) as error:
        raise HdsrError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise HdsrError(f"{path} is {kind}, expected {expected}")


def bare(name: str) -> str:
    """The letters and digits of a name, in lower case; a plus sign is spelled out."""
    return "".join(filter(str.isalnum, name.replace("+", "plus"))).lower()
