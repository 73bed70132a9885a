"""Every folder the project reads or writes, in one place."""

import os
from pathlib import Path

from hdsr.errors import HdsrError

PROJECT = Path(__file__).resolve().parent.parent
OWN_WEIGHTS = PROJECT / "data" / "weights"
PAPER_TABLES = PROJECT / "data" / "paper"
MANIFESTS = PROJECT / "data" / "manifests"
TRIALS = PROJECT / "data" / "trials.csv"
LOGS = OWN_WEIGHTS / "logs"
NOTEBOOKS = PROJECT / "notebooks"
PARAMETERS = NOTEBOOKS / "params"
COMPARED = NOTEBOOKS / "compared.csv"
PUBLISHED = PROJECT / "reports" / "published"
CONFIGS = PROJECT / "hdsr" / "configs"


def checkout() -> Path:
    """The copy of the repository in which the process runs, else the one that its code lies in."""
    here = Path.cwd()
    copies = (folder for folder in (here, *here.parents) if (folder / "hdsr" / "paths.py").is_file())
    return next(copies, PROJECT)


BENCH = checkout() / "reports" / "bench.csv"


def data_root(given: str | Path | None = None) -> Path:
    """The data folder as an absolute path: `given`, else the environment variable HDSR_DATA, else `data/`.

    A relative folder is resolved against the one where the command started.
    """
    chosen = given or os.environ.get("HDSR_DATA") or PROJECT / "data"
    return absolute(chosen)


def absolute(path: str | Path) -> Path:
    """A path from the root, without links and without `~`."""
    return Path(os.path.realpath(expanded(path)))


def expanded(path: str | Path) -> Path:
    """A path without `~`; HdsrError if that stands for nobody's folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise HdsrError(f"{path} begins with the home folder of nobody known here") from None


def div2k_folder(root: Path) -> Path:
    """Where DIV2K's archives lie: ROOT/train/DIV2K, or ROOT/DIV2K if only that is there."""
    usual, plain = root / "train" / "DIV2K", root / "DIV2K"
    return plain if plain.is_dir() and not usual.is_dir() else usual


def reports_root() -> Path:
    """Where runs write: the environment variable HDSR_REPORTS, else `reports/` of `checkout`."""
    return absolute(os.environ.get("HDSR_REPORTS") or checkout() / "reports")


def cache_dir() -> Path:
    """Where decoded training images are kept: the environment variable HDSR_CACHE, else ~/.cache/hdsr."""
    return absolute(os.environ.get("HDSR_CACHE") or "~/.cache/hdsr")


def report_dir(profile: str) -> Path:
    """The folder of one profile: rows/, images/, tables/, figures/, notebooks/, html/ and index.html."""
    return reports_root() / profile
