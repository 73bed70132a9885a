"""Random aligned LR-HR patches, drawn by index on the device that holds the images.

Which patches step n sees is decided by one generator seeded by (seed, n) on the host, in a few dozen numbers;
cutting them out, choosing the most detailed places, flips and transposition are a handful of operations on
integers on the device. So a resumed run, another device and another number of processes see the same ones.

With `any_phase` only HR is kept, and the LR of a patch is made of it where it lies: an image then has
scale**2 LR images instead of one. With one, weights learn images by heart: compared with those of CARN-M,
weights for x4 that had seen 728 images 90 times were 0.2 dB better on these than on others.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hdsr.training.config import TrainingConfig
from hdsr.training.data import Pair, TrainingData
from hdsr.training.shrink import margin_px, shrink

CHANNELS = 3
DEVICE_SHARE = 0.5
"""Of a device's free memory, that images may take."""


class Pixels:
    """Images (height, width, 3) in uint8, cut into square patches by the place of their pixels in memory.

    On a device they lie in one buffer; on the host each stays where it is, in a mapped file above all.
    """

    def __init__(self, images: Sequence[NDArray[np.uint8]], device: torch.device) -> None:
        if device.type != "cpu":
            self._copy(images, device)
            return
        self.buffer, self.start = np.arange(len(images)), np.zeros(len(images), np.int64)
        self.stride = np.array([image.strides[0] for image in images])
        self.buffers = [_in_place(image) for image in images]

    def _copy(self, images: Sequence[NDArray[np.uint8]], device: torch.device) -> None:
        sizes = np.array([image.size for image in images])
        self.buffer = np.zeros(len(images), np.int64)
        self.start = np.concatenate([[0], sizes.cumsum()[:-1]])
        self.stride = np.array([image.shape[1] * CHANNELS for image in images])
        whole = torch.empty(int(sizes.sum()), dtype=torch.uint8, device=device)
        for image, start in zip(images, self.start.tolist(), strict=True):
            whole[start : start + image.size] = torch.from_numpy(np.array(image).reshape(-1)).to(device)
        self.buffers = [whole]

    def places(self, image: NDArray[np.int64], top: NDArray[np.int64], left: NDArray[np.int64]) -> NDArray:
        """Where patches begin, as `cut` takes it: (..., 3), of buffer, first byte, bytes from row to row."""
        stride = self.stride[image]
        first = self.start[image] + top * stride + left * CHANNELS
        return np.stack(np.broadcast_arrays(self.buffer[image], first, stride), axis=-1)

    def cut(self, places: Tensor, side: int, step: int = 1) -> Tensor:
        """Patches (count, side, side, 3) that begin at `places` (count, 3), on the buffers' device.

        Of each patch every `step`-th row.
        """
        rows = places[:, 1, None] + places[:, 2, None] * torch.arange(0, side, step, device=places.device)
        if len(self.buffers) == 1:
            return _rows(self.buffers[0], rows, side)
        patches = zip(places[:, 0].tolist(), rows, strict=True)
        return torch.stack([_rows(self.buffers[number], starts, side) for number, starts in patches])


def _rows(buffer: Tensor, starts: Tensor, side: int) -> Tensor:
    """Rows of `side` pixels that start at these bytes: (..., side, 3)."""
    length = side * CHANNELS
    windows = buffer.as_strided((len(buffer) - length + 1, length), (1, 1))
    return windows.index_select(0, starts.flatten()).view(*starts.shape, side, CHANNELS)


def _in_place(image: NDArray[np.uint8]) -> Tensor:
    """The bytes of an image from its first to its last, and what lies between its rows; nothing is copied."""
    height, width, _ = image.shape
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # mapped files are read-only
        pixels = torch.from_numpy(image)
    return pixels.as_strided(((height - 1) * image.strides[0] + width * CHANNELS,), (1,))


class PatchSource:
    """All training images, ready to draw the batch of any step.

    Args:
        data: the images and how likely each is drawn.
        config: patch size, batch size, draws and seed.
        device: where training runs; the images live there too unless `config.images_on` says otherwise or
            they do not fit.
        rank, world: process `rank` of `world` gets every world-th patch.
    """

    def __init__(
        self, data: TrainingData, config: TrainingConfig, device: torch.device, rank: int = 0, world: int = 1
    ) -> None:
        self.config, self.device = config, device
        self.rank, self.world = rank, world
        self.lr_px = config.patch_px // config.scale
        self.cumulated = np.cumsum(data.probability)
        at = device if _live_on_device(data.pairs, config, device) else torch.device("cpu")
        self.images_device = at
        self.lr = None if config.any_phase else Pixels([pair.lr for pair in data.pairs], at)
        self.hr = Pixels([pair.hr for pair in data.pairs], at)
        self.margin = margin_px(config.scale) if config.any_phase else 0
        """HR pixels around a patch that its LR depends on."""
        unit = 1 if config.any_phase else config.scale
        sides = config.patch_px + 2 * self.margin
        self.corners = np.array([pair.hr.shape[:2] for pair in data.pairs]) // unit - sides // unit + 1
        """How many places there are for a patch with its margin, (images, 2)."""

    def numbers(self, step: int) -> Tensor:
        """What decides the batch of a step: int64 (patches, draws, 9, or 6 with `any_phase`), for `cut`.

        LR and HR place of every draw (buffer, first byte, stride), or that of its HR with the margin, then
        how the patch is turned (see `turned`). With a teacher, before the last, three more: how it sees each.
        """
        config = self.config
        random = np.random.default_rng([config.seed, step])
        image = np.searchsorted(
            self.cumulated, random.random(config.batch_size) * self.cumulated[-1], "right"
        )
        # a product that is rounded up to the whole sum would be of an image after the last
        image = image.clip(max=len(self.corners) - 1)[:, None]
        corner = (random.random((config.batch_size, config.draws, 2)) * self.corners[image]).astype(np.int64)
        turns = np.broadcast_to(
            random.integers(2, size=(config.batch_size, 1, 3)), (config.batch_size, config.draws, 3)
        )
        top, left = corner[..., 0], corner[..., 1]
        if self.lr is None:
            places = [self.hr.places(image, top, left)]
        else:
            factor = config.scale
            places = [self.lr.places(image, top, left), self.hr.places(image, factor * top, factor * left)]
        if config.teacher_share:
            views = random.integers(2, size=(config.batch_size, 1, 3))
            places.append(np.broadcast_to(views, turns.shape))
        numbers = np.concatenate([*places, turns], axis=-1)
        return torch.from_numpy(numbers[self.rank :: self.world])

    def cut(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """LR and HR patches, float32 in 0..255, (batch, 3, height, width), channels_last.

        Args:
            numbers: of `numbers`, on the images' device. No value of them is read on the host, so that the
                cutting can be part of a CUDA graph.
        """
        config = self.config
        best = self._most_detailed(numbers) if config.draws > 1 else numbers[:, 0]
        turns = best[:, -3:].bool()
        if self.lr is None:
            window = self.hr.cut(best[:, :3], config.patch_px + 2 * self.margin)
            inside = slice(self.margin, self.margin + config.patch_px)
            sides = (shrink(window, config.scale), window[:, inside, inside])
        else:
            sides = (self.lr.cut(best[:, :3], self.lr_px), self.hr.cut(best[:, 3:6], config.patch_px))
        lr, hr = (turned(patches.permute(0, 3, 1, 2), turns).to(self.device).float() for patches in sides)
        return lr, hr

    def teacher_turns(self, numbers: Tensor) -> Tensor:
        """How the teacher sees each patch turned, (batch, 3), bool, on the training device."""
        return numbers[:, 0, -6:-3].bool().to(self.device)

    def _most_detailed(self, numbers: Tensor) -> Tensor:
        """Of the places drawn for each patch the one that varies most (batch, 6 or 9); the first of equals.

        What varies is LR or, where there is none, every scale-th pixel of HR.
        """
        batch, draws, _ = numbers.shape
        places = numbers[..., :3].flatten(0, 1)
        if self.lr is None:
            step = self.config.scale
            patches = self.hr.cut(places, self.config.patch_px + 2 * self.margin, step)[:, :, ::step]
        else:
            patches = self.lr.cut(places, self.lr_px)
        changes = (patches.short().diff(dim=axis).abs().sum(dim=(1, 2, 3)) for axis in (1, 2))
        order = torch.arange(draws - 1, -1, -1, device=numbers.device)
        chosen = (sum(changes).view(batch, draws) * draws + order).argmax(dim=1)
        return numbers.gather(1, chosen[:, None, None].expand(-1, 1, numbers.shape[-1]))[:, 0]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step: see `cut`."""
        return self.cut(self.numbers(step).to(self.images_device))


def turned(patches: Tensor, turns: Tensor) -> Tensor:
    """Square patches (batch, channels, side, side), turned in one of eight ways each; channels_last.

    Args:
        turns: whether each is flipped upside down, left to right, and then transposed, (batch, 3), bool.
    """
    upside_down, left_right, transposed = turns[..., None, None, None].unbind(1)
    patches = torch.where(upside_down, patches.flip(2), patches)
    patches = torch.where(left_right, patches.flip(3), patches)
    patches = torch.where(transposed, patches.transpose(2, 3), patches)
    return patches.contiguous(memory_format=torch.channels_last)


def turned_back(patches: Tensor, turns: Tensor) -> Tensor:
    """The inverse of `turned`."""
    # of patches that were transposed the flips have changed places with each other
    swapped = torch.cat([turns[:, :2].flip(1), turns[:, 2:]], dim=1)
    return turned(patches, torch.where(turns[:, 2:], swapped, turns))


def _live_on_device(pairs: Sequence[Pair], config: TrainingConfig, device: torch.device) -> bool:
    """Whether the images are kept on the training device."""
    if device.type == "cpu" or config.images_on == "host":
        return False
    needed = sum(pair.hr.size for pair in pairs)
    if not config.any_phase:
        needed += sum(pair.lr.size for pair in pairs)
    fits = device.type != "cuda" or needed < DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
    return config.images_on == "device" or fits
