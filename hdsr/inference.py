"""The same network with fewer operations: its reconstruction folded into one convolution and one shuffle.

The reconstruction (upsampler, then convolution to RGB) has no activation, so it is one linear map from LR
features to HR pixels: away from the border, a 5x5 convolution to 3 * scale**2 channels and a pixel shuffle.
Only the outermost ring of LR pixels differs, since there the zero padding between the stages is seen; that
ring is computed the long way from strips three pixels thin.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.network import HDSRNet, Reconstruction

REACH = 2
"""LR pixels on each side of a pixel that its HR pixels depend on."""


def folded_kernel(reconstruction: Reconstruction, scale: int) -> tuple[Tensor, Tensor]:
    """The reconstruction as one convolution, found by sending an impulse of each channel through it.

    Returns:
        weight (3 * scale**2, channels, 5, 5) and bias (3 * scale**2,), such that
        pixel_shuffle(conv2d(features, weight, bias, padding=2), scale) equals reconstruction(features) except
        in the outermost ring of LR pixels. Differentiable with respect to the stored weights.
    """
    exit_weight = reconstruction.exit.weight
    channels, size = exit_weight.shape[1], 2 * REACH + 1
    impulses = exit_weight.new_zeros(channels + 1, channels, size, size)
    impulses[range(channels), range(channels), REACH, REACH] = 1
    response = F.pixel_unshuffle(reconstruction(impulses), scale)
    constant = response[-1]
    weight = (response[:-1] - constant).transpose(0, 1).flip(2, 3)
    return weight.contiguous(memory_format=torch.channels_last), constant[:, REACH, REACH]


def reconstruct_interior(features: Tensor, weight: Tensor, bias: Tensor, scale: int) -> Tensor:
    """HR image of LR features by the folded kernel; exact except in the outermost ring of LR pixels."""
    return F.pixel_shuffle(F.conv2d(features, weight, bias, padding=REACH), scale)


def recompute_ring(
    image: Tensor, features: Tensor, scale: int, reconstruct: Callable[[Tensor], Tensor]
) -> None:
    """Overwrite the HR pixels of the outermost ring of LR pixels in `image`, computed the long way."""
    thin, edge = REACH + 1, scale
    image[:, :, :edge] = reconstruct(features[:, :, :thin])[:, :, :edge]
    image[:, :, -edge:] = reconstruct(features[:, :, -thin:])[:, :, -edge:]
    image[..., :edge] = reconstruct(features[..., :thin])[..., :edge]
    image[..., -edge:] = reconstruct(features[..., -thin:])[..., -edge:]


class FoldedHDSRNet(nn.Module):
    """HDSRNet for inference only; see `fold`."""

    weight: Tensor
    bias: Tensor

    def __init__(self, network: HDSRNet) -> None:
        super().__init__()
        self.network = network
        self.scale = network.scale
        weight, bias = folded_kernel(network.reconstruction, network.scale)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    @torch.inference_mode()
    def forward(self, image: Tensor) -> Tensor:
        network = self.network
        features = network.features(image.contiguous(memory_format=torch.channels_last))
        if min(features.shape[-2:]) <= REACH:
            return network.reconstruction(features) + network.mean
        output = reconstruct_interior(features, self.weight, self.bias, self.scale)
        recompute_ring(output, features, self.scale, network.reconstruction)
        return output + network.mean


def fold(network: HDSRNet) -> FoldedHDSRNet:
    """The same function of the same weights for inference, at about two thirds of the operations at x4.

    Args:
        network: HDSRNet on any device; it is copied, and left as it is.

    Returns:
        A module in evaluation mode and channels_last: RGB 0..255 (batch, 3, height, width) to
        (batch, 3, scale * height, scale * width), equal to `network` to rounding, borders included. Later
        changes of the network's weights are not seen.
    """
    copy = HDSRNet(network.scale).to(network.mean.device, network.mean.dtype)
    copy.load_state_dict(network.state_dict())
    copy.requires_grad_(False)
    with torch.no_grad():
        folded = FoldedHDSRNet(copy)
    return folded.to(memory_format=torch.channels_last).eval()
