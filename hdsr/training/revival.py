"""Blocks of the upper sub-network that died in training, begun anew without changing what the network does.

The features of the upper sub-network are sums of ReLUs with a large constant in them, and the dilated
convolutions that read them have no bias: a step that moves the mean of a kernel moves what it makes of the
constant, everywhere and for every image. That wanders, and once it has wandered far enough below zero, the
ReLU behind it gives zeros only, no gradient comes back, and it stays there. After 500 steps of a run four of
the five blocks were constants or nearly, and their dynamic convolutions saw nothing; with the means held, all
64 channels of every block were alive.

`revive` begins such blocks anew with kernels of zero mean, and `keep_means` lets training change a dilated
kernel in every way but its mean, so that it stays alive.
"""

import torch
from torch import Tensor, nn

from hdsr.network import HDSRNet, HeterogeneousBlock

LIVE_SHARE = 0.5
"""Of a dilated convolution's channels; with fewer live ones a block counts as dead."""
GAIN = 0.1
"""Of a fresh dynamic convolution's weights: small, so that at first the block goes on giving its constant."""


@torch.no_grad()
def revive(network: HDSRNet, lr: Tensor, unit_range: bool = False) -> list[int]:
    """Begin dead blocks anew, in place.

    A dead block gets fresh dilated kernels, each without a mean, so that a constant input leaves them at zero
    rather than below; fresh small dynamic kernels, as the old ones have only ever been given zeros; and a
    fresh attention. Its plain convolution and the dynamic biases, which make its constant, stay.

    Args:
        network: HDSRNet.
        lr: images to tell by what is dead, (batch, 3, height, width), RGB in 0..255.
        unit_range: the weights are those of `hdsr.training.optimizers.scale_to_unit_range`.

    Returns:
        The blocks that were dead, from 0.
    """
    dead = []
    features = network.upper.entry(lr - network.mean).relu()
    for index, block in enumerate(network.upper.blocks):
        live = block.dilated(features).amax(dim=(0, 2, 3)) > 0
        if live.float().mean() < LIVE_SHARE:
            begin_anew(block, means_in=255 if unit_range else 1)
            dead.append(index)
        features = block(features)
    return dead


def keep_means(network: HDSRNet) -> None:
    """From now on, take from the gradient of every dilated kernel what would change its mean."""
    for block in network.upper.blocks:
        block.dilated.weight.register_hook(
            lambda gradient: gradient - gradient.mean(dim=(2, 3), keepdim=True)
        )


@torch.no_grad()
def begin_anew(block: HeterogeneousBlock, means_in: float = 1.0) -> None:
    """Fresh weights for what comes before a block's plain convolution; see `revive`.

    The weights that read the means are `means_in` times as large as usual.
    """
    squeeze, excite = block.dynamic.attention.squeeze, block.dynamic.attention.excite
    for weight in (block.dilated.weight, block.dynamic.weight, squeeze.weight, excite.weight):
        nn.init.kaiming_uniform_(weight, a=5**0.5)
    squeeze.weight *= means_in
    center(block.dilated.weight)
    block.dynamic.weight *= GAIN


@torch.no_grad()
def center_kernels(network: HDSRNet) -> None:
    """Take their means from the dilated kernels of fresh weights, in place."""
    for block in network.upper.blocks:
        center(block.dilated.weight)


def center(weight: Tensor) -> None:
    """Take from each kernel (outputs, inputs, height, width) its mean, in place."""
    weight -= weight.mean(dim=(2, 3), keepdim=True)
