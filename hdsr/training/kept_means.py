"""Dilated kernels whose means stay as they are, so that the blocks behind them stay alive.

The features of the upper sub-network are sums of ReLUs with a large constant in them, and the dilated
convolutions that read them have no bias: a step that moves the mean of a kernel moves what it makes of the
constant, everywhere and for every image. That wanders, and once it has wandered far enough below zero, the
ReLU behind it gives zeros only, no gradient comes back, and it stays there. After 500 steps of a run four of
the five blocks were constants or nearly, and their dynamic convolutions saw nothing; with the means held, all
64 channels of every block were alive.
"""

import torch
from torch import Tensor, nn

from hdsr.network import HDSRNet


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
