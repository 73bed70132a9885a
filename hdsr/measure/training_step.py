"""Training steps per second: as training is done here, against the network's published form.

The published form is what the paper's authors train: default memory layout, float32, the dynamic convolution
as one grouped convolution, no folding, Adam. All take the same loss on the same patches, in turns.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from hdsr import results
from hdsr.measure.latency import machine, quartiles, time_calls
from hdsr.network import HDSRNet
from hdsr.paths import CONFIGS, data_root
from hdsr.provenance import code_version
from hdsr.training.config import TrainingConfig, load_config
from hdsr.training.data import TrainingData, load_training_data
from hdsr.training.folder import RunFolder
from hdsr.training.loop import Run
from hdsr.training.session import new_accelerator, training_device
from hdsr.training.step import EAGER_STEPS
from hdsr.upscaling.run import device_name

PUBLISHED = "published form"
NO_IMAGES = TrainingData((), np.empty(0), (), "", 0)
"""For a run that is handed its patches."""
NO_FOLDER = RunFolder(Path(), writes=False)

Step = Callable[[], object]


def ratios(
    scale: int = 4,
    batch_size: int = 8,
    lr_px: int = 32,
    warmup: int = 1,
    turns: int = 5,
    device: torch.device | None = None,
) -> pd.DataFrame:
    """Time of a training step in each form, and how many times faster than the published form that is.

    The forms take turns, so that a machine that slows down slows all alike; ratios are taken within turns.

    Args:
        scale: 2, 3 or 4.
        batch_size: patches per step.
        lr_px: side of the square LR patch.
        warmup: turns that are not timed.
        turns: turns that are, at least 2.
        device: that of the training; by default the one that `hdsr train` takes here.

    Returns:
        One line per form: form, optimizer, precision, layout, scale, batch_size, lr_px, device, threads,
        warmup, n, step_ms, step_ms_quartile1, step_ms_quartile3, steps_per_second, baseline, ratio (median),
        ratio_quartile1, ratio_quartile3. The published form's own ratio is 1.

    Raises:
        HdsrError: for fewer turns than two.
    """
    device = device or training_device()
    configs = {name: step_config(scale, batch_size, lr_px, name) for name in ("adam", "muon")}
    lr, hr = (patches.to(device) for patches in random_patches(scale, batch_size, lr_px))
    steps: dict[str, Step] = {PUBLISHED: PublishedStep(lr, hr, scale)}
    steps |= {f"ours, {name.capitalize()}": _our_step(lr, hr, config) for name, config in configs.items()}
    times_ms = time_calls(steps, device, warmup, turns)
    forms = [("adam", "fp32", "contiguous")]
    forms += [(name, config.precision, _layout_of(config)) for name, config in configs.items()]
    frame = pd.DataFrame(forms, columns=["optimizer", "precision", "layout"])
    frame.insert(0, "form", list(steps))
    frame = frame.assign(scale=scale, batch_size=batch_size, lr_px=lr_px, device=device_name(device))
    frame = frame.assign(threads=torch.get_num_threads(), warmup=warmup, n=turns)
    return _with_times(frame, times_ms)


def measured(report: Path, turns: int) -> pd.DataFrame:
    """`ratios` at x4 on 8 patches of 32 x 32, kept in rows/training_step.csv of a report.

    They are measured anew where code, device, machine, threads or turns are others than those of the rows
    that are there.

    Args:
        report: the folder of a profile; see `hdsr.paths.report_dir`.
        turns: see `ratios`.
    """
    path = report / "rows" / "training_step.csv"
    identity = {"code": code_version(sys.modules[__name__]), **results.made_with()}
    identity |= {"device": device_name(training_device()), "machine": machine()}
    identity |= {"threads": torch.get_num_threads(), "n": turns}
    texts = dict.fromkeys(("code", *results.VERSIONS), str)
    known = pd.read_csv(path, dtype=texts) if path.is_file() else pd.DataFrame()
    rows = results.reused(known, identity, lambda: ratios(turns=turns))
    results.write_table(rows, path)
    return rows


def _with_times(frame: pd.DataFrame, times_ms: dict[str, list[float]]) -> pd.DataFrame:
    """Add to each form the median and quartiles of its times, and of its ratio to the baseline per turn."""
    columns = ("step_ms", "step_ms_quartile1", "step_ms_quartile3")
    times = pd.DataFrame([quartiles(times_ms[form]) for form in frame["form"]], columns=list(columns))
    against = times_ms[PUBLISHED]
    per_turn = [np.divide(against, times_ms[form]).tolist() for form in frame["form"]]
    columns = ("ratio", "ratio_quartile1", "ratio_quartile3")
    ratio = pd.DataFrame(map(quartiles, per_turn), columns=list(columns))
    times = times.assign(steps_per_second=1000 / times["step_ms"], baseline=PUBLISHED)
    return pd.concat([frame, times, ratio], axis=1)


def step_config(scale: int, batch_size: int, lr_px: int, optimizer: str) -> TrainingConfig:
    """The configuration of the weights that ship, on patches of a given number and size, for the same loss.

    The published form's is the mean absolute error, and the folded one can leave the border out at no cost.
    """
    own = ["warm_start=null", "start_share=0", "teacher_share=0", "branch_from=null", "head_steps=0"]
    own += ["border_share=0", "loss=l1"]
    own += [f"batch_size={batch_size}", f"patch_px={scale * lr_px}", f"optimizer={optimizer}"]
    return load_config(CONFIGS / f"hdsrnet_x{scale}.yaml", own)


def _layout_of(config: TrainingConfig) -> str:
    return "channels_last" if config.channels_last else "contiguous"


def random_patches(scale: int, batch_size: int, lr_px: int) -> tuple[Tensor, Tensor]:
    """LR and HR of the right sizes, in the layout that `hdsr.training.patches` gives; no step sees more."""
    random = torch.Generator().manual_seed(0)
    sizes = [(batch_size, 3, side, side) for side in (lr_px, scale * lr_px)]
    lr, hr = (255 * torch.rand(size, generator=random) for size in sizes)
    return lr.contiguous(memory_format=torch.channels_last), hr.contiguous(memory_format=torch.channels_last)


class PublishedStep:
    """One training step of the network's published form, on patches (batch, 3, height, width) in 0..255."""

    def __init__(self, lr: Tensor, hr: Tensor, scale: int) -> None:
        torch.manual_seed(0)
        self.network = HDSRNet(scale).to(lr.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        self.lr, self.hr = lr.contiguous(), hr.contiguous()

    def __call__(self) -> None:
        ring = self.network.scale
        inner = (..., slice(ring, -ring), slice(ring, -ring))
        self.optimizer.zero_grad()
        F.l1_loss(self.network(self.lr)[inner], self.hr[inner]).backward()
        self.optimizer.step()


def _our_step(lr: Tensor, hr: Tensor, config: TrainingConfig) -> Step:
    """One training step as `hdsr train` takes it, norm and averaging included; on a GPU as a graph."""
    learner = Run(config, NO_FOLDER, NO_IMAGES, new_accelerator(config)).step
    learner.set(0, 1.0, head_only=False)
    if lr.device.type != "cuda":
        return lambda: learner.learn(lr, hr)
    for _ in range(EAGER_STEPS):
        learner.learn(lr, hr)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        learner.learn(lr, hr)
    return lambda: (graph.replay(), learner)  # whose weights the graph reads, and does not keep


def drawing_share(config: TrainingConfig, steps: int = 30, root: str | Path | None = None) -> float:
    """The share of a training step's time that drawing its patches takes, 0..1.

    Args:
        config: what is trained; the images it names must be there.
        steps: steps that are timed, after three that are not.
        root: the data folder; see `hdsr.paths.data_root`.

    Raises:
        HdsrError: for missing or broken images.
    """
    data = load_training_data(config, data_root(root or config.data), progress=False)
    run = Run(config, NO_FOLDER, data, new_accelerator(config))
    for _ in range(EAGER_STEPS + 1):
        run.take_step()
    step_ms = _mean_ms(run.take_step, steps, run)
    return _mean_ms(lambda: run.step.source.batch(run.progress.step), steps, run) / step_ms


def _mean_ms(call: Step, times: int, run: Run) -> float:
    run.step.wait()
    began = time.perf_counter()
    for _ in range(times):
        call()
    run.step.wait()
    return 1000 * (time.perf_counter() - began) / times
