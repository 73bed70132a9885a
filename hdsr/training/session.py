"""What stands around a training run: devices and processes, its progress bar, requests to stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from tqdm import tqdm

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


def progress_bar(title: str, steps: int, done: int, shown: bool) -> tqdm:
    """On a terminal a bar on stderr; elsewhere on stdout now and then, so that stderr has errors only."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=steps,
        initial=done,
        desc=title,
        unit="step",
        file=sys.stderr if terminal else sys.stdout,
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
