"""Weights in files: ours (.safetensors, which describe themselves) and the authors' (.pt)."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from hdsr.errors import HdsrError, first_line, listed
from hdsr.fetch.weights import check_known, find_weights, list_shipped
from hdsr.files import atomic_path
from hdsr.formats.pytorch import load_tensors
from hdsr.network import RGB_MEAN, SCALES, HDSRNet, check_scale
from hdsr.paths import data_root

FORMATS = {"hdsrnet": "HDSRNet", "srcnn": "SRCNN"}
"""Classes of the networks that our .safetensors files hold, by the word in their header."""
BLOCK_LAYERS = (("dilated", 0), ("dynamic", 1), ("plain", 2))


def load(path: str | Path, kind: type[nn.Module] = HDSRNet) -> nn.Module:
    """The network stored in `path`, in float32 and evaluation mode; the scale is read from the file.

    Args:
        path: our .safetensors, or the authors' .pt (read with weights_only: no code in it is ever run).
        kind: which network it has to be, a class named in FORMATS.

    Raises:
        HdsrError: naming the file, when it is missing, damaged, holds code, or holds another network.
    """
    path = Path(path)
    if not path.is_file():
        raise HdsrError(f"no weights at {path}")
    check_known(path, data_root())
    network = load_own(path, kind) if path.suffix.lower() == ".safetensors" else _load_official(path)
    if not isinstance(network, kind):
        raise HdsrError(f"{path} holds weights of {type(network).__name__}, expected {kind.__name__}")
    return network.eval()


def load_pretrained(scale: int, weights: str | Path = "ours", root: str | Path | None = None) -> HDSRNet:
    """HDSRNet with weights for `scale`: "ours", "authors" (from the data folder `root`) or a file."""
    check_scale(scale)
    return load_for_scale(find_weights(scale, weights, root)[0], scale)


def load_for_scale(path: Path, scale: int, kind: type[nn.Module] = HDSRNet) -> nn.Module:
    """The network stored in `path`, as `load` gives it; HdsrError if it is for another scale."""
    network = load(path, kind)
    if network.scale != scale:
        raise HdsrError(f"{path} holds weights for x{network.scale}, expected x{scale}")
    return network


def save(
    network: nn.Module, path: str | Path, about: Mapping[str, Any], dtype: torch.dtype = torch.float32
) -> None:
    """Write weights of a network in FORMATS with a description of themselves (JSON in the header).

    Raises:
        HdsrError: if some are not finite, in this type; nothing is written then.
    """
    word = next(word for word, name in FORMATS.items() if name == type(network).__name__)
    header = {"format": word, "scale": str(network.scale), "about": json.dumps(dict(about), sort_keys=True)}
    _write(path, network.state_dict(), header, dtype)


def _write(
    path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, str], dtype: torch.dtype
) -> None:
    """A .safetensors file of these tensors in that data type, whole or not at all."""
    stored = {key: value.detach().to(dtype).contiguous() for key, value in tensors.items()}
    _check_finite(stored, f"{path} is not written: in the network,")
    header = {**header, "sha256": _contents_sha256(stored, header)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(stored, dict(header)))


def pack(source: str | Path, target: str | Path) -> None:
    """Copy our .safetensors file in half precision, with its description: half the size.

    HDSRNet's PSNR moves by less than 0.001 dB; SRCNN's would by 0.02. In the folder of the weights that ship,
    the list of their hashes then has it.
    """
    about = describe(source)
    del about["scale"]
    about = json.dumps(about | {"stored_as": "float16"}, sort_keys=True)
    _write(target, _own_tensors(Path(source)), _header(Path(source)) | {"about": about}, torch.float16)
    list_shipped(Path(target))


def _contents_sha256(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """Hexadecimal SHA-256 of tensors and a header, but for the header's own `sha256`."""
    described = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].contiguous().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def describe(path: str | Path) -> dict[str, Any]:
    """What our .safetensors file says of itself: its scale and how it was made."""
    metadata = _header(Path(path))
    try:
        return {"scale": int(metadata["scale"]), **json.loads(metadata.get("about", "{}"))}
    except (ValueError, TypeError, RecursionError):
        raise HdsrError(f"{path} is damaged: its description of itself is no JSON object") from None


def _header(path: Path) -> dict[str, str]:
    """The header of our .safetensors file, which says at least a format and a scale."""
    with _open_own(path) as stored:
        metadata = stored.metadata() or {}
    if metadata.get("format") not in FORMATS or metadata.get("scale") not in map(str, SCALES):
        known = "' or '".join(FORMATS)
        raise HdsrError(
            f"{path} does not hold weights of ours: its header lacks format '{known}' and a scale"
        )
    return metadata


def _open_own(path: Path) -> Any:
    """An open .safetensors file, or one clear line."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise HdsrError(f"{path} is not a whole .safetensors file: {first_line(error)}") from None


def _own_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of our .safetensors file, in float32."""
    with _open_own(path) as stored:
        tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    metadata = _header(path)
    if "sha256" in metadata and metadata["sha256"] != _contents_sha256(tensors, metadata):
        raise HdsrError(f"{path} is damaged: its contents are not those that were written")
    return {key: value.float() for key, value in tensors.items()}


def load_own(path: Path, kind: type[nn.Module] = HDSRNet) -> nn.Module:
    """Read our own format, in float32; HdsrError if its header names another network than `kind`."""
    metadata = _header(path)
    name = FORMATS[metadata["format"]]
    if name != kind.__name__:
        raise HdsrError(f"{path} holds weights of {name}, expected {kind.__name__}")
    network, tensors = kind(int(metadata["scale"])), _own_tensors(path)
    check_tensors(tensors, network.state_dict(), path.name, network=type(network).__name__)
    network.load_state_dict(tensors)
    return network


def _load_official(path: Path) -> HDSRNet:
    """Read the authors' format: a state dict, bare or as training programs wrap it."""
    state_dict = load_tensors(path)
    try:
        return from_official(state_dict, _official_scale(state_dict))
    except HdsrError as error:
        raise HdsrError(f"{path}: {error}") from None


def _official_scale(state_dict: Mapping[str, Tensor]) -> int:
    """The scale of the authors' state dict, told by its upsampler."""
    weight = state_dict.get("upsample.up.body.0.weight")
    if weight is None or weight.ndim != 4:
        raise HdsrError("not HDSRNet weights: no upsample.up.body.0.weight")
    if "upsample.up.body.2.weight" in state_dict:
        return 4
    # the one stage of the others makes 64 features times the square of their scale
    return {4: 2, 9: 3}.get(len(weight) // 64, 0)


def from_official(state_dict: Mapping[str, Tensor], scale: int) -> HDSRNet:
    """HDSRNet from the authors' state dict.

    Args:
        state_dict: the authors' names; every one is used and none may be missing.
        scale: 2, 3 or 4.

    Raises:
        HdsrError: naming the keys that are missing, unknown or of another shape, or a mean shift that is
            not the one this network has built in.
    """
    network = HDSRNet(scale)
    names = official_names(scale)
    tensors = dict(state_dict)
    check_mean_shift(tensors)
    renamed = {names.get(key, key): _stacked(value).float() for key, value in tensors.items()}
    expected = network.state_dict()
    check_tensors(
        renamed, expected, f"the authors' x{scale} state dict", {new: old for old, new in names.items()}
    )
    network.load_state_dict(renamed)
    return network


def _stacked(tensor: Tensor) -> Tensor:
    """The kernels of a dynamic convolution one after another, as ours are; anything else as it is."""
    return tensor.flatten(0, 1) if tensor.ndim == 5 else tensor


def official_names(scale: int) -> dict[str, str]:
    """The authors' key for each of ours, as {theirs: ours}."""
    names = {"Block.conv1.0.weight": "upper.entry.weight", "conv17.0.weight": "reconstruction.exit.weight"}
    names |= {f"conv{i + 1}.0.weight": f"lower.layers.{i}.weight" for i in range(16)}
    for stage in range(2 if scale == 4 else 1):
        for kind in ("weight", "bias"):
            names[f"upsample.up.body.{2 * stage}.{kind}"] = f"reconstruction.upsampler.{2 * stage}.{kind}"
    for block in range(5):
        names |= _official_block_names(block)
    return names


def _official_block_names(block: int) -> dict[str, str]:
    """The names within one heterogeneous block; the authors number the layers of all blocks through."""
    names = {}
    for layer, position in BLOCK_LAYERS:
        theirs, ours = f"Block.conv{3 * block + position + 2}.0", f"upper.blocks.{block}.{layer}"
        names[f"{theirs}.weight"] = f"{ours}.weight"
        if layer == "dynamic":
            names[f"{theirs}.bias"] = f"{ours}.bias"
            names[f"{theirs}.attention.net.0.weight"] = f"{ours}.attention.squeeze.weight"
            names[f"{theirs}.attention.net.2.weight"] = f"{ours}.attention.excite.weight"
    return names


def check_mean_shift(tensors: dict[str, Tensor], name: str = "mean", largest: float = 255) -> None:
    """Take the published mean shift out of `tensors`, having made sure that it equals the built-in one.

    Args:
        tensors: a state dict with sub_<name> and add_<name>, each a weight and a bias.
        name: see above.
        largest: the value that white has in the network.
    """
    mean = largest * torch.tensor(RGB_MEAN)
    expected = {f"sub_{name}.bias": -mean, f"add_{name}.bias": mean}
    expected |= {f"{side}_{name}.weight": torch.eye(3).reshape(3, 3, 1, 1) for side in ("sub", "add")}
    for key, value in expected.items():
        if key not in tensors:
            raise HdsrError(f"missing key {key}")
        found = tensors.pop(key)
        stored = value.to(found.dtype).float()  # rounded as half precision rounds
        if found.shape != value.shape or not torch.allclose(found.float(), stored, atol=4e-6 * largest):
            raise HdsrError(f"{key} is not the built-in mean shift: expected {value.flatten().tolist()}")


def check_tensors(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    source: str,
    shown_as: Mapping[str, str] | None = None,
    network: str = "HDSRNet",
) -> None:
    """Raise HdsrError naming what is missing, unknown or of another shape in the weights of `network`."""

    names = {key: key for key in (*expected, *found)} | dict(shown_as or {})
    differing = {
        "missing": [names[key] for key in expected if key not in found],
        "unknown": [names[key] for key in found if key not in expected],
    }
    parts = [f"{what} {listed(keys)}" for what, keys in differing.items() if keys]
    if parts:
        raise HdsrError(f"{source} is not {network}: {'; '.join(parts)}")
    for key, value in expected.items():
        if found[key].shape != value.shape:
            shapes = f"{tuple(found[key].shape)}, expected {tuple(value.shape)}"
            raise HdsrError(f"{source}: {names[key]} has shape {shapes}")
    _check_finite({names[key]: found[key] for key in expected}, f"{source}:")


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """Raise HdsrError that names a tensor with values that are not finite numbers."""
    for key, value in tensors.items():
        if not value.is_floating_point() or not value.isfinite().all():
            raise HdsrError(f"{source} {key} holds values that are not finite numbers")
