"""Training a network: from a configuration to weights that describe themselves.

A run that is stopped at any moment and resumed goes on exactly as if it never was; `hdsr.training.folder`
says what it keeps for that.
"""

import math
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from hdsr.errors import HdsrError
from hdsr.metrics import psnr_y
from hdsr.paths import data_root
from hdsr.provenance import commit, versions
from hdsr.training.config import PLACES, RATES, TrainingConfig
from hdsr.training.data import Pair, TrainingData, load_training_data
from hdsr.training.folder import RunFolder, Watcher, last_step
from hdsr.training.optimizers import decay_begins, rate_factor
from hdsr.training.patches import PatchSource
from hdsr.training.session import check_memory, new_accelerator, progress_bar, stop_requests
from hdsr.training.states import check_new, check_same_network, check_same_run, load_state, read_state
from hdsr.training.step import TrainingStep
from hdsr.training.trainables import TRAINABLES, start_weights
from hdsr.upscaling.allocator import keep_freed_memory
from hdsr.upscaling.run import device_name


@dataclass
class Progress:
    """How far a run is; saved with every state."""

    step: int = 0
    """Counted on from the state that the run branched from."""
    first_step: int = 0
    seconds: float = 0.0
    """Training time, pauses between sittings not counted."""
    best_psnr_db: float = -math.inf
    weights_sha256: str | None = None
    """Of weights.safetensors."""


@torch.inference_mode()
def validate(network: nn.Module, held_out: tuple[Pair, ...], scale: int) -> float:
    """Mean Y-PSNR in dB over held-out pairs of a network from RGB to RGB, in float32."""
    device = next(network.parameters()).device
    scores = []
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):  # of many sizes
        for pair in held_out:
            lr = torch.from_numpy(pair.lr).permute(2, 0, 1)[None].float().to(device)
            sr = network(lr)[0].clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy()
            scores.append(psnr_y(sr, pair.hr, scale))
    return float(np.mean(scores))


class Run:
    """One training run, in memory and on disk; if `resumed`, what it began with is read only if needed."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: RunFolder,
        data: TrainingData,
        accelerator: Accelerator,
        resumed: bool = False,
    ) -> None:
        self.config, self.folder, self.data, self.accelerator = config, folder, data, accelerator
        self.commit = commit()
        self.progress = Progress()
        self.lacks_last_row = False
        """Whether the run was stopped in its last validation."""
        torch.manual_seed(config.seed)  # before the network, whose initial weights it decides
        self.trainable = TRAINABLES[config.network]
        network = self.trainable.kind(config.scale)
        is_needed = not resumed or config.start_share or config.teacher_share
        self.started_from = start_weights(network, config) if is_needed else None
        self.start = [
            parameter.detach().to(accelerator.device, copy=True) for parameter in network.parameters()
        ]
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        network.to(device=accelerator.device, memory_format=layout)
        place = (accelerator.device, accelerator.process_index, accelerator.num_processes)
        source = PatchSource(data, config, *place) if data.pairs else None
        self.step = TrainingStep(network, self.trainable.loss(network, config), config, accelerator, source)
        if config.branch_from and not resumed:
            self._branch(read_state(Path(config.branch_from)))

    def _branch(self, state: dict[str, Any]) -> None:
        """Begin where another run was in this state."""
        check_same_network(self.config, state["config"])
        self.step.restore(state)
        step = state["progress"]["step"]
        self.progress = Progress(step=step, first_step=step)
        self.started_from = state["about"]

    @property
    def steps_done(self) -> int:
        """Steps of this run, those before its branch not counted."""
        return self.progress.step - self.progress.first_step

    def take_step(self) -> None:
        """Take the next step."""
        done = self.steps_done
        self.step.set(self.progress.step, rate_factor(self.config, done), done < self.config.head_steps)
        self.step.take(self.progress.step)
        self.progress.step += 1

    def validate(self) -> list[float]:
        """Validate the weights to keep; keep them if they are the best so far or no images are held out.

        Returns:
            PSNR in dB on the validation's set and on its other sets, as far as there are any.
        """
        self._check_finite()
        network = self._averaged_network()
        form = self.trainable.inference_form(network)
        scores = [validate(form, held_out, self.config.scale) for held_out in self.data.held_out]
        mean = float(np.mean(scores)) if scores else None
        if mean is None or mean > self.progress.best_psnr_db:
            self.progress.best_psnr_db = -math.inf if mean is None else mean
            self.progress.weights_sha256 = self.folder.keep(network, self._about(scores))
        return scores

    def _averaged_network(self) -> nn.Module:
        network = self.trainable.kind(self.config.scale).to(self.accelerator.device)
        share = self.config.start_share
        for parameter, average, start in zip(
            network.parameters(), self.step.average, self.start, strict=True
        ):
            parameter.data.copy_(average.lerp(start, share) if share else average)
        return network.eval()

    def _check_finite(self) -> None:
        """End the run where weights have grown beyond all bounds; what was saved before is kept."""
        if not self.step.is_finite():
            raise self._diverged("weights are not finite any more")

    def _diverged(self, what: str) -> HdsrError:
        lower = f"--resume with a lower {' or '.join(RATES)}, or begin anew"
        kept = f"the last saved state in {self.folder.path} is kept"
        return HdsrError(f"step {self.progress.step}: {what}; {kept}: {lower}")

    def _about(self, scores: list[float]) -> dict[str, Any]:
        """What the weights say of themselves."""
        left_out = {*PLACES, "warm_start", "branch_from"}
        return {
            "config": self.config.model_dump(mode="json", exclude=left_out, exclude_none=True),
            # with the folder, for the name alone is that of many runs; no more, for paths are a machine's own
            "warm_start": _last_two(self.config.warm_start),
            "branch_from": _last_two(self.config.branch_from),
            "started_from": self.started_from,
            "step": self.steps_done,
            "minutes": round(self.progress.seconds / 60, 1),
            "device": device_name(self.accelerator.device),
            "training_data_sha256": self.data.sha256,
            "validation_psnr_db": round(scores[0], 4) if scores else None,
            "more_validation_psnr_db": round(scores[1], 4) if scores[1:] else None,
            "commit": self.commit,
            "versions": versions(),
        }

    def save(self) -> None:
        """Write the state, from which `restore` goes on bit for bit."""
        self._check_finite()
        state = {
            "config": self.config.model_dump(mode="json"),
            "progress": asdict(self.progress),
            "data_sha256": self.data.sha256,
            "about": self._about([]),
            "random": torch.get_rng_state(),
            **self.step.state(),
        }
        begins = decay_begins(self.config)
        stays = None if begins is None else self.progress.first_step + begins
        self.folder.save(self.progress.step, state, stays)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        check_same_run(self.config, state["config"], self.data.sha256, state["data_sha256"])
        began_with = state["about"]["started_from"]
        if (self.config.start_share or self.config.teacher_share) and self.started_from != began_with:
            raise HdsrError(f"cannot resume: {self.config.warm_start} is not what the run began with")
        self.progress = Progress(**state["progress"])
        if self.steps_done > self.config.steps:
            raise HdsrError(f"cannot resume: {self.steps_done} steps are done, steps is {self.config.steps}")
        # what was best with another share of the start is not what is asked for now
        if state["config"].get("start_share", 0.0) != self.config.start_share:
            self.progress.best_psnr_db, self.progress.weights_sha256 = -math.inf, None
        self.started_from = began_with
        self.step.restore(state)
        torch.set_rng_state(state["random"])
        at_the_end = self.steps_done == self.config.steps
        self.lacks_last_row = at_the_end and last_step(state["log"]) < self.progress.step

    def log(self, scores: list[float]) -> None:
        """Append one row to the log; end the run if too many steps in a row had no finite gradient."""
        tally, progress = self.step.read_tally(), self.progress
        nothing_learnt = not tally.counted and self.steps_done == self.config.steps
        if tally.longest >= self.config.max_skipped or nothing_learnt:
            raise self._diverged(f"the gradient was not finite {tally.longest} times in a row")
        rate = self.config.learning_rate * rate_factor(self.config, self.steps_done - 1)
        row = (progress.step, tally.loss, rate, tally.gradient_norm, tally.skipped)
        self.folder.append((*row, *[*scores, None, None][:2], round(progress.seconds, 2)))


def _last_two(path: str | None) -> str | None:
    """A file's name with the folder that it lies in."""
    return "/".join(Path(path).parts[-2:]) if path else None


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
        resume: go on from the last whole state in `out` (from the beginning where no state is).
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
    accelerator = new_accelerator(config)
    if config.batch_size % accelerator.num_processes:
        processes = accelerator.num_processes
        raise HdsrError(f"batch_size {config.batch_size} cannot be shared evenly by {processes} processes")
    main = accelerator.is_main_process
    check_memory(config)
    if not resume:
        check_new(out)  # before images are read
    data = load_training_data(config, data_root(config.data), progress and main)
    folder = RunFolder(out, main, watch)
    with folder.sole_use():
        if not resume:
            check_new(out)  # once more: by now another process may have trained into it
        state = load_state(out) if resume else None
        run = Run(config, folder, data, accelerator, resumed=state is not None)
        if state:
            run.restore(state)
        folder.begin(config, state)
        shown = progress_bar(out.name, config.steps, run.steps_done, progress and main)
        with shown as bar, stop_requests() as stop:
            _step_until_done(run, bar, stop)
        if not folder.has_weights(run.progress.weights_sha256):
            run.progress.best_psnr_db = -math.inf
            run.validate()
            run.save()
    return folder.weights


def _step_until_done(run: Run, bar: tqdm, stop: threading.Event) -> None:
    """Step until the budget is spent or a stop is asked for."""
    config, progress = run.config, run.progress
    began = time.perf_counter() - progress.seconds
    begins = decay_begins(config)
    if run.lacks_last_row:
        run.log(run.validate())
        run.save()
    while run.steps_done < config.steps:
        run.take_step()
        bar.update()
        done = run.steps_done
        last = done == config.steps
        due = last or progress.step % config.validation.every == 0
        if due or stop.is_set() or progress.step % config.log_every == 0:
            run.step.wait()
        progress.seconds = time.perf_counter() - began
        if last:
            run.save()  # so that whatever stops the validation costs no training
        scores = run.validate() if due else []
        if due or progress.step % config.log_every == 0:
            run.log(scores)
        if due or done == begins or progress.step % config.save_every == 0 or stop.is_set():
            run.save()
        if stop.is_set():
            raise KeyboardInterrupt
