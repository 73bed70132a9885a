"""Published files brought into a data folder: many at a time, each verified, what is there left alone."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from hdsr.errors import HdsrError
from hdsr.fetch.download import Download, GivenUpError, Retry, StoppedError, length_of, part_of
from hdsr.fetch.inventory import inspect
from hdsr.fetch.published import BENCHMARKS, WEIGHTS, PublishedFile, distinct, selected
from hdsr.files import sole_use_of
from hdsr.paths import data_root
from hdsr.progress import bar

USUAL = (BENCHMARKS, WEIGHTS)
JOBS = 8
LOCK = ".fetch.lock"
MOST_GIVEN_UP = 3
"""Files given up in a row, at the least, after which the others are not tried."""


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    root: Path
    files: tuple[PublishedFile, ...]
    """All that was asked for."""
    needed: tuple[PublishedFile, ...]
    """Those of them that are not there, or damaged."""

    @property
    def bytes(self) -> int:
        """How much is to be fetched, but for what has no published length."""
        return sum(file.checksum.bytes or 0 for file in self.needed)

    def describe(self) -> list[str]:
        """A line for each set or network, and one for all: how many files are to be fetched, how large."""
        names = distinct(file.set_name for file in self.files)
        lines = []
        for name in names:
            of_set = [file for file in self.files if file.set_name == name]
            needed = [file for file in self.needed if file.set_name == name]
            lines.append(f"{name}: {len(of_set) - len(needed)} of {len(of_set)} files here{_size_of(needed)}")
        total = _size_of(self.needed).lstrip(",") or " nothing to fetch"
        return [*lines, f"in all:{total}"]


@dataclass
class Outcome:
    """How a fetch ended."""

    fetched: list[PublishedFile] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    untried: int = 0
    """Files that were left when the fetch was given up."""


def plan(names: Sequence[str] = (), root: str | Path | None = None, progress: bool | None = None) -> Plan:
    """Find out which files are missing; those that are there are read to the last byte.

    Args:
        names: see `hdsr.fetch.published.selected`; none for the benchmarks and weights.
        root: the data folder; see `hdsr.paths.data_root`.
        progress: show a bar; None: on a terminal.

    Raises:
        HdsrError: for an unknown name.
    """
    files, folder = selected(names or USUAL), data_root(root)
    findings = inspect(folder, files, progress)
    return Plan(folder, files, tuple(item.file for item in findings if not item.verified))


def fetch(
    planned: Plan,
    mirror: str | None = None,
    jobs: int = JOBS,
    retry: Retry | None = None,
    progress: bool | None = None,
) -> Outcome:
    """Fetch what a plan needs. Nothing is asked of any server if it needs nothing.

    Args:
        planned: see `plan`.
        mirror: address of a server that has the files at {mirror}/{repository}/{commit}/{path}, and DIV2K's
            archives at {mirror}/{file}; None for where they are published.
        jobs: how many at a time.
        retry: how long a server is put up with.
        progress: show a bar; None: on a terminal.

    Raises:
        HdsrError: for a mirror that is no HTTP address, a full disk, or another fetch into the same folder.
            A file that cannot be had is no error, but one of the outcome's failures.
    """
    if mirror is not None and not mirror.lower().startswith(("http://", "https://")):
        raise HdsrError(f"mirror {mirror!r}: expected an address that begins with http:// or https://")
    if not planned.needed:
        return Outcome()
    refusal = f"another process fetches into {planned.root}: let it end first"
    with (
        sole_use_of(planned.root / LOCK, refusal),
        _session_for(jobs) as session,
        bar(total=planned.bytes, desc="fetch", unit="B", unit_scale=True, shown=progress) as shown,
    ):
        _check_space(planned)
        stop, counting = threading.Event(), threading.Lock()

        def advance(bytes_: int) -> None:
            with counting:  # several threads count, and a bar's sum is not theirs to share
                shown.update(bytes_)

        def download(file: PublishedFile) -> Download:
            target = file.path_in(planned.root)
            address = file.address(mirror)
            return Download(address, target, file.checksum, session, retry or Retry(), stop, advance)

        try:
            return _run_all(planned.needed, download, jobs, shown.set_postfix_str)
        finally:
            stop.set()


def _run_all(
    files: Sequence[PublishedFile],
    download: Callable[[PublishedFile], Download],
    jobs: int,
    tell: Callable[[str], object],
) -> Outcome:
    """Run the downloads of these files, until all are done or too many in a row were given up.

    The pool's threads are daemons and it is left without waiting for them, so an interrupt acts at once.
    """

    def attempt(file: PublishedFile) -> tuple[PublishedFile, Exception | None]:
        try:
            download(file).run()
        except (HdsrError, OSError, StoppedError) as error:
            return file, error
        return file, None

    outcome, given_up = Outcome(), 0
    with ThreadPool(min(jobs, len(files))) as pool:
        for done, (file, failure) in enumerate(pool.imap_unordered(attempt, files), start=1):
            tell(f"{done} of {len(files)} files")
            if failure is None:
                outcome.fetched.append(file)
            else:
                outcome.failures.append(failure)
            given_up = given_up + 1 if isinstance(failure, GivenUpError) else 0
            if given_up >= max(jobs, MOST_GIVEN_UP):
                break
    outcome.untried = len(files) - len(outcome.fetched) - len(outcome.failures)
    return outcome


def _size_of(files: Sequence[PublishedFile]) -> str:
    """How much it is to fetch files, as the end of a line; empty if there are none."""
    if not files:
        return ""
    measured = sum(file.checksum.bytes or 0 for file in files)
    unmeasured = sum(file.checksum.bytes is None for file in files)
    sizes = [f"{measured / 1e6:,.1f} MB"] * bool(measured)
    sizes += [f"{unmeasured} of unpublished length"] * bool(unmeasured)
    return f", {len(files)} to fetch: {' and '.join(sizes)}"


@contextmanager
def _session_for(jobs: int) -> Iterator[requests.Session]:
    """Connections that are kept open, as many as there are jobs; content comes as it is, not compressed."""
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=jobs))
        yield session


def _check_space(planned: Plan) -> None:
    """Raise HdsrError if the disk cannot hold what is to come."""
    free = shutil.disk_usage(planned.root).free
    begun = sum(length_of(part_of(file.path_in(planned.root))) for file in planned.needed)
    if planned.bytes > free + begun:
        raise HdsrError(
            f"{planned.bytes / 1e9:.1f} GB are to be fetched into {planned.root}, "
            f"but {free / 1e9:.1f} GB are free there"
        )
