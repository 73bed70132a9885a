"""Every folder the project reads or writes, in one place."""

import os
from pathlib import Path

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
BENCH = PROJECT / "reports" / "bench.csv"
CONFIGS = PROJECT / "hdsr" / "configs"


def data_root(given: str | Path | None = None) -> Path:
    """The data folder as an absolute path: `given`, else the environment variable HDSR_DATA, else `data/`.

    A relative folder is resolved against the one where the command started.
    """
    chosen = given or os.environ.get("HDSR_DATA") or PROJECT / "data"
    return Path(chosen).expanduser().resolve()


def div2k_folder(root: Path) -> Path:
    """Where DIV2K's archives lie: ROOT/train/DIV2K, or ROOT/DIV2K if only that is there."""
    usual, plain = root / "train" / "DIV2K", root / "DIV2K"
    return plain if plain.is_dir() and not usual.is_dir() else usual


def reports_root() -> Path:
    """Where runs write: the environment variable HDSR_REPORTS, else `reports/`."""
    return Path(os.environ.get("HDSR_REPORTS") or PROJECT / "reports").expanduser().resolve()


def cache_dir() -> Path:
    """Where decoded training images are kept: the environment variable HDSR_CACHE, else ~/.cache/hdsr."""
    return Path(os.environ.get("HDSR_CACHE") or "~/.cache/hdsr").expanduser().resolve()


def report_dir(profile: str) -> Path:
    """The folder of one profile: rows/, images/, tables/, figures/, notebooks/, html/ and index.html."""
    return reports_root() / profile
