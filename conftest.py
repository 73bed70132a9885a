"""What every test shares: reports go to a temporary folder, and reference data is found or its tests skip."""

import os
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

TIMED = """
tests/bench/test_bench.py
tests/measure/test_fresh_process.py
tests/measure/test_latency.py
tests/measure/test_runtime.py
tests/measure/test_training_step.py
tests/upscaling/test_allocator.py
tests/upscaling/test_memory.py
""".split()  # noqa: SIM905
"""Measure times or memory, so that no two of them run at once."""
LONG = """
tests/test_makefile.py
tests/training/test_loop.py
tests/training/test_separation.py
tests/explore/test_panel.py
tests/explore/test_in_browser.py
tests/test_cli.py
tests/test_winograd.py
tests/upscaling/test_run.py
tests/test_metrics.py
tests/test_inference.py
""".split()  # noqa: SIM905
"""Take ten seconds or more, the longest first: begun last, one would run while a worker has nothing."""


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing that a test or a notebook under `--nbval` runs write into the tree or the user's cache.

    And let what tests start hear an interrupt, which a shell has its background jobs ignore. Workers that run
    side by side, and what they start, use one thread each.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    kernels = Path(os.environ.get("HDSR_CACHE") or "~/.cache/hdsr").expanduser() / "kernels"
    for variable in ("HDSR_REPORTS", "HDSR_CACHE"):
        if variable == "HDSR_CACHE" and "PYTEST_XDIST_WORKER" in os.environ:
            continue  # workers share the cache that the process which started them has made
        folder = tempfile.mkdtemp(prefix=variable.lower().replace("_", "-") + "-")
        os.environ[variable] = folder
        config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))
    if (
        kernels.is_dir() and "PYTEST_XDIST_WORKER" not in os.environ
    ):  # machine code that is at hand need not be compiled again
        shutil.copytree(kernels, Path(os.environ["HDSR_CACHE"]) / "kernels")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; of the rest the order stays."""
    ranks = {file: rank for rank, file in enumerate([*TIMED, *LONG])}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests of a file to one worker, as they share fixtures, and all of TIMED to the same one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "timings and memory" if file in TIMED else file

    config.option.loadscopereorder = False  # that is by the number of tests, which says little of their time
    return ByFile(config, log)


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


@pytest.fixture(scope="session")
def compiled() -> None:
    """Convolutions that are compiled already: tests of what is said on stderr hear nothing of it."""
    import torch

    from hdsr.inference import fold
    from hdsr.network import HDSRNet

    fold(HDSRNet(2))(torch.zeros(1, 3, 8, 8))
