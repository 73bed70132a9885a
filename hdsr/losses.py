"""What training minimizes: the error of a network on aligned patches, RGB in 0..255."""

import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.baselines.luma import luma
from hdsr.baselines.srcnn import SRCNN
from hdsr.inference import folded_kernel, reconstruct_interior
from hdsr.network import HDSRNet


class PatchLoss(nn.Module):
    """Mean absolute error of HDSRNet on LR and HR patches, both (batch, 3, height, width).

    Through the folded reconstruction, the loss leaves out the outermost ring of LR pixels, where the fold is
    not exact: the same function of the same weights at about two thirds of the cost at x4.
    """

    def __init__(self, network: HDSRNet, folded: bool) -> None:
        super().__init__()
        self.network = network
        self.folded = folded

    def forward(self, lr: Tensor, hr: Tensor) -> Tensor:
        network, ring = self.network, self.network.scale
        inner = (..., slice(ring, -ring), slice(ring, -ring))
        if self.folded:
            features = network.features(lr)
            weight, bias = folded_kernel(network.reconstruction, network.scale)
            sr = reconstruct_interior(features, weight, bias, network.scale) + network.mean
            return F.l1_loss(sr[inner].float(), hr[inner])
        return F.l1_loss(network(lr).float(), hr)


class LumaLoss(nn.Module):
    """Mean squared error of SRCNN's luma, away from the border of patches; Y counted in steps of 1/255.

    Both patches are (batch, 3, height, width), the first one enlarged to the size of the second by bicubic.
    """

    def __init__(self, network: SRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, enlarged: Tensor, hr: Tensor) -> Tensor:
        reach = self.network.reach_px
        inner = (..., slice(reach, -reach), slice(reach, -reach))
        sr = 255 * self.network.interior(luma(enlarged) / 255).float()
        return F.mse_loss(sr, luma(hr)[inner])
