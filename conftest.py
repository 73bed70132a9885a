"""What every test shares: reports go to a temporary folder, and reference data is found or its tests skip."""

import os
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing that a test or a notebook under `--nbval` runs write into the tree or the user's cache.

    And let what tests start hear an interrupt, which a shell has its background jobs ignore.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for variable in ("HDSR_REPORTS", "HDSR_CACHE"):
        folder = tempfile.mkdtemp(prefix=variable.lower().replace("_", "-") + "-")
        os.environ[variable] = folder
        config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))


def _folder_named_by(variable: str, contents: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: it names the folder of {contents}")
    return Path(folder).expanduser().resolve(strict=True)


@pytest.fixture(scope="session")
def golden_root() -> Path:
    """The reference vectors of MATLAB and of the authors' network."""
    return _folder_named_by("HDSR_GOLDEN", "reference vectors")


@pytest.fixture(scope="session")
def real_data_root() -> Path:
    """The real benchmark sets, training images and weights."""
    return _folder_named_by("HDSR_DATA", "benchmark images, training images and weights")
