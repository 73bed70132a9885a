"""Learning from the network that a run starts with besides HR.

What a network makes of an image depends on how the image is turned, and the mean over the eight ways is
better than any one of them, here by 0.1 dB (see `hdsr.upscaling.run.self_ensemble`). Data distillation
(Radosavovic et al., arXiv 1712.04440) trains a network on that mean. What it makes of one way, drawn anew for
each patch and step, has the mean as its expectation, and differs from it far less than HR differs from all
that can be known of it; so one is enough.
"""

import copy

import torch
from torch import Tensor, nn

from hdsr.inference import fold
from hdsr.network import HDSRNet
from hdsr.training.patches import turned, turned_back


class Teacher(nn.Module):
    """Mixes into HR patches what a network makes of their LR patches, turned.

    Args:
        network: is copied; later changes of its weights are not seen.
        share: of what it makes in the mixture.
    """

    def __init__(self, network: HDSRNet, share: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.reconstruction = fold(network).reconstruction
        self.share = share

    @torch.no_grad()
    def forward(self, lr: Tensor, hr: Tensor, turns: Tensor) -> Tensor:
        """What is to be learnt instead of HR, (batch, 3, height, width), RGB in 0..255 and not clipped.

        Args:
            turns: how the network sees each patch (batch, 3); see `hdsr.training.patches.turned`.
        """
        features = self.network.features(turned(lr, turns))
        with torch.autocast(
            lr.device.type, enabled=False
        ):  # pixel values in bfloat16 are 1 apart from 128 on
            sr = self.reconstruction(features.to(hr.dtype)) + self.network.mean
        return hr.lerp(turned_back(sr, turns), self.share)
