"""Networks that tests need no training for."""

import torch

from hdsr.network import HDSRNet


def image_like_network(scale: int) -> HDSRNet:
    """An untrained network whose output has the size of an image's."""
    torch.manual_seed(scale)
    network = HDSRNet(scale).eval()
    for parameter in network.parameters():
        parameter.data *= 0.8
    return network
