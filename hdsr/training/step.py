"""One training step, all of it on the training device: draw, learn, average, count.

Nothing in a step waits for the device: whether a gradient is finite, the loss and its norm stay there as
numbers, a step that must be skipped is an update by nothing, and learning rates are a tensor that is copied
there. On a GPU the whole step is one CUDA graph.
"""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from hdsr.training import forms
from hdsr.training.config import TrainingConfig
from hdsr.training.optimizers import KeptMeans, Rates, build_optimizers, copy_to
from hdsr.training.patches import PatchSource
from hdsr.training.teacher import Teacher

EAGER_STEPS = 3
"""Steps before a CUDA graph is captured: optimizers make their state and libraries choose their kernels."""


@dataclass(frozen=True)
class Tally:
    """What was counted on the device."""

    loss: float
    """Mean since the tally was read last; NaN where every step was skipped."""
    counted: int
    """Steps since the tally was read last that were not skipped."""
    gradient_norm: float
    """Of the last of these, before clipping."""
    skipped: int
    """Steps whose gradient was not finite, in all."""
    longest: int
    """The most of them in a row since the tally was read last."""


class TrainingStep:
    """The network in training with its average and optimizers.

    Args:
        network: on the accelerator's device.
        loss: a module from LR and HR patches to the loss, whose network this is.
        config: of the run.
        accelerator: brings devices, precision and processes.
        source: where patches come from.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        config: TrainingConfig,
        accelerator: Accelerator,
        source: PatchSource | None = None,
    ) -> None:
        self.network, self.config, self.accelerator, self.source = network, config, accelerator, source
        self.device = accelerator.device
        forms.use_in(network, config, self.device)
        self.teacher = Teacher(network, config.teacher_share) if config.teacher_share else None
        self.kept_means = KeptMeans(network) if config.keep_dilated_means else None
        self.loss = accelerator.prepare(loss)
        self.optimizers = build_optimizers(network, config)
        self.rates = Rates(self.optimizers, self.device)
        self.parameters = list(network.parameters())
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self._average_weight = torch.ones((), device=self.device)
        self.tally = torch.zeros(6, dtype=torch.float64, device=self.device)
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._drawn: Tensor | None = None
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = (
                config.precision == "bf16"
            )

    def set(self, step: int, factor: float, head_only: bool) -> None:
        """Set what changes from step to step: learning rates, and how fast the average follows.

        Args:
            step: how many steps were taken before.
            factor: of the learning rates over their peaks.
            head_only: the upsampler alone learns.
        """
        self.rates.set(factor, head_only)
        # the average forgets the first weights sooner than its decay would: they are far from what is learnt
        decay = min(self.config.ema, (step + 1) / (step + 11)) if self.config.ema else 0.0
        copy_to(self._average_weight, torch.tensor(1 - decay))

    def take(self, step: int) -> None:
        """Draw the patches of a step and learn from them, through the CUDA graph where there can be one."""
        numbers = self.source.numbers(step)
        if self._graph is None and self._can_be_graph() and self._eager_steps >= EAGER_STEPS:
            self._capture(numbers)
        if self._graph is None:
            self._eager_steps += 1
            self._learn_from(numbers.to(self.source.images_device))
            return
        copy_to(self._drawn, numbers)
        self._graph.replay()

    def _can_be_graph(self) -> bool:
        return self.source.images_device.type == "cuda" and self.accelerator.num_processes == 1

    def _capture(self, numbers: Tensor) -> None:
        self._drawn = numbers.to(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._learn_from(self._drawn)
        self._graph = graph

    def _learn_from(self, numbers: Tensor) -> None:
        lr, hr = self.source.cut(numbers)
        if self.teacher:
            with self.accelerator.autocast():
                hr = self.teacher(lr, hr, self.source.teacher_turns(numbers))
        self.learn(lr, hr)

    def learn(self, lr: Tensor, hr: Tensor) -> None:
        """One optimizer step on patches (batch, 3, height, width); none if the gradient is not finite."""
        self.network.zero_grad(set_to_none=True)
        loss = self.loss(lr, hr)
        self.accelerator.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm or float("inf"))
        if self.config.clip_value:
            torch.nn.utils.clip_grad_value_(self.parameters, self.config.clip_value)
        finite = norm.isfinite()
        self._move(finite)
        self._count(loss.detach(), norm, finite)

    @torch.no_grad()
    def _move(self, finite: Tensor) -> None:
        """Move the weights, unless the gradient was not finite, and let the average follow."""
        if self.kept_means:
            self.kept_means.before_step()
        for optimizer in self.optimizers:
            # as GradScaler says it to fused optimizers: they then leave weights and moments as they are
            optimizer.found_inf = (~finite).float()
            optimizer.step()
        if self.kept_means:
            self.kept_means.after_step()
        if not self.config.ema:
            torch._foreach_copy_(self.average, self.parameters)
            return
        ahead = torch._foreach_sub(self.parameters, self.average)
        torch._foreach_mul_(ahead, self._average_weight)
        torch._foreach_add_(self.average, ahead)

    @torch.no_grad()
    def _count(self, loss: Tensor, norm: Tensor, finite: Tensor) -> None:
        total, counted, last_norm, skipped, in_a_row, longest = self.tally.unbind()
        in_a_row = torch.where(finite, 0.0, in_a_row + 1)
        values = [
            total + torch.where(finite, loss, 0.0),
            counted + finite,
            torch.where(finite, norm, last_norm),
        ]
        values += [skipped + ~finite, in_a_row, longest.maximum(in_a_row)]
        self.tally.copy_(torch.stack(values))

    def read_tally(self) -> Tally:
        """What was counted, read once the device has done all steps; loss and longest begin anew."""
        mine = self.tally.clone()
        mine[0] = self.accelerator.reduce(mine[:1], "mean")[0]
        total, counted, norm, skipped, in_a_row, longest = mine.tolist()
        self.tally.copy_(torch.tensor([0, 0, norm, skipped, in_a_row, in_a_row], dtype=torch.float64))
        loss = total / counted if counted else float("nan")
        return Tally(loss, int(counted), norm, int(skipped), int(longest))

    def wait(self) -> None:
        """Wait until the device has done all steps that were taken."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def is_finite(self) -> bool:
        """Whether all weights and their averages are."""
        return all(bool(tensor.isfinite().all()) for tensor in (*self.parameters, *self.average))

    def state(self) -> dict[str, object]:
        """Everything that `restore` needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "tally": self.tally,
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on from a state, at this run's own peak rates."""
        peaks = [[group["peak"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.network.load_state_dict(state["network"])
        for average, stored in zip(self.average, state["average"], strict=True):
            average.copy_(stored)
        for optimizer, stored, own in zip(self.optimizers, state["optimizers"], peaks, strict=True):
            optimizer.load_state_dict(stored)
            for group, peak in zip(optimizer.param_groups, own, strict=True):
                group["peak"] = peak
        self.rates.attach()
        self.tally.copy_(state["tally"])
