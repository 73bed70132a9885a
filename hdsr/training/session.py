"""What stands around a training run: devices and processes, its progress bar, requests to stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from tqdm import tqdm

from hdsr.errors import HdsrError
from hdsr.free_memory import free_bytes
from hdsr.training.config import TrainingConfig


def training_device() -> torch.device:
    """Where a run of one process computes: the first CUDA device, or else the CPU.

    No other accelerator is taken by itself: Apple's, for one, lacks the float64 in which a run counts.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def new_accelerator(config: TrainingConfig) -> Accelerator:
    """What carries devices, precision and processes."""
    AcceleratorState._reset_state(reset_partial_state=False)
    # The only buffer is the constant RGB mean, which needs no broadcasting.
    parallel = DistributedDataParallelKwargs(broadcast_buffers=False)
    precision, on_cpus = config.precision.replace("fp32", "no"), training_device().type == "cpu"
    return Accelerator(mixed_precision=precision, cpu=on_cpus, kwargs_handlers=[parallel])


class _Unheard:
    """A stream of which nobody has to read what is written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


def check_memory(config: TrainingConfig) -> None:
    """Raise HdsrError where not even one feature map of all patches of a step fits into a CPU's memory."""
    lr_px = config.patch_px // config.scale
    needed = config.batch_size * (4 * 64 * lr_px**2 + 16 * config.draws)
    free = free_bytes()
    if training_device().type == "cpu" and needed > free:
        keys = ", ".join(f"{key} {getattr(config, key)}" for key in ("batch_size", "patch_px", "draws"))
        gib = f"more than {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free"
        raise HdsrError(f"{keys}: these take {gib}")


def progress_bar(title: str, steps: int, done: int, shown: bool) -> tqdm:
    """On a terminal a bar on stderr; elsewhere on stdout now and then, so that stderr has errors only."""
    terminal = sys.stderr.isatty()
    # who reads the bar may go, and the run goes on
    return tqdm(
        total=steps,
        initial=done,
        desc=title,
        unit="step",
        file=sys.stderr if terminal else _Unheard(sys.stdout),
        mininterval=0.5 if terminal else 30,
        disable=not shown,
    )


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a run can save its state before it stops."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    previous = {name: signal.signal(name, lambda *_: asked.set()) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
