"""Training a network: from a configuration to weights that describe themselves.

A run's folder holds config.yaml, log.csv, the last two states, and weights.safetensors (the best so far on
the held-out images). A run that is stopped at any moment and resumed goes on exactly as if it never was.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import is_tensorboard_available
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from hdsr.checkpoint import describe, load, save
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.metrics import psnr_y
from hdsr.paths import data_root
from hdsr.provenance import commit, versions
from hdsr.training.config import TrainingConfig, validated
from hdsr.training.data import Pair, TrainingData, load_training_data
from hdsr.training.optimizers import build_optimizers, scale_to_unit_range
from hdsr.training.patches import batches, draw_batch
from hdsr.training.revival import center_kernels, keep_means, revive
from hdsr.training.states import load_state, save_state
from hdsr.training.trainables import TRAINABLES
from hdsr.upscaling.allocator import keep_freed_memory

PLACES = {"data", "tensorboard"}
"""Keys of a configuration that say nothing of what is trained, and may change when a run is resumed."""
LOG_COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "skipped", "psnr_db", "seconds")
Watcher = Callable[[Path], object]
"""Called with the log's path whenever the log has a new row."""


@dataclass
class Progress:
    """How far a run is; saved with every state."""

    step: int = 0
    seconds: float = 0.0
    """Training time, pauses between sittings not counted."""
    skipped: int = 0
    skipped_in_a_row: int = 0
    losses: list[float] = field(default_factory=list)
    """Since the last row of the log."""
    gradient_norm: float = 0.0
    best_psnr_db: float = -math.inf


def rate_factor(config: TrainingConfig, step: int, fraction: float) -> float:
    """Learning rate over its peak at `step`, when `fraction` (0..1) of the budget is spent."""
    schedule = config.schedule
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    fraction = min(max(fraction, 0.0), 1.0)
    if schedule.kind == "constant":
        return warmup
    if schedule.kind == "linear":
        return warmup * (1 - fraction)
    if schedule.kind == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * fraction))
    return warmup * 0.5 ** (step // schedule.halve_every)


def warm_start(network: nn.Module, path: str) -> dict[str, Any] | None:
    """Copy the weights in `path`; those of another scale lend all but the upsampler.

    Returns:
        What a .safetensors file says of itself, so that weights can tell how their ancestors were made.
    """
    source = load(path, type(network))
    tensors = source.state_dict()
    if source.scale != network.scale:
        tensors = {key: value for key, value in tensors.items() if "upsampler" not in key}
    network.load_state_dict(tensors, strict=source.scale == network.scale)
    return describe(path) if Path(path).suffix == ".safetensors" else None


@torch.inference_mode()
def validate(network: nn.Module, held_out: tuple[Pair, ...], scale: int) -> float:
    """Mean Y-PSNR in dB over held-out pairs of a network from RGB to RGB, in float32."""
    device = next(network.parameters()).device
    scores = []
    for pair in held_out:
        lr = torch.from_numpy(pair.lr).permute(2, 0, 1)[None].float().to(device)
        sr = network(lr)[0].clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy()
        scores.append(psnr_y(sr, pair.hr, scale))
    return float(np.mean(scores))


class Run:
    """One training run: network, average, optimizers and progress, in memory and on disk."""

    def __init__(
        self,
        config: TrainingConfig,
        out: Path,
        data: TrainingData,
        accelerator: Accelerator,
        watch: Watcher | None = None,
    ) -> None:
        self.config, self.out, self.data, self.accelerator = config, out, data, accelerator
        self.watch = watch
        self.commit = commit()
        torch.manual_seed(config.seed)
        self.trainable = TRAINABLES[config.network]
        self.network = self.trainable.kind(config.scale)
        self.started_from = self.start_weights()
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network.to(device=accelerator.device, memory_format=layout)
        if config.keep_dilated_means:
            keep_means(self.network)
        self.loss = accelerator.prepare(self.trainable.loss(self.network, config))
        self.optimizers = [accelerator.prepare(item) for item in build_optimizers(self.network, config)]
        self.average = [parameter.detach().clone() for parameter in self.network.parameters()]
        self.progress = Progress()

    def start_weights(self) -> dict[str, Any] | None:
        """Give the fresh network what it starts with; what a file of it says of itself, if there is one."""
        config = self.config
        if config.warm_start:
            about = warm_start(self.network, config.warm_start)
            if config.revive:
                revive(self.network, draw_batch(self.data, config, step=0)[0], config.unit_range)
            return about
        if config.unit_range:
            scale_to_unit_range(self.network)
        if config.keep_dilated_means:
            center_kernels(self.network)
        return None

    @property
    def fraction(self) -> float:
        """Share of the budget that is spent."""
        if self.config.steps:
            return self.progress.step / self.config.steps
        return self.progress.seconds / (60 * self.config.minutes)

    def is_late(self, step: int) -> bool:
        """Whether `step` takes the larger patches with which the budget ends."""
        late = self.config.late
        fraction = step / self.config.steps if self.config.steps else self.fraction
        return late is not None and fraction >= 1 - late.share

    def set_learning_rates(self) -> float:
        """Set this step's rates; while the head learns alone, all others are zero. Returns Adam's."""
        factor = rate_factor(self.config, self.progress.step, self.fraction)
        head_only = self.progress.step < self.config.head_steps
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor * (group["head"] or not head_only)
        return self.config.learning_rate * factor

    def take_step(self, lr: Tensor, hr: Tensor) -> None:
        """One optimizer step, or a skipped one where loss or gradient is not finite."""
        device = self.accelerator.device
        loss = self.loss(lr.to(device), hr.to(device))
        self.accelerator.backward(loss)
        norm = float(self.clip_gradients())
        self.progress.step += 1
        if math.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.update_average()
            mean_loss = self.accelerator.reduce(loss.detach(), "mean")
            self.progress.losses.append(float(mean_loss))
            self.progress.gradient_norm = norm
            self.progress.skipped_in_a_row = 0
        else:
            self.count_skipped()
        self.network.zero_grad()

    def clip_gradients(self) -> Tensor:
        """Clip as configured; the norm of the whole gradient before that, the same in every process."""
        parameters = list(self.network.parameters())
        norm = self.accelerator.clip_grad_norm_(parameters, self.config.clip_norm or math.inf)
        if self.config.clip_value:
            self.accelerator.clip_grad_value_(parameters, self.config.clip_value)
        return norm

    def count_skipped(self) -> None:
        """Count a step whose gradient is not finite; end the run after too many in a row."""
        self.progress.skipped += 1
        self.progress.skipped_in_a_row += 1
        if self.progress.skipped_in_a_row >= self.config.max_skipped:
            times = self.progress.skipped_in_a_row
            raise HdsrError(
                f"step {self.progress.step}: the gradient was not finite {times} times in a row; "
                f"the last saved state in {self.out} is kept, try a lower learning_rate"
            )

    @torch.no_grad()
    def update_average(self) -> None:
        """Exponential moving average of the weights, its decay growing over the first steps."""
        step = self.progress.step
        decay = min(self.config.ema, step / (step + 10)) if self.config.ema else 0.0
        torch._foreach_lerp_(self.average, list(self.network.parameters()), 1 - decay)

    def averaged_network(self) -> nn.Module:
        """A network with the averaged weights."""
        network = self.trainable.kind(self.config.scale).to(self.accelerator.device)
        for parameter, average in zip(network.parameters(), self.average, strict=True):
            parameter.data.copy_(average)
        return network.eval()

    def validate(self) -> float | None:
        """Validate the averaged weights; keep them if they are the best so far or no images are held out."""
        network = self.averaged_network()
        form = self.trainable.inference_form(network)
        held_out = self.data.held_out
        psnr_db = validate(form, held_out, self.config.scale) if held_out else None
        if psnr_db is None or psnr_db > self.progress.best_psnr_db:
            self.progress.best_psnr_db = psnr_db or -math.inf
            if self.accelerator.is_main_process:
                save(network, self.out / "weights.safetensors", self.about(psnr_db))
        return psnr_db

    def about(self, psnr_db: float | None) -> dict[str, Any]:
        """What the weights say of themselves."""
        left_out = {*PLACES, "warm_start"}
        return {
            "config": self.config.model_dump(mode="json", exclude=left_out, exclude_none=True),
            "warm_start": "/".join(Path(self.config.warm_start or "").parts[-2:]) or None,
            "started_from": self.started_from,
            "step": self.progress.step,
            "minutes": round(self.progress.seconds / 60, 1),
            "training_data_sha256": self.data.sha256,
            "validation_psnr_db": None if psnr_db is None else round(psnr_db, 4),
            "commit": self.commit,
            "versions": versions(),
        }

    def save(self) -> None:
        """Write the state, from which `restore` goes on bit for bit."""
        if self.accelerator.is_main_process:
            state = {
                "config": self.config.model_dump(mode="json"),
                "progress": asdict(self.progress),
                "data_sha256": self.data.sha256,
                "network": self.network.state_dict(),
                "average": self.average,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "random": torch.get_rng_state(),
            }
            save_state(self.out, self.progress.step, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; the log is cut back to it."""
        check_same_run(self.config, state["config"], self.data.sha256, state["data_sha256"])
        self.progress = Progress(**state["progress"])
        self.network.load_state_dict(state["network"])
        for average, stored in zip(self.average, state["average"], strict=True):
            average.copy_(stored)
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        torch.set_rng_state(state["random"])
        if self.accelerator.is_main_process:
            cut_log(self.out / "log.csv", self.progress.step)

    def log(self, learning_rate: float, psnr_db: float | None) -> None:
        """Append one row to the log."""
        progress = self.progress
        loss = float(np.mean(progress.losses)) if progress.losses else math.nan
        progress.losses = []
        row = (progress.step, loss, learning_rate, progress.gradient_norm, progress.skipped, psnr_db)
        if self.accelerator.is_main_process:
            append_row(self.out / "log.csv", (*row, round(progress.seconds, 2)))
            if self.watch:
                self.watch(self.out / "log.csv")
        values = {name: value for name, value in zip(LOG_COLUMNS, row, strict=False) if value is not None}
        self.accelerator.log(values, step=progress.step)


def append_row(path: Path, row: tuple) -> None:
    """Append a row to the CSV log, with its header if it is new."""
    frame = pd.DataFrame([row], columns=LOG_COLUMNS)
    frame.to_csv(path, mode="a", index=False, header=not path.exists())


def cut_log(path: Path, step: int) -> None:
    """Drop the log's rows past `step` and a last line that was only half written."""
    if not path.exists():
        return
    header, *rows = path.read_text().splitlines(keepends=True)
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step]
    with atomic_path(path) as temporary:
        temporary.write_text(header + "".join(kept))


def check_same_run(config: TrainingConfig, stored: dict[str, Any], sha256: str, stored_sha256: str) -> None:
    """Refuse to resume a run under another configuration or on other images.

    A run at a constant rate may be prolonged: nothing that it does depends on its budget.
    """
    budget_free = config.schedule.kind == "constant" and config.late is None
    free = {*PLACES, "steps", "minutes"} if budget_free else PLACES
    given, before = (
        item.model_dump(mode="json", exclude=free) for item in (config, validated(stored, "the saved state"))
    )
    for key, value in given.items():
        if value != before[key]:
            raise HdsrError(f"cannot resume: {key} was {before[key]!r}, now {value!r}")
    if sha256 != stored_sha256:
        raise HdsrError("cannot resume: the training images are not those that the run began with")


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


def prepare_folder(out: Path, resume: bool) -> dict[str, Any] | None:
    """The state to go on from, or None in a new folder."""
    if resume:
        return load_state(out)
    if any(out.glob("state-*.pt")) or (out / "log.csv").exists():
        raise HdsrError(f"{out} already holds a run: --resume goes on with it, or name another folder")
    out.mkdir(parents=True, exist_ok=True)
    return None


def train(
    config: TrainingConfig,
    out: str | Path,
    resume: bool = False,
    progress: bool = True,
    watch: Watcher | None = None,
) -> Path:
    """Train, validating and saving on the way.

    Args:
        config: what to do; see `hdsr.training.config.load_config`.
        out: the run's folder; must not hold a run unless `resume`.
        resume: go on from the last whole state in `out` (from the beginning where there is none).
        progress: show a progress bar.
        watch: called with the log's path after each new row, in the main process.

    Returns:
        The weights that were best on the held-out images.

    Raises:
        HdsrError: for missing or broken images, a folder that holds another run, too many non-finite steps.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the state is saved.
    """
    out = Path(out)
    keep_freed_memory()
    accelerator = new_accelerator(config, out)
    check_shares(config, accelerator.num_processes)
    state = prepare_folder(out, resume)
    data = load_training_data(config, data_root(config.data), progress and accelerator.is_main_process)
    run = Run(config, out, data, accelerator, watch)
    if state:
        run.restore(state)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / "config.yaml") as temporary:
        temporary.write_text(
            yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False)
        )
    if config.tensorboard:
        accelerator.init_trackers("tensorboard")
    try:
        with progress_bar(run, progress) as bar, stop_requests() as stop:
            loop(run, bar, stop)
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
    return out / "weights.safetensors"


def check_shares(config: TrainingConfig, processes: int) -> None:
    """Refuse batches of which the processes would get unequal parts, whose gradients weigh the same."""
    for form in (config, config.late):
        if form and form.batch_size % processes:
            raise HdsrError(f"batch_size {form.batch_size} cannot be shared evenly by {processes} processes")


def new_accelerator(config: TrainingConfig, out: Path) -> Accelerator:
    """What carries devices, precision, processes, and where asked for the log in `out`/tensorboard."""
    if config.tensorboard and not is_tensorboard_available():
        raise HdsrError("tensorboard: true needs the package tensorboard: pip install tensorboard")
    AcceleratorState._reset_state(reset_partial_state=False)
    # The only buffer is the constant RGB mean, which needs no broadcasting.
    parallel = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(
        mixed_precision=config.precision.replace("fp32", "no"),
        kwargs_handlers=[parallel],
        log_with="tensorboard" if config.tensorboard else None,
        project_dir=out,
    )


def progress_bar(run: Run, shown: bool) -> tqdm:
    """On a terminal a bar on stderr; elsewhere on stdout now and then, so that stderr has errors only."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=run.config.steps,
        initial=run.progress.step,
        desc=run.out.name,
        unit="step",
        file=sys.stderr if terminal else sys.stdout,
        mininterval=0.5 if terminal else 30,
        disable=not (shown and run.accelerator.is_main_process),
    )


def loop(run: Run, bar: tqdm, stop: threading.Event) -> None:
    """Step until the budget is spent or a stop is asked for."""
    config, progress, accelerator = run.config, run.progress, run.accelerator
    began = time.perf_counter() - progress.seconds
    for lr, hr in batches(
        run.data, config, progress.step, accelerator.process_index, accelerator.num_processes, run.is_late
    ):
        if run.fraction >= 1:
            break
        learning_rate = run.set_learning_rates()
        run.take_step(lr, hr)
        progress.seconds = time.perf_counter() - began
        bar.update()
        due = progress.step % config.validation.every == 0 or run.fraction >= 1
        psnr_db = run.validate() if due else None
        if due or progress.step % config.log_every == 0:
            bar.set_postfix(loss=f"{np.mean(progress.losses or [math.nan]):.3f}", lr=f"{learning_rate:.2e}")
            run.log(learning_rate, psnr_db)
        if due or progress.step % config.save_every == 0 or stop.is_set():
            run.save()
        if stop.is_set():
            raise KeyboardInterrupt
