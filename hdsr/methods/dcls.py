"""DCLS: estimates the blur of an image, undoes it in the Fourier plane on features, and enlarges the result.

Luo et al., "Deep constrained least squares for blind image super-resolution", CVPR 2022 (setting 1: isotropic
blur). All convolutions have biases; every leaky ReLU has slope 0.1. Names of layers are ours.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.checkpoint import check_tensors
from hdsr.errors import HdsrError
from hdsr.formats.pytorch import load_tensors
from hdsr.methods.blocks import upsampler
from hdsr.network import check_scale

KERNEL_PX = 21
SMALLEST_PX = 7
"""Side of the smallest image: the smoothing filters come from three convolutions without padding."""
SLOPE = 0.1


def _conv(inputs: int, outputs: int, size_px: int = 3, padded: bool = True) -> nn.Conv2d:
    """A convolution with bias, which keeps height and width where it is padded."""
    return nn.Conv2d(inputs, outputs, size_px, padding=size_px // 2 if padded else 0)


def _two_convs(channels: int) -> nn.Sequential:
    """Convolution, leaky ReLU, convolution."""
    return nn.Sequential(_conv(channels, channels), nn.LeakyReLU(SLOPE), _conv(channels, channels))


class ResidualBlock(nn.Module):
    """Two convolutions, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = _two_convs(channels)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


def _residual_blocks(channels: int, count: int = 3) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class KernelEstimator(nn.Module):
    """The blur kernel of each image, composed of four small filters that the image's code emits.

    RGB in 0..1, (batch, 3, height, width), to (batch, 1, 21, 21), each kernel summing to 1.
    """

    filters = ((3, 16, 11), (16, 16, 7), (16, 16, 5), (16, 3, 1))
    """Inputs, outputs and side of each; without padding they make 21 pixels of 41."""

    def __init__(self, channels: int, code_size: int = 256) -> None:
        super().__init__()
        self.entry = _conv(3, channels, 7)
        self.blocks = _residual_blocks(channels)
        self.tail = nn.Sequential(
            _conv(channels, channels, padded=False),
            nn.LeakyReLU(SLOPE),
            _conv(channels, channels, padded=False),
        )
        self.code = _conv(channels, code_size, 1)
        self.emitters = nn.ModuleList(
            nn.Linear(code_size, inputs * outputs * side**2) for inputs, outputs, side in self.filters
        )

    def forward(self, image: Tensor) -> Tensor:
        features = self.entry(image)
        features = self.tail(features + self.blocks(features))
        code = self.code(features.mean(dim=(2, 3), keepdim=True)).flatten(1)
        kernel = self.compose(code).flip(2, 3).mean(dim=1, keepdim=True)
        return kernel / kernel.sum(dim=(2, 3), keepdim=True)

    def compose(self, code: Tensor) -> Tensor:
        """The filters that a code (batch, code size) emits, applied in turn to a unit impulse."""
        batch, reach = len(code), KERNEL_PX - 1
        response = F.pad(code.new_ones(1, 3 * batch, 1, 1), 4 * (reach,))
        for emitter, (inputs, outputs, side) in zip(self.emitters, self.filters, strict=True):
            weight = emitter(code).reshape(batch * outputs, inputs, side, side)
            response = F.conv2d(response, weight, groups=batch)
        return response.reshape(batch, -1, KERNEL_PX, KERNEL_PX)


def _to_fourier(kernel: Tensor, height: int, width: int) -> Tensor:
    """The half spectrum, over an image of this size, of kernels whose centers are the origin."""
    side = kernel.shape[-1]
    spread = F.pad(kernel, (0, width - side, 0, height - side))
    return torch.fft.rfft2(spread.roll((-(side // 2), -(side // 2)), dims=(2, 3)))


def deconvolve(features: Tensor, kernel: Tensor, smoothing: Tensor) -> Tensor:
    """What, blurred by the kernel, comes nearest to the features while the smoothing filter stays small.

    Constrained least squares, conj(K) Y / (|K|^2 + |P|^2) in the Fourier plane, always in float32; the border
    is repeated for as far as the kernel reaches, since the transform takes the image for periodic.

    Args:
        features: (batch, channels, height, width).
        kernel: (batch, 1, 21, 21), shared by the channels.
        smoothing: (batch, channels, 3, 3).

    Returns:
        (batch, channels, height, width) in float32.
    """
    padded = F.pad(features.float(), 4 * (KERNEL_PX,), mode="replicate")
    size = padded.shape[-2:]
    blur, rough = _to_fourier(kernel.float(), *size), _to_fourier(smoothing.float(), *size)
    spectrum = blur.conj() * torch.fft.rfft2(padded) / (blur.abs() ** 2 + rough.abs() ** 2)
    inner = slice(KERNEL_PX, -KERNEL_PX)
    return torch.fft.irfft2(spectrum, s=size)[..., inner, inner]


class Deconvolution(nn.Module):
    """Features freed from the blur: `deconvolve` on fewer channels, with filters made from themselves."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.reduce = _conv(channels, reduced, 1)
        self.smoothing = nn.Sequential(
            _conv(reduced, reduced, padded=False),
            nn.LeakyReLU(SLOPE),
            _conv(reduced, reduced, padded=False),
            nn.LeakyReLU(SLOPE),
            _conv(reduced, reduced, padded=False),
            nn.AdaptiveAvgPool2d(3),
            _conv(reduced, reduced, 1),
        )
        self.expand = _conv(reduced, channels, 1)

    def forward(self, features: Tensor, kernel: Tensor) -> Tensor:
        reduced = self.reduce(features)
        smoothing = self.smoothing(reduced).float().exp()
        smoothing = smoothing - smoothing.mean(dim=(2, 3), keepdim=True)
        return self.expand(deconvolve(reduced, kernel, smoothing))


class ChannelAttention(nn.Module):
    """Each channel times a factor in 0..1, found from the averages of all (squeeze and excitation)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = _conv(channels, channels // reduction, 1)
        self.excite = _conv(channels // reduction, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = features.mean(dim=(2, 3), keepdim=True)
        return features * torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))


class DualPathBlock(nn.Module):
    """Two convolutions on each path; the primary path also takes from the secondary one."""

    def __init__(self, primary: int, secondary: int) -> None:
        super().__init__()
        self.primary = _two_convs(primary)
        self.secondary = _two_convs(secondary)
        self.merge = _conv(primary + secondary, primary)
        self.primary_attention = ChannelAttention(primary)
        self.secondary_attention = ChannelAttention(secondary)

    def forward(self, primary: Tensor, secondary: Tensor) -> tuple[Tensor, Tensor]:
        new_primary, new_secondary = self.primary(primary), self.secondary(secondary)
        both = F.leaky_relu(torch.cat([new_primary, new_secondary], dim=1), SLOPE)
        primary = primary + self.primary_attention(self.merge(both))
        return primary, secondary + self.secondary_attention(new_secondary)


class DualPathGroup(nn.Module):
    """Blocks one after another. Both results are doubled: what the published group's skip comes to."""

    def __init__(self, primary: int, secondary: int, blocks: int = 10) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DualPathBlock(primary, secondary) for _ in range(blocks))

    def forward(self, primary: Tensor, secondary: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            primary, secondary = block(primary, secondary)
        return 2 * primary, 2 * secondary


class Restorer(nn.Module):
    """Enlarge images whose blur kernels are known.

    RGB in 0..1, (batch, 3, height, width), and kernels (batch, 1, 21, 21), to RGB `scale` times larger.
    """

    def __init__(self, scale: int, primary: int, secondary: int, groups: int = 5) -> None:
        super().__init__()
        self.entry = _conv(3, primary)
        self.blocks = _residual_blocks(primary)
        self.to_secondary = _conv(primary, secondary)
        self.deconvolution = Deconvolution(primary, secondary)
        self.groups = nn.ModuleList(DualPathGroup(primary, secondary) for _ in range(groups))
        self.merge = _conv(primary + secondary, primary)
        self.upsampler = upsampler(primary, scale)
        self.exit = _conv(primary, 3)

    def forward(self, image: Tensor, kernel: Tensor) -> Tensor:
        shallow = self.entry(image)
        features = self.blocks(shallow)
        primary, secondary = self.deconvolution(features, kernel), self.to_secondary(features)
        for group in self.groups:
            primary, secondary = group(primary, secondary)
        merged = self.merge(torch.cat([primary, secondary], dim=1))
        return self.exit(self.upsampler(merged + shallow))


class DCLS(nn.Module):
    """Enlarge blurred RGB images `scale` times.

    Args:
        scale: 2, 3 or 4.

    forward: RGB in 0..255, (batch, 3, height, width) with at least 7 x 7 pixels, to the same `scale` times
    larger (not clipped). The error of the result does not reach the estimator, which learns from kernels.
    Parameters: 13,478,475 (x2), 13,663,115 (x3), 13,626,187 (x4), of which 6,695,136 are the estimator's.

    Raises:
        HdsrError: for another scale or a smaller image.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.restorer = Restorer(scale, primary=64, secondary=16)
        self.estimator = KernelEstimator(channels=64)

    def forward(self, image: Tensor) -> Tensor:
        if min(image.shape[-2:]) < SMALLEST_PX:
            size = f"{image.shape[-1]} x {image.shape[-2]}"
            raise HdsrError(f"DCLS takes images of at least {SMALLEST_PX} x {SMALLEST_PX} pixels, not {size}")
        unit = image / 255
        return 255 * self.restorer(unit, self.estimator(unit).detach())


def load(path: Path, scale: int) -> DCLS:
    """DCLS with the weights in a user's file of tensors, in evaluation mode.

    The published files lie where no program can fetch them, so their names of layers are not known here. A
    file with our names is taken by name. One with other names is taken in its order, if the shapes follow one
    another as in this module, the estimator first or last; whether layers of equal shape are meant in this
    order cannot be seen from a file, so compare a result with a published one.

    Raises:
        HdsrError: naming the file, and what in it is missing, unknown or of another shape.
    """
    network = DCLS(scale)
    expected = network.state_dict()
    tensors = under_our_names(load_tensors(path), expected)
    check_tensors(tensors, expected, str(path), network="DCLS")
    network.load_state_dict(tensors)
    return network.eval()


def under_our_names(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with other names under ours, where their shapes follow one another as ours do."""
    if tensors.keys() == expected.keys():
        return tensors
    estimator = [key for key in expected if key.startswith("estimator.")]
    restorer = [key for key in expected if key.startswith("restorer.")]
    for keys in (restorer + estimator, estimator + restorer):
        if [value.shape for value in tensors.values()] == [expected[key].shape for key in keys]:
            return dict(zip(keys, tensors.values(), strict=True))
    return tensors
