"""A+: each patch of the bicubically enlarged luma is improved by the regressor of its nearest atom.

Timofte et al., "A+: adjusted anchored neighborhood regression for fast super-resolution", ACCV 2014. Weights:
the authors', for x2: the regressors in one MATLAB file, dictionary and projection in another.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr.errors import HdsrError
from hdsr.formats.matlab_caffe import read_matlab, reading, shaped, taps_by_columns, tensor

SCALE = 2
PATCH_PX = 3 * SCALE
FEATURES, ATOMS = 28, 1024
GRADIENT = (0.0, -1.0, 0.0, 1.0, 0.0)
LAPLACIAN = (0.5, 0.0, -1.0, 0.0, 0.5)
"""First and second differences, the taps as far apart as the scale."""
CHUNK = 4096
"""Patches improved together: their regressors are copied, 4 KB each."""


class APlus(nn.Module):
    """Sharpen the luma of an image that was enlarged twofold.

    forward: Y in 0..1, (batch, 1, height, width), to the same (not clipped). Two pixels at every border, and
    images without a whole patch between them, are left as they are.
    """

    filters: Tensor
    projection: Tensor
    atoms: Tensor
    regressors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", _differences(), persistent=False)
        self.register_buffer("projection", torch.zeros(FEATURES, 4 * PATCH_PX**2))
        self.register_buffer("atoms", torch.zeros(FEATURES, ATOMS))
        self.register_buffer("regressors", torch.zeros(ATOMS, PATCH_PX**2, FEATURES))

    def forward(self, luma: Tensor) -> Tensor:
        height, width = (length - 2 * SCALE for length in luma.shape[-2:])
        if min(height, width) < PATCH_PX:
            return luma
        with torch.autocast(luma.device.type, enabled=False):  # which atom is nearest hangs on the last digit
            patches = F.unfold(F.conv2d(luma, self.filters), PATCH_PX, stride=SCALE)
            details = torch.stack([self.details(image) for image in patches])
        total, count = (
            F.fold(values, (height, width), PATCH_PX, stride=SCALE)
            for values in (details, torch.ones_like(details))
        )
        return luma + F.pad(total / count.clamp(min=1), 4 * (SCALE,))

    def details(self, differences: Tensor) -> Tensor:
        """What patches lack, (36, patches), told by their differences, (144, patches)."""
        features = (self.projection @ differences).T
        return torch.cat([self.regressed(part) for part in features.split(CHUNK)]).T

    def regressed(self, features: Tensor) -> Tensor:
        """(patches, 28) to (patches, 36), each by the regressor of the atom that it is most parallel to."""
        nearest = (features @ self.atoms).abs().argmax(dim=1)
        return torch.bmm(self.regressors[nearest], features[..., None])[..., 0]


def _differences() -> Tensor:
    """Filters (4, 1, 5, 5): first difference across and down, second difference across and down."""
    filters = torch.zeros(4, 1, len(GRADIENT), len(GRADIENT))
    for index, taps in enumerate((GRADIENT, LAPLACIAN)):
        filters[2 * index, 0, len(taps) // 2] = torch.tensor(taps)
        filters[2 * index + 1, 0, :, len(taps) // 2] = torch.tensor(taps)
    return filters


def load(regressors: Path, dictionary: Path, scale: int) -> APlus:
    """A+ with the authors' two files; HdsrError if they hold anything else, or for a scale other than 2."""
    if scale != SCALE:
        raise HdsrError(f"A+ is published for x{SCALE} only, not for x{scale}")
    network = APlus()
    with reading(dictionary, "the dictionary of A+"):
        stored = read_matlab(dictionary, "conf")
        projection = shaped(stored["V_pca"], 4 * PATCH_PX**2, FEATURES).T.reshape(FEATURES, 4, PATCH_PX**2)
        network.projection.copy_(tensor(taps_by_columns(projection).reshape(FEATURES, -1)))
        network.atoms.copy_(tensor(shaped(stored["dict_lores"], FEATURES, ATOMS)))
    with reading(regressors, "the regressors of A+"):
        stacked = np.stack(
            [shaped(one, PATCH_PX**2, FEATURES).T for one in read_matlab(regressors, "Aplus_PPs")]
        )
        by_rows = taps_by_columns(stacked).reshape(-1, FEATURES, PATCH_PX**2).swapaxes(1, 2)
        network.regressors.copy_(tensor(shaped(by_rows, *network.regressors.shape)))
    return network.eval()
