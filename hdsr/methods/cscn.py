"""CSCN: sparse coding unrolled into a network, its stages of x2 cascaded.

Wang et al., "Deep networks for image super-resolution with sparse prior", ICCV 2015. Weights: the authors',
one MATLAB file for the first stage and one for the second; both serve every scale.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.formats.matlab_caffe import read_matlab, reading, shaped, tensor
from hdsr.network import check_scale

SHAPES = {
    "conv": (81, 100),
    "diffms": (81, 25),
    "mean2": (169,),
    "wd": (100, 128),
    "usd1": (128, 128),
    "ud": (128, 25),
    "addp": (25,),
}
"""The arrays of a stage, as published."""
MARGIN_PX = 6
PATCH_PX = 5
CONTRAST = 1.1


class Stage(nn.Module):
    """Sharpen the luma of an image that was enlarged twofold, Y in 0..255.

    Each place has 100 features, a code of 128 from two steps of shrinkage, and a patch of 5 x 5 decoded from
    it, whose contrast is that of the place; overlapping patches are added to a local mean.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, shape in SHAPES.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def forward(self, luma: Tensor) -> Tensor:
        padded = _mirrored(luma, MARGIN_PX)
        features = _correlated(padded, self.conv)
        code = _per_pixel(_normalized(features), self.wd)
        code = _shrunk(_per_pixel(_shrunk(code), self.usd1) + code)
        contrast = CONTRAST * torch.linalg.vector_norm(_correlated(padded, self.diffms), dim=1, keepdim=True)
        patches = _normalized(_per_pixel(code, self.ud)) * contrast * self.addp.reshape(1, -1, 1, 1)
        return _correlated(padded, self.mean2[:, None]) + _overlapped(patches, *luma.shape[-2:])


def _mirrored(image: Tensor, margin: int) -> Tensor:
    """An image continued on every side by its reflection, the border pixel not repeated; of any size."""
    for axis in (-2, -1):
        length = image.shape[axis]
        period = max(2 * (length - 1), 1)
        index = torch.arange(-margin, length + margin, device=image.device) % period
        image = image.index_select(axis, torch.minimum(index, period - index))
    return image


def _correlated(luma: Tensor, filters: Tensor) -> Tensor:
    """Inner products of every patch with the columns of (side * side, filters), read row by row."""
    side = math.isqrt(len(filters))
    return F.conv2d(luma, filters.T.reshape(-1, 1, side, side))


def _per_pixel(features: Tensor, matrix: Tensor) -> Tensor:
    """The features of every pixel times a matrix (inputs, outputs)."""
    return F.conv2d(features, matrix.T[..., None, None])


def _normalized(features: Tensor) -> Tensor:
    """The features of every pixel at a length of 1; those of a flat place stay 0."""
    return F.normalize(features, dim=1, eps=1e-12)


def _shrunk(code: Tensor) -> Tensor:
    """Soft thresholding at 1."""
    return F.softshrink(code, 1.0)


def _overlapped(patches: Tensor, height: int, width: int) -> Tensor:
    """Sum of overlapping patches: map k, which is shifted by 4 - k div 5 columns and 4 - k mod 5 rows."""
    total = torch.zeros_like(patches[:, :1, :height, :width])
    for index in range(PATCH_PX**2):
        left, top = PATCH_PX - 1 - index // PATCH_PX, PATCH_PX - 1 - index % PATCH_PX
        total = total + patches[:, index : index + 1, top : top + height, left : left + width]
    return total


class CSCN(nn.Module):
    """Enlarge the luma `scale` times.

    Args:
        scale: 2, 3 or 4; 3 is 4 shrunk to three quarters.

    forward: Y in 0..1, (batch, 1, height, width), to the same `scale` times larger (not clipped).

    Raises:
        HdsrError: for another scale.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.stages = nn.ModuleList(Stage() for _ in range(math.ceil(math.log2(scale))))

    def forward(self, luma: Tensor) -> Tensor:
        size = [self.scale * length for length in luma.shape[-2:]]
        image = 255 * luma
        for stage in self.stages:
            image = stage(cubic(image, [2 * length for length in image.shape[-2:]]))
        if self.scale == 3:
            image = cubic(_blurred(image), size)
        return image / 255


def cubic(image: Tensor, size: list[int]) -> Tensor:
    """Resized by the cubic kernel of OpenCV (a = -0.75), which torch has too; not antialiased."""
    return F.interpolate(image, size, mode="bicubic", align_corners=False)


def _blurred(image: Tensor) -> Tensor:
    """Smoothed by a Gaussian of 7 x 7 pixels and sigma 0.5, the border mirrored."""
    taps = torch.exp(-2 * torch.arange(-3.0, 4, device=image.device) ** 2)
    window = torch.outer(taps, taps) / taps.sum() ** 2
    return F.conv2d(_mirrored(image, 3), window.to(image.dtype)[None, None])


def load(first: Path, second: Path, scale: int) -> CSCN:
    """CSCN with the weights of the authors' two files; HdsrError if they hold anything else."""
    network = CSCN(scale)
    for stage, path in zip(network.stages, (first, second), strict=False):
        with reading(path, "CSCN"), torch.no_grad():
            stored = read_matlab(path, "model")
            for name, shape in SHAPES.items():
                getattr(stage, name).copy_(tensor(shaped(stored[name], *shape)))
    return network.eval()
