"""Weights in the formats of other frameworks, read as published: MATLAB 5, MATLAB 7.3 and Caffe.

Nothing in a file is run: each format holds arrays and names only.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.io import loadmat
from torch import Tensor, nn

from hdsr.errors import HdsrError

LAYER, BLOB, NAME = 100, 7, 1
"""Fields of Caffe's NetParameter and LayerParameter."""
BLOB_DATA, BLOB_SHAPE, SHAPE_DIM = 5, 7, 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


@contextmanager
def reading(path: Path, network: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes one HdsrError that names the file and the network expected in it.

    The parsers raise errors of almost every class for bytes that make no sense.
    """
    try:
        yield
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        reason = said if isinstance(error, HdsrError) else f"{type(error).__name__} {said}".strip()
        raise HdsrError(f"{path} is not {network} as its authors published it: {reason}") from None


def read_matlab(path: Path, name: str | None = None) -> Any:
    """A variable of a MATLAB 5 file, or all by name; structs are dictionaries, cells arrays of objects.

    Dimensions of length 1 are dropped; `shaped` restores them.
    """
    stored = loadmat(path, variable_names=name, simplify_cells=True)
    return stored if name is None else stored[name]


def read_matlab73_layers(path: Path) -> list[list[NDArray[np.float32]]]:
    """Filters and bias of each convolution in `net.layers` of a MATLAB 7.3 file of MatConvNet."""
    import h5py  # costs 0.1 s, and one method alone needs it

    with h5py.File(path) as stored:
        layers = (stored[reference] for reference in stored["net/layers"][:, 0])
        # HDF5 files of MATLAB hold every array with its dimensions reversed.
        return [
            [stored[reference][()].T for reference in layer["weights"][:, 0]]
            for layer in layers
            if "weights" in layer
        ]


def read_caffe(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """The arrays of each layer of a caffemodel that has any: weights, then bias, in PyTorch's order."""
    layers = {}
    for number, layer in fields(memoryview(path.read_bytes())):
        if number == LAYER:
            content = list(fields(layer))
            blobs = [_blob(value) for kind, value in content if kind == BLOB]
            if blobs:
                layers[next(bytes(value).decode() for kind, value in content if kind == NAME)] = blobs
    return layers


def _blob(message: memoryview) -> NDArray[np.float32]:
    """The array of a BlobProto, its values packed."""
    content = dict(fields(message))
    dimensions = dict(fields(content[BLOB_SHAPE]))[SHAPE_DIM]
    shape, position = [], 0
    while position < len(dimensions):
        length, position = varint(dimensions, position)
        shape.append(length)
    return np.frombuffer(content[BLOB_DATA], "<f4").reshape(shape).copy()


def fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields; ValueError where it is cut short."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        kind = key & 7
        if kind == VARINT:
            value, position = varint(message, position)
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(kind)
            if kind == BYTES:
                length, position = varint(message, position)
            if length is None or position + length > len(message):
                raise ValueError("a field of the protocol buffer is cut short or of an unknown type")
            value, position = message[position : position + length], position + length
        yield key >> 3, value


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """The integer at a position, seven bits a byte from the lowest, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte, position = message[position], position + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer of the protocol buffer is cut short")


def shaped(values: ArrayLike, *shape: int) -> NDArray[np.float64]:
    """Finite numbers of this shape, of which dimensions of length 1 may be missing; else HdsrError."""
    array = np.asarray(values, np.float64)
    if [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
        raise HdsrError(f"an array has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise HdsrError("an array holds numbers that are not finite")
    return array.reshape(shape)


def from_matconvnet(filters: ArrayLike, like: Tensor) -> Tensor:
    """Filters (height, width, in, out), as those that a layer holds: (out, in, height, width).

    Transposed convolutions have (height, width, out, in) for (in, out, height, width).
    """
    first, second, height, width = like.shape
    return tensor(shaped(filters, height, width, second, first).transpose(3, 2, 0, 1))


def taps_by_columns(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filters (..., taps), the taps down the columns of a square, as (..., height, width)."""
    side = math.isqrt(filters.shape[-1])
    return filters.reshape(*filters.shape[:-1], side, side).swapaxes(-1, -2)


def tensor(values: NDArray[np.float64]) -> Tensor:
    """float32, contiguous."""
    return torch.from_numpy(np.array(values, np.float32, order="C"))


@torch.no_grad()
def set_layer(layer: nn.Module, weight: Tensor, bias: ArrayLike | None = None) -> None:
    """Give a layer its weight and its bias, if it has one; HdsrError if the shapes are others."""
    layer.weight.copy_(tensor(shaped(weight, *layer.weight.shape)))
    if layer.bias is not None:
        layer.bias.copy_(tensor(shaped(bias, *layer.bias.shape)))


def set_layers(
    layers: Sequence[nn.Module], filters: Sequence[ArrayLike], biases: Sequence[ArrayLike]
) -> None:
    """Give convolutions the filters and biases of a MatConvNet model, one of each for every layer."""
    if not len(layers) == len(filters) == len(biases):
        raise HdsrError(f"it has {len(filters)} filters and {len(biases)} biases, expected {len(layers)}")
    for layer, filter_, bias in zip(layers, filters, biases, strict=True):
        set_layer(layer, from_matconvnet(filter_, layer.weight), bias)
