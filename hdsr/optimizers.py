"""Muon for the convolutions between features, Adam for everything else.

Muon (Jordan et al., 2024) moves each weight matrix by its orthogonalized momentum. A 3x3 convolution is the
matrix (outputs, inputs * 9); PyTorch's Muon takes matrices only, so each convolution is presented to it as
matrices that share the convolution's memory.

`unit_range`: the network takes 0..255, its features are products of two branches, and the only constants in
it are the biases of the dynamic convolutions, so these would have to grow to the size of pixel values before
a branch can pass the other one through, which takes Adam thousands of steps. Dividing the weights that read
the image by 255 and multiplying those that write it, and their learning rates likewise, is the training of
the same network on images in 0..1; its biases learn ten times faster still. After 250 steps at x2 the
held-out images were at 31.8 dB instead of 25.6.
"""

from collections import defaultdict

import torch
from torch import Tensor, nn

from hdsr.config import TrainingConfig
from hdsr.network import HDSRNet

READS_IMAGE = ("upper.entry.weight", "lower.layers.0.weight")
WRITES_IMAGE = "reconstruction.exit.weight"


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


def rate_multiplier(name: str, config: TrainingConfig) -> float:
    """Learning rate of a parameter, relative to Adam's."""
    if not config.unit_range:
        return 1.0
    if name in READS_IMAGE:
        return 1 / 255
    return {WRITES_IMAGE: 255.0}.get(name, 10.0 if name.endswith("dynamic.bias") else 1.0)


@torch.no_grad()
def scale_to_unit_range(network: HDSRNet) -> None:
    """Turn fresh weights into those of a network whose features have the size that images in 0..1 give."""
    for name, parameter in network.named_parameters():
        if name in READS_IMAGE:
            parameter /= 255
        elif name == WRITES_IMAGE:
            parameter *= 255


def build_optimizers(network: HDSRNet, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam for all, or Muon for the 64-to-64 convolutions and Adam for the rest.

    Each group carries its peak learning rate as "peak" and whether it belongs to the upsampler as "head".
    """
    adam_groups: dict[tuple[bool, float], list[Tensor]] = defaultdict(list)
    muon_matrices: list[Tensor] = []
    for name, parameter in network.named_parameters():
        head = name.startswith("reconstruction.upsampler")
        between_features = parameter.shape[1:] == (64, 3, 3) and not name.startswith("reconstruction")
        if config.optimizer == "muon" and between_features:
            muon_matrices += present_as_matrices(parameter)
        else:
            adam_groups[head, config.learning_rate * rate_multiplier(name, config)].append(parameter)
    groups = [
        {"params": tensors, "peak": peak, "head": head} for (head, peak), tensors in adam_groups.items()
    ]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(groups)]
    if muon_matrices:
        rate = config.muon_learning_rate
        group = {"params": muon_matrices, "peak": rate, "head": False}
        optimizers.append(torch.optim.Muon([group], lr=rate, weight_decay=0.0))
    return optimizers
