"""Muon for the convolutions between features, Adam for everything else.

Muon (Jordan et al., 2024) moves each weight matrix by its orthogonalized momentum. A 3x3 convolution is the
matrix (outputs, inputs * 9), so each convolution is presented to Muon as matrices that share its memory.
PyTorch's own Muon takes a quarter of a training step here, as it treats matrices one by one; they all have
the same shape, so `StackedMuon` treats them as one stack, with the same result.

`unit_range`: the network takes 0..255, its features are products of two branches, and the only constants in
it are the biases of the dynamic convolutions, so these would have to grow to the size of pixel values before
a branch can pass the other one through, which takes Adam thousands of steps. Dividing the weights that read
the image by 255 and multiplying those that write it, and their learning rates likewise, is the training of
the same network on images in 0..1; its biases learn ten times faster still. After 250 steps at x2 the
held-out images were at 31.8 dB instead of 25.6. The attention, whose temperature is made for means in 0..255,
has its first weights multiplied by 255 so that it goes on seeing such, and learns ten times more slowly.

`keep_dilated_means`: the features of the upper sub-network are sums of ReLUs with a large constant in them,
and the dilated convolutions that read them have no bias: a step that moves the mean of a kernel moves what it
makes of the constant, everywhere and for every image. That wanders, and once it has wandered far enough below
zero, the ReLU behind it gives zeros only, no gradient comes back, and it stays there. After 500 steps of a
run four of the five blocks were constants or nearly, and their dynamic convolutions saw nothing; with the
means held, all 64 channels of every block were alive.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig

READS_IMAGE = ("upper.entry.weight", "lower.layers.0.weight")
WRITES_IMAGE = "reconstruction.exit.weight"
READS_MEANS = "attention.squeeze.weight"
RATE_MULTIPLIERS = {
    **dict.fromkeys(READS_IMAGE, 1 / 255),
    WRITES_IMAGE: 255.0,
    "dynamic.bias": 10.0,
    READS_MEANS: 25.5,
    "attention.excite.weight": 0.1,
}
"""With `unit_range`, learning rates relative to Adam's, by how a parameter's name ends."""


def matrices(parameter: Tensor) -> list[Tensor]:
    """Views of (outputs, inputs, 3, 3) as square-ish matrices (inputs, 9 * inputs), one per kernel.

    The columns are ordered as the memory is, so that the views hold for channels_last tensors too.
    """
    outputs, inputs = parameter.shape[:2]
    rows = (
        parameter.permute(0, 2, 3, 1)
        if parameter.is_contiguous(memory_format=torch.channels_last)
        else parameter
    )
    return [kernel.reshape(inputs, -1) for kernel in rows.split(inputs)] if outputs % inputs == 0 else []


def present_as_matrices(parameter: nn.Parameter) -> list[nn.Parameter]:
    """Parameters for Muon that share memory and gradient with a convolution's weight."""
    presented = [nn.Parameter(view) for view in matrices(parameter.data)]

    def hand_over(owner: Tensor) -> None:
        for matrix, gradient in zip(presented, matrices(owner.grad), strict=True):
            matrix.grad = gradient

    parameter.register_post_accumulate_grad_hook(hand_over)
    return presented


class StackedMuon(torch.optim.Optimizer):
    """`torch.optim.Muon` without weight decay, for matrices that all have one shape.

    Args:
        params: matrices (rows, columns), rows <= columns, or groups of them.
        lr: how far a step goes, a number or a tensor; the update of a matrix has singular values near 1.
        momentum: decay of the averaged gradient, looked ahead by Nesterov's rule.

    As with PyTorch's fused optimizers, nothing changes in a step before which the attribute `found_inf`, a
    tensor, was set to 1.
    """

    found_inf: Tensor | None = None

    def __init__(self, params: Iterable[Tensor] | Iterable[dict], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            matrices, kept = group["params"], 1 - group["momentum"]
            gradients = torch.stack([matrix.grad for matrix in matrices])
            average = self.state[matrices[0]].setdefault("average", torch.zeros_like(gradients))
            far = torch.as_tensor(group["lr"], device=gradients.device)
            kept = torch.full_like(far, kept)
            if self.found_inf is not None:
                is_finite = self.found_inf == 0
                gradients = torch.where(is_finite, gradients, 0)
                far, kept = far * is_finite, kept * is_finite
            average.lerp_(gradients, kept)
            updates = orthogonalize(gradients.lerp(average, group["momentum"])).to(average.dtype) * far
            torch._foreach_sub_(matrices, list(updates.unbind()))


def orthogonalize(stack: Tensor, steps: int = 5) -> Tensor:
    """Move the singular values of each matrix (count, rows, columns) near 1, in bfloat16.

    Newton-Schulz iteration with the quintic of Jordan et al., "Muon: an optimizer for hidden layers" (2024).
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (
        stack.bfloat16()
    )  # exact it need not be: the polynomial itself leaves singular values scattered about 1
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x


def rate_multiplier(name: str, config: TrainingConfig) -> float:
    """Learning rate of a parameter, relative to Adam's."""
    if not config.unit_range:
        return 1.0
    for part, multiplier in RATE_MULTIPLIERS.items():
        if name.endswith(part):
            return multiplier
    return 1.0


@torch.no_grad()
def scale_to_unit_range(network: HDSRNet) -> None:
    """Turn fresh weights into those of a network whose features have the size that images in 0..1 give."""
    for name, parameter in network.named_parameters():
        if name in READS_IMAGE:
            parameter /= 255
        elif name == WRITES_IMAGE or name.endswith(READS_MEANS):
            parameter *= 255


def is_for_muon(name: str, parameter: Tensor, upsampler: bool) -> bool:
    """Whether a parameter is a convolution between features; those of the upsampler only if asked for."""
    excepted = "reconstruction.exit" if upsampler else "reconstruction"
    return parameter.shape[1:] == (64, 3, 3) and not name.startswith(excepted)


def build_optimizers(network: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam for all, or Muon for the convolutions between features and Adam for the rest.

    Each group carries its peak learning rate as "peak" and whether it belongs to the upsampler as "head"; its
    rate is a tensor on the network's device, which `set_rates` changes.
    """
    adam_groups: dict[tuple[bool, float], list[Tensor]] = defaultdict(list)
    muon_matrices: dict[bool, list[Tensor]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        head = name.startswith("reconstruction.upsampler")
        if config.optimizer == "muon" and is_for_muon(name, parameter, config.muon_upsampler):
            muon_matrices[head] += present_as_matrices(parameter)
        else:
            adam_groups[head, config.learning_rate * rate_multiplier(name, config)].append(parameter)
    device = next(network.parameters()).device
    groups = [
        {"params": tensors, "peak": peak, "head": head} for (head, peak), tensors in adam_groups.items()
    ]
    rate = torch.tensor(0.0, device=device)
    adam = torch.optim.Adam(groups, lr=rate, fused=True, capturable=device.type == "cuda")
    optimizers: list[torch.optim.Optimizer] = [adam]
    if muon_matrices:
        peak = config.muon_learning_rate
        groups = [{"params": found, "peak": peak, "head": head} for head, found in muon_matrices.items()]
        optimizers.append(StackedMuon(groups, lr=rate))
    return optimizers


def copy_to(target: Tensor, values: Tensor) -> None:
    """Copy values from the host without waiting for what the device is doing."""
    if target.is_cuda:
        values = values.pin_memory()  # as a copy from other memory waits until its turn has come
    target.copy_(values, non_blocking=True)


class Rates:
    """The learning rates of all groups in one tensor on the network's device, changed by one copy a step."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
        self._optimizers = optimizers
        self._values = torch.zeros(len(self.groups), device=device)
        self.attach()

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The groups of all optimizers."""
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def attach(self) -> None:
        """Make the groups read these rates, as they do not after a state was loaded into an optimizer."""
        for group, value in zip(self.groups, self._values, strict=True):
            group["lr"] = value

    def set(self, factor: float, head_only: bool) -> None:
        """Each group's peak times `factor`; with `head_only`, zero for all but the upsampler's."""
        rates = [group["peak"] * factor * (group["head"] or not head_only) for group in self.groups]
        copy_to(self._values, torch.tensor(rates))


def rate_factor(config: TrainingConfig, step: int) -> float:
    """Learning rate over its peak when the run has taken `step` of its steps."""
    schedule = config.schedule
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    if schedule.kind == "constant":
        return warmup
    if schedule.kind == "linear":
        left = (config.steps - step) / (config.steps * schedule.decay_share)
        return warmup * min(1.0, max(0.0, left))
    return warmup * 0.5 ** (step // schedule.halve_every)


def decay_begins(config: TrainingConfig) -> int | None:
    """The step of a run at which its rate, constant until then, begins to fall; None if there is none."""
    schedule = config.schedule
    if schedule.kind != "linear" or schedule.decay_share == 1:
        return None
    return config.steps - math.ceil(config.steps * schedule.decay_share)


def _without_mean(kernels: Tensor) -> Tensor:
    """Kernels (..., height, width), each less its mean."""
    return kernels - kernels.mean(dim=(-2, -1), keepdim=True)


class KeptMeans:
    """Holds the mean of every dilated kernel of a network while an optimizer moves the rest.

    The gradient is projected, so that what an optimizer remembers of it has no mean either; and as Adam and
    clipping by value bring one back, so is each step, by `before_step` and `after_step`. What the means are
    is never stored: a resumed run holds those that it finds, bit for bit.
    """

    def __init__(self, network: HDSRNet) -> None:
        self._weights = [block.dilated.weight for block in network.upper.blocks]
        for weight in self._weights:
            weight.register_hook(_without_mean)
        self._before = torch.empty(0)

    @torch.no_grad()
    def before_step(self) -> None:
        """Remember the weights."""
        self._before = torch.stack(self._weights)

    @torch.no_grad()
    def after_step(self) -> None:
        """Take from what the step has changed all that it changed of the means."""
        moved = torch.stack(self._weights) - self._before
        torch._foreach_copy_(self._weights, list((self._before + _without_mean(moved)).unbind()))


@torch.no_grad()
def center_kernels(network: nn.Module) -> None:
    """Take their means from the dilated kernels of fresh weights, in place."""
    for block in network.upper.blocks:
        block.dilated.weight.copy_(_without_mean(block.dilated.weight))
