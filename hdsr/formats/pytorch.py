"""State dicts in PyTorch's files, bare or as training programs wrap them."""

import pickle
import re
import sys
import warnings
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hdsr.errors import HdsrError, first_line
from hdsr.files import read_bytes

WRAPPERS = (
    *("params_ema", "ema", "ema_state_dict", "params", "state_dict", "model_state_dict", "model"),
    *("net", "network", "generator"),
)
"""Keys under which training programs keep a state dict; the first that a file has is taken."""


AVERAGED = WRAPPERS[:3]


PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "generator.")
"""What programs put before every key of a network that they have wrapped."""


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file, by name, without running any code that it may hold.

    The state dict may lie under one of WRAPPERS, its keys may begin with one of PREFIXES. Where averaged
    weights are taken rather than the last ones beside them, stderr says so.

    Raises:
        HdsrError: naming the file, if it is damaged, or holds something else.
    """
    data = read_bytes(path, "a PyTorch file")
    _check_archive(data, path)
    try:
        with warnings.catch_warnings(action="ignore"):
            stored = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if foreign := re.search(r"GLOBAL (\S+)", str(error)):
            asked = f"it holds code or objects ({foreign[1]})"
            raise HdsrError(f"{path} is not a file of plain tensors: {asked}; not loaded") from None
        raise HdsrError(f"{path} is not a file of plain tensors: it holds code or is damaged") from None
    except Exception as error:  # whatever bytes that make no sense make torch raise
        raise HdsrError(f"{path} is not a whole PyTorch file: {first_line(error)}") from None
    tensors = _unwrapped(stored, path)
    if not tensors or not all(map(_is_plain, tensors.values())):
        raise HdsrError(f"{path} does not hold a state dict of tensors of plain numbers")
    return _without_prefix(tensors)


def _is_plain(value: object) -> bool:
    """Whether something is a tensor whose values are all there: not sparse, quantized, complex or empty."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized or value.is_complex())
    )


def _check_archive(data: bytes, path: str | Path) -> None:
    """Raise HdsrError for a zip archive that is packed, which PyTorch never does: it may be a bomb."""
    if not data.startswith(b"PK"):
        return
    try:
        members = zipfile.ZipFile(BytesIO(data)).infolist()
    except Exception as error:  # whatever a damaged archive makes zipfile raise
        raise HdsrError(f"{path} is not a whole PyTorch file: {first_line(error)}") from None
    if sum(member.file_size for member in members) > len(data):
        raise HdsrError(f"{path} is not a PyTorch file: it is a packed archive, expected plain contents")


def _unwrapped(stored: object, path: str | Path) -> Mapping[str, Any]:
    """The state dict inside what a training program has saved; empty if there is none."""
    while isinstance(stored, Mapping):
        wrapped = [key for key in WRAPPERS if isinstance(stored.get(key), Mapping)]
        if not wrapped:
            return stored
        if wrapped[0] in AVERAGED and len(wrapped) > 1:
            print(f"{path}: the averaged weights {wrapped[0]} are taken, not {wrapped[1]}", file=sys.stderr)
        stored = stored[wrapped[0]]
    return {}


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what stands before every name of them."""
    for prefix in PREFIXES:
        if all(str(key).startswith(prefix) for key in tensors):
            return _without_prefix({key.removeprefix(prefix): value for key, value in tensors.items()})
    return dict(tensors)
