"""What training minimizes: the error of a network on aligned patches, RGB in 0..255."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hdsr.baselines.luma import luma
from hdsr.baselines.srcnn import SRCNN
from hdsr.inference import REACH, folded_kernel, reconstruct_interior
from hdsr.network import HDSRNet


class LeakyRelu(torch.autograd.Function):
    """ReLU whose gradient is not zero but `leak` where its result is."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, leak: float) -> Tensor:
        ctx.save_for_backward(features)
        ctx.leak = leak
        return features.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (features,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, features, ctx.leak, False), None


class LeakyGradients(TorchFunctionMode):
    """Within it every ReLU is a `LeakyRelu`: the same results, but a unit that is dead can come back."""

    def __init__(self, leak: float) -> None:
        super().__init__()
        self.leak = leak

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (F.relu, torch.relu):
            return LeakyRelu.apply(args[0], self.leak)
        return function(*args, **(kwargs or {}))


class PatchLoss(nn.Module):
    """Mean absolute error of HDSRNet on LR and HR patches, both (batch, 3, height, width).

    Through the folded reconstruction, the outermost ring of LR pixels, where the fold is not exact, is left
    out or computed the long way: the same function of the same weights at about two thirds of the cost at x4.

    Args:
        network: is trained by this loss.
        folded: reconstruct by the folded kernel.
        border_share: of the patches, from the first one on, whose ring the folded form takes into account,
            weighted so that it stands for all of them; 0 leaves the ring out.
        leak: share of the gradient that passes the upper sub-network's ReLUs where they give zero.
    """

    def __init__(self, network: HDSRNet, folded: bool, border_share: float = 0.0, leak: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.folded = folded
        self.border_share = border_share
        self.leak = leak

    def forward(self, lr: Tensor, hr: Tensor) -> Tensor:
        features = self.features(lr)
        if not self.folded:
            sr = self.network.reconstruction(features) + self.network.mean
            return F.l1_loss(sr.float(), hr)
        with torch.autocast(lr.device.type, enabled=False):
            return self.folded_error(features.to(hr.dtype), hr)

    def features(self, lr: Tensor) -> Tensor:
        """`HDSRNet.features`; with a leak, the upper sub-network's dead units get some gradient."""
        if not self.leak:
            return self.network.features(lr)
        centered = lr - self.network.mean
        with LeakyGradients(self.leak):
            upper = self.network.upper(centered)
        return upper * self.network.lower(centered)

    def folded_error(self, features: Tensor, hr: Tensor) -> Tensor:
        """The loss, given the features (batch, channels, height, width) of the LR patches.

        In the precision of `hr`: at pixel values from 128 on, numbers in bfloat16 are 1 apart.
        """
        network, ring = self.network, self.network.scale
        inner = (..., slice(ring, -ring), slice(ring, -ring))
        weight, bias = folded_kernel(network.reconstruction, network.scale)
        sr = reconstruct_interior(features, weight, bias, network.scale) + network.mean
        if not self.border_share:
            return F.l1_loss(sr[inner], hr[inner])
        error = F.l1_loss(sr[inner], hr[inner], reduction="sum")
        count = max(1, round(self.border_share * len(hr)))
        border = self.border_error(features[:count], hr[:count])
        return (error + border * (len(hr) / count)) / hr.numel()

    def border_error(self, features: Tensor, hr: Tensor) -> Tensor:
        """Sum of absolute errors in the outermost ring of LR pixels, from strips as wide as it depends on."""
        ring, whole = self.network.scale, slice(None)
        first, last, between = slice(ring), slice(-ring, None), slice(ring, -ring)
        seen_first, seen_last = slice(REACH + 1), slice(-REACH - 1, None)
        sides = [(seen_first, whole, first, whole), (seen_last, whole, last, whole)]
        sides += [(whole, seen_first, between, first), (whole, seen_last, between, last)]
        error = hr.new_zeros(())
        for seen_rows, seen_columns, rows, columns in sides:
            strip = self.network.reconstruction(features[:, :, seen_rows, seen_columns]) + self.network.mean
            sr, target = strip[:, :, rows, columns], hr[:, :, rows, columns]
            error = error + F.l1_loss(sr, target, reduction="sum")
        return error


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
