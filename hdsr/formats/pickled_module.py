"""The tensors of a whole module as PyTorch pickled it before version 1.0, read without running its code.

Such a file is a magic number, a protocol, a description of the system, the object, and the keys of its
storages, each of them a pickle; then the storages, each a length and its values. Whatever the object asks for
by name is looked up in a short list that has only containers, so nothing of it is imported or called.
`torch.load(weights_only=True)` refuses such files: it does not know the strings of Python 2.
"""

import pickle
from collections import OrderedDict
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hdsr.errors import HdsrError
from hdsr.files import read_bytes

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
BYTES_PER_VALUE = 4


class PickledModule:
    """Takes the place of every module: it has the attributes that were stored, and no behaviour."""


def _tensor_view(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """What `torch._utils._rebuild_tensor` does."""
    return torch.as_strided(storage, size, stride, offset)


class PickledParameter:
    """Takes the place of a parameter: its tensor, and no gradient or hooks, which are stored beside it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __setstate__(self, state: object) -> None:
        """Take no notice of gradient and hooks."""


def _nothing() -> None:
    """Stands for the table of C functions that modules then referred to."""


ALLOWED = {
    "collections.OrderedDict": OrderedDict,
    "torch.FloatStorage": torch.float32,
    "torch._utils._rebuild_tensor": _tensor_view,
    "torch.nn.parameter.Parameter": PickledParameter,
    "torch.nn.backends.thnn._get_thnn_function_backend": _nothing,
    "torch.nn.modules.container.Sequential": PickledModule,
    "torch.nn.modules.conv.Conv2d": PickledModule,
    "torch.nn.modules.activation.ReLU": PickledModule,
}
"""Everything that a file may name, besides the modules that the caller knows."""


class ModuleUnpickler(pickle._Unpickler):
    """Reads an object whose names are all on the list; `storages` are filled by `_read_storages` later.

    The one in C would make room for whatever numbers a file names: gigabytes for ten bytes.
    """

    def __init__(self, stream: BytesIO, modules: Collection[str]) -> None:
        super().__init__(stream, encoding="latin-1")
        self.most_values = len(stream.getbuffer()) // BYTES_PER_VALUE
        self.allowed = ALLOWED | dict.fromkeys(modules, PickledModule)
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in self.allowed:
            raise HdsrError(f"it asks for {module}.{name}, which is not on the list of what is allowed")
        return self.allowed[f"{module}.{name}"]

    def persistent_load(self, reference: tuple[Any, ...]) -> Any:
        """A module's class (its source code beside it is not looked at), or an empty storage."""
        kind, content, *details = reference
        if kind == "module":
            return content
        key, _, length, _ = details
        if length > self.most_values:
            raise HdsrError("its values are cut short")
        return self.storages.setdefault(key, torch.empty(length, dtype=content))


def read_tensors(path: str | Path, modules: Collection[str], key: str) -> dict[str, Tensor]:
    """The parameters and buffers of a pickled module by name, as its state dict would have them.

    Args:
        path: the file; it holds a dictionary.
        modules: classes of modules that it may name beside PyTorch's own, as "package.Class".
        key: the module's in the dictionary.

    Raises:
        HdsrError: naming the file, if it is damaged, or names anything that is not allowed.
    """
    data = read_bytes(path, "a pickled module")
    try:
        stored = _read_object(BytesIO(data), modules)
        return dict(_named_tensors(stored[key]))
    except HdsrError as error:
        raise HdsrError(f"{path} is not loaded: {error}") from None
    except Exception as error:  # whatever bytes that make no sense make pickle and torch raise
        raise HdsrError(f"{path} is not a whole pickled module: {type(error).__name__}") from None


def _read_object(stream: BytesIO, modules: Collection[str]) -> Any:
    """The object of a file, its tensors filled."""
    magic_number, _, _ = (ModuleUnpickler(stream, ()).load() for _ in range(3))
    if magic_number != MAGIC_NUMBER:
        raise HdsrError("it does not begin as PyTorch's files before 1.6 do")
    unpickler = ModuleUnpickler(stream, modules)
    stored = unpickler.load()
    _read_storages(stream, unpickler.storages)
    return stored


def _read_storages(stream: BytesIO, storages: dict[str, Tensor]) -> None:
    """Fill every storage from the end of the file."""
    keys = ModuleUnpickler(stream, ()).load()
    if sorted(keys) != sorted(storages):
        raise HdsrError("its list of storages is not that of its tensors")
    for key in keys:
        storage = storages[key]
        length = int.from_bytes(stream.read(8), "little")
        values = stream.read(BYTES_PER_VALUE * len(storage))
        if length != len(storage) or len(values) != BYTES_PER_VALUE * length:
            raise HdsrError("its values are cut short")
        storage.copy_(torch.frombuffer(bytearray(values), dtype=storage.dtype))


def _named_tensors(module: PickledModule, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a module and its children."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield prefix + name, parameter.tensor
    for name, buffer in module._buffers.items():
        yield prefix + name, buffer
    for name, child in module._modules.items():
        yield from _named_tensors(child, f"{prefix}{name}.")
