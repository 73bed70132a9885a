"""Muon for the convolutions between features, Adam for everything else.

Muon (Jordan et al., 2024) moves each weight matrix by its orthogonalized momentum. A 3x3 convolution is the
matrix (outputs, inputs * 9); PyTorch's Muon takes matrices only, so each convolution is presented to it as
matrices that share the convolution's memory.
"""

import torch
from torch import Tensor, nn

from hdsr.config import TrainingConfig
from hdsr.network import HDSRNet


def matrices(parameter: Tensor) -> list[Tensor]:
    """Views of (outputs, inputs, 3, 3) as square-ish matrices (inputs, 9 * inputs), one per kernel.

    The columns are ordered as the memory is, so that the views hold for channels_last tensors too.
    """
    outputs, inputs = parameter.shape[:2]
    rows = parameter.permute(0, 2, 3, 1) if parameter.is_contiguous(memory_format=torch.channels_last) else parameter
    return [kernel.reshape(inputs, -1) for kernel in rows.split(inputs)] if outputs % inputs == 0 else []


def present_as_matrices(parameter: nn.Parameter) -> list[nn.Parameter]:
    """Parameters for Muon that share memory and gradient with a convolution's weight."""
    presented = [nn.Parameter(view) for view in matrices(parameter.data)]

    def hand_over(owner: Tensor) -> None:
        for matrix, gradient in zip(presented, matrices(owner.grad), strict=True):
            matrix.grad = gradient

    parameter.register_post_accumulate_grad_hook(hand_over)
    return presented


def build_optimizers(network: HDSRNet, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Adam for all, or Muon for the 64-to-64 convolutions and Adam for the rest.

    Each group carries its peak learning rate as "peak" and whether it belongs to the upsampler as "head".
    """
    adam_groups: dict[bool, list[Tensor]] = {False: [], True: []}
    muon_matrices: list[Tensor] = []
    for name, parameter in network.named_parameters():
        head = name.startswith("reconstruction.upsampler")
        features = parameter.ndim == 4 and parameter.shape[1:] == (64, 3, 3) and not name.startswith("reconstruction")
        if config.optimizer == "muon" and features:
            muon_matrices += present_as_matrices(parameter)
        else:
            adam_groups[head].append(parameter)
    peak = config.learning_rate
    groups = [{"params": tensors, "peak": peak, "head": head} for head, tensors in adam_groups.items()]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(groups, lr=peak)]
    if muon_matrices:
        rate = config.muon_learning_rate
        group = {"params": muon_matrices, "peak": rate, "head": False}
        optimizers.append(torch.optim.Muon([group], lr=rate, weight_decay=0.0))
    return optimizers
